"""People in a chain: it waits without holding anything, and goes on by itself once somebody has decided."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from chaining import Studio, step
from comfyui_artifact_db.errors import Conflict, Invalid, NotFound
from comfyui_artifact_db.library import chains, decisions, driving, edits, executing, workflows
from comfyui_artifact_db.library.views import Artifact, Chain
from comfyui_artifact_db.media.kinds import PNG
from making import png
from waiting import until

REVIEWED = step("one", requires_approval=True)


def test_a_chain_waits_for_a_person_and_goes_on_by_itself(studio: Studio) -> None:
    chain = studio.begin(REVIEWED, step("two", "one"))
    with studio.driving():
        studio.until(chain, "awaiting_approval")
        waiting = studio.current(chain, "one")
        assert (waiting.approval_status, studio.statuses(chain)) == ("pending", {"one": "awaiting_approval"})
        decisions.approve(studio.library, waiting.id, by="ada")
        studio.until(chain, "completed")


def test_what_an_editor_made_of_it_is_what_goes_on(studio: Studio) -> None:
    chain = studio.begin(REVIEWED, step("two", "one", server="gpu-b"))
    with studio.driving():
        studio.until(chain, "awaiting_approval")
        with studio.library.store.receiving() as part:
            part.write(png(31))
            edits.edit(studio.library, studio.current(chain, "one").id, part, PNG, by="ada", filename="e.png")
        studio.until(chain, "completed")
    name = studio.servers["gpu-b"].queued[-1]["prompt"]["1"]["inputs"]["image"]
    assert (studio.servers["gpu-b"].folder / "input" / name).read_bytes() == png(31)


def test_another_of_the_batch_is_picked(studio: Studio) -> None:
    studio.pictures = 4
    chain = studio.begin(REVIEWED, step("two", "one", server="gpu-b"))
    with studio.driving():
        studio.until(chain, "awaiting_approval")
        third = next(one for one in studio.heads(chain, "one") if one.output_key == "9:images:2")
        decisions.approve(studio.library, third.id, by="ada")
        studio.until(chain, "completed")
    name = studio.servers["gpu-b"].queued[-1]["prompt"]["1"]["inputs"]["image"]
    assert (studio.servers["gpu-b"].folder / "input" / name).read_bytes() == Path(third.local_path).read_bytes()


def test_a_rejection_holds_the_chain_until_the_step_runs_again_with_other_parameters(studio: Studio) -> None:
    chain = studio.begin({**REVIEWED, "parameters": {"7.text": "a cat"}}, step("two", "one"))
    with studio.driving():
        studio.until(chain, "awaiting_approval")
        first = studio.current(chain, "one")
        decisions.reject(studio.library, first.id, by="ada", reason="a dog")
        workflow = studio.workflow(chain, "one")
        executing.retry(studio.library, workflow.id, parameters={"7.text": "a dog"}, by="ada")
        studio.until(chain, "awaiting_approval")
        (second,) = studio.heads(chain, "one")
        assert (second.version, second.output_key) == (2, first.output_key)
        decisions.approve(studio.library, second.id, by="ada")
        studio.until(chain, "completed")
    old, new = studio.attempts(chain, "one")
    assert (old.parameters, new.parameters) == ({"7.text": "a cat"}, {"7.text": "a dog"})
    assert new.requested_by == "ada"


def test_a_chain_that_failed_goes_on_when_its_step_is_tried_again(studio: Studio) -> None:
    studio.fails = lambda graph: graph["7"]["inputs"]["text"] != "better"
    chain = studio.run(step("one"), step("two", "one", parameters={"7.text": "better"}), status="failed")
    executing.retry(studio.library, studio.workflow(chain, "one").id, parameters={"7.text": "better"}, by="ada")
    with studio.driving():
        studio.until(chain, "completed")
    assert [one.status for one in studio.attempts(chain, "one")] == ["failed", "completed"]


def test_what_cannot_be_tried_again_is_said(studio: Studio) -> None:
    chain = studio.run(step("one"))
    workflow = studio.workflow(chain, "one")
    with pytest.raises(Invalid, match=r"no input '7\.txt'"):
        executing.retry(studio.library, workflow.id, parameters={"7.txt": 1}, by="ada")
    other, _ = chains.create_chain(studio.library, name="another's", actor="runner")
    standalone, _ = workflows.create_workflow(studio.library, workflow_name="w", actor="runner")
    of_others, _ = workflows.create_workflow(studio.library, workflow_name="w", chain_id=other.id, actor="runner")
    for one in (standalone, of_others):
        with pytest.raises(NotFound):
            executing.retry(studio.library, one.id, parameters=None, by="ada")


@pytest.mark.parametrize(("then", "status"), [("approve", "completed"), ("fail", "failed")])
def test_a_time_limit_decides_only_where_the_file_sets_one(studio: Studio, then: str, status: str) -> None:
    limited = {**REVIEWED, "approval_timeout": {"after": "100ms", "then": then}}
    chain = studio.run(limited, step("two", "one"), status=status)
    if then == "fail":
        assert chain.error_message == "step one: nobody decided within 0.1 s"
        assert studio.current(chain, "one").approval_status == "pending"
    else:
        assert studio.current(chain, "one").approved_by == "chain: approval_timeout"


def second_of_two(studio: Studio) -> tuple[Chain, Artifact]:
    """A chain whose second step needs another output of the first than the one that was approved."""
    studio.pictures = 2
    chain = studio.begin(REVIEWED, step("two", "one", parameters={"7.text": "{{ one.outputs['9:images:1'] }}"}))
    with studio.driving():
        studio.until(chain, "awaiting_approval")
    decisions.approve(studio.library, studio.current(chain, "one").id, by="ada")
    return chain, next(head for head in studio.heads(chain, "one") if head.output_key == "9:images:1")


def test_a_step_that_needs_another_output_says_that_it_waits_for_a_decision_on_it(studio: Studio) -> None:
    chain, other = second_of_two(studio)
    with studio.driving():
        until(lambda: studio.statuses(chain).get("two") == "queued")
        until(lambda: "waits for a decision" in str(studio.workflow(chain, "two").error_message))
        decisions.approve(studio.library, other.id, by="ada")
        studio.until(chain, "completed")
    (attempt,) = studio.attempts(chain, "two")
    assert (attempt.status, attempt.error_message) == ("completed", None)


def test_a_step_that_needs_another_output_which_was_rejected_fails(studio: Studio) -> None:
    chain, other = second_of_two(studio)
    decisions.reject(studio.library, other.id, by="ada", reason="ugly")
    with studio.driving():
        failed = studio.until(chain, "failed")
    assert f"artifact {other.id} is not usable: it was rejected (ugly)" in str(failed.error_message)


@pytest.mark.engine("local")
def test_nothing_is_held_while_a_person_thinks(studio: Studio) -> None:
    chain = studio.run(REVIEWED, step("two", "one"), status="awaiting_approval")
    assert driving.driver_of(studio.library, chain.id) is None
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("artifact-db-steps")]


def test_a_chain_is_cancelled_and_its_prompt_is_somebody_s_to_end(studio: Studio) -> None:
    for server in studio.servers.values():
        server.runs = None
    chain = studio.begin(step("one", server="gpu-a"), step("two", "one"))
    with studio.driving():
        until(lambda: studio.statuses(chain).get("one") == "executing")
        (running,) = executing.cancel(studio.library, chain.id, by="ada")
        assert running.prompt_id == studio.servers["gpu-a"].queued[0]["prompt_id"]
        studio.until(chain, "cancelled")
    assert studio.statuses(chain) == {"one": "cancelled"}
    (still,) = executing.cancel(studio.library, chain.id, by="ada", revision=0)
    assert (still.id, still.status) == (running.id, "cancelled")
    with pytest.raises(Conflict, match="was cancelled"):
        executing.retry(studio.library, studio.workflow(chain, "one").id, parameters=None, by="ada")


@pytest.mark.engine("local")
def test_a_chain_in_the_trash_is_left_alone_and_goes_on_when_it_is_taken_out(studio: Studio) -> None:
    chain = studio.begin(REVIEWED, step("two", "one"))
    with studio.driving() as driver:
        studio.until(chain, "awaiting_approval")
        waiting = studio.current(chain, "one")
        chains.delete_chain(studio.library, chain.id, actor="ada")
        until(lambda: not driver.driven)
        chains.undelete_chain(studio.library, chain.id, actor="ada")
        decisions.approve(studio.library, waiting.id, by="ada")
        studio.until(chain, "completed")
