"""Pins a ComfyUI that keeps no database: what it makes is recorded into its hub, and what it loads comes from there."""

from __future__ import annotations

from comfyui_graphs import Graph
from comfyui_studio import pixels, until
from hub_mode import Machines


def test_what_a_machine_saves_is_recorded_at_the_hub_and_loaded_at_another(machines: Machines) -> None:
    a, b = machines.studios.values()
    graph = Graph()
    save = graph.save(graph.picture(batch=2), chain="film", step="a", tags="hero", approval="required")
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
    recorded = [event for event in machines.hub.all("/events") if event["action"] == "artifact.recorded"]
    assert {event["actor"] for event in recorded} == {"gpu-a"}
    until(a.is_empty)
    loading = Graph()
    load = loading.load(chain="film", step="a")
    written = loading.write(load)
    assert "waits for a decision" in b.run(loading, status="error").error
    b.post(f"/artifacts/{second['id']}/approve")
    again = Graph()
    load = again.load(chain="film", step="a")
    written = again.write(load)
    edit = again.save(load, chain="film", step="b")
    outcome = b.run(again)
    assert pixels(b.written(outcome, written)[0]) == pixels(a.data(second["id"]))
    (made,) = outcome.ids(edit)
    lineage = b.get(f"/artifacts/{made}/lineage")
    assert [link["artifact"]["id"] for link in lineage["ancestors"]] == [second["id"]]
