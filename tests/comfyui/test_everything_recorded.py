"""record = "all": what ordinary nodes put out is in the record, whoever asked for it and whatever happens meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_graphs import Graph, Node, blank, everything, kinds_of_everything
from comfyui_studio import Outcome, Studio, add_pack, check_invariants
from locking import locked
from waiting import until

from devtools.environment import ComfyUI
from devtools.servers import ComfyServer

SECONDS = 60.0


@pytest.fixture(scope="module")
def studio(comfyui_code: ComfyUI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A ComfyUI whose configuration says that everything is recorded. Nobody is connected to it."""
    server = ComfyServer(comfyui_code, tmp_path_factory.mktemp("comfyui-all"), config='record = "all"\n')
    add_pack(server)
    try:
        studio = Studio(server.start())
        studio.get("/health")
        yield studio
        check_invariants(server)
    finally:
        server.stop()


def run(studio: Studio, graph: Graph, *, status: str = "success", **how: Any) -> Outcome:
    """A prompt of a program that is not connected and names no client."""
    prompt_id = studio.queue(graph, client_id=how.pop("client_id", None), **how)
    outcome = studio.outcome(prompt_id, SECONDS)
    assert outcome.status == status, outcome.entry["status"]
    return outcome


def recorded(studio: Studio, outcome: Outcome) -> dict[str, Any]:
    """The one workflow of a prompt, once its end is written down."""
    until(lambda: studio.workflows_of(outcome.prompt_id))
    (workflow,) = studio.workflows_of(outcome.prompt_id)
    return studio.settled(workflow["id"])


def artifacts(studio: Studio, workflow: dict[str, Any]) -> dict[str, dict[str, Any]]:
    items = studio.get(f"/workflows/{workflow['id']}/artifacts", limit=100)["items"]
    return {item["output_key"]: item for item in items}


def output(studio: Studio, item: dict[str, Any]) -> Path:
    """Where ComfyUI has put what was recorded."""
    return studio.server.folder / "output" / item["subfolder"] / item["filename"]


def written(graph: Graph, prefix: str = "core", batch: int = 1) -> Node:
    return graph.write(blank(graph, batch), prefix)


def later(graph: Graph, picture: Node) -> Node:
    """The same picture, given after ComfyUI has run the output nodes that take it directly."""
    return graph.add("ImageInvert", image=graph.add("ImageInvert", image=picture))


def settled_all(studio: Studio) -> None:
    """Nothing is under way any more: a later prompt is recorded, and prompts are seen to in their order."""
    graph = Graph()
    written(graph)
    recorded(studio, run(studio, graph))


def count(studio: Studio) -> int:
    return int(studio.rows("SELECT count(*) FROM artifacts")[0][0])


def test_every_kind_of_output_of_ordinary_nodes_is_recorded_bit_for_bit(studio: Studio) -> None:
    graph = Graph()
    nodes = everything(graph)
    outcome = run(studio, graph)
    workflow = recorded(studio, outcome)
    found = artifacts(studio, workflow)
    assert {key: (item["file_type"], item["file_format"]) for key, item in found.items()} == kinds_of_everything(nodes)
    for item in found.values():
        text = item["file_type"] == "text"
        assert studio.data(item["id"]) == ("déjà vu 🎬".encode() if text else output(studio, item).read_bytes())
        assert item["usable"]
    assert found[f"{nodes['video'].id}:images:0"]["metadata"]["frames"] == 4
    (attempt,) = workflow["attempts"]
    assert (workflow["status"], attempt["status"], attempt["requested_by"]) == ("completed", "completed", "comfyui")
    assert set(attempt["workflow_definition"]) == set(graph)
    current = studio.artifact(workflow["latest_artifact_id"])
    assert current["file_type"] != "text"


def test_what_is_overwritten_afterwards_is_safe(studio: Studio) -> None:
    graph = Graph()
    written(graph, batch=2)
    found = artifacts(studio, recorded(studio, run(studio, graph)))
    for item in found.values():
        file, stored = output(studio, item), studio.stored(item["id"])
        data = file.read_bytes()
        assert not os.path.samefile(file, stored)
        assert file.stat().st_nlink == 1
        with file.open("r+b") as overwritten:
            overwritten.write(b"overwritten in place")
        assert stored.read_bytes() == data
        file.unlink()
        assert studio.data(item["id"]) == data
        assert studio.artifact(item["id"])["usable"]


def test_a_prompt_has_a_name_that_a_person_recognises_and_says_who_asked(studio: Studio) -> None:
    graph = Graph()
    written(graph, "portraits/anna")
    outcome = run(studio, graph, actor="anna", client_id="a browser")
    workflow = recorded(studio, outcome)
    assert (workflow["workflow_name"], workflow["chain_id"]) == ("portraits anna", None)
    assert workflow["attempts"][0]["requested_by"] == "anna"
    named = run(studio, graph, pnginfo={"workflow": {"nodes": [], "name": "Portrait of Anna"}}, client_id="b")
    assert studio.workflows_of(named.prompt_id) == [], "its outputs are recorded already"
    other = Graph()
    written(other)
    named = run(studio, other, pnginfo={"workflow": {"nodes": [], "name": "Portrait of Anna"}})
    assert recorded(studio, named)["workflow_name"] == "Portrait of Anna"


def test_what_comfyui_serves_from_its_cache_is_nothing_new_and_the_rest_of_its_prompt_is(studio: Studio) -> None:
    graph = Graph()
    old = written(graph)
    recorded(studio, run(studio, graph, client_id="tests"))
    before = count(studio)
    assert run(studio, graph).entry["outputs"] == {}
    again = run(studio, graph, client_id="tests")
    assert again.ui(old)["images"]
    new = written(graph, "new")
    more = run(studio, graph, client_id="tests")
    assert more.ui(old)["images"]
    assert set(artifacts(studio, recorded(studio, more))) == {f"{new.id}:images:0"}
    assert studio.workflows_of(again.prompt_id) == []
    assert count(studio) == before + 1


def test_what_our_own_nodes_record_is_recorded_once_and_in_the_same_workflow(studio: Studio) -> None:
    graph = Graph()
    picture = graph.picture(batch=2)
    save, write = graph.save(picture), graph.write(picture)
    outcome = run(studio, graph)
    workflow = recorded(studio, outcome)
    until(lambda: len(artifacts(studio, workflow)) == 4)
    found = artifacts(studio, workflow)
    assert sorted(found) == sorted(f"{node.id}:images:{index}" for node in (save, write) for index in (0, 1))
    assert [item["version"] for item in found.values()] == [1] * 4
    assert studio.workflow(workflow["id"])["latest_artifact_id"] == outcome.ids(save)[0]
    body = {"server": "gpu-a", "prompt_id": outcome.prompt_id}
    studio.post(f"/workflows/{workflow['id']}/collect", body, 422)  # No server is configured: there is nothing to ask.


def test_a_chain_that_a_node_names_has_the_outputs_of_the_whole_prompt(studio: Studio) -> None:
    graph = Graph()
    picture = graph.picture()
    save, write = graph.save(picture, chain=f"film {time.time()}", step="a"), graph.write(picture)
    workflow = recorded(studio, run(studio, graph))
    assert workflow["step_id"] == "a"
    assert set(artifacts(studio, workflow)) == {f"{save.id}:images:0", f"{write.id}:images:0"}


def test_a_photo_that_somebody_uploaded_is_known_again_in_what_it_became(studio: Studio) -> None:
    first = Graph()
    written(first)
    (photo,) = artifacts(studio, recorded(studio, run(studio, first))).values()
    (studio.server.folder / "input" / "my photo.png").write_bytes(studio.data(photo["id"]))
    graph = Graph()
    loaded = graph.add("LoadImage", image="my photo.png")
    graph.write(graph.add("ImageInvert", image=loaded), "inverted")
    (made,) = artifacts(studio, recorded(studio, run(studio, graph))).values()
    ours = Graph()
    save = ours.save(ours.add("ImageInvert", image=ours.add("LoadImage", image="my photo.png")))
    outcome = run(studio, ours)
    recorded(studio, outcome)
    for artifact_id in (made["id"], *outcome.ids(save)):
        ancestors = studio.get(f"/artifacts/{artifact_id}/lineage")["ancestors"]
        assert photo["id"] in [link["artifact"]["id"] for link in ancestors]


def test_previews_and_prompts_that_put_out_nothing_leave_no_trace(studio: Studio) -> None:
    graph = Graph()
    graph.add("PreviewImage", images=blank(graph))
    outcome = run(studio, graph)
    settled_all(studio)
    assert studio.workflows_of(outcome.prompt_id) == []
    assert list((studio.store / "staging").rglob("*.intent.json")) == []


def test_what_finished_before_an_error_is_recorded_and_the_error_is_named(studio: Studio) -> None:
    graph = Graph()
    picture = blank(graph)
    write = graph.write(picture)
    failing = graph.add("TestsFailing", image=later(graph, picture))
    outcome = run(studio, graph, status="error")
    workflow = recorded(studio, outcome)
    assert set(artifacts(studio, workflow)) == {f"{write.id}:images:0"}
    assert workflow["status"] == "failed"
    assert workflow["error_message"].startswith(f"node {failing.id} (TestsFailing): the sampler ran out of luck")


def test_a_file_that_is_gone_is_named_and_the_others_are_recorded(studio: Studio) -> None:
    graph = Graph()
    picture = blank(graph, 3)
    write = graph.write(picture, f"gone {time.time_ns()}/x")
    graph.add("TestsSlow", image=later(graph, picture), seconds=1.0)
    folder = studio.server.folder / "output" / str(graph[write.id]["inputs"]["filename_prefix"]).rpartition("/")[0]
    prompt_id = studio.queue(graph, client_id=None)
    until(lambda: len(list(folder.glob("*.png"))) == 3)
    gone = sorted(folder.glob("*.png"))[1]
    gone.unlink()
    outcome = studio.outcome(prompt_id, SECONDS)
    until(lambda: studio.workflows_of(outcome.prompt_id), SECONDS)
    workflow = recorded(studio, outcome)
    assert set(artifacts(studio, workflow)) == {f"{write.id}:images:0", f"{write.id}:images:2"}
    assert workflow["status"] == "failed"
    assert gone.name in workflow["error_message"]
    assert "it is not there" in workflow["error_message"]
    assert outcome.status == "success"


def test_a_history_that_is_cleared_while_the_prompt_waits_to_be_recorded_costs_nothing(studio: Studio) -> None:
    graph = Graph()
    write = written(graph)
    with locked(studio.database):
        outcome = run(studio, graph)
        time.sleep(0.5)  # It has been seen to end; the database cannot take it.
        studio.ask("POST", "/history", 200, json={"clear": True})
    workflow = recorded(studio, outcome)
    assert set(artifacts(studio, workflow)) == {f"{write.id}:images:0"}


def test_a_history_that_was_cleared_before_anybody_saw_it_is_marked(studio: Studio) -> None:
    graph = Graph()
    picture = blank(graph)
    graph.write(picture)
    forgotten = graph.add("TestsForgotten", image=later(graph, picture))
    graph.add("TestsSlow", image=later(graph, forgotten), seconds=0.3)
    prompt_id = studio.queue(graph, client_id=None)
    until(lambda: studio.workflows_of(prompt_id))
    (workflow,) = studio.workflows_of(prompt_id)
    assert workflow["status"] == "outcome_unknown"
    assert "artifact-db import" in studio.workflow(workflow["id"])["error_message"]
    assert artifacts(studio, workflow) == {}


def test_a_prompt_that_is_taken_out_of_the_queue_leaves_no_trace(studio: Studio) -> None:
    graph, waiting = Graph(), Graph()
    graph.add("TestsSlow", image=blank(graph), seconds=1.0)
    written(waiting)
    first = studio.queue(graph, client_id=None)
    second = studio.queue(waiting, client_id=None)
    studio.ask("POST", "/queue", 200, json={"delete": [second]})
    studio.outcome(first)
    settled_all(studio)
    assert studio.workflows_of(second) == []


def test_prompts_come_faster_than_anybody_looks_and_none_is_missed(studio: Studio) -> None:
    graphs = [Graph() for _ in range(20)]
    for graph in graphs:
        written(graph)
    prompts = [studio.queue(graph, client_id=None) for graph in graphs]
    for prompt_id in prompts:
        workflow = recorded(studio, studio.outcome(prompt_id, SECONDS))
        assert len(artifacts(studio, workflow)) == 1


def test_a_database_that_is_away_costs_neither_a_prompt_nor_a_file(studio: Studio) -> None:
    graph = Graph()
    write = written(graph, batch=2)
    with locked(studio.database):
        began = time.monotonic()
        outcome = run(studio, graph)
        assert time.monotonic() - began < 5
        files = list((studio.server.folder / "output").glob("core_*.png"))
        data = {path.name: path.read_bytes() for path in files}
        until(lambda: _promises(studio, "record"), SECONDS)
        for image in outcome.ui(write)["images"]:
            (studio.server.folder / "output" / image["filename"]).write_bytes(b"overwritten while it waits")
        assert studio.ask("GET", "/queue", 200).elapsed.total_seconds() < 2
    found = artifacts(studio, recorded(studio, outcome))
    assert set(found) == {f"{write.id}:images:0", f"{write.id}:images:1"}
    for item in found.values():
        assert studio.data(item["id"]) == data[item["filename"]]


def _promises(studio: Studio, kind: str) -> list[Path]:
    paths = (studio.store / "staging").rglob("*.intent.json")
    return [path for path in paths if f'"kind":"{kind}"'.encode() in path.read_bytes()]


def test_a_comfyui_that_dies_in_the_middle_leaves_prompts_that_say_so(studio: Studio) -> None:
    graph = Graph()
    picture = blank(graph)
    graph.write(picture, "before the end")
    graph.add("TestsSlow", image=later(graph, picture), seconds=30.0)
    ours = Graph()
    kept = ours.picture()
    ours.save(kept)
    ours.add("TestsSlow", image=later(ours, kept), seconds=30.0)
    first = studio.queue(graph, client_id=None, pnginfo={"workflow": {"name": "the lost one"}})
    until(lambda: _promises(studio, "prompt"))
    studio.server.kill()
    studio.server.start()
    until(lambda: studio.workflows_of(first))
    (lost,) = studio.workflows_of(first)
    workflow = studio.workflow(lost["id"])
    assert (workflow["status"], workflow["workflow_name"]) == ("outcome_unknown", "the lost one")
    assert "artifact-db import" in workflow["error_message"]
    assert workflow["attempts"][0]["status"] == "outcome_unknown"
    assert set(workflow["attempts"][0]["workflow_definition"]) == set(graph)
    second = studio.queue(ours, client_id=None)
    until(lambda: studio.workflows_of(second))
    studio.server.kill()
    studio.server.start()
    (left,) = studio.workflows_of(second)
    until(lambda: studio.workflow(left["id"])["status"] == "outcome_unknown")
    assert len(artifacts(studio, left)) == 1
    assert _promises(studio, "prompt") == []
    settled_all(studio)
