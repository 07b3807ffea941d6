"""Pins versions: as stacks, as a strip, two compared, edited ones handed in, old ones restored."""

from __future__ import annotations

from pathlib import Path

import pytest
from panel_hub import PanelHub, picture
from panel_screens import Screen
from playwright.sync_api import expect
from waiting import until


def strip(screen: Screen) -> list[str]:
    return [str(one.get_attribute("aria-label")) for one in screen.viewer.locator(".adb-version").all()]


def test_versions_of_an_output_are_one_stack(hub: PanelHub, screen: Screen) -> None:
    first = hub.one("shot.png", status="auto_approved")
    hub.one("other.png", status="auto_approved")
    screen.show_all()
    expect(screen.cells).to_have_count(2)
    hub.one("shot_b.png", of=first, status="auto_approved")
    expect(screen.cell("shot_b.png")).to_contain_text("v2")
    assert screen.names() == ["shot_b.png", "other.png"]
    screen.open("shot_b.png")
    assert strip(screen) == ["v2, Usable, Current", "v1, Usable"]
    screen.press("Delete", "Escape")
    expect(screen.cells).to_have_count(2)
    until(lambda: screen.names() == ["other.png", "shot.png"])


def batch(screen: Screen) -> list[str]:
    return [str(one.get_attribute("aria-label")) for one in screen.viewer.locator(".adb-sibling").all()]


def test_a_batch_is_one_stack_and_any_of_it_can_be_offered(hub: PanelHub, screen: Screen) -> None:
    hub.record("four.png", count=4, status="auto_approved", node_id="9")
    hub.one("other.png", status="auto_approved")
    screen.show_all()
    until(lambda: screen.names() == ["other.png", "four.png"])
    expect(screen.cell("four.png")).to_have_attribute(
        "aria-label", "four.png, version 1, Usable, 4 pictures of one run, Current"
    )
    screen.open("four.png")
    until(lambda: batch(screen) == ["#1, Usable, Current", "#2, Usable", "#3, Usable", "#4, Usable"])
    screen.press("ArrowDown", "ArrowDown", "s")
    until(lambda: batch(screen) == ["#1, Usable", "#2, Usable", "#3, Usable, Current", "#4, Usable"])
    expect(screen.viewer.locator(".adb-sibling[aria-current]")).to_have_attribute("aria-label", "#3, Usable, Current")
    screen.press("u")
    until(lambda: batch(screen)[0] == "#1, Usable, Current")
    screen.press("c")
    expect(screen.viewer.locator(".adb-layer-label")).to_have_text(["#1", "#3"])
    screen.press("Escape")
    expect(screen.cells).to_have_count(2)


def test_in_the_queue_each_of_a_batch_is_decided_on_by_itself(hub: PanelHub, screen: Screen) -> None:
    hub.record("four.png", count=4, node_id="9")
    expect(screen.cells).to_have_count(4)
    screen.cells.first.click()
    screen.press("a")
    screen.sees("four.png", "Approved")
    screen.press("Escape")
    expect(screen.cells).to_have_count(3)


def test_an_edit_of_one_of_a_batch_stays_in_it(hub: PanelHub, screen: Screen) -> None:
    four = hub.record("four.png", count=4, status="auto_approved", node_id="9")
    screen.show_all().open("four.png")
    hub.one("edited.png", of=four[1], status="edited", node_id="9")
    until(lambda: batch(screen)[1] == "#2, Edited")
    screen.viewer.locator(".adb-sibling").nth(1).click()
    screen.sees("edited.png", "Edited")
    until(lambda: strip(screen) == ["v2, Edited", "v1, Usable"])
    screen.press("Escape")
    expect(screen.cells).to_have_count(1)


def test_two_versions_that_wait_are_decided_on_each_by_itself(hub: PanelHub, screen: Screen) -> None:
    first = hub.one("shot.png")
    expect(screen.cells).to_have_count(1)
    hub.one("shot_b.png", of=first)
    # The older one waits no longer unless it is what the workflow offers: the hub says which.
    listed = {artifact.filename for artifact in hub.versions(first) if artifact.is_latest or artifact.version == 2}
    until(lambda: set(screen.names()) == listed)


def test_any_version_is_turned_to(hub: PanelHub, screen: Screen) -> None:
    first = hub.one("shot.png", status="auto_approved")
    hub.one("shot_b.png", of=first, status="auto_approved")
    screen.show_all().open("shot_b.png")
    screen.viewer.locator(".adb-version").nth(1).click()
    screen.sees("shot.png", "Usable")
    until(lambda: screen.focused() == "v1, Usable")
    expect(screen.viewer.locator(".adb-version[aria-current]")).to_have_count(1)


@pytest.mark.parametrize("how", ["picker", "drop", "paste"])
def test_an_edited_file_becomes_a_version(hub: PanelHub, screen: Screen, how: str, tmp_path: Path) -> None:
    artifact = hub.one("shot.png")
    data = picture(77)
    if how == "picker":
        (tmp_path / "retouched.png").write_bytes(data)
        with screen.page.expect_file_chooser() as chosen:  # The browser is told to hand it over well before it opens.
            screen.open("shot.png").press("e")
        chosen.value.set_files(tmp_path / "retouched.png")
    else:
        screen.open("shot.png").hand_in(how, data, "retouched.png", ".adb-stage" if how == "drop" else "body")
    expect(screen.said).to_contain_text("Kept as version 2")
    screen.sees("retouched.png", "Edited")
    head, old = hub.versions(artifact)
    assert (head.parent_artifact_id, head.approval_status, old.approval_status) == (artifact.id, "edited", "pending")
    assert Path(head.local_path).read_bytes() == data
    expect(screen.viewer.locator(".adb-version")).to_have_count(2)


def test_a_file_that_is_no_picture_is_refused_with_a_word(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png")
    screen.open("shot.png").hand_in("drop", b"no picture at all", "a.png")
    expect(screen.said.locator(".adb-error")).to_be_visible()
    screen.sees("shot.png", "Waiting")
    assert len(hub.versions(artifact)) == 1


def test_a_version_that_waits_is_not_offered_to_be_restored(hub: PanelHub, screen: Screen) -> None:
    first = hub.one("shot.png", status="auto_approved")
    hub.one("shot_b.png", of=first)
    screen.open("shot_b.png")
    expect(screen.viewer.locator(".adb-version")).to_have_count(2)
    expect(screen.button("Approve")).to_be_visible()
    expect(screen.button("Restore")).to_have_count(0)


def test_an_old_version_is_restored_as_a_new_one(hub: PanelHub, screen: Screen) -> None:
    first = hub.one("shot.png", status="auto_approved")
    hub.one("shot_b.png", of=first, status="auto_approved")
    screen.show_all().open("shot_b.png")
    screen.viewer.locator(".adb-version").nth(1).click()
    screen.button("Restore").click()
    expect(screen.said).to_contain_text("Restored as version 3")
    expect(screen.viewer.locator(".adb-version")).to_have_count(3)
    head = hub.versions(first)[0]
    assert (head.version, head.sha256, head.is_latest) == (3, first.sha256, True)


def test_two_are_compared_side_by_side_and_zoomed_as_one(hub: PanelHub, screen: Screen) -> None:
    first = hub.one("shot.png", size=(1600, 900), status="auto_approved")
    hub.one("shot_b.png", of=first, size=(1600, 900), status="auto_approved")
    screen.show_all().open("shot_b.png")
    expect(screen.viewer.locator(".adb-version")).to_have_count(2)
    screen.press("c")
    labels = screen.viewer.locator(".adb-layer-label")
    expect(labels).to_have_text(["v1", "v2"])
    left, right = (one.bounding_box() for one in screen.viewer.locator(".adb-layer").all())
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] == pytest.approx(right["x"], abs=2)
    screen.shown()
    screen.page.mouse.move(right["x"] + 50, right["y"] + 50)
    screen.page.mouse.wheel(0, -400)
    transforms = "[...document.querySelectorAll('.adb-picture')].map((one) => one.style.transform)"
    until(lambda: len(set(screen.page.evaluate(transforms))) == 1 and screen.view()["scale"] > 0.5)


def test_a_slider_uncovers_one_version_over_the_other(hub: PanelHub, screen: Screen) -> None:
    first = hub.one("shot.png", status="auto_approved")
    hub.one("shot_b.png", of=first, status="auto_approved")
    screen.show_all().open("shot_b.png")
    expect(screen.viewer.locator(".adb-version")).to_have_count(2)
    screen.press("c", "c")
    slider = screen.page.get_by_label("Where the two pictures meet")
    cut = lambda: screen.page.evaluate("document.querySelector('.adb-after').style.clipPath")
    expect(slider).to_have_value("50")
    stage = screen.viewer.locator(".adb-stage").bounding_box()
    assert stage is not None
    screen.page.mouse.move(stage["x"] + stage["width"] / 4, stage["y"] + 60)
    expect(slider).to_have_value("25")
    slider.focus()
    screen.press("ArrowRight")
    expect(slider).to_have_value("26")
    assert "26%" in cut()
    screen.press("c")
    expect(slider).to_have_count(0)
    expect(screen.button("Compare")).to_have_attribute("aria-pressed", "false")


def test_shift_and_click_picks_what_to_compare_with(hub: PanelHub, screen: Screen) -> None:
    first = hub.one("shot.png", status="auto_approved")
    for letter in "bc":
        hub.one(f"shot_{letter}.png", of=first, status="auto_approved")
    screen.show_all().open("shot_c.png")
    screen.viewer.locator(".adb-version").nth(2).click(modifiers=["Shift"])
    expect(screen.viewer.locator(".adb-layer-label")).to_have_text(["v1", "v3"])
    screen.viewer.locator(".adb-version").nth(2).click()
    expect(screen.viewer.locator(".adb-layer-label")).to_have_text(["v3", "v1"])
