"""A LoadFromArtifactDB that waits holds up nothing but its own branch, and ends as soon as it can."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from comfyui_graphs import Graph
from comfyui_studio import Studio, picture
from waiting import until


class Waiting:
    """A graph that waits: a load node with what comes after it, and another branch."""

    def __init__(self, **names: Any) -> None:
        self.graph = Graph()
        self.load = self.graph.load(**names, if_not_usable="wait")
        self.artifact_id = self.graph.show(self.load[2])
        self.saved = self.graph.save(self.load)
        self.other = self.graph.save(self.graph.picture())

    def begin(self, studio: Studio) -> str:
        """Queue it; returns the prompt's id once the other branch is done and the load node waits."""
        prompt_id = studio.queue(self.graph)
        until(lambda: studio.workflows_of(prompt_id))
        time.sleep(0.3)  # more than one look at the database
        assert studio.ask("GET", f"/history/{prompt_id}").json() == {}
        return prompt_id


@pytest.fixture(autouse=True)
def _nothing_goes_on_waiting(studio: Studio) -> Iterator[None]:
    yield
    studio.ask("POST", "/interrupt", 200)
    until(lambda: studio.ask("GET", "/queue").json()["queue_running"] == [])


def pending(studio: Studio) -> str:
    return str(studio.uploaded(requires_approval=True)["id"])


def output_keys(studio: Studio, prompt_id: str) -> list[str]:
    (workflow,) = studio.workflows_of(prompt_id)
    return [artifact["output_key"] for artifact in studio.get(f"/workflows/{workflow['id']}/artifacts")["items"]]


def test_an_approval_lets_it_go_on_and_others_need_not_wait(studio: Studio) -> None:
    artifact_id = pending(studio)
    waiting = Waiting(artifact_id=artifact_id)
    prompt_id = waiting.begin(studio)
    assert output_keys(studio, prompt_id) == [f"{waiting.other.id}:images:0"]
    studio.post(f"/artifacts/{artifact_id}/approve")
    outcome = studio.outcome(prompt_id, seconds=2)
    assert outcome.text(waiting.artifact_id) == [artifact_id]
    assert len(output_keys(studio, prompt_id)) == 2
    (source,) = studio.get(f"/artifacts/{outcome.ids(waiting.saved)[0]}/lineage")["ancestors"]
    assert (source["relation"], source["artifact"]["id"]) == ("input", artifact_id)
    again = studio.run(waiting.graph)
    assert again.cached == set(waiting.graph), "what it waited for is what it would load now"


def test_the_server_answers_while_it_waits(studio: Studio) -> None:
    Waiting(artifact_id=pending(studio)).begin(studio)
    began = time.monotonic()
    for _ in range(20):
        studio.ask("GET", "/queue", 200)
        studio.get("/health")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("how_many", [1, 2])
def test_an_interrupt_ends_it(studio: Studio, how_many: int) -> None:
    waiting = Waiting(artifact_id=pending(studio))
    if how_many == 2:
        waiting.graph.write(waiting.graph.load(artifact_id=pending(studio), if_not_usable="wait"))
    prompt_id = waiting.begin(studio)
    began = time.monotonic()
    studio.ask("POST", "/interrupt", 200)
    outcome = studio.outcome(prompt_id)
    assert time.monotonic() - began < 2
    assert outcome.status == "error"
    assert outcome.message("execution_interrupted") is not None
    (workflow,) = studio.workflows_of(prompt_id)
    assert studio.settled(workflow["id"])["status"] == "cancelled"
    studio.saved()


def test_an_interrupt_of_another_prompt_leaves_it_alone(studio: Studio) -> None:
    artifact_id = pending(studio)
    prompt_id = Waiting(artifact_id=artifact_id).begin(studio)
    studio.ask("POST", "/interrupt", 200, json={"prompt_id": str(uuid.uuid4())})
    time.sleep(0.4)
    studio.post(f"/artifacts/{artifact_id}/approve")
    assert studio.outcome(prompt_id).status == "success"


def test_a_timeout_is_a_clear_failure(studio: Studio) -> None:
    artifact_id = pending(studio)
    waiting = Waiting(artifact_id=artifact_id, timeout=1)
    began = time.monotonic()
    outcome = studio.run(waiting.graph, status="error")
    assert 1 <= time.monotonic() - began < 5
    assert outcome.error == f"waited 1 s, and still: artifact {artifact_id} is not usable: it waits for a decision"


@pytest.mark.parametrize("reason", ["rejected", "trashed", "changed"])
def test_it_waits_whatever_the_reason(studio: Studio, reason: str) -> None:
    artifact_id = studio.uploaded()["id"]
    stored = studio.stored(artifact_id)
    whole = stored.read_bytes()
    if reason == "rejected":
        studio.post(f"/artifacts/{artifact_id}/reject", {"reason": "blurred"})
    elif reason == "trashed":
        studio.hub("DELETE", f"/artifacts/{artifact_id}")
    else:
        stored.chmod(0o644)
        stored.write_bytes(whole[:-1] + b"\x00")
    try:
        waiting = Waiting(artifact_id=artifact_id)
        prompt_id = waiting.begin(studio)
    finally:
        if reason == "changed":
            stored.write_bytes(whole)
    if reason == "rejected":
        studio.post(f"/artifacts/{artifact_id}/approve")
    elif reason == "trashed":
        studio.post(f"/artifacts/{artifact_id}/undelete")
    assert studio.outcome(prompt_id).text(waiting.artifact_id) == [artifact_id]


def test_a_step_that_does_not_exist_yet_is_waited_for(studio: Studio) -> None:
    chain = f"film {uuid.uuid4()} x"
    waiting = Waiting(chain=chain, step="a")
    prompt_id = waiting.begin(studio)
    chain_id = studio.post("/chains", {"name": chain}, 201)["id"]
    made = studio.post("/workflows", {"workflow_name": "w", "chain_id": chain_id, "step_id": "a"}, 201)
    time.sleep(0.3)
    assert studio.ask("GET", f"/history/{prompt_id}").json() == {}
    artifact = studio.upload(f"/workflows/{made['id']}/artifacts", picture(), "a.png")
    assert studio.outcome(prompt_id).text(waiting.artifact_id) == [artifact["id"]]


def test_a_rejection_followed_by_an_edit_gives_the_edit(studio: Studio) -> None:
    made = studio.uploaded(requires_approval=True)
    waiting = Waiting(workflow=made["workflow_id"])
    prompt_id = waiting.begin(studio)
    studio.post(f"/artifacts/{made['id']}/reject", {"reason": "six fingers"})
    time.sleep(0.3)
    edit = studio.upload(f"/artifacts/{made['id']}/edit", picture(), "b.png", approval_status="edited")
    assert studio.outcome(prompt_id).text(waiting.artifact_id) == [edit["id"]]


def test_what_it_waited_for_is_not_given_for_something_else_later(studio: Studio) -> None:
    made = studio.uploaded(requires_approval=True)
    waiting = Waiting(workflow=made["workflow_id"])
    prompt_id = waiting.begin(studio)
    edit = studio.upload(f"/artifacts/{made['id']}/edit", picture(), "b.png", approval_status="edited")
    assert studio.outcome(prompt_id).text(waiting.artifact_id) == [edit["id"]]
    studio.hub("DELETE", f"/artifacts/{edit['id']}")
    again = studio.queue(waiting.graph)
    time.sleep(0.5)
    assert studio.ask("GET", f"/history/{again}").json() == {}, "it waits for the first one, which is pending still"
    studio.post(f"/artifacts/{made['id']}/approve")
    assert studio.outcome(again).text(waiting.artifact_id) == [made["id"]]


def test_nobody_waits_for_an_id_that_names_nothing(studio: Studio) -> None:
    missing = str(uuid.uuid4())
    outcome = studio.run(Waiting(artifact_id=missing).graph, status="error")
    assert outcome.error == f"no artifact {missing}"
