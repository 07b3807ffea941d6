"""Pins the panel inside of ComfyUI, on the frontend that ComfyUI ships with and on a newer one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from comfyui_graphs import Graph
from comfyui_studio import Studio
from panel_comfyui import ComfyScreen, saved, workflow_of
from panel_hub import picture
from panel_screens import serious
from playwright.sync_api import Browser, Page, expect
from waiting import until

from devtools.environment import comfyui, newest_frontend
from devtools.servers import ComfyServer

PACK = Path(__file__).resolve().parent.parent / "comfyui_pack"


@pytest.fixture(scope="module", params=["own", "newest", "newest-with-api-nodes"])
def studio(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A ComfyUI with the extension, with its own frontend and with a newer one, as strict as can be and as it comes."""
    arguments = [] if request.param == "own" else ["--front-end-root", str(newest_frontend())]
    folder = tmp_path_factory.mktemp(f"panel-{request.param}")
    server = ComfyServer(comfyui(), folder, arguments=arguments, api_nodes=request.param.endswith("api-nodes"))
    os.symlink(PACK, server.folder / "custom_nodes" / "tests-pack")
    server.start()
    try:
        # Else the templates cover everything the first time.
        server.post("/settings", {"Comfy.TutorialCompleted": True})
        yield Studio(server)
    finally:
        server.stop()


@pytest.fixture(scope="module")
def page(browser: Browser, studio: Studio) -> Iterator[Page]:
    """Shared, since a frontend takes longer to start than any of these tests."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()


@pytest.fixture
def screen(page: Page, studio: Studio) -> Iterator[ComfyScreen]:
    """ComfyUI with the panel closed and nothing in the queue; started anew where a test before has left it open."""
    for artifact in studio.get("/artifacts", queue=1, limit=500)["items"]:
        studio.post(f"/artifacts/{artifact['id']}/approve")
    screen = ComfyScreen(page, studio)
    if page.url == "about:blank" or page.locator(".adb-panel, [role=dialog]:visible").count():
        screen.visit()
    until(lambda: screen.count() == "")
    yield screen
    if screen.page.locator(".adb-panel").count():
        screen.close_panel()
    screen.leave()
    assert screen.troubles == []


def test_the_tab_counts_what_waits_and_a_toast_tells_of_more(screen: ComfyScreen, studio: Studio) -> None:
    artifact = saved(studio)
    until(lambda: screen.count() == "1")
    expect(screen.page.get_by_text("1 picture waits for you").first).to_be_visible()
    saved(studio)
    until(lambda: screen.count() == "2")
    studio.post(f"/artifacts/{artifact['id']}/approve")
    until(lambda: screen.count() == "1")


def test_a_node_that_runs_is_seen_in_the_open_panel(screen: ComfyScreen, studio: Studio) -> None:
    screen.open_panel()
    expect(screen.page.locator(".adb-message")).to_contain_text("Nothing waits for you.")
    artifact = saved(studio)
    expect(screen.cells).to_have_count(1)
    screen.open(artifact["filename"]).press("a")
    screen.sees(artifact["filename"], "Approved")
    assert studio.artifact(artifact["id"])["approval_status"] == "approved"


def test_the_settings_are_shown_and_decisions_carry_the_name_in_them(screen: ComfyScreen, studio: Studio) -> None:
    screen.page.evaluate("window.app.extensionManager.command.execute('Comfy.ShowSettingsDialog')")
    screen.page.get_by_text("Artifact DB", exact=True).last.click()
    for name in ("Your name, as decisions record it", "Say when something new waits for a decision"):
        expect(screen.page.get_by_text(name).first).to_be_visible()
    screen.page.evaluate("window.app.extensionManager.setting.set('ArtifactDB.Name', 'Grace Hopper')")
    screen.press("Escape")
    try:
        artifact = saved(studio)
        screen.open_panel()
        screen.open(artifact["filename"]).press("a")
        expect(screen.viewer.locator(".adb-story")).to_contain_text("by Grace Hopper")
        assert studio.artifact(artifact["id"])["approved_by"] == "Grace Hopper"
    finally:
        screen.page.evaluate("window.app.extensionManager.setting.set('ArtifactDB.Name', '')")


def test_recording_everything_is_switched_in_the_settings_and_holds_for_programs_too(
    screen: ComfyScreen, studio: Studio
) -> None:
    screen.page.evaluate("window.app.extensionManager.command.execute('Comfy.ShowSettingsDialog')")
    screen.page.get_by_text("Artifact DB", exact=True).last.click()
    words = screen.page.get_by_text("Record every output of every prompt, without nodes of ours").first
    switch = words.locator("xpath=ancestor::*[.//*[@role='switch']][1]").locator("[role='switch']").first
    expect(switch).not_to_be_checked()
    switch.click()
    until(lambda: studio.get("/recording")["record"] == "all")
    graph = Graph()
    write = graph.write(graph.picture())
    prompt_id = studio.queue(graph, client_id=None)
    until(lambda: studio.workflows_of(prompt_id))
    (workflow,) = studio.workflows_of(prompt_id)
    (item,) = studio.get(f"/workflows/{workflow['id']}/artifacts")["items"]
    assert item["output_key"] == f"{write.id}:images:0"
    studio.hub("PUT", "/recording", json={"record": "nodes"})
    expect(switch).not_to_be_checked()
    screen.press("Escape")


def test_a_button_and_a_key_put_a_picture_into_the_graph(screen: ComfyScreen, studio: Studio) -> None:
    artifact = saved(studio, approval="auto")
    screen.open_panel().show_all()
    screen.empty_graph()
    screen.open(artifact["filename"]).button("Load into the graph").click()
    until(lambda: screen.loaders() == [artifact["id"]])
    expect(screen.viewer).to_be_hidden()
    screen.open(artifact["filename"]).press("g")
    until(lambda: screen.loaders() == [artifact["id"]] * 2)


def test_a_picture_is_dragged_onto_the_canvas_with_the_mouse(screen: ComfyScreen, studio: Studio) -> None:
    artifact = saved(studio, approval="auto", workflow=workflow_of("EmptyLatentImage", "EmptyLatentImage"))
    screen.open_panel().show_all()
    screen.empty_graph()
    picture = screen.cell(artifact["filename"]).locator("img")
    expect(screen.page.locator(".adb-loaded").first).to_be_visible()
    box = picture.bounding_box()
    assert box is not None
    mouse = screen.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(700, 350, steps=5)
    mouse.move(760, 400, steps=5)
    mouse.up()
    until(lambda: screen.loaders() == [artifact["id"]])
    assert screen.graph("nodes.length") == 1, "the workflow within the picture did not replace the graph"
    x, y = screen.page.evaluate("window.app.clientPosToCanvasPos([760, 400])")
    assert screen.graph("[...nodes[0].pos]") == pytest.approx([x, y], abs=3)


def test_the_workflow_that_made_a_picture_never_replaces_unsaved_work_without_asking(
    screen: ComfyScreen, studio: Studio
) -> None:
    artifact = saved(studio, approval="auto", workflow=workflow_of("EmptyLatentImage", "EmptyLatentImage"))
    screen.open_panel().show_all()
    screen.empty_graph()
    screen.add_node("LoadFromArtifactDB")
    kinds = "nodes.map((one) => one.type)"
    ask = lambda: screen.open(artifact["filename"]).button("Open the workflow that made this").click()
    question = screen.page.get_by_text("has changes that are not saved")
    ask()
    expect(question).to_be_visible()
    assert screen.graph(kinds) == ["LoadFromArtifactDB"]
    screen.press("Escape")
    expect(question).to_be_hidden()
    assert screen.graph(kinds) == ["LoadFromArtifactDB"]
    ask()
    expect(question).to_be_visible()
    screen.page.get_by_role("button", name="Confirm").click()
    until(lambda: screen.graph(kinds) == ["EmptyLatentImage"] * 2)


def test_no_key_of_the_panel_reaches_the_graph(screen: ComfyScreen, studio: Studio) -> None:
    artifact = saved(studio)
    screen.open_panel()
    screen.empty_graph()
    screen.add_node()
    expect(screen.cells).to_have_count(1)
    screen.page.get_by_label("Search names, prompts, models, tags and reasons").focus()
    screen.press("ArrowDown", "Delete", "Backspace")
    screen.open(artifact["filename"])
    heard = """() => {
      globalThis.heard = [];
      for (const root of [window, document, window.app.canvas.canvas])
        for (const name of ["keydown", "paste"]) root.addEventListener(name, (event) => heard.push(event.key ?? name));
    }"""
    screen.page.evaluate(heard)
    screen.press("Backspace", "Control+a", "Control+Enter", "q", "w", "r")
    screen.page.keyboard.type("xyz")
    screen.press("Escape", "Delete")
    screen.sees(artifact["filename"], "In the trash")
    screen.page.evaluate("document.activeElement.blur()")
    screen.press("Delete", "Backspace", "Control+v", "Escape")
    expect(screen.viewer).to_be_hidden()
    assert screen.graph("nodes.length") == 1
    assert screen.page.evaluate("heard") == []


def test_a_closed_panel_leaves_nothing_behind(screen: ComfyScreen, studio: Studio) -> None:
    artifact = saved(studio)
    screen.page.evaluate(
        """() => {
          globalThis.alive = new Set();
          for (const method of ["addEventListener", "removeEventListener"]) {
            const original = window[method];
            window[method] = function (name, listener, how) {
              if (String(listener).includes("panel") && name !== "error") {
                if (method === "addEventListener") {
                  alive.add(listener);
                  how?.signal?.addEventListener("abort", () => alive.delete(listener));
                } else alive.delete(listener);
              }
              return original.call(this, name, listener, how);
            };
          }
        }"""
    )
    for _ in range(3):
        screen.open_panel()
        expect(screen.cells).to_have_count(1)
        expect(screen.page.locator(".adb-overlay")).to_have_count(1)
        screen.close_panel()
        expect(screen.page.locator(".adb-overlay")).to_have_count(0)
    assert screen.page.evaluate("alive.size") == 0
    screen.open_panel()
    assert screen.page.evaluate("alive.size") > 0, "else nothing was watched"
    screen.open(artifact["filename"]).press("a")
    screen.sees(artifact["filename"], "Approved")


SAND = {
    "id": "tests-sand",
    "name": "Sand",
    "light_theme": True,
    "colors": {
        "node_slot": {},
        "litegraph_base": {},
        "comfy_base": {
            "fg-color": "#301010",
            "bg-color": "#f0e0c0",
            "comfy-menu-bg": "#f4e8d0",
            "input-text": "#402020",
        },
    },
}


def colour(screen: ComfyScreen, name: str) -> str:
    return str(screen.page.evaluate("(name) => getComputedStyle(document.querySelector('.adb-panel'))[name]", name))


def menu(screen: ComfyScreen) -> str:
    """The colour of ComfyUI's own menus."""
    return str(
        screen.page.evaluate(
            """() => {
              const probe = document.createElement("i");
              probe.style.background = "var(--comfy-menu-bg)";
              document.body.append(probe);
              const colour = getComputedStyle(probe).backgroundColor;
              probe.remove();
              return colour;
            }"""
        )
    )


def test_the_colours_are_comfyuis_in_every_palette_and_can_be_read(screen: ComfyScreen, studio: Studio) -> None:
    artifact = saved(studio)
    studio.upload(f"/artifacts/{artifact['id']}/edit", picture(7), "edited.png")
    screen.open_panel().show_all()
    screen.page.get_by_role("button", name="More filters").click()
    expect(screen.page.get_by_label("State")).to_be_visible()
    seen = set()
    for palette in ("dark", "light"):
        screen.page.evaluate("(id) => window.app.extensionManager.setting.set('Comfy.ColorPalette', id)", palette)
        until(lambda palette=palette: colour(screen, "colorScheme") == palette)
        assert colour(screen, "backgroundColor") == menu(screen)
        assert serious(screen, ".adb-panel") == []
        screen.open("edited.png").press("r")
        assert serious(screen, ".adb-overlay") == []
        screen.press("Escape", "Escape")
        seen.add(menu(screen))
    assert len(seen) == 2
    studio.server.post("/settings", {"Comfy.CustomColorPalettes": {SAND["id"]: SAND}, "Comfy.ColorPalette": SAND["id"]})
    try:
        screen.visit().open_panel()
        until(lambda: colour(screen, "backgroundColor") == menu(screen) == "rgb(244, 232, 208)")
        assert (colour(screen, "color"), colour(screen, "colorScheme")) == ("rgb(64, 32, 32)", "light")
    finally:
        studio.server.post("/settings", {"Comfy.ColorPalette": "dark"})


OLD_GRAPH = {
    **{"last_node_id": 3, "last_link_id": 2, "groups": [], "version": 0.4},
    "links": [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"]],
    "nodes": [
        {
            **{
                "id": 1,
                "type": "EmptyImage",
                "pos": [100, 100],
                "size": [270, 130],
                "flags": {},
                "order": 0,
                "mode": 0,
            },
            **{"inputs": [], "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": [1]}], "properties": {}},
            "widgets_values": [64, 64, 1, 0],
        },
        {
            **{"id": 2, "type": "SaveToArtifactDB", "pos": [450, 100], "size": [270, 200], "flags": {}, "order": 1},
            **{"mode": 0, "inputs": [{"name": "value", "type": "IMAGE", "link": 1}], "properties": {}},
            "outputs": [
                {"name": "value", "type": "IMAGE", "links": [2]},
                {"name": "artifact_id", "type": "STRING", "links": None},
                {"name": "workflow_id", "type": "STRING", "links": None},
            ],
            "widgets_values": ["shot", "dusk", "paint", "required", "hero"],
        },
        {
            **{
                "id": 3,
                "type": "PreviewImage",
                "pos": [800, 100],
                "size": [210, 250],
                "flags": {},
                "order": 2,
                "mode": 0,
            },
            **{"inputs": [{"name": "images", "type": "IMAGE", "link": 2}], "outputs": [], "properties": {}},
        },
    ],
}
"""As it was saved when the node took pictures only, and had five widgets."""


def test_a_graph_that_was_saved_with_the_first_release_opens_and_runs_as_it_was(
    screen: ComfyScreen, studio: Studio
) -> None:
    screen.page.evaluate("(graph) => window.app.loadGraphData(graph, true, true, 'old')", OLD_GRAPH)
    until(lambda: screen.graph("nodes.length") == 3)
    queued = screen.page.evaluate("window.app.graphToPrompt()")
    inputs = queued["output"]["2"]["inputs"]
    assert inputs == {
        **{"value": ["1", 0], "filename_prefix": "shot", "chain": "dusk", "step": "paint", "approval": "required"},
        **{"tags": "hero", "format": "default", "quality": 90},
    }
    assert queued["output"]["3"]["inputs"] == {"images": ["2", 0]}
    saved_again = next(node for node in queued["workflow"]["nodes"] if node["type"] == "SaveToArtifactDB")
    assert saved_again["widgets_values"] == ["shot", "dusk", "paint", "required", "hero", "default", 90]
    assert "artifact_ids" in studio.run(queued["output"]).entry["outputs"]["2"]
    screen.empty_graph()


def test_names_are_chosen_from_those_in_use_or_typed(screen: ComfyScreen, studio: Studio) -> None:
    for step in ("ink", "inlay", "wash"):
        studio.saved(chain="names of a chain", step=step)
    screen.empty_graph()
    screen.add_node("LoadFromArtifactDB")
    screen.page.evaluate("window.app.graph.nodes[0].widgets.find((one) => one.name === 'artifact_db_names').callback()")
    form = screen.page.locator("dialog.adb-names")
    expect(form).to_be_visible()
    options = lambda kind: form.locator(f"#adb-names-{kind} option").evaluate_all("all => all.map((one) => one.value)")
    chain, step = form.get_by_label("Chain"), form.get_by_label("Step")
    chain.fill("names of")
    until(lambda: options("chain") == ["names of a chain"])
    chain.fill("names of a chain")
    step.focus()
    until(lambda: options("step") == ["ink", "inlay", "wash"])
    step.fill("in")
    until(lambda: options("step") == ["ink", "inlay"])
    step.fill("<b>a step to come</b>")
    form.get_by_role("button", name="Use these names").click()
    expect(form).to_have_count(0)
    given = screen.page.evaluate("window.app.graphToPrompt()")["output"]
    (inputs,) = [node["inputs"] for node in given.values()]
    assert (inputs["chain"], inputs["step"], inputs["workflow"]) == ("names of a chain", "<b>a step to come</b>", "")
    assert set(inputs) == {"artifact_id", "chain", "step", "workflow", "output", "if_not_usable", "timeout"}
    screen.page.evaluate("window.app.graph.nodes[0].widgets.find((one) => one.name === 'artifact_db_names').callback()")
    step.fill("another")
    step.press("Escape")
    expect(form).to_have_count(0)
    assert screen.graph("nodes[0].widgets.find((one) => one.name === 'step').value") == "<b>a step to come</b>"
    screen.empty_graph()
