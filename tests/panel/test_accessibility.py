"""Pins that axe finds nothing serious on any view, dark and light, wide and narrow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from panel_hub import PanelHub
from panel_screens import Screen, serious
from playwright.sync_api import expect
from waiting import until


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [1280, 280])
def test_axe_finds_nothing_serious(hub: PanelHub, screens: Callable[..., Screen], scheme: str, width: int) -> None:
    first = hub.one("shot.png", tags=("hero",))
    hub.one("shot_b.png", of=first, status="edited")
    hub.reject(hub.one("rejected.png"))
    hub.one("approved.png", status="approved")
    hub.one("waits.png")
    screen = screens(hub.url + "/", scheme=scheme, width=width)
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        # A colour that fades in is not yet the one that is read.
        until(lambda: screen.page.evaluate("document.getAnimations().every((one) => one.playState === 'finished')"))
        if problems := serious(screen):
            found[name] = problems

    expect(screen.cells.first).to_be_visible()
    look("the queue")
    screen.show_all()
    expect(screen.cells).to_have_count(4)
    screen.page.get_by_role("button", name="More filters").click()
    expect(screen.page.get_by_label("State")).to_be_visible()
    look("all, with filters")
    screen.page.get_by_role("combobox", name="Tag", exact=True).click()
    expect(screen.page.locator(".adb-option:visible")).to_have_count(1)
    look("tags that are offered")
    screen.press("Escape")
    screen.cell("waits.png").click(modifiers=["Control"])
    screen.cell("approved.png").hover()
    expect(screen.page.get_by_role("group", name="What is selected")).to_be_visible()
    look("a selection")
    screen.press("Escape")
    screen.page.get_by_label("Search names, prompts, models, tags and reasons").fill("nowhere")
    expect(screen.page.locator(".adb-message")).to_be_visible()
    look("nothing")
    screen.page.get_by_role("button", name="Clear the filters").click()
    screen.open("shot_b.png")
    expect(screen.viewer.locator(".adb-version")).to_have_count(2)
    look("the viewer")
    screen.press("r", "Enter")
    look("the reject form")
    screen.press("Escape", "c")
    look("side by side")
    screen.press("c")
    look("the slider")
    screen.press("?")
    look("the sheet")
    screen.press("Escape", "Delete")
    expect(screen.said.locator(".adb-notice")).to_be_visible()
    look("the trash, and a notice")
    assert found == {}


def test_nothing_is_wider_than_a_narrow_sidebar(hub: PanelHub, screens: Callable[..., Screen]) -> None:
    first = hub.one("a_very_long_name_without_a_blank_in_it_that_goes_on_and_on_and_on.png", size=(1200, 800))
    hub.one("shot_b.png", of=first, status="edited")
    screen = screens(hub.url + "/", width=280, height=600)
    screen.show_all()
    screen.page.get_by_role("button", name="More filters").click()
    expect(screen.page.get_by_label("State")).to_be_visible()
    wide = "document.documentElement.scrollWidth > innerWidth"
    assert not screen.page.evaluate(wide)
    columns = {round((cell.bounding_box() or {"x": 0})["x"]) for cell in screen.cells.all()}
    assert len(columns) == 1
    screen.open("shot_b.png").press("r")
    assert not screen.page.evaluate(wide)
    for button in screen.viewer.locator("button:visible").all():
        box = button.bounding_box()
        assert box is not None
        strip = button.evaluate("(at) => at.closest('.adb-strip') !== null")
        assert strip or (box["x"] >= 0 and box["x"] + box["width"] <= 280), button.get_attribute("aria-label")
