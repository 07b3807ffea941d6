"""SaveToArtifactDB writes down what made a picture: which prompt, on which server, for whom, in which chain."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from comfyui_graphs import Graph, saved_picture
from comfyui_studio import Studio
from waiting import until

WORKFLOW = {"nodes": [{"id": 1}], "version": 0.4}


def name() -> str:
    """A chain's name that no other test uses."""
    return f"chain {uuid.uuid4()} x"


def test_a_batch_is_recorded_in_one_transaction(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.picture(batch=4, width=256, height=256), tags="one batch, kept")
    prompt_id = str(uuid.uuid4())
    counts, done = set(), threading.Event()
    studio.get("/health")  # There are tables from here on.

    def watch() -> None:
        while not done.is_set():
            ((count,),) = studio.rows(
                "SELECT count(*) FROM artifacts JOIN attempts ON attempts.id = attempt_id WHERE prompt_id = ?",
                prompt_id,
            )
            counts.add(count)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        ids = studio.run(graph, prompt_id=prompt_id).ids(save)
    finally:
        done.set()
        watcher.join()
    assert counts <= {0, 4}
    artifacts = [studio.artifact(artifact_id) for artifact_id in ids]
    assert [a["output_key"] for a in artifacts] == [f"{save.id}:images:{index}" for index in range(4)]
    assert [a["version"] for a in artifacts] == [1, 1, 1, 1]
    assert [a["is_latest"] for a in artifacts] == [True, False, False, False]
    assert [a["is_head"] for a in artifacts] == [True, True, True, True]
    assert {tuple(a["tags"]) for a in artifacts} == {("kept", "one batch")}
    assert len({a["sha256"] for a in artifacts}) == 4
    (workflow_id,) = {a["workflow_id"] for a in artifacts}
    events = studio.rows(
        "SELECT seq, at FROM events WHERE workflow_id = ? AND action NOT LIKE '%updated' ORDER BY seq", workflow_id
    )
    assert len({at for _, at in events}) == 1
    assert [seq for seq, _ in events] == list(range(events[0][0], events[0][0] + len(events)))
    assert studio.workflow(workflow_id)["latest_artifact_id"] == ids[0]


def test_a_row_says_where_it_comes_from(studio: Studio) -> None:
    graph = saved_picture(step="a step")
    outcome = studio.run(graph, actor="anna", pnginfo={"workflow": WORKFLOW}, client_id="ui-7")
    (workflow,) = studio.workflows_of(outcome.prompt_id)
    workflow = studio.settled(workflow["id"])
    assert workflow["server_address"] == "gpu-a"
    assert workflow["prompt_id"] == outcome.prompt_id
    assert (workflow["chain_id"], workflow["step_id"], workflow["workflow_name"]) == (None, "a step", "a step")
    assert workflow["workflow_definition"] == graph
    (attempt,) = workflow["attempts"]
    assert attempt["workflow_definition"] == graph
    assert attempt["extra_pnginfo"] == {"workflow": WORKFLOW}
    assert (attempt["server_address"], attempt["prompt_id"]) == ("gpu-a", outcome.prompt_id)
    assert (attempt["client_id"], attempt["requested_by"], attempt["number"]) == ("ui-7", "anna", 1)
    artifact = studio.artifact(workflow["latest_artifact_id"])
    assert (artifact["node_id"], artifact["attempt_id"]) == ("2", attempt["id"])
    assert (artifact["file_type"], artifact["file_format"], artifact["comfy_folder_type"]) == ("image", "png", "output")
    assert (artifact["metadata"]["width"], artifact["metadata"]["height"]) == (24, 16)
    assert {actor for (actor,) in studio.rows("SELECT actor FROM events WHERE workflow_id = ?", workflow["id"])} == {
        "anna"
    }


@pytest.mark.parametrize("actor", [None, "", 7, {"name": "x"}, "two\nlines\x00", "half a pair \ud83d"])
def test_who_asks_without_a_usable_name_is_called_comfyui(studio: Studio, actor: Any) -> None:
    (workflow,) = studio.workflows_of(studio.run(saved_picture(), actor=actor).prompt_id)
    (attempt,) = studio.settled(workflow["id"])["attempts"]
    assert attempt["requested_by"] == "comfyui"


def test_a_graph_that_json_cannot_say_is_recorded_all_the_same(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.add("TestsRestless", image=graph.picture()))
    graph[save.id]["_meta"] = {"title": "half a pair \ud83d"}
    graph["1"]["_meta"] = {"factor": float("inf")}
    outcome = studio.run(graph, pnginfo={"workflow": {"title": "\udc00"}})
    (workflow,) = studio.workflows_of(outcome.prompt_id)
    (attempt,) = studio.settled(workflow["id"])["attempts"]
    definition = attempt["workflow_definition"]
    assert definition[save.id]["_meta"] == {"title": "half a pair ?"}
    assert definition["1"]["_meta"] == {"factor": None}
    assert set(definition["2"]) == {"class_type", "inputs"}
    assert attempt["extra_pnginfo"] == {"workflow": {"title": "?"}}


def test_without_a_chain_it_is_standalone_also_beside_nodes_that_name_one(studio: Studio) -> None:
    chain = name()
    for order in (("", chain), (chain, "")):
        graph = Graph()
        picture = graph.picture()
        for named in order:
            # Each waits for the one before it.
            picture = graph.save(picture, chain=named, step="s" if named else "")
        outcome = studio.run(graph)
        found = studio.workflows_of(outcome.prompt_id)
        assert sorted((w["chain_id"] is None, w["step_id"]) for w in found) == [(False, "s"), (True, None)]


def test_nodes_of_one_prompt_share_a_workflow_for_each_chain_and_step_they_name(studio: Studio) -> None:
    chain, graph = name(), Graph()
    picture = graph.picture()
    named = [(chain, "a"), (chain, "a"), (chain, "b"), (chain, ""), (f"{chain} 2", "a"), ("", "a")]
    shown = [graph.show(graph.save(picture, chain=c, step=s)[2]) for c, s in named]
    outcome = studio.run(graph)
    ids = [outcome.text(node)[0] for node in shown]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 5
    assert set(ids) == {w["id"] for w in studio.workflows_of(outcome.prompt_id)}
    chains = [studio.workflow(workflow_id)["chain_id"] for workflow_id in ids]
    assert chains[0] == chains[2] == chains[3] != chains[4]
    assert chains[5] is None
    assert len(studio.get("/chains", name=chain)["items"]) == 1


def test_the_index_counts_on_when_a_node_runs_several_times_in_a_prompt(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.picture(kind="TestsListed", batch=3))
    ids, workflow = graph.show(save[1]), graph.show(save[2])
    outcome = studio.run(graph)
    artifacts = [studio.artifact(artifact_id) for artifact_id in outcome.ids(save)]
    assert [a["output_key"] for a in artifacts] == [f"{save.id}:images:{index}" for index in range(3)]
    assert [a["version"] for a in artifacts] == [1, 1, 1]
    assert [a["is_latest"] for a in artifacts] == [True, False, False]
    assert outcome.text(ids) == [a["id"] for a in artifacts]
    assert set(outcome.text(workflow)) == {a["workflow_id"] for a in artifacts}


def test_the_ids_go_on_as_a_list_in_the_order_of_the_batch(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.picture(batch=3))
    ids, workflow = graph.show(save[1]), graph.show(save[2])
    outcome = studio.run(graph)
    assert outcome.text(ids) == outcome.ids(save)
    assert [studio.artifact(i)["output_key"][-1] for i in outcome.text(ids)] == ["0", "1", "2"]
    assert outcome.text(workflow) == [studio.artifact(outcome.ids(save)[0])["workflow_id"]]


def test_a_cached_rerun_records_nothing(studio: Studio) -> None:
    graph = saved_picture()
    first = studio.run(graph)
    (workflow,) = studio.workflows_of(first.prompt_id)
    studio.settled(workflow["id"])
    files, (newest,) = studio.files(), studio.rows("SELECT max(seq) FROM events")
    again = studio.run(graph)
    assert again.cached == {"1", "2"}
    assert again.entry["outputs"] == first.entry["outputs"]
    assert studio.workflows_of(again.prompt_id) == []
    assert studio.files() == files
    assert studio.rows("SELECT max(seq) FROM events") == [newest]


def test_one_prompt_id_queued_twice_with_other_content_loses_nothing(studio: Studio) -> None:
    prompt_id = str(uuid.uuid4())
    chain = name()
    runs = []
    for batch in (2, 3):
        graph = Graph()
        save = graph.save(graph.picture(batch=batch), chain=chain, step="s")
        runs.append(studio.run(graph, prompt_id=prompt_id).ids(save))
    (workflow,) = studio.workflows_of(prompt_id)
    kept = studio.get(f"/workflows/{workflow['id']}/artifacts")["items"]
    assert {a["id"] for a in kept} == {*runs[0], *runs[1]}
    assert sorted((a["output_key"], a["version"]) for a in kept) == [
        *(("2:images:0", 1), ("2:images:0", 2)),
        *(("2:images:1", 1), ("2:images:1", 2)),
        ("2:images:2", 1),
    ]
    assert studio.settled(workflow["id"])["latest_artifact_id"] == runs[1][0]


def test_a_prompt_that_a_workflow_already_holds_is_recorded_there(studio: Studio) -> None:
    chain = studio.post("/chains", {"name": name()}, 201)
    prompt_id = str(uuid.uuid4())
    body = {"workflow_name": "by a runner", "server": "gpu-a", "prompt_id": prompt_id}
    held = studio.post("/workflows", {**body, "chain_id": chain["id"], "step_id": "s", "requires_approval": True}, 201)
    graph = Graph()
    picture = graph.picture()
    shown = [graph.show(graph.save(picture, **names)[2]) for names in ({}, {"chain": chain["id"], "step": "s"})]
    outcome = studio.run(graph, prompt_id=prompt_id, pnginfo={"workflow": WORKFLOW})
    assert [outcome.text(node) for node in shown] == [[held["id"]], [held["id"]]]
    assert [w["id"] for w in studio.workflows_of(prompt_id)] == [held["id"]]
    workflow = studio.settled(held["id"])
    assert workflow["status"] == "awaiting_approval"
    (attempt,) = workflow["attempts"]
    assert attempt["status"] == "completed"
    assert attempt["started_at"] is not None
    assert attempt["workflow_definition"] == graph
    assert attempt["extra_pnginfo"] == {"workflow": WORKFLOW}
    assert workflow["workflow_definition"] == graph
    kept = studio.get(f"/workflows/{held['id']}/artifacts")["items"]
    assert [a["approval_status"] for a in kept] == ["pending", "pending"]


@pytest.mark.parametrize(
    ("approval", "status", "end"),
    [
        ("auto", "auto_approved", "completed"),
        ("default", "auto_approved", "completed"),
        ("required", "pending", "awaiting_approval"),
    ],
)
def test_approval_is_as_the_widget_says(studio: Studio, approval: str, status: str, end: str) -> None:
    artifact = studio.saved(approval=approval)
    assert artifact["approval_status"] == status
    assert artifact["usable"] is (status == "auto_approved")
    workflow = studio.settled(artifact["workflow_id"])
    assert workflow["status"] == end
    assert workflow["attempts"][0]["status"] == "completed"


def test_a_workflow_that_waits_is_completed_by_the_approval(studio: Studio) -> None:
    artifact = studio.saved(approval="required")
    assert studio.settled(artifact["workflow_id"])["status"] == "awaiting_approval"
    studio.post(f"/artifacts/{artifact['id']}/approve")
    assert studio.workflow(artifact["workflow_id"])["status"] == "completed"


def test_tags_are_split_at_commas_and_stripped(studio: Studio) -> None:
    assert studio.saved(tags=" hero, shot 7 ,, hero,é ")["tags"] == ["hero", "shot 7", "é"]


def test_the_failure_of_another_node_is_the_end_of_the_workflow(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.picture())
    failing = graph.add("TestsFailing", image=save)
    outcome = studio.run(graph, status="error")
    (workflow,) = studio.workflows_of(outcome.prompt_id)
    workflow = studio.settled(workflow["id"])
    assert workflow["status"] == "failed"
    why = f"node {failing.id} (TestsFailing): the sampler ran out of luck"
    assert workflow["error_message"] == why
    assert workflow["attempts"][0]["status"] == "failed"
    assert workflow["attempts"][0]["error_message"] == why
    assert studio.artifact(workflow["latest_artifact_id"])["usable"] is True


def test_an_interrupt_is_the_end_of_the_workflow(studio: Studio) -> None:
    graph = Graph()
    graph.add("TestsSlow", image=graph.save(graph.picture()), seconds=30.0)
    prompt_id = studio.queue(graph)
    (workflow,) = until(lambda: studio.workflows_of(prompt_id))
    assert workflow["status"] == "executing"
    studio.ask("POST", "/interrupt", 200)
    assert studio.outcome(prompt_id).status == "error"
    workflow = studio.settled(workflow["id"])
    assert workflow["status"] == workflow["attempts"][0]["status"] == "cancelled"
