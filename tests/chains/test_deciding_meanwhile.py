"""Pins what happens when somebody decides, or opens a step again, at the very moment at which an engine goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from chaining import Studio, step
from comfyui_artifact_db.chains import prompts, rounds, steps
from comfyui_artifact_db.chains.driven import Chain as Driven
from comfyui_artifact_db.chains.progress import Progress
from comfyui_artifact_db.chains.records import LocalRecords
from comfyui_artifact_db.db.statuses import FINISHED_CHAIN
from comfyui_artifact_db.library import chains, decisions, executing, trash
from comfyui_artifact_db.library.views import Artifact
from making import png
from waiting import until

REVIEWED = step("one", requires_approval=True)


def approve(studio: Studio, artifact: Artifact) -> None:
    decisions.approve(studio.library, artifact.id, by="ada")


def reject(studio: Studio, artifact: Artifact) -> None:
    decisions.reject(studio.library, artifact.id, by="ada", reason="too dark")


def again(studio: Studio, artifact: Artifact) -> None:
    decisions.reject(studio.library, artifact.id, by="ada", reason="too dark", again={"7.text": "light"})


def test_a_step_that_is_opened_again_as_its_chain_is_concluded_keeps_the_chain_open(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    conclude = LocalRecords.conclude_chain
    late: list[Callable[[], None]] = []

    def concluded(self: LocalRecords, chain_id: str, *, status: str, **told: Any) -> None:
        if status == "completed" and late:
            late.pop()()
        conclude(self, chain_id, status=status, **told)

    monkeypatch.setattr(LocalRecords, "conclude_chain", concluded)
    chain = studio.begin(REVIEWED)
    with studio.driving():
        studio.until(chain, "awaiting_approval")
        first = studio.current(chain, "one")
        late.append(lambda: again(studio, first))
        approve(studio, first)
        until(lambda: [attempt.status for attempt in studio.attempts(chain, "one")] == ["completed", "completed"])
        assert not late
        (second,) = studio.heads(chain, "one")
        approve(studio, second)
        studio.until(chain, "completed")
    assert [attempt.status for attempt in studio.attempts(chain, "one")] == ["completed", "completed"]


@pytest.mark.parametrize(
    ("then", "decide", "status"),
    [("approve", reject, "awaiting_approval"), ("fail", approve, "completed"), ("fail", again, "failed")],
)
def test_a_person_who_decides_as_the_time_is_over_has_decided(
    studio: Studio,
    monkeypatch: pytest.MonkeyPatch,
    then: str,
    decide: Callable[[Studio, Artifact], None],
    status: str,
) -> None:
    look, decided = rounds.look, []

    def looked(chain: Driven) -> Progress:
        found = look(chain)
        if not decided:
            decided.append(studio.current(chain_row, "one"))
            decide(studio, decided[0])
        return found

    monkeypatch.setattr(rounds, "look", looked)
    limit = {"after": "0.2s", "then": then}
    chain_row = studio.begin(step("one", requires_approval=True, approval_timeout=limit), step("two", "one"))
    with studio.driving():
        until(lambda: decided)
        studio.until(chain_row, status)
        if decide is again:  # The new picture has a time limit of its own, within which nobody decides.
            assert [one.status for one in studio.attempts(chain_row, "one")] == ["completed", "completed"]
            assert studio.workflow(chain_row, "one").error_message == "nobody decided within 0.2 s"
    assert decided[0].id == studio.current(chain_row, "one").id
    assert studio.current(chain_row, "one").decided_by == "ada"


def test_who_rejects_the_first_of_a_batch_as_the_time_is_over_has_decided_on_no_other(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, decided = rounds.look, []

    def looked(chain: Driven) -> Progress:
        found = look(chain)
        if not decided:
            decided.append(studio.current(chain_row, "one"))
            reject(studio, decided[0])
        return found

    monkeypatch.setattr(rounds, "look", looked)
    studio.pictures = 2
    limit = {"after": "0.2s", "then": "approve"}
    chain_row = studio.begin(step("one", requires_approval=True, approval_timeout=limit), step("two", "one"))
    other = studio.begin(step("one"), step("two", "one"))
    with studio.driving():
        until(lambda: decided)
        studio.until(other, "completed")
        studio.until(chain_row, "awaiting_approval")
    assert sorted(one.approval_status for one in studio.heads(chain_row, "one")) == ["pending", "rejected"]
    assert "two" not in studio.statuses(chain_row)


def test_a_rejection_is_a_decision_and_no_time_limit_overrides_it(studio: Studio) -> None:
    limit = {"after": "2s", "then": "fail"}
    chain = studio.begin(step("one", requires_approval=True, approval_timeout=limit), step("two", "one"))
    other = studio.begin(step("one", requires_approval=True, approval_timeout=limit), step("two", "one"))
    with studio.driving():
        until(lambda: studio.statuses(chain).get("one") == "awaiting_approval")
        reject(studio, studio.current(chain, "one"))
        studio.until(other, "failed")  # Nobody has decided there.
        assert chains.get_chain(studio.library, chain.id).status == "awaiting_approval"


def test_a_step_whose_picture_was_deleted_waits_as_before(studio: Studio) -> None:
    chain = studio.begin(REVIEWED, {**step("two"), "depends_on": ["one"]})
    with studio.driving():
        studio.until(chain, "awaiting_approval")
        picture = studio.current(chain, "one")
        trash.delete(studio.library, picture.id, by="ada")
        other = studio.begin(step("zero"))
        studio.until(other, "completed")
        assert chains.get_chain(studio.library, chain.id).status == "awaiting_approval"
        assert "two" not in studio.statuses(chain)
        trash.undelete(studio.library, picture.id, by="ada")
        approve(studio, studio.current(chain, "one"))
        studio.until(chain, "completed")


def test_a_rejection_while_its_picture_is_delivered_stops_the_next_step(studio: Studio) -> None:
    chain = studio.begin(REVIEWED, step("two", "one", server="gpu-b"))
    gpu_b = studio.servers["gpu-b"]
    with studio.driving():
        studio.until(chain, "awaiting_approval")
        picture = studio.current(chain, "one")
        gpu_b.after_storing = lambda path: reject(studio, picture)
        approve(studio, picture)
        until(lambda: studio.current(chain, "one").approval_status == "rejected")
        studio.until(chain, "awaiting_approval")
        assert gpu_b.queued == []
        gpu_b.after_storing = None
        approve(studio, picture)
        studio.until(chain, "completed")
    assert len(gpu_b.queued) == 1


def test_what_one_attempt_made_completes_its_step_though_the_next_one_failed(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "AWAY", 0.2)
    monkeypatch.setattr(prompts, "LATEST", 0.05)
    gpu_a = studio.servers["gpu-a"]
    gpu_a.runs = None
    chain = studio.begin(step("one", server="gpu-a", retry={"attempts": 4, "backoff": 0.3}))
    with studio.driving():
        until(lambda: gpu_a.queued and studio.attempts(chain, "one")[0].status == "executing")
        gpu_a.away = True
        until(lambda: [one.status for one in studio.attempts(chain, "one")][1:] == ["failed"])
        (asked,) = gpu_a.queued
        outputs = {"9": {"images": [gpu_a.file("late.png", png(77))]}}
        gpu_a.ran(asked["prompt_id"], outputs, graph=asked["prompt"])
        gpu_a.away = False
        studio.until(chain, "completed")
    assert [one.status for one in studio.attempts(chain, "one")][:3] == ["completed", "failed", "skipped"]
    assert len(gpu_a.queued) == 1


def test_a_prompt_that_runs_is_followed_though_a_step_before_it_was_opened_again(studio: Studio) -> None:
    gpu_b = studio.servers["gpu-b"]
    gpu_b.runs = None
    chain = studio.begin(REVIEWED, step("two", "one", server="gpu-b"))
    with studio.driving():
        studio.until(chain, "awaiting_approval")
        picture = studio.current(chain, "one")
        approve(studio, picture)
        until(lambda: studio.statuses(chain).get("two") == "executing")
        reject(studio, picture)
        (asked,) = gpu_b.queued
        gpu_b.ran(asked["prompt_id"], {"9": {"images": [gpu_b.file("x.png", png(7))]}}, graph=asked["prompt"])
        until(lambda: studio.statuses(chain)["two"] == "completed")
        studio.until(chain, "awaiting_approval")
        approve(studio, picture)
        studio.until(chain, "completed")
    assert len(gpu_b.queued) == 1


def test_a_chain_fails_only_once_what_runs_has_ended(studio: Studio) -> None:
    gpu_b = studio.servers["gpu-b"]
    gpu_b.runs = None
    chain = studio.begin(step("one", server="gpu-a"), step("two", "one", server="gpu-b"))
    with studio.driving():
        until(lambda: studio.statuses(chain).get("two") == "executing")
        studio.fails = lambda graph: True
        executing.retry(studio.library, studio.workflow(chain, "one").id, parameters=None, by="ada")
        until(lambda: studio.statuses(chain)["one"] == "failed")
        assert chains.get_chain(studio.library, chain.id).status not in FINISHED_CHAIN
        (asked,) = gpu_b.queued
        gpu_b.ran(asked["prompt_id"], {"9": {"images": [gpu_b.file("x.png", png(7))]}}, graph=asked["prompt"])
        studio.until(chain, "failed")
    assert studio.statuses(chain)["two"] == "completed"
