"""Pins tags in the panel: offered while they are typed, put on one and on many, live, and only by those who may."""

from __future__ import annotations

from collections.abc import Callable

from comfyui_artifact_db.library import decisions, tags
from panel_hub import PanelHub
from panel_screens import Screen, serious
from playwright.sync_api import Locator, expect
from waiting import until


def chips(screen: Screen) -> Locator:
    return screen.viewer.locator(".adb-tag")


def offered(screen: Screen) -> Locator:
    return screen.page.locator(".adb-option:visible")


def selected(screen: Screen) -> list[str]:
    return screen.page.locator(".adb-cell[aria-selected=true] .adb-caption").all_text_contents()


def test_the_filter_offers_tags_as_they_are_typed_by_mouse_and_by_keys(hub: PanelHub, screen: Screen) -> None:
    hub.one("a.png", tags=("hero", "Heron"))
    hub.one("b.png", tags=("hero",))
    hub.one("c.png", tags=("dusk",))
    screen.page.get_by_role("button", name="More filters").click()
    field = screen.page.get_by_role("combobox", name="Tag", exact=True)
    field.click()
    expect(offered(screen)).to_have_text(["dusk1", "hero2", "Heron1"])
    screen.page.keyboard.type("HE")
    expect(offered(screen)).to_have_text(["hero2", "Heron1"])
    expect(field).to_have_attribute("aria-expanded", "true")
    assert serious(screen) == []
    screen.press("ArrowDown", "ArrowDown")
    active = field.get_attribute("aria-activedescendant")
    assert screen.page.locator(f"[id='{active}']").text_content() == "Heron1"
    screen.press("Enter")
    expect(field).to_have_value("Heron")
    expect(offered(screen)).to_have_count(0)
    until(lambda: screen.names() == ["a.png"])
    field.fill("he")
    screen.press("Enter")
    expect(field).to_have_value("hero")
    until(lambda: screen.names() == ["b.png", "a.png"])
    field.fill("d")
    offered(screen).click()
    until(lambda: screen.names() == ["c.png"])
    field.fill("not taken")
    field.blur()
    expect(field).to_have_value("dusk")
    field.fill("")
    expect(screen.cells).to_have_count(3)


def test_a_tag_is_put_on_and_taken_off_in_the_viewer_and_taken_back(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png", tags=("hero",))
    hub.one("other.png", tags=("dusk", "draft"))
    screen.open("shot.png")
    expect(chips(screen)).to_have_text(["hero"])
    screen.press("t")
    screen.page.keyboard.type("d")
    expect(offered(screen)).to_have_text(["draft1", "dusk1"])
    screen.press("ArrowUp", "Enter")
    expect(chips(screen)).to_have_text(["dusk", "hero"])
    screen.page.keyboard.type("night shot, a/b?")
    screen.press("Enter")
    expect(chips(screen)).to_have_text(["a/b?", "dusk", "hero", "night shot"])
    assert hub.artifact(artifact.id).tags == ("a/b?", "dusk", "hero", "night shot")
    screen.button("Remove the tag dusk").focus()
    screen.press("Enter")
    expect(chips(screen)).to_have_text(["a/b?", "hero", "night shot"])
    until(lambda: screen.focused() == "Add a tag")
    screen.press("Escape")
    expect(screen.viewer).to_be_focused()
    screen.press("u")
    expect(chips(screen)).to_have_count(4)
    screen.sees("shot.png", "Waiting")


def test_tags_in_the_viewer_are_live_and_what_is_being_typed_stays(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png")
    screen.open("shot.png")
    screen.press("t")
    screen.page.keyboard.type("half a wo")
    decisions.tag(hub.library, artifact.id, "theirs", by="carol")
    expect(chips(screen)).to_have_text(["theirs"])
    until(lambda: screen.focused() == "Add a tag")
    screen.page.keyboard.type("rd")
    screen.press("Enter")
    expect(chips(screen)).to_have_text(["half a word", "theirs"])
    decisions.untag(hub.library, artifact.id, "theirs", by="carol")
    expect(chips(screen)).to_have_text(["half a word"])


def test_a_tag_that_the_hub_does_not_get_is_there_to_be_tried_again(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png")
    screen.open("shot.png")
    hub.stop()
    screen.press("t")
    screen.page.keyboard.type("hero")
    screen.press("Enter")
    expect(screen.said).to_contain_text("The server did not answer")
    expect(screen.viewer.get_by_label("Add a tag", exact=True)).to_have_value("hero")
    expect(chips(screen)).to_have_count(0)
    hub.start()
    screen.press("Enter")
    expect(chips(screen)).to_have_text(["hero"])
    assert hub.artifact(artifact.id).tags == ("hero",)


def test_several_are_selected_by_mouse_and_by_keys(hub: PanelHub, screen: Screen) -> None:
    hub.queue([f"{n}.png" for n in range(8)])
    expect(screen.cells).to_have_count(8)
    bar = screen.page.get_by_role("group", name="What is selected")
    screen.cell("1.png").click(modifiers=["Control"])
    screen.cell("3.png").click(modifiers=["Shift"])
    expect(bar).to_contain_text("3 selected")
    until(lambda: selected(screen) == ["1.png", "2.png", "3.png"])
    expect(screen.viewer).to_be_hidden()
    screen.cell("2.png").click(modifiers=["Control"])
    screen.cell("6.png").hover()
    screen.cell("6.png").locator(".adb-tick").click()
    until(lambda: selected(screen) == ["1.png", "3.png", "6.png"])
    assert serious(screen) == []
    screen.press("ArrowRight", "x")
    expect(bar).to_contain_text("4 selected")
    screen.press("Home", "Shift+X")
    expect(bar).to_contain_text("8 selected")
    screen.press("Escape")
    expect(bar).to_be_hidden()
    until(lambda: selected(screen) == [])
    until(lambda: "0.png" in screen.focused())
    screen.press("Control+a")
    expect(bar).to_contain_text("8 selected")
    screen.press("t")
    until(lambda: screen.focused() == "Add a tag to all that are selected")
    bar.get_by_role("button", name="Select nothing").click()
    expect(bar).to_be_hidden()
    until(lambda: "0.png" in screen.focused())
    screen.open("2.png")


def test_a_tag_is_put_on_all_that_are_selected_taken_off_and_taken_back(hub: PanelHub, screen: Screen) -> None:
    one, two, three = hub.queue(["one.png", "two.png", "three.png"])
    batch = hub.record("four.png", count=2, node_id="9")
    decisions.tag(hub.library, two.id, "hero", by="carol")
    screen.show_all()
    expect(screen.cells).to_have_count(4)
    for name in ("one.png", "two.png", "four.png"):
        screen.cell(name).click(modifiers=["Control"])

    def having(tag: str) -> set[str]:
        return {a.id for a in (*batch, one, two, three) if tag in hub.artifact(a.id).tags}

    all_four = {one.id, two.id, *(a.id for a in batch)}
    add = screen.page.get_by_label("Add a tag to all that are selected")
    add.click()
    screen.page.keyboard.type("he")
    offered(screen).click()
    expect(screen.said).to_contain_text("4 are tagged “hero”")
    assert having("hero") == all_four
    screen.press("Escape", "u")
    expect(screen.said).to_contain_text("Taken back")
    assert having("hero") == {two.id}
    screen.press("Control+a")
    remove = screen.page.get_by_label("Remove a tag from all that are selected")
    until(lambda: remove.click() or offered(screen).all_text_contents() == ["hero1"])
    screen.press("ArrowDown", "Enter")
    expect(screen.said).to_contain_text("no longer tagged “hero”")
    assert having("hero") == set()


def test_what_somebody_else_decides_is_not_selected_any_more(hub: PanelHub, screen: Screen) -> None:
    one, two, _ = hub.queue(["one.png", "two.png", "three.png"])
    expect(screen.cells).to_have_count(3)
    screen.cell("one.png").click(modifiers=["Control"])
    screen.cell("two.png").click(modifiers=["Control"])
    hub.approve(two)
    bar = screen.page.get_by_role("group", name="What is selected")
    expect(bar).to_contain_text("1 selected")
    until(lambda: selected(screen) == ["one.png"])
    hub.one("new.png")
    expect(screen.cells).to_have_count(3)
    until(lambda: selected(screen) == ["one.png"])
    tags.change_tags(hub.library, [one.id], add=["later"], by="carol")
    expect(bar).to_contain_text("1 selected")


def test_whoever_may_only_look_sees_tags_and_changes_none(hub: PanelHub, screens: Callable[..., Screen]) -> None:
    hub.one("shot.png", tags=("hero",))
    hub.one("plain.png")
    screen = screens()
    may = '{"name": "lena", "role": "view", "permissions": ["view"], "via": "session"}'
    screen.page.route("**/session", lambda route: route.fulfill(content_type="application/json", body=may))
    screen.visit(hub.url + "/")
    expect(screen.page.get_by_text("lena (may look)")).to_be_visible()
    screen.open("shot.png")
    expect(chips(screen)).to_have_text(["hero"])
    expect(screen.viewer.get_by_label("Remove the tag hero")).to_have_count(0)
    expect(screen.viewer.get_by_label("Add a tag")).to_be_hidden()
    screen.press("t", "Escape")
    screen.cell("plain.png").hover()
    expect(screen.cell("plain.png").locator(".adb-tick")).to_be_hidden()
    screen.press("x", "Control+a")
    until(lambda: selected(screen) == [])
    screen.open("plain.png")
    expect(screen.viewer.locator(".adb-tags")).to_be_hidden()
