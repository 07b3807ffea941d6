"""Collecting from real ComfyUI servers: every kind of output that the core nodes have, each bit for bit, each once."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_graphs import Graph, Node, blank, everything, kinds_of_everything
from comfyui_studio import Outcome, Studio
from waiting import until

SECONDS = 60.0


def collect(studio: Studio, outcome: Outcome, server: str, expect: int = 200, **body: Any) -> Any:
    """A new workflow, into which a prompt is collected: its id and the answer."""
    made = studio.post("/workflows", {"workflow_name": "collected", "server": server}, 201)["id"]
    answer = studio.post(
        f"/workflows/{made}/collect", {"server": server, "prompt_id": outcome.prompt_id, **body}, expect
    )
    return made, answer


def kinds(items: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    return {item["output_key"]: (item["file_type"], item["file_format"]) for item in items}


@pytest.fixture(scope="module")
def ran(gpu_b: Studio) -> tuple[dict[str, Node], Outcome]:
    """A prompt on a ComfyUI that has nothing of ours, with an output of every kind."""
    graph = Graph()
    nodes = everything(graph)
    prompt_id = gpu_b.queue(graph)
    outcome = gpu_b.outcome(prompt_id, SECONDS)
    assert outcome.status == "success", outcome.entry["status"]
    return nodes, outcome


def test_every_kind_of_output_is_collected_bit_for_bit(
    studio: Studio, gpu_b: Studio, ran: tuple[dict[str, Node], Outcome]
) -> None:
    nodes, outcome = ran
    workflow_id, answer = collect(studio, outcome, "gpu-b")
    items = answer["items"]
    assert kinds(items) == kinds_of_everything(nodes)
    for item in items:
        if item["file_type"] == "text":
            assert studio.data(item["id"]).decode() == "déjà vu 🎬"
            continue
        there = gpu_b.server.folder / "output" / item["subfolder"] / item["filename"]
        assert studio.data(item["id"]) == there.read_bytes()
    assert {item["subfolder"] for item in items if item["output_key"].startswith(f"{nodes['pictures'].id}:")} == {
        "shots/day one"
    }
    workflow = studio.workflow(workflow_id)
    assert workflow["latest_artifact_id"] == items[0]["id"]
    assert (workflow["status"], workflow["attempts"][0]["status"]) == ("completed", "completed")
    assert set(workflow["attempts"][0]["workflow_definition"]) == set(outcome.entry["prompt"][2])
    again = studio.post(f"/workflows/{workflow_id}/collect", {"server": "gpu-b", "prompt_id": outcome.prompt_id})
    assert again == answer


def test_previews_come_on_request(studio: Studio, ran: tuple[dict[str, Node], Outcome]) -> None:
    nodes, outcome = ran
    (held,) = studio.workflows_of(outcome.prompt_id)
    body = {"server": "gpu-b", "prompt_id": outcome.prompt_id, "include_temp": True}
    items = studio.post(f"/workflows/{held['id']}/collect", body)["items"]
    temporary = [item for item in items if item["comfy_folder_type"] == "temp"]
    assert [item["output_key"] for item in temporary] == [f"{nodes['shown'].id}:images:{n}" for n in (0, 1)]


def test_what_save_to_artifact_db_recorded_is_not_recorded_again(studio: Studio) -> None:
    graph = Graph()
    picture = graph.picture(batch=2)
    save, write = graph.save(picture), graph.write(picture)
    outcome = studio.run(graph)
    (held,) = studio.workflows_of(outcome.prompt_id)
    studio.settled(held["id"])
    items = studio.post(f"/workflows/{held['id']}/collect", {"server": "gpu-a", "prompt_id": outcome.prompt_id})[
        "items"
    ]
    assert {item["id"] for item in items} >= set(outcome.ids(save))
    assert sorted(item["output_key"] for item in items) == sorted(
        f"{node.id}:images:{n}" for node in (save, write) for n in (0, 1)
    )
    assert len(studio.get(f"/workflows/{held['id']}/artifacts")["items"]) == 4
    assert studio.workflow(held["id"])["latest_artifact_id"] == outcome.ids(save)[0]


def test_what_finished_before_an_error_is_kept_and_the_error_names_its_node(studio: Studio) -> None:
    graph = Graph()
    write = graph.write(graph.picture())
    failing = graph.add("TestsFailing", image=graph.picture())
    outcome = studio.run(graph, status="error")
    workflow_id, answer = collect(studio, outcome, "gpu-a")
    assert [item["output_key"] for item in answer["items"]] in ([], [f"{write.id}:images:0"])
    workflow = studio.workflow(workflow_id)
    assert workflow["status"] == "failed"
    assert workflow["error_message"].startswith(f"node {failing.id} (TestsFailing)")


def test_a_prompt_that_runs_is_refused_and_one_that_was_interrupted_is_cancelled(studio: Studio) -> None:
    graph = Graph()
    graph.write(graph.picture())
    made = studio.post("/workflows", {"workflow_name": "w", "server": "gpu-a"}, 201)["id"]
    picture = studio.uploaded()
    studio.post(f"/artifacts/{picture['id']}/reject", {"reason": "x"})
    waiting = Graph()
    waiting.write(waiting.load(artifact_id=picture["id"], if_not_usable="wait"))
    prompt_id = studio.queue(waiting)
    until(lambda: studio.ask("GET", "/queue").json()["queue_running"])
    body = {"server": "gpu-a", "prompt_id": prompt_id}
    assert studio.post(f"/workflows/{made}/collect", body, 409)["state"] == "executing"
    later = studio.queue(graph)
    assert studio.post(f"/workflows/{made}/collect", {**body, "prompt_id": later}, 409)["state"] == "queued"
    studio.ask("POST", "/interrupt", 200, json={"prompt_id": prompt_id})
    studio.outcome(prompt_id)
    assert studio.post(f"/workflows/{made}/collect", body)["items"] == []
    assert studio.workflow(made)["status"] == "cancelled"
    studio.outcome(later)


def test_a_history_that_was_cleared_leaves_an_unknown_outcome(studio: Studio, gpu_b: Studio) -> None:
    graph = Graph()
    graph.write(blank(graph))
    outcome = gpu_b.run(graph)
    made = studio.post(
        "/workflows",
        {"workflow_name": "w", "server": "gpu-b", "prompt_id": outcome.prompt_id, "status": "executing"},
        201,
    )["id"]
    gpu_b.ask("POST", "/history", 200, json={"delete": [outcome.prompt_id]})
    body = {"server": "gpu-b", "prompt_id": outcome.prompt_id}
    assert studio.post(f"/workflows/{made}/collect", body, 409)["state"] == "unknown"
    assert studio.workflow(made)["status"] == "outcome_unknown"


def test_a_file_that_is_gone_is_named_and_collected_when_it_is_back(studio: Studio, gpu_b: Studio) -> None:
    graph = Graph()
    write = graph.write(blank(graph, 3), "gone")
    outcome = gpu_b.run(graph)
    image = outcome.ui(write)["images"][1]
    file = gpu_b.server.folder / "output" / image["subfolder"] / image["filename"]
    away = file.rename(file.with_suffix(".away"))
    workflow_id, answer = collect(studio, outcome, "gpu-b", 502)
    assert [one["filename"] for one in answer["missing"]] == [image["filename"]]
    assert len(studio.get(f"/workflows/{workflow_id}/artifacts")["items"]) == 2
    assert studio.workflow(workflow_id)["status"] == "failed"
    away.rename(file)
    body = {"server": "gpu-b", "prompt_id": outcome.prompt_id}
    assert len(studio.post(f"/workflows/{workflow_id}/collect", body)["items"]) == 3
    assert studio.workflow(workflow_id)["status"] == "completed"


def test_what_is_cached_belongs_to_each_prompt_that_reports_it(studio: Studio, gpu_b: Studio) -> None:
    graph = Graph()
    graph.write(blank(graph))
    first, second = gpu_b.run(graph), gpu_b.run(graph)
    (_, one), (_, two) = (collect(studio, outcome, "gpu-b") for outcome in (first, second))
    assert one["items"][0]["sha256"] == two["items"][0]["sha256"]
    assert one["items"][0]["workflow_id"] != two["items"][0]["workflow_id"]


def test_what_was_delivered_and_what_somebody_uploaded_there_lead_back(studio: Studio, gpu_b: Studio) -> None:
    delivered, uploaded = studio.saved(), studio.saved()
    transfer = studio.post(f"/artifacts/{delivered['id']}/transfer", {"server": "gpu-b"}, 201)
    sent = {"image": ("my holiday.png", studio.data(uploaded["id"]), "image/png")}
    name = gpu_b.ask("POST", "/upload/image", 200, files=sent).json()["name"]
    graph = Graph()
    blend = graph.add(
        "ImageBlend",
        image1=graph.add("LoadImage", image=transfer["target_filename"]),
        image2=graph.add("LoadImage", image=name),
        **{"blend_factor": 0.5, "blend_mode": "normal"},
    )
    graph.write(blend)
    _, answer = collect(studio, gpu_b.run(graph), "gpu-b")
    (made,) = answer["items"]
    lineage = studio.get(f"/artifacts/{made['id']}/lineage", depth=1)
    assert {step["artifact"]["id"] for step in lineage["ancestors"]} == {delivered["id"], uploaded["id"]}
    assert dict(studio.rows("SELECT artifact_id, via FROM lineage WHERE attempt_id = ?", made["attempt_id"])) == {
        delivered["id"]: "transfer",
        uploaded["id"]: "upload",
    }
