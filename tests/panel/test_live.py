"""Pins that what changes anywhere is seen everywhere: within a second, one cell at a time, and nothing is missed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import requests
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import chains, decisions, pages
from comfyui_artifact_db.library.opening import open_library
from panel_hub import PanelHub
from panel_screens import Screen
from playwright.sync_api import expect
from small_disks import resize
from waiting import until

WATCH = """() => {
  globalThis.touched = new Set();
  const watched = { subtree: true, childList: true, attributes: true, characterData: true };
  new MutationObserver((records) => {
    for (const { target } of records) {
      const at = target.nodeType === 1 ? target : target.parentElement;
      touched.add(at.closest(".adb-cell")?.textContent ?? at.className);
    }
  }).observe(document.querySelector(".adb-canvas"), watched);
}"""


def test_two_people_see_each_others_decisions(hub: PanelHub, screens: Callable[..., Screen]) -> None:
    anna, bob = screens(hub.url + "/"), screens(hub.url + "/")
    hub.queue(["one.png", "two.png"])
    for screen in (anna, bob):
        expect(screen.cells).to_have_count(2)
    anna.open("one.png")
    bob.open("one.png").press("a")
    anna.sees("one.png", "Approved")
    bob.press("Escape")
    expect(bob.cells).to_have_count(1)
    anna.press("Escape")
    expect(anna.cells).to_have_count(1)
    for screen in (anna, bob):
        expect(screen.tab("Waiting").locator(".adb-count")).to_have_text("1")


def test_a_disk_that_is_nearly_full_is_said_until_there_is_room(
    disk: Path, tmp_path: Path, screens: Callable[..., Screen]
) -> None:
    hub = PanelHub(tmp_path / "hub", f"store = '{disk / 'store'}'")
    try:
        screen = screens(hub.url + "/")
        line = screen.page.get_by_text("A disk of the hub is nearly full")
        expect(line).to_be_visible()
        resize(disk, "4g")
        until(lambda: requests.get(f"{hub.url}/health", timeout=5).json()["nearly_full"] == [])
        screen.page.evaluate("artifactDbPanel.room.look()")
        expect(line).to_be_hidden()
    finally:
        hub.close()


def test_the_second_of_two_decisions_is_refused_and_shows_the_first(
    hub: PanelHub, screens: Callable[..., Screen]
) -> None:
    artifact = hub.one("shot.png")
    anna, bob = screens(hub.url + "/"), screens(hub.url + "/")
    anna.open("shot.png").press("r")
    anna.page.keyboard.type("too dark")
    # Her browser hears nothing for a while: her decision is on what she saw.
    anna.page.evaluate("artifactDbPanel.host.live.stop()")
    bob.open("shot.png").press("a")
    bob.sees("shot.png", "Approved")
    anna.sees("shot.png", "Waiting")
    anna.press("Enter")
    expect(anna.said.locator(".adb-error")).to_contain_text("decide again")
    anna.sees("shot.png", "Approved")
    expect(anna.page.get_by_label("Why is it rejected?")).to_have_value("too dark")
    assert hub.status(artifact) == "approved"
    anna.press("Enter")
    anna.sees("shot.png", "Rejected")


def test_a_decision_over_rest_or_by_another_process_is_seen(hub: PanelHub, screen: Screen) -> None:
    one, two = hub.queue(["one.png", "two.png"])
    expect(screen.cells).to_have_count(2)
    screen.show_all()
    requests.post(f"{hub.url}/artifacts/{one.id}/approve", json={"approved_by": "carol"}, timeout=20)
    expect(screen.cell("one.png").locator(".adb-is-approved")).to_be_visible()
    hub.reject(two)
    expect(screen.cell("two.png").locator(".adb-is-rejected")).to_be_visible()
    decisions.tag(hub.library, two.id, "later", by="carol")
    screen.open("two.png")
    expect(screen.viewer.locator(".adb-tag")).to_have_text(["later"])


def test_one_changed_artifact_redraws_one_cell(hub: PanelHub, screen: Screen) -> None:
    hub.queue([f"shot_{letter}.png" for letter in "abcdefgh"])
    screen.show_all()
    expect(screen.page.locator(".adb-cell.adb-loaded")).to_have_count(8)
    (changed,) = hub.queue(["shot_i.png"])
    expect(screen.page.locator(".adb-cell.adb-loaded")).to_have_count(9)
    screen.page.evaluate(WATCH)
    hub.reject(changed)
    expect(screen.cell("shot_i.png").locator(".adb-is-rejected")).to_be_visible()
    assert screen.page.evaluate("[...touched]") == ["shot_i.png"]


def test_nothing_is_missed_across_a_lost_connection(hub: PanelHub, screen: Screen) -> None:
    one, two, three = hub.queue(["one.png", "two.png", "three.png"])
    screen.show_all()
    expect(screen.cells).to_have_count(3)
    hub.approve(three)
    expect(screen.cell("three.png").locator(".adb-is-approved")).to_be_visible()
    screen.open("two.png")
    hub.stop()
    expect(screen.page.locator(".adb-lost")).to_be_attached()
    hub.approve(one)
    hub.reject(two, "while you were away")
    hub.one("four.png")
    hub.start()
    screen.sees("two.png", "Rejected")
    expect(screen.viewer.locator(".adb-told")).to_contain_text("while you were away")
    screen.press("Escape")
    expect(screen.cell("one.png").locator(".adb-is-approved")).to_be_visible()
    expect(screen.cell("four.png")).to_be_visible()
    expect(screen.page.locator(".adb-lost")).to_be_hidden()


def test_what_was_opened_while_the_hub_was_away_is_there_when_it_is_back(hub: PanelHub, screen: Screen) -> None:
    first = hub.one("shot.png")
    hub.one("shot.png", of=first)
    hub.queue([f"{n}.png" for n in range(40)])
    screen.page.set_viewport_size({"width": 400, "height": 400})
    screen.show_all()
    expect(screen.cells.first).to_be_visible()
    hub.approve(hub.one("heard.png"))
    expect(screen.cell("heard.png").locator(".adb-is-approved")).to_be_visible()
    hub.stop()
    expect(screen.page.locator(".adb-lost")).to_be_visible()
    screen.page.locator(".adb-list").evaluate("list => (list.scrollTop = list.scrollHeight)")
    screen.cell("shot.png").click()
    expect(screen.viewer.locator(".adb-note")).to_contain_text("the server does not answer")
    hub.start()
    screen.shown()
    expect(screen.viewer.locator(".adb-note")).to_be_hidden()
    expect(screen.viewer.locator(".adb-version")).to_have_count(2)
    expect(screen.viewer.locator(".adb-story li")).to_have_count(1)
    screen.press("Escape")
    thumbs = "[...document.querySelectorAll('.adb-thumb')]"
    until(lambda: screen.page.evaluate(f"{thumbs}.length > 5 && {thumbs}.every((one) => one.naturalWidth)"))


def test_a_late_answer_does_not_take_a_newer_version_out_of_the_strip(hub: PanelHub, screen: Screen) -> None:
    first = hub.one("shot.png")
    screen.open("shot.png")
    release = screen.hold("versions")
    hub.reject(first)
    screen.sees("shot.png", "Rejected")
    hub.one("shot.png", of=first)
    expect(screen.viewer.locator(".adb-version")).to_have_count(2)
    release()
    screen.page.evaluate("new Promise((done) => setTimeout(done, 300))")
    expect(screen.viewer.locator(".adb-version")).to_have_count(2)


def test_nothing_is_missed_when_nothing_had_been_heard_before(hub: PanelHub, screen: Screen) -> None:
    expect(screen.page.locator(".adb-message")).to_contain_text("Nothing waits")
    hub.stop()
    expect(screen.page.locator(".adb-lost")).to_be_visible()
    hub.one("meanwhile.png")
    hub.start()
    expect(screen.cell("meanwhile.png")).to_be_visible()


HIDING = """() => {
  globalThis.seen = true;
  Object.defineProperty(document, "hidden", { get: () => !seen });
  globalThis.look = (on) => { seen = on; document.dispatchEvent(new Event("visibilitychange")); };
}"""
"""A browser without a screen shows every tab: it is told here which of them somebody sees."""


def test_more_tabs_than_a_browser_has_connections_are_no_trouble(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png")
    first = screen.page
    first.context.add_init_script(f"({HIDING})()")
    for _ in range(7):
        tab = Screen(first.context.new_page()).visit(hub.url + "/")
        expect(tab.cells).to_have_count(1)
        tab.page.evaluate("look(false)")
    screen.open("shot.png").press("a")
    screen.sees("shot.png", "Approved")
    assert hub.status(artifact) == "approved"
    expect(tab.cells).to_have_count(1)
    tab.page.evaluate("look(true)")
    expect(tab.cells).to_have_count(0)


def test_a_hub_that_was_put_back_to_an_earlier_state_is_heard(tmp_path: Path, screens: Callable[..., Screen]) -> None:
    hub = PanelHub(tmp_path / "hub")
    data, kept = hub.shell.data, tmp_path / "kept"
    try:
        hub.stop()
        hub.library.close()
        shutil.copytree(data, kept)
        hub.start()
        hub.library = open_library(load_config(data, {}))
        screen = screens(hub.url + "/")
        hub.queue(["one.png", "two.png", "three.png"])
        expect(screen.cells).to_have_count(3)
        hub.stop()
        hub.library.close()
        shutil.rmtree(data)
        shutil.copytree(kept, data)
        hub.start()
        hub.library = open_library(load_config(data, {}))
        expect(screen.cells).to_have_count(0)
        hub.one("after.png")
        expect(screen.cell("after.png")).to_be_visible()
    finally:
        hub.close()


def test_a_deleted_chain_takes_its_pictures_off_the_screen(hub: PanelHub, screen: Screen) -> None:
    hub.one("kept.png", chain="book")
    hub.one("gone.png", chain="film")
    screen.open("gone.png")
    film = next(c for c in chains.list_chains(hub.library, pages.Ask(50, None)).items if c.name == "film")
    chains.delete_chain(hub.library, film.id, actor="carol")
    expect(screen.viewer).to_be_hidden()
    expect(screen.said).to_contain_text("deleted with its chain")
    until(lambda: screen.names() == ["kept.png"])
