"""Pins a ComfyUI that keeps no database: what it makes is recorded into its hub, and what it loads comes from there."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator

import pytest
import requests
from browsing import chromium
from comfyui_graphs import Graph
from comfyui_studio import pixels
from hub_mode import NAMES, HubStudio, Machines
from panel_comfyui import ComfyScreen
from panel_screens import Screen
from PIL import Image
from playwright.sync_api import expect
from waiting import until


def test_what_a_machine_saves_is_recorded_at_the_hub_and_loaded_at_another(machines: Machines) -> None:
    a, b, _ = machines.studios.values()
    chain = f"film {uuid.uuid4()}"
    graph = Graph()
    save = graph.save(graph.picture(batch=2), chain=chain, step="a", tags="hero", approval="required")
    workflow = graph.show(save[2])
    outcome = a.run(graph, actor="anna")
    first, second = (a.artifact(artifact_id) for artifact_id in outcome.ids(save))
    assert a.workflow(first["workflow_id"])["id"] == outcome.text(workflow)[0]
    assert (first["tags"], first["approval_status"], second["output_key"]) == (["hero"], "pending", "2:images:1")
    assert first["metadata"]["width"] == 24
    settled = a.settled(first["workflow_id"])
    assert (settled["step_id"], settled["status"]) == ("a", "awaiting_approval")
    (attempt,) = settled["attempts"]
    assert (attempt["server_address"], attempt["requested_by"]) == ("gpu-a", "anna")
    told = machines.hub.all(f"/artifacts/{first['id']}/events")
    assert {event["actor"] for event in told if event["action"] == "artifact.recorded"} == {"gpu-a"}
    until(a.is_empty)

    def loading(answer: str = "fail") -> tuple[Graph, str, str]:
        graph = Graph()
        load = graph.load(chain=chain, step="a", if_not_usable=answer)
        return graph, graph.write(load).id, graph.save(load, chain=chain, step="b").id

    refused, _, _ = loading()
    assert "waits for a decision" in b.run(refused, status="error").error
    waiting, written, edit = loading("wait")
    prompt_id = b.queue(waiting)
    b.post(f"/artifacts/{second['id']}/approve")
    outcome = b.outcome(prompt_id)
    assert outcome.status == "success", outcome.error
    (image,) = outcome.entry["outputs"][written]["images"]
    assert pixels(b.ask("GET", "/view", params=image).content) == pixels(a.data(second["id"]))
    (made,) = outcome.entry["outputs"][edit]["artifact_ids"]
    lineage = b.get(f"/artifacts/{made}/lineage")
    assert [link["artifact"]["id"] for link in lineage["ancestors"]] == [second["id"]]
    assert b.artifact(made)["is_latest"]


def test_every_kind_of_value_goes_to_the_hub_and_comes_back(machines: Machines) -> None:
    a, b, _ = machines.studios.values()
    graph = Graph()
    values = [graph.video(), graph.sound(), graph.add("TestsLatent", seed=7, kind="float32"), graph.picture()]
    saves = [graph.save(value) for value in values] + [graph.save(graph.add("PrimitiveString", value="<svg> größe"))]
    outcome = a.run(graph)
    kinds = {}
    for save in saves:
        (artifact_id,) = outcome.ids(save)
        artifact = a.artifact(artifact_id)
        kinds[artifact["file_type"], artifact["file_format"]] = artifact_id
        loading = Graph()
        load = loading.load(artifact_id=artifact_id)
        shown = loading.show(load[3])
        assert artifact["sha256"] in b.run(loading).text(shown)[0]
    assert set(kinds) == {
        ("video", "mp4"), ("audio", "flac"), ("latent", "latent"), ("image", "png"), ("text", "txt"),
    }  # fmt: skip
    assert a.data(kinds["text", "txt"]).decode() == "<svg> größe"


def test_everything_is_recorded_where_the_hub_says_so(machines: Machines) -> None:
    a, *_ = machines.studios.values()
    a.hub("PUT", "/recording", json={"record": "all"})
    try:
        graph = Graph()
        picture = graph.picture()
        written = graph.write(picture)
        save = graph.save(picture, chain=f"both {uuid.uuid4()}")
        outcome = a.run(graph)
        workflow_id = a.artifact(outcome.ids(save)[0])["workflow_id"]
        assert a.settled(workflow_id)["status"] == "completed"
        artifacts = a.get(f"/workflows/{workflow_id}/artifacts")["items"]
        assert {one["node_id"] for one in artifacts} == {written.id, save.id}
        (captured,) = (one for one in artifacts if one["node_id"] == written.id)
        assert a.data(captured["id"]) == a.written(outcome, written)[0]
        photo = a.ask("POST", "/upload/image", 200, files={"image": (f"{uuid.uuid4()}.png", a.data(captured["id"]))})
        again = Graph()
        edit = again.save(again.add("LoadImage", image=photo.json()["name"]))
        outcome = a.run(again)
        (made,) = outcome.ids(edit)
        a.settled(a.artifact(made)["workflow_id"])
        known = a.get(f"/artifacts/{made}/lineage")["ancestors"]
        assert [link["artifact"]["id"] for link in known] == [captured["id"]]
        alone = Graph()
        alone.write(alone.picture())
        outcome = a.run(alone)
        until(lambda: [one["status"] for one in a.workflows_of(outcome.prompt_id)] == ["completed"])
        until(a.is_empty)
    finally:
        a.hub("PUT", "/recording", json={"record": "nodes"})
    graph = Graph()
    graph.write(graph.picture())
    assert a.workflows_of(a.run(graph).prompt_id) == []


def test_who_has_no_token_has_no_rights_through_a_machine_that_has_one(machines: Machines) -> None:
    for studio in machines.studios.values():
        for mount in ("/artifact-db", "/api/artifact-db"):
            for path in ("/artifacts", "/events", "/chains"):
                assert requests.get(studio.server.url + mount + path, timeout=20).status_code == 401
            assert requests.get(studio.server.url + mount + "/health", timeout=20).status_code == 200
    viewer = HubStudio(machines.servers["gpu-a"], machines.people["view"])
    picture = machines.studios["gpu-a"].saved()
    assert viewer.artifact(picture["id"])["id"] == picture["id"]
    viewer.post(f"/artifacts/{picture['id']}/reject", {"reason": "no"}, 403)
    evil = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    machines.studios["gpu-a"].ask("POST", f"/artifact-db/artifacts/{picture['id']}/approve", 403, headers=evil, json={})


def test_a_large_file_goes_through_a_machine(machines: Machines) -> None:
    a, *_ = machines.studios.values()
    made = a.post("/workflows", {"workflow_name": "large"}, 201)
    data = io.BytesIO()
    Image.effect_noise((4096, 4096), 90).save(data, "PNG")
    uploaded = a.upload(f"/workflows/{made['id']}/artifacts", data.getvalue(), "large.png")
    assert a.data(uploaded["id"]) == data.getvalue()
    part = a.ask("GET", uploaded["url"], 206, headers={"Range": "bytes=-9"})
    assert part.content == data.getvalue()[-9:]


@pytest.fixture
def screen() -> Iterator[Screen]:
    with chromium() as browser:
        screen = Screen(browser.new_context(viewport={"width": 1280, "height": 800}).new_page())
        yield screen
        assert screen.troubles == []


def test_a_reviewer_approves_in_the_browser_of_a_machine_what_another_one_has_saved(
    machines: Machines, screen: Screen
) -> None:
    a, b, _ = machines.studios.values()
    chain = f"review {uuid.uuid4()}"
    waiting = a.saved(chain=chain, step="a", approval="required", filename_prefix="to review")
    screen.page.goto(f"{b.server.url}/artifact-db/")
    expect(screen.page.get_by_text("This hub asks who you are.")).to_be_visible()
    token = screen.page.get_by_label("Token")
    token.fill(machines.people["review"])
    token.press("Enter")
    name = waiting["filename"]
    screen.open(name).press("a")
    screen.sees(name, "Approved")
    until(lambda: a.artifact(waiting["id"])["approval_status"] == "approved")
    assert a.artifact(waiting["id"])["decided_by"] == "a reviewer"
    later = a.saved(chain=chain, step="b", approval="required", filename_prefix="later")
    screen.press("Escape")
    expect(screen.cell(later["filename"])).to_be_visible()  # without a reload: the stream of events comes through
    loading = Graph()
    written = loading.write(loading.load(chain=chain, step="a"))
    outcome = b.run(loading)
    assert pixels(b.written(outcome, written)[0]) == pixels(a.data(waiting["id"]))


def test_the_sidebar_of_a_machine_is_the_hubs_for_whoever_signs_in(machines: Machines) -> None:
    a, b, _ = machines.studios.values()
    waiting = a.saved(approval="required", filename_prefix="in the sidebar")
    b.server.post("/settings", {"Comfy.TutorialCompleted": True})
    with chromium() as browser:
        screen = ComfyScreen(browser.new_context(viewport={"width": 1280, "height": 800}).new_page(), b)
        screen.visit()
        screen.side_tab.click()
        token = screen.page.get_by_label("Token")
        token.fill(machines.people["review"])
        token.press("Enter")
        screen.page.locator(".adb-panel .adb-tabs").wait_for()
        screen.open(waiting["filename"]).press("a")
        until(lambda: a.artifact(waiting["id"])["approval_status"] == "approved")
        assert screen.troubles == []


def test_no_secret_is_anywhere_but_in_the_environment(machines: Machines) -> None:
    a, *_ = machines.studios.values()
    graph = Graph()
    save = graph.save(graph.picture())
    seen = a.data(a.run(graph).ids(save)[0])
    for path in ("/queue", "/history", "/settings", "/object_info", "/artifact-db/events?limit=500", "/system_stats"):
        seen += a.ask("GET", path, 200).content
    for folder in (*(machines.servers[name].folder for name in NAMES), machines.hub.shell.home):
        for path in folder.rglob("*"):
            if path.is_file() and "custom_nodes" not in path.parts:
                seen += path.read_bytes()
    for secret in (*machines.secrets.values(), *machines.people.values()):
        assert secret.encode() not in seen
        assert secret.removeprefix("adb_").encode() not in seen
