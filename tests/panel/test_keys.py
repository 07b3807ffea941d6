"""Pins working without a mouse: a whole queue, every key, and a focus that is never lost."""

from __future__ import annotations

from panel_hub import PanelHub
from panel_screens import Screen
from playwright.sync_api import expect
from waiting import until

NAMES = ["one.png", "two.png", "three.png", "four.png", "five.png"]


def test_a_queue_of_five_is_worked_through_by_keys_alone(hub: PanelHub, screen: Screen) -> None:
    one, two, three, four, five = hub.queue(NAMES)
    expect(screen.cells).to_have_count(5)
    for _ in range(8):
        screen.press("Tab")
        if screen.page.evaluate("document.activeElement.matches('.adb-cell')"):
            break
    until(lambda: "one.png" in screen.focused())
    screen.press("Enter").sees("one.png", "Waiting")
    screen.press("a").sees("one.png", "Approved")
    screen.press("ArrowRight").sees("two.png", "Waiting")
    screen.press("r")
    screen.page.keyboard.type("flat light")
    screen.press("Enter").sees("two.png", "Rejected")
    screen.press("ArrowRight").sees("three.png", "Waiting")
    screen.press("ArrowRight").sees("four.png", "Waiting")
    screen.press("a").sees("four.png", "Approved")
    screen.press("u").sees("four.png", "Waiting")
    screen.press("a").sees("four.png", "Approved")
    screen.press("ArrowLeft").sees("three.png", "Waiting")
    screen.press("a").sees("three.png", "Approved")
    screen.press("ArrowRight").sees("five.png", "Waiting")
    screen.press("ArrowRight")
    expect(screen.said).to_contain_text("There are no more.")
    screen.press("Delete").sees("five.png", "In the trash")
    screen.press("Escape")
    expect(screen.page.locator(".adb-message")).to_contain_text("Nothing waits for you.")
    until(lambda: screen.page.evaluate("document.activeElement.matches('.adb-list')"))
    states = [hub.status(artifact) for artifact in (one, two, three, four)]
    assert states == ["approved", "rejected", "approved", "approved"]
    assert hub.artifact(two.id).rejection_reason == "flat light"
    assert hub.artifact(five.id).deleted_at


def test_arrows_walk_through_the_list_and_tab_comes_back_to_where_one_was(hub: PanelHub, screen: Screen) -> None:
    hub.queue(NAMES)
    expect(screen.cells).to_have_count(5)
    screen.page.get_by_label("Search names, prompts, models, tags and reasons").focus()
    screen.press("ArrowDown")
    until(lambda: "one.png" in screen.focused())
    for key, name in (
        ("ArrowRight", "two"),
        ("ArrowRight", "three"),
        ("End", "five"),
        ("Home", "one"),
        ("ArrowLeft", "one"),
    ):
        screen.press(key)
        until(lambda shown=f"{name}.png": shown in screen.focused())
    screen.press("ArrowRight", "Shift+Tab")
    until(lambda: screen.focused() == "More filters")
    screen.press("Tab")
    until(lambda: "two.png" in screen.focused())
    screen.press("/")
    until(lambda: screen.focused() == "Search names, prompts, models, tags and reasons")
    screen.press("Escape")
    until(lambda: "two.png" in screen.focused())
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert screen.page.evaluate(outline) == "solid"


def test_the_focus_stays_on_what_was_pressed_or_where_keys_are_heard(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png")
    screen.open("shot.png")
    expect(screen.viewer).to_be_focused()
    screen.button("Fit or full size").focus()
    hub.one("shot_b.png", of=artifact)
    expect(screen.viewer.locator(".adb-version")).to_have_count(2)
    until(lambda: screen.focused() == "Fit or full size")
    screen.button("Approve").focus()
    screen.press("Enter").sees("shot.png", "Approved")
    until(lambda: screen.focused() != "nothing")
    screen.press("c")
    expect(screen.viewer.locator(".adb-layer")).to_have_count(2)
    screen.said.get_by_role("button", name="Dismiss").click()
    expect(screen.viewer).to_be_focused()


def test_the_focus_goes_to_what_took_the_place_of_what_somebody_else_decided(hub: PanelHub, screen: Screen) -> None:
    _, two, _ = hub.queue(NAMES[:3])
    expect(screen.cells).to_have_count(3)
    screen.page.get_by_label("Search names, prompts, models, tags and reasons").focus()
    screen.press("ArrowDown", "ArrowRight")
    hub.approve(two)
    expect(screen.cells).to_have_count(2)
    until(lambda: "three.png" in screen.focused())


def test_tab_goes_round_within_the_viewer(hub: PanelHub, screen: Screen) -> None:
    hub.one("shot.png")
    screen.open("shot.png")
    seen = []
    for _ in range(40):
        screen.press("Tab")
        until(lambda: screen.page.evaluate("document.activeElement.closest('.adb-overlay') !== null"))
        seen.append(screen.focused())
        if seen.count("Next") == 2:
            break
    assert {"Approve", "Reject", "Download", "Delete", "Close"} <= set(seen)
    screen.press("Shift+Tab", "Shift+Tab")
    until(lambda: screen.page.evaluate("document.activeElement.closest('.adb-overlay') !== null"))


def test_the_sheet_tells_of_every_key_and_only_its_own_keys_work_on_it(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png")
    screen.open("shot.png")
    screen.button("Fit or full size").focus()
    screen.press("?")
    sheet = screen.page.get_by_role("dialog", name="Keys")
    for told in ("Approve", "Reject, with a reason", "Compare: side by side, slider, end", "Undo", "This sheet"):
        expect(sheet.get_by_text(told, exact=True)).to_be_visible()
    until(lambda: screen.focused() == "Close")
    screen.press("a", "Delete", "Tab", "Tab")
    until(lambda: screen.focused() == "Close")
    screen.press("Escape")
    expect(sheet).to_have_count(0)
    until(lambda: screen.focused() == "Fit or full size")
    assert hub.status(artifact) == "pending"
    screen.press("Escape")
    expect(screen.viewer).to_be_hidden()
    screen.press("?")
    expect(sheet).to_be_visible()
    screen.press("?")
    expect(sheet).to_have_count(0)


def test_keys_are_not_heard_while_somebody_types(hub: PanelHub, screen: Screen) -> None:
    hub.one("aru.png")
    expect(screen.cells).to_have_count(1)
    search = screen.page.get_by_label("Search names, prompts, models, tags and reasons")
    search.focus()
    screen.page.keyboard.type("aru/?")
    expect(search).to_have_value("aru/?")
    expect(screen.page.get_by_role("dialog", name="Keys")).to_have_count(0)
