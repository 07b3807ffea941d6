"""Pins importing a folder from the panel: offered for what the configuration names, to those who may, with progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import invariants
import pytest
from making import png
from output_folders import GOOD, every_kind
from panel_hub import PanelHub
from panel_screens import Screen
from playwright.sync_api import expect
from waiting import until


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return every_kind(tmp_path / "output")


@pytest.fixture
def importing(tmp_path: Path, home: Path) -> Iterator[PanelHub]:
    """A hub that may import a folder whose name is markup as far as names can be."""
    hub = PanelHub(tmp_path / "hub", f"[folders]\nrenders = {str(home)!r}\n")
    yield hub
    invariants.check(hub.library)
    hub.close()


def test_a_configured_folder_is_imported_and_what_came_of_it_is_said(
    importing: PanelHub, home: Path, screens: Callable[..., Screen]
) -> None:
    (home / "<b>line\nbreak.txt").write_text("x")
    screen = screens(importing.url + "/")
    screen.show_all()
    screen.page.get_by_role("button", name="Import folders").click()
    screen.page.get_by_role("button", name="Import renders").click()
    row = screen.page.locator(".adb-import")
    expect(row).to_contain_text(f"renders: {len(GOOD)} added, 1 not taken in")
    expect(screen.cells).to_have_count(len(GOOD))
    row.locator("summary").click()
    expect(row.locator("li")).to_contain_text("<b>line")
    expect(row.locator("b")).to_have_count(0)
    (home / "<b>line\nbreak.txt").unlink()
    screen.page.get_by_role("button", name="Import renders").click()
    expect(row).to_contain_text(f"renders: 0 added, {len(GOOD)} here already")


def test_while_an_import_runs_the_focus_and_what_is_unfolded_stay_and_a_hub_that_stops_ends_it(
    tmp_path: Path, screens: Callable[..., Screen]
) -> None:
    many, wrong = tmp_path / "many", tmp_path / "wrong"
    for folder in (many, wrong):
        folder.mkdir()
    (wrong / "<b>line\nbreak.txt").write_text("x")
    for number in range(3000):
        (many / f"{number:04}.png").write_bytes(png(1) + number.to_bytes(4, "big"))
    hub = PanelHub(tmp_path / "hub", f"[folders]\nmany = {str(many)!r}\nwrong = {str(wrong)!r}\n")
    try:
        screen = screens(hub.url + "/")
        rows = {name: screen.page.locator(".adb-import", has_text=name) for name in ("many", "wrong")}
        screen.page.get_by_role("button", name="Import folders").click()
        screen.page.get_by_role("button", name="Import wrong").click()
        expect(rows["wrong"]).to_contain_text("1 not taken in")
        rows["wrong"].locator("summary").click()
        screen.page.get_by_role("button", name="Import many").focus()
        screen.press("Enter")
        expect(rows["many"]).to_contain_text("of 3,000 files")
        progress = rows["many"].locator("progress")
        before = progress.evaluate("bar => bar.value")
        until(lambda: progress.evaluate("bar => bar.value") > before)
        assert rows["wrong"].locator("details").evaluate("one => one.open")
        assert screen.focused() == "Stop importing many"
        hub.stop()
        hub.start()
        expect(rows["many"]).to_contain_text("stopped; import again to go on")
        until(lambda: screen.focused() == "Import many")
    finally:
        hub.close()


def test_where_no_folder_is_configured_none_is_offered(screen: Screen) -> None:
    screen.show_all()
    expect(screen.page.locator(".adb-imports")).to_be_hidden()
