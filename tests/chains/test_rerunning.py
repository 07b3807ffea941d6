"""A chain is run again from a step: what came before is taken over, bytes, decisions and all."""

from __future__ import annotations

from pathlib import Path

import invariants
import pytest
from chaining import Studio, step
from comfyui_artifact_db.chains import rerunning
from comfyui_artifact_db.errors import Conflict, Invalid
from comfyui_artifact_db.library import artifacts, chains, decisions, driving, lineage, pages
from making import png

THREE = (step("one"), step("two", "one", parameters={"7.text": "{{ prompt }}"}), step("three", "two"), step("side"))


def test_untouched_steps_are_taken_over_and_the_rest_runs_again(studio: Studio) -> None:
    old = studio.run(*THREE, defaults={"prompt": "a cat"})
    queued = sum(len(server.queued) for server in studio.servers.values())
    new = rerunning.rerun(studio.library, old.id, from_step="two", parameters={"two.7.text": "a dog"}, actor="ada")
    with studio.driving():
        studio.until(new, "completed")
    again = [asked["prompt"] for server in studio.servers.values() for asked in server.queued]
    assert sum(len(server.queued) for server in studio.servers.values()) == queued + 2
    assert any(graph["7"]["inputs"]["text"] == "a dog" for graph in again)
    for name in ("one", "side"):
        source, taken = studio.current(old, name), studio.current(new, name)
        assert (taken.sha256, taken.source_artifact_id) == (source.sha256, source.id)
        assert taken.id != source.id
    found = lineage.get_lineage(studio.library, studio.current(new, "three").id)
    assert studio.current(old, "one").id in {one.artifact.id for one in found.ancestors}
    drive = driving.get_drive(studio.library, new.id)
    assert drive is not None
    assert drive.source_chain_id == old.id
    assert studio.statuses(old) == dict.fromkeys(("one", "two", "three", "side"), "completed")


def test_a_decision_is_taken_over_with_the_bytes_it_was_made_on(studio: Studio) -> None:
    old = studio.begin(step("one", requires_approval=True), step("two", "one"))
    with studio.driving():
        studio.until(old, "awaiting_approval")
        decisions.approve(studio.library, studio.current(old, "one").id, by="ada")
        studio.until(old, "completed")
        new = rerunning.rerun(studio.library, old.id, from_step="two", parameters={}, actor="bob")
        studio.until(new, "completed")
    taken = studio.current(new, "one")
    assert (taken.approval_status, taken.approved_by) == ("approved", "ada")


def test_each_of_a_batch_comes_with_what_was_decided_on_it_and_when(studio: Studio) -> None:
    studio.pictures = 3
    old = studio.begin(step("one", requires_approval=True), step("two", "one"))
    with studio.driving():
        studio.until(old, "awaiting_approval")
        first, second, third = studio.heads(old, "one")
        decisions.reject(studio.library, second.id, by="ben", reason="too dark")
        decisions.approve(studio.library, first.id, by="ada", actor="runner")
        studio.until(old, "completed")
        new = rerunning.rerun(studio.library, old.id, from_step="two", parameters={}, actor="bob")
        studio.until(new, "completed")
    invariants.check(studio.library)
    taken = {one.source_artifact_id: one for one in studio.heads(new, "one")}
    for source in studio.heads(old, "one"):
        of = taken[source.id]
        for column in (
            *("approval_status", "approved_by", "approved_at", "rejection_reason"),
            *("decided_by", "decided_at", "decided_sha256"),
        ):
            assert getattr(of, column) == getattr(source, column), column
    assert taken[second.id].rejection_reason == "too dark"
    assert taken[third.id].approval_status == "pending"


def test_without_a_step_everything_runs_again_with_other_parameters(studio: Studio) -> None:
    old = studio.run(*THREE, defaults={"prompt": "a cat"})
    before = studio.made
    new = rerunning.rerun(studio.library, old.id, from_step=None, parameters={"prompt": "a fox"}, actor="ada")
    with studio.driving():
        studio.until(new, "completed")
    assert studio.made == before + 4
    assert studio.attempts(new, "two")[0].parameters == {
        **{"7.text": "a fox"},
        "1.image": studio.attempts(new, "two")[0].parameters["1.image"],  # type: ignore[index]
    }


def test_it_is_safe_to_repeat(studio: Studio) -> None:
    from comfyui_artifact_db.library import identities

    old = studio.run(*THREE, defaults={"prompt": "a cat"})
    chosen = identities.new_id()
    how = {"from_step": "three", "parameters": {}, "actor": "ada", "id": chosen}
    first = rerunning.rerun(studio.library, old.id, **how)  # type: ignore[arg-type]
    second = rerunning.rerun(studio.library, old.id, **how)  # type: ignore[arg-type]
    assert first.id == second.id == chosen
    assert len(studio.heads(first, "one")) == 1


def test_what_cannot_be_run_again_is_said(studio: Studio) -> None:
    old = studio.run(*THREE, defaults={"prompt": "a cat"})
    refused = (
        *(({"x": 1}, "two", "neither"), ({"two.7.txt": 1}, "two", "neither"), ({}, "four", "has no step 'four'")),
        *(
            ({"one.7.text": "x"}, "two", "taken over"),
            ({"prompt": "a dog"}, "three", "no step that runs"),
        ),
    )
    for parameters, from_step, why in refused:
        with pytest.raises(Invalid, match=why):
            rerunning.rerun(studio.library, old.id, from_step=from_step, parameters=parameters, actor="ada")
    another, _ = chains.create_chain(studio.library, name="another's", actor="runner")
    with pytest.raises(Conflict, match="was not driven"):
        rerunning.rerun(studio.library, another.id, from_step=None, parameters={}, actor="ada")
    studio.fails = lambda graph: True
    failed = studio.run(*THREE, defaults={"prompt": "a cat"}, status="failed")
    with pytest.raises(Conflict, match="have not ended"):
        rerunning.rerun(studio.library, failed.id, from_step="two", parameters={}, actor="ada")


def test_a_file_that_was_recorded_is_not_named_again_in_vain(studio: Studio, tmp_path: Path) -> None:
    for name in ("photo.png", "other.png"):
        (tmp_path / name).write_bytes(png(4711))
    one = step("one", inputs={"1.image": "{{ source }}"})
    old = studio.run(one, defaults={"source": "photo.png"}, folder=tmp_path)
    with pytest.raises(Invalid, match=r"set STEP\.node_id\.input"):
        rerunning.rerun(studio.library, old.id, from_step=None, parameters={"source": "other.png"}, actor="ada")


def test_a_step_that_the_chain_went_on_without_runs_again_with_what_waits_for_it(studio: Studio) -> None:
    studio.fails = lambda graph: graph["7"]["inputs"]["text"] == "bad"
    bad = step("bad", on_error="continue", parameters={"7.text": "bad"})
    old = studio.run(bad, step("after", "bad"), step("good"), step("last", "good"))
    assert studio.statuses(old)["after"] == "skipped"
    studio.fails = lambda graph: False
    new = rerunning.rerun(studio.library, old.id, from_step="last", parameters={}, actor="ada")
    with studio.driving():
        studio.until(new, "completed")
    assert studio.statuses(new) == dict.fromkeys(("bad", "after", "good", "last"), "completed")
    assert studio.current(new, "good").source_artifact_id == studio.current(old, "good").id


@pytest.mark.engine("local")
def test_a_step_of_more_outputs_than_a_page_holds_is_taken_over_whole(studio: Studio) -> None:
    studio.pictures = pages.MAX_LIMIT + 1
    old = studio.run(step("one"), step("two", "one"))
    studio.pictures = 1
    new = rerunning.rerun(studio.library, old.id, from_step="two", parameters={}, actor="ada")
    sources = artifacts.list_heads(studio.library, studio.workflow(old, "one").id)
    taken = artifacts.list_heads(studio.library, studio.workflow(new, "one").id)
    assert len(taken) == pages.MAX_LIMIT + 1
    assert {one.source_artifact_id for one in taken} == {one.id for one in sources}
    assert taken[0].source_artifact_id == studio.current(old, "one").id
