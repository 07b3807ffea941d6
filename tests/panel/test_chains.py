"""Pins chains in the panel: the list, one as a graph of its steps, and what a person does to it, all of it live."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import chaining
import invariants
import pytest
from browsing import chromium
from comfyui_artifact_db.chains import checking, files, starting
from comfyui_artifact_db.library import access, attempts, chains, executing, pages, workflows
from making import png
from panel_chains import ChainHub, ChainScreen, chain_hub
from panel_hub import PanelHub
from panel_screens import Screen, serious
from playwright.sync_api import Browser, expect
from waiting import until

ASK = pages.Ask(50, None)


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainHub]:
    with chain_hub(tmp_path_factory.mktemp("chains")) as hub:
        yield hub
        invariants.check(hub.library)


# While playwright runs it has the thread's event loop: the servers start before it.
@pytest.fixture(scope="module")
def browser(process: ChainHub) -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def hub(process: ChainHub) -> ChainHub:
    """The hub with no chain, and servers that do what they are asked."""
    process.studio.fails = lambda graph: False
    for server in process.studio.servers.values():
        server.after_storing = lambda path: None
    process.clear()
    return process


@pytest.fixture
def view(hub: ChainHub, screens: Callable[..., Screen]) -> ChainScreen:
    return ChainScreen(screens(hub.url + "/"))


def fail_while_bad(hub: ChainHub) -> None:
    hub.studio.fails = lambda graph: graph["7"]["inputs"]["text"] == "bad"


def test_a_chain_runs_before_ones_eyes_and_goes_on_by_a_decision(hub: ChainHub, view: ChainScreen) -> None:
    expect(view.page.locator(".adb-chain-message")).to_contain_text("No chain has run yet")
    chain = hub.begin(name="harbour")
    expect(view.row("harbour")).to_contain_text("Waits for a decision")
    expect(view.row("harbour")).to_contain_text("figure waits for a decision")
    view.open("harbour")
    for name, state in (("extract", "Done"), ("sky", "Done"), ("figure", "Waits for you"), ("compose", "Not begun")):
        expect(view.state(name)).to_have_text(state)
    expect(view.chain.locator(".adb-link")).to_have_count(4)
    view.step("figure").get_by_role("button", name="Decide on").click()
    expect(view.screen.viewer.locator(".adb-facts")).to_contain_text("harbour")
    view.screen.press("a")
    expect(view.screen.state).to_have_text("Approved")
    view.screen.press("Escape")
    expect(view.state("compose")).to_have_text("Done")
    expect(view.row("harbour")).to_contain_text("Completed")
    assert chains.get_chain(hub.library, chain.id).status == "completed"
    until(lambda: "figure" in view.screen.focused())


def test_a_steps_picture_opens_and_the_next_one_is_that_of_the_next_step(hub: ChainHub, view: ChainScreen) -> None:
    chain = hub.begin(chaining.step("one"), chaining.step("two", "one"))
    hub.until(chain, "completed")
    view.open("film").step("one").get_by_role("button", name="Open").click()
    first, second = (hub.studio.current(chain, name).filename for name in ("one", "two"))
    view.screen.sees(first)
    view.screen.press("ArrowRight")
    view.screen.sees(second)
    view.screen.press("ArrowRight")
    expect(view.screen.said).to_contain_text("There are no more")
    view.screen.press("Escape")
    expect(view.screen.viewer).to_be_hidden()


def test_a_failed_step_runs_again_with_other_parameters_and_tells_what_changed(
    hub: ChainHub, view: ChainScreen
) -> None:
    fail_while_bad(hub)
    chain = hub.begin(chaining.step("one", parameters={"7.text": "bad", "7.seed": 1}), chaining.step("two", "one"))
    hub.until(chain, "failed")
    view.open("film")
    expect(view.chain.locator(".adb-chain-head .adb-why")).to_contain_text("no luck")
    view.tell("one")
    view.button("Run this step again").click()
    form = view.page.locator(".adb-again")
    expect(form.get_by_label("7.text")).to_have_value("bad")
    form.get_by_label("7.seed").fill("many")
    form.get_by_role("button", name="Run the step").click()
    expect(form.get_by_role("alert")).to_contain_text("7.seed")
    form.get_by_label("7.seed").fill("1")
    form.get_by_label("7.text").fill("good")
    form.get_by_label("Another input").select_option("9.filename_prefix")
    form.get_by_label("9.filename_prefix").fill("again")
    form.get_by_role("button", name="Run the step").click()
    expect(view.state("two")).to_have_text("Done")
    changed = view.page.locator(".adb-changed")
    expect(changed.locator("dt")).to_have_text(["7.text", "9.filename_prefix"])
    expect(changed.locator("dd")).to_have_text(["bad → good", "x → again"])
    workflow = hub.studio.workflow(chain, "one")
    newest, first = hub.studio.attempts(chain, "one")[::-1]
    asked = executing.list_overrides(hub.library, workflow.id)
    assert asked == {newest.id: {"7.text": "good", "9.filename_prefix": "again"}}
    assert (first.status, newest.status) == ("failed", "completed")


def test_a_chain_runs_again_from_a_step_as_a_new_one_with_what_was_asked_for_before(
    hub: ChainHub, view: ChainScreen
) -> None:
    chain = hub.begin(chaining.step("one"), chaining.step("two", "one", parameters={"7.seed": 1}))
    hub.until(chain, "completed")
    workflow = hub.studio.workflow(chain, "two")
    executing.retry(hub.library, workflow.id, parameters={"7.text": "fog"}, by="anna")
    hub.until(chain, "completed")
    until(lambda: hub.studio.workflow(chain, "two").status == "completed")
    view.open("film").tell("two")
    view.button("Run again from here").click()
    form = view.page.locator(".adb-again")
    form.get_by_label("7.seed").fill("18446744073709551615")
    form.get_by_role("button", name="Run the new chain").click()
    expect(view.rows).to_have_count(2)
    expect(view.button("The chain it was run again from")).to_be_visible()
    expect(view.state("two")).to_have_text("Done")
    (new,) = [one for one in chains.list_chains(hub.library, ASK).items if one.id != chain.id]
    given = hub.studio.attempts(new, "two")[-1].parameters or {}
    assert (given["7.seed"], given["7.text"]) == (18446744073709551615, "fog")
    old, copied = hub.studio.current(chain, "one"), hub.studio.current(new, "one")
    assert copied.source_artifact_id == old.id
    view.tell("two")
    view.button("Run again from here").click()
    expect(form.get_by_label("7.seed")).to_have_value("18446744073709551615")
    view.button("The chain it was run again from").click()
    expect(view.button("The chain it was run again from")).to_be_hidden()


def test_cancelling_asks_first(hub: ChainHub, view: ChainScreen) -> None:
    chain = hub.begin(chaining.step("one", requires_approval=True))
    hub.until(chain, "awaiting_approval")
    view.open("film")
    view.button("Cancel").click()
    view.button("Let it go on").click()
    expect(view.page.locator(".adb-ask")).to_be_hidden()
    until(lambda: view.screen.focused() == "Cancel")
    assert chains.get_chain(hub.library, chain.id).status == "awaiting_approval"
    view.button("Cancel").click()
    view.button("Cancel the chain").click()
    expect(view.row("film")).to_contain_text("Cancelled")
    expect(view.button("Cancel")).to_be_hidden()
    assert chains.get_chain(hub.library, chain.id).status == "cancelled"


def test_a_failed_chain_is_resumed(hub: ChainHub, view: ChainScreen) -> None:
    hub.studio.fails = lambda graph: True
    chain = hub.begin(chaining.step("one"))
    hub.until(chain, "failed")
    view.open("film")
    hub.studio.fails = lambda graph: False
    view.button("Resume").click()
    expect(view.state("one")).to_have_text("Done")
    expect(view.button("Resume")).to_be_hidden()


def test_what_is_approved_and_not_delivered_is_told_until_it_is(hub: ChainHub, view: ChainScreen) -> None:
    hub.studio.servers["gpu-b"].away = True
    chain = hub.begin(chaining.step("one"), chaining.step("two", "one", server="gpu-b"))
    expect(view.row("film")).to_contain_text("1 approved, not delivered")
    view.open("film")
    expect(view.state("two")).to_have_text("Not delivered")
    expect(view.tell("two").locator(".adb-undelivered")).to_contain_text("not delivered to gpu-b")
    hub.studio.servers["gpu-b"].away = False
    expect(view.state("two")).to_have_text("Done")
    expect(view.row("film")).not_to_contain_text("not delivered")
    hub.until(chain, "completed")


def test_a_runners_chain_is_shown_without_what_only_an_engine_does(hub: ChainHub, view: ChainScreen) -> None:
    hub.record(chain="elsewhere", step="one", status="approved")
    view.open("elsewhere")
    expect(view.chain).to_contain_text("A runner elsewhere drives this chain")
    view.tell("one")
    expect(view.page.locator(".adb-attempts")).to_contain_text("#1")
    for name in ("Cancel", "Resume", "Run again", "Run this step again", "Run again from here"):
        assert view.button(name).count() == 0, name


def test_a_runners_chain_waits_when_nothing_of_it_runs_and_somebody_has_to_decide(
    hub: ChainHub, view: ChainScreen
) -> None:
    chain = hub.by_hand("by hand")
    artifact = hub.one(chain="by hand", step="one", status="pending")
    run = workflows.get_workflow(hub.library, artifact.workflow_id)
    how = {"server_address": run.server_address, "prompt_id": run.prompt_id}
    attempts.finish(hub.library, **how, status="completed", error=None, actor="runner")
    expect(view.row("by hand")).to_contain_text("Waits for a decision")
    workflows.create_workflow(hub.library, workflow_name="x", chain_id=chain.id, step_id="two", actor="runner")
    expect(view.row("by hand")).to_contain_text("Runs, level 1")


def test_only_who_may_record_has_buttons_that_change_a_chain(tmp_path: Path, screens: Callable[..., Screen]) -> None:
    hub = PanelHub(tmp_path / "hub", "local_trust = false")
    try:
        tree = files.Tree({"name": "film", "steps": [chaining.step("one")]})
        starting.start(hub.library, checking.check(tree, servers=None), parameters={}, actor="anna")
        for role, buttons in (("view", []), ("record", ["Cancel"])):
            screen = screens()
            screen.page.goto(hub.url + "/")
            screen.page.get_by_label("Token").fill(access.create_token(hub.library, role, role=role, by="tests")[1])
            screen.page.get_by_role("button", name="Sign in").click()
            view = ChainScreen(screen).open("film")
            expect(view.state("one")).to_have_text("Not begun")
            head = view.chain.locator(".adb-chain-actions button")
            expect(head).to_have_count(len(buttons))
            assert head.all_text_contents() == buttons
    finally:
        hub.close()


def test_two_hundred_chains_come_in_pages_and_new_ones_on_top(hub: ChainHub, view: ChainScreen) -> None:
    expect(view.page.locator(".adb-chain-message")).to_be_visible()
    for number in range(200):
        hub.by_hand(f"night {number:03}")
    view.page.reload()
    view = ChainScreen(view.screen)
    expect(view.rows).to_have_count(50)
    view.rows.first.focus()
    view.screen.press("End")
    expect(view.rows).to_have_count(100)
    for count in (150, 200):
        view.screen.press("End")
        expect(view.rows).to_have_count(count)
    view.screen.connected()
    hub.by_hand("the newest")
    expect(view.rows.first).to_contain_text("the newest")
    expect(view.rows).to_have_count(201)
    until(lambda: view.screen.focused().startswith("night 050"))


def test_a_chain_is_deleted_with_a_way_back(hub: ChainHub, view: ChainScreen) -> None:
    hub.record(chain="old", step="one")
    view.open("old")
    view.button("Delete the chain with all of its artifacts").click()
    expect(view.rows).to_have_count(0)
    expect(view.chain).to_be_hidden()
    view.page.get_by_label("Which chains").select_option("trash")
    expect(view.row("old")).to_be_visible()
    view.row("old").get_by_role("button", name="Take out of the trash").click()
    expect(view.rows).to_have_count(0)
    view.page.get_by_label("Which chains").select_option("")
    expect(view.row("old")).to_be_visible()
    assert [one.name for one in chains.list_chains(hub.library, ASK).items] == ["old"]


def test_of_two_runs_that_look_the_same_the_open_one_is_deleted_and_taken_back(
    hub: ChainHub, view: ChainScreen
) -> None:
    first, second = (hub.begin(chaining.step("one"), name="twin") for _ in range(2))
    for chain in (first, second):
        hub.until(chain, "completed")
        row = view.page.locator(f'[data-do="chain {chain.id}"]')
        expect(row).to_contain_text("Completed")
        row.click()
        view.page.wait_for_function("id => artifactDbPanel.chains.view.chain?.id === id", arg=chain.id)
    view.button("Delete the chain with all of its artifacts").click()
    expect(view.rows).to_have_count(1)
    expect(view.chain).to_be_hidden()
    assert [one.id for one in chains.list_chains(hub.library, ASK).items] == [first.id]
    # What is told of the deletion by the hub's events has come by then, and the way back is still there.
    expect(view.screen.said).to_contain_text("Deleted twin")
    view.screen.press("u")
    expect(view.rows).to_have_count(2)
    expect(view.screen.said).to_contain_text("twin is back")


def test_a_list_of_some_is_live_too(hub: ChainHub, view: ChainScreen) -> None:
    chain = hub.by_hand("shot")
    expect(view.row("shot")).to_be_visible()
    view.page.get_by_label("Which chains").select_option("failed")
    expect(view.rows).to_have_count(0)
    chains.update_chain(hub.library, chain.id, actor="runner", status="failed", error_message="out of memory")
    expect(view.row("shot")).to_contain_text("out of memory")


def test_the_keys_lead_along_the_steps(hub: ChainHub, view: ChainScreen) -> None:
    hub.until(hub.begin(name="harbour"), "awaiting_approval")
    view.open("harbour")
    until(lambda: view.screen.focused().startswith("figure"))
    view.screen.press("ArrowUp")
    until(lambda: view.screen.focused().startswith("extract"))
    view.screen.press("Enter")
    expect(view.page.locator(".adb-step-told h3")).to_have_text("extract")
    expect(view.page.locator('.adb-step-told [data-do="retry"]')).to_be_visible()
    view.screen.press("t")
    expect(view.page.locator(".adb-again")).to_be_visible()
    view.screen.press("Escape")
    expect(view.page.locator(".adb-again")).to_be_hidden()
    until(lambda: view.screen.focused().startswith("extract"))
    view.screen.press("o")
    expect(view.screen.viewer).to_be_visible()
    view.screen.press("Escape", "Escape", "Escape")
    expect(view.chain).to_be_hidden()
    until(lambda: view.screen.focused().startswith("harbour"))
    view.screen.press("2")
    expect(view.screen.cells.first).to_be_visible()


def test_markup_in_a_chain_is_shown_as_text(hub: ChainHub, view: ChainScreen) -> None:
    evil = "<img src=x onerror=alert(1)>"
    definition = {"steps": [{"id": evil, "server": evil, "depends_on": [evil, None]}, {"id": f"b {evil}"}]}
    chain = hub.by_hand(evil, chain_definition=definition, description=evil)
    chains.update_chain(hub.library, chain.id, actor=evil, error_message=evil)
    view.open(evil)
    expect(view.step(evil).first).to_be_visible()
    view.step(evil).first.locator(".adb-step-name").click()
    expect(view.page.locator(".adb-step-told h3")).to_have_text(evil)
    assert view.page.evaluate("document.querySelectorAll('[onerror], img[src=x]').length") == 0


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [1280, 300])
def test_axe_finds_nothing_serious(hub: ChainHub, screens: Callable[..., Screen], scheme: str, width: int) -> None:
    fail_while_bad(hub)
    hub.until(hub.begin(chaining.step("one", parameters={"7.text": "bad"}), name="bad"), "failed")
    hub.until(hub.begin(name="harbour"), "awaiting_approval")
    screen = screens(hub.url + "/", scheme=scheme, width=width)
    view = ChainScreen(screen)
    found: dict[str, list[str]] = {}
    for name in ("harbour", "bad"):
        expect(view.row(name)).to_be_visible()
        found[f"the list before {name}"] = serious(screen)
        view.open(name)
        step = "extract" if name == "harbour" else "one"
        view.tell(step)
        view.button("Run this step again").click()
        if name == "harbour":
            view.button("Cancel").first.click()
        found[name] = serious(screen)
        assert not screen.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        screen.page.locator('[data-do="back"]').click()
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_nothing_is_asked_for_while_nothing_happens(hub: ChainHub, view: ChainScreen) -> None:
    hub.until(hub.begin(name="harbour"), "awaiting_approval")
    view.open("harbour")
    expect(view.state("figure")).to_have_text("Waits for you")
    view.page.wait_for_load_state("load")
    asked: list[str] = []
    view.page.wait_for_timeout(600)
    view.page.on("request", lambda request: asked.append(request.url))
    before = view.chain.locator(".adb-chain-head .adb-elapsed").text_content()
    until(lambda: view.chain.locator(".adb-chain-head .adb-elapsed").text_content() != before)
    assert asked == []


def test_the_servers_are_seen_with_what_waits_there(hub: ChainHub, view: ChainScreen) -> None:
    servers = view.page.get_by_role("list", name="Servers").locator("li")
    expect(servers).to_have_text([r"gpu-a0 in its queue", "gpu-b0 in its queue"])


def test_the_node_that_runs_is_seen_with_how_far_it_is(hub: ChainHub, view: ChainScreen) -> None:
    gpu_a = hub.studio.servers["gpu-a"]
    runs, gpu_a.runs = gpu_a.runs, None
    try:
        chain = hub.begin(chaining.step("one", server="gpu-a"))
        until(lambda: gpu_a.queue["queue_pending"] and gpu_a.sockets)
        view.open("film")
        expect(view.state("one")).to_have_text("Runs")
        (_, prompt_id, *_), *_ = gpu_a.queue["queue_pending"]
        gpu_a.tell("executing", node="1", prompt_id=prompt_id)
        expect(view.step("one").locator(".adb-step-node")).to_have_text("LoadImage")
        gpu_a.tell("progress", node="9", value=3, max=20, prompt_id=prompt_id)
        expect(view.step("one").locator(".adb-step-node")).to_have_text("SaveImage 3/20")
        expect(view.tell("one").locator("progress")).to_have_js_property("value", 3)
        assert serious(view.screen) == []
        picture = gpu_a.file("one.png", png(3))
        gpu_a.ran(prompt_id, {"9": {"images": [picture]}}, graph=chaining.GRAPH)
        expect(view.state("one")).to_have_text("Done")
        expect(view.step("one").locator(".adb-step-node")).to_be_hidden()
        assert chains.get_chain(hub.library, chain.id).status == "completed"
    finally:
        gpu_a.runs = runs
