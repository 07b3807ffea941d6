"""Pins looking at a picture: zoom, pan, download, and what is shown in place of one that cannot be shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from panel_hub import PanelHub, picture
from panel_screens import Screen
from playwright.sync_api import expect
from waiting import until


def opened(hub: PanelHub, screen: Screen) -> dict[str, float]:
    """A picture larger than the stage, and where the stage is."""
    hub.one("large.png", size=(2400, 1600))
    screen.open("large.png").shown()
    until(lambda: screen.view()["scale"] < 1)
    return dict(screen.viewer.locator(".adb-stage").bounding_box() or {})


def test_a_picture_fits_and_the_wheel_zooms_about_the_pointer(hub: PanelHub, screen: Screen) -> None:
    stage = opened(hub, screen)
    before = screen.view()
    assert 2400 * before["scale"] <= stage["width"] + 1
    assert 1600 * before["scale"] <= stage["height"] + 1
    at = {"x": 200.0, "y": 150.0}
    screen.page.mouse.move(stage["x"] + at["x"], stage["y"] + at["y"])
    screen.page.mouse.wheel(0, -500)
    until(lambda: screen.view()["scale"] > before["scale"] * 1.5)
    after = screen.view()
    for axis in "xy":
        was = (at[axis] - before[axis]) / before["scale"]
        assert (at[axis] - after[axis]) / after["scale"] == pytest.approx(was, abs=2)


def test_a_drag_moves_the_picture_and_keys_do_the_same(hub: PanelHub, screen: Screen) -> None:
    stage = opened(hub, screen)
    screen.press("z")
    until(lambda: screen.view()["scale"] == 1)
    before = screen.view()
    mouse = screen.page.mouse
    mouse.move(stage["x"] + 300, stage["y"] + 200)
    mouse.down()
    mouse.move(stage["x"] + 340, stage["y"] + 170, steps=4)
    mouse.up()
    after = screen.view()
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((40, -30), abs=1)
    mouse.move(stage["x"] + 10, stage["y"] + 10)
    assert screen.view() == after, "the button is up"
    screen.press("Shift+ArrowLeft", "Shift+ArrowDown")
    moved = screen.view()
    assert (moved["x"] - after["x"], moved["y"] - after["y"]) == (60, -60)
    screen.press("+")
    assert screen.view()["scale"] == pytest.approx(1.25)
    screen.press("-", "-")
    assert screen.view()["scale"] == pytest.approx(0.8)
    screen.press("z")
    assert screen.view()["scale"] < 0.6
    screen.page.mouse.dblclick(stage["x"] + 100, stage["y"] + 100)
    assert screen.view()["scale"] == 1


def test_it_is_downloaded_under_its_own_name(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png")
    screen.open("shot.png")
    with screen.page.expect_download() as download:
        screen.press("d")
    assert download.value.suggested_filename == "shot.png"
    assert Path(download.value.path()).read_bytes() == Path(artifact.local_path).read_bytes()


def test_a_broken_picture_has_a_placeholder(hub: PanelHub, screen: Screen) -> None:
    hub.one("broken.png", data=picture(3)[:40])
    expect(screen.page.locator(".adb-cell.adb-loaded")).to_have_count(1)
    screen.open("broken.png")
    expect(screen.viewer.locator(".adb-note p")).to_have_text("This cannot be shown here; download it instead.")
    screen.shown()


def test_changed_bytes_are_shown_and_are_not_decided_on(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png", status="auto_approved")
    screen.show_all()
    expect(screen.cell("shot.png").locator(".adb-is-auto_approved")).to_be_visible()
    hub.change_bytes(artifact)
    screen.open("shot.png").sees("shot.png", "File changed")
    expect(screen.viewer.locator(".adb-told")).to_contain_text("is not what was recorded")
    screen.page.reload()
    screen.show_all()
    expect(screen.cell("shot.png").locator(".adb-is-changed")).to_be_visible()


def test_changed_bytes_of_what_waits_cannot_be_approved(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png")
    expect(screen.cells).to_have_count(1)
    hub.change_bytes(artifact)
    screen.open("shot.png")
    expect(screen.viewer.locator(".adb-note")).to_contain_text("is not what was recorded")
    screen.press("a")
    expect(screen.said.locator(".adb-error")).to_be_visible()
    screen.sees("shot.png", "Waiting")
    assert hub.status(artifact) == "pending"


def test_what_is_told_of_the_next_one_begins_at_its_top(hub: PanelHub, screens: Callable[..., Screen]) -> None:
    hub.queue(["one.png", "two.png"])
    screen = screens(hub.url + "/", width=280, height=600).open("one.png")
    side = screen.viewer.locator(".adb-side")
    side.evaluate("side => (side.scrollTop = 200)")
    assert side.evaluate("side => side.scrollTop") == 200
    screen.press("ArrowRight")
    screen.sees("two.png")
    assert side.evaluate("side => side.scrollTop") == 0


def test_states_are_told_by_shape_and_word_as_well_as_by_colour(hub: PanelHub, screen: Screen) -> None:
    for status in ("pending", "approved", "auto_approved", "edited"):
        hub.one(f"{status}.png", status=status)
    hub.reject(hub.one("rejected.png"))
    screen.show_all()
    expect(screen.cells).to_have_count(5)
    seen = {}
    for badge in screen.page.locator(".adb-cell .adb-badge").all():
        seen[badge.get_attribute("aria-label")] = badge.locator("path").get_attribute("d")
    assert set(seen) == {"Waiting", "Approved", "Usable", "Edited", "Rejected"}
    assert len({seen[word] for word in ("Waiting", "Approved", "Edited", "Rejected")}) == 4
