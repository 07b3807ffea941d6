"""Pins finding things: filters, search, what an empty list says, errors with a way out, and lists of thousands."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from panel_hub import PanelHub, picture
from panel_screens import Screen
from playwright.sync_api import Route, expect
from waiting import until

MANY = 2000


def test_the_list_is_narrowed_by_each_filter_and_by_several(hub: PanelHub, screen: Screen) -> None:
    hub.one("a.png", chain="film", step="one", status="approved", tags=("hero",))
    hub.one("b.png", chain="film", step="two", status="auto_approved", workflow_name="upscale")
    hub.reject(hub.one("c.png", chain="book", step="one"))
    screen.show_all()
    screen.page.get_by_role("button", name="More filters").click()

    def shows(label: str, value: str, *names: str) -> None:
        control = screen.page.get_by_label(label, exact=True)
        if control.evaluate("(at) => at.tagName") == "SELECT":
            option = control.locator("option", has_text=value).first
            control.select_option(option.get_attribute("value"))
        else:
            control.fill(value)
            control.press("Enter")
        until(lambda: screen.names() == list(names))

    def clears(label: str) -> None:
        control = screen.page.get_by_label(label, exact=True)
        if control.evaluate("(at) => at.tagName") == "SELECT":
            control.select_option("")
        else:
            control.fill("")
            control.press("Enter")
        expect(screen.cells).to_have_count(3)

    expect(screen.cells).to_have_count(3)
    for label, value, names in (
        ("State", "Rejected", ["c.png"]),
        ("Kind", "Videos", []),
        ("Chain", "film", ["b.png", "a.png"]),
        ("Step", "one", ["c.png", "a.png"]),
        ("Run", "two ·", ["b.png"]),
        ("Tag", "hero", ["a.png"]),
    ):
        shows(label, value, *names)
        clears(label)
    shows("Chain", "film", "b.png", "a.png")
    shows("Step", "one", "a.png")
    shows("State", "Rejected")
    screen.page.get_by_role("button", name="Clear the filters").click()
    expect(screen.cells).to_have_count(3)
    expect(screen.page.get_by_label("Step", exact=True)).to_have_value("")
    screen.page.get_by_label("Only what is offered downstream").check()
    expect(screen.cells).to_have_count(3)


def test_words_are_looked_for_in_names_as_they_are_typed(hub: PanelHub, screen: Screen) -> None:
    hub.one("castle_dusk.png")
    hub.one("castle_noon.png")
    hub.one("river.png", workflow_name="landscape")
    screen.page.get_by_label("Search names, prompts, models, tags and reasons").click()
    screen.page.keyboard.type("castle")
    until(lambda: screen.names() == ["castle_noon.png", "castle_dusk.png"])
    screen.page.keyboard.type(" dus")
    until(lambda: screen.names() == ["castle_dusk.png"])
    hub.one("castle_dust.png")
    hub.one("river_two.png")
    until(lambda: screen.names() == ["castle_dust.png", "castle_dusk.png"])


def test_an_empty_list_says_what_to_do(hub: PanelHub, screen: Screen) -> None:
    message = screen.page.locator(".adb-message")
    expect(message).to_contain_text("Nothing waits for you.")
    expect(message).to_contain_text("“required”")
    message.get_by_role("button", name="Show all").click()
    expect(message).to_contain_text("Nothing is recorded yet. Add “Save to Artifact DB” to a graph")
    screen.page.get_by_label("Search names, prompts, models, tags and reasons").fill("nowhere")
    expect(message).to_contain_text("Nothing fits these filters.")
    message.get_by_role("button", name="Clear the filters").click()
    expect(message).to_contain_text("Nothing is recorded yet")
    hub.one("first.png", status="auto_approved")
    expect(screen.cells).to_have_count(1)
    expect(message).to_be_hidden()


def test_an_error_says_so_and_can_be_tried_again(hub: PanelHub, screen: Screen) -> None:
    hub.one("shot.png")
    expect(screen.cells).to_have_count(1)
    hub.stop()
    screen.tab("All").click()
    message = screen.page.locator(".adb-message")
    expect(message).to_contain_text("could not be loaded: the server does not answer")
    expect(screen.page.locator(".adb-lost")).to_be_visible()
    screen.page.evaluate("artifactDbPanel.host.live.stop()")  # else the list comes back by itself
    hub.start()
    message.get_by_role("button", name="Try again").click()
    expect(message).to_be_hidden()
    expect(screen.cells).to_have_count(1)
    screen.page.evaluate("artifactDbPanel.host.live.start()")
    expect(screen.page.locator(".adb-lost")).to_be_hidden()


def test_a_list_that_could_not_be_loaded_comes_back_with_the_hub(hub: PanelHub, screen: Screen) -> None:
    hub.one("shot.png")
    expect(screen.cells).to_have_count(1)
    hub.stop()
    screen.tab("All").click()
    expect(screen.page.locator(".adb-message")).to_contain_text("could not be loaded")
    hub.start()
    expect(screen.page.locator(".adb-message")).to_be_hidden()
    expect(screen.page.locator(".adb-lost")).to_be_hidden()


def test_a_decision_that_did_not_reach_the_hub_is_said_and_not_shown(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png")
    screen.open("shot.png")
    hub.stop()
    screen.press("a")
    expect(screen.said).to_contain_text("The server did not answer; nothing was changed.")
    screen.sees("shot.png", "Waiting")
    hub.start()
    screen.press("a")
    screen.sees("shot.png", "Approved")
    assert hub.status(artifact) == "approved"


def test_skeletons_are_there_until_the_list_is(hub: PanelHub, screen: Screen) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    screen.page.route("**/artifacts?**", hold)
    screen.page.reload()
    expect(screen.page.locator(".adb-skeleton").first).to_be_visible()
    expect(screen.page.locator(".adb-canvas")).to_have_attribute("aria-busy", "true")
    for route in held:
        route.continue_()
    screen.page.unroute_all()
    expect(screen.page.locator(".adb-message")).to_contain_text("Nothing waits for you.")
    expect(screen.page.locator(".adb-skeleton")).to_have_count(0)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelHub]:
    """A hub of its own with thousands of artifacts."""
    hub = PanelHub(tmp_path_factory.mktemp("many"))
    data = picture(1, (32, 32))
    for _ in range(MANY // 100):
        hub.record(count=100, data=data, status="auto_approved")
    yield hub
    hub.close()


def test_of_thousands_only_the_seen_ones_exist_and_all_are_reached(
    many: PanelHub, screens: Callable[..., Screen]
) -> None:
    screen = screens(many.url + "/", width=900)
    screen.show_all()
    expect(screen.cells.first).to_be_visible()
    reached = screen.page.evaluate(
        """async () => {
          const list = document.querySelector(".adb-list");
          const seen = new Set();
          let most = 0;
          let ends = 0;
          const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
          const collection = artifactDbPanel.collection;
          for (;;) {
            await frame();
            const cells = [...document.querySelectorAll(".adb-cell[role=option]")];
            most = Math.max(most, cells.length);
            for (const cell of cells) seen.add(artifactDbPanel.list.collection.items[cell.ariaPosInSet - 1].id);
            const end = list.scrollTop + list.clientHeight >= list.scrollHeight - 2;
            ends = end && collection.complete && !collection.loading ? ends + 1 : 0;
            if (ends > 2) return { seen: seen.size, most };
            list.scrollTop += list.clientHeight * 0.8;
          }
        }"""
    )
    assert reached["seen"] == MANY
    assert reached["most"] < 150
    expect(screen.cells.last).to_have_attribute("aria-setsize", str(MANY))
    screen.cells.last.click()
    expect(screen.title).to_be_visible()
    screen.press("Escape")
    until(lambda: screen.page.evaluate("document.activeElement.ariaPosInSet") == str(MANY))
    screen.press("Home")
    until(lambda: screen.page.evaluate("document.activeElement.ariaPosInSet") == "1")


def test_cells_are_read_in_the_order_in_which_they_are_seen(many: PanelHub, screens: Callable[..., Screen]) -> None:
    screen = screens(many.url + "/", width=900)
    screen.show_all()
    expect(screen.cells.first).to_be_visible()
    for distance in (3000, -1500, 700):
        screen.page.evaluate("(by) => { document.querySelector('.adb-list').scrollTop += by }", distance)
        screen.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        order = [int(at) for at in screen.cells.evaluate_all("(cells) => cells.map((cell) => cell.ariaPosInSet)")]
        assert order == sorted(order)
