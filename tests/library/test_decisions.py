"""Decisions are made on bytes, by somebody, once; and they name what was seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db.errors import Conflict, Invalid, NotFound, NotUsable, StaleRevision
from comfyui_artifact_db.library import (
    artifacts,
    attempts,
    chains,
    decisions,
    driving,
    edits,
    events,
    executing,
    identities,
    runs,
    trash,
)
from comfyui_artifact_db.library.opening import Library
from reviewing import edit, status

OTHER = "0" * 64


def overwrite(path: str, data: bytes) -> None:
    """What a program outside does that pays no heed to read-only bits."""
    Path(path).chmod(0o600)
    Path(path).write_bytes(data)


def test_an_approval_stores_who_when_and_on_which_bytes(library: Library, pictures: Any) -> None:
    picture = pictures.one(status="pending")
    before = identities.now()
    approved = decisions.approve(library, picture.id, by="ann@studio", sha256=picture.sha256.upper())
    assert (approved.approved_by, approved.decided_by) == ("ann@studio", "ann@studio")
    assert before <= str(approved.approved_at) <= identities.now()
    assert approved.decided_at == approved.approved_at
    assert approved.decided_sha256 == picture.sha256


def test_a_rejection_stores_who_when_why_and_on_which_bytes(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    rejected = decisions.reject(library, picture.id, by="ann", reason="  too dark,\nagain ")
    assert rejected.rejection_reason == "too dark,\nagain"
    assert (rejected.decided_by, rejected.decided_sha256) == ("ann", picture.sha256)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 2001, "nul\0", 7])
def test_a_rejection_needs_a_reason(library: Library, pictures: Any, reason: Any) -> None:
    picture = pictures.one()
    with pytest.raises(Invalid) as refused:
        decisions.reject(library, picture.id, by="ann", reason=reason)
    assert refused.value.field == "reason"
    assert status(library, picture.id) == "auto_approved"


def test_approving_twice_by_another_person_is_a_conflict_that_shows_what_the_first_did(
    library: Library, pictures: Any
) -> None:
    picture = pictures.one(status="pending")
    approved = decisions.approve(library, picture.id, by="ann")
    with pytest.raises(Conflict, match="ann") as refused:
        decisions.approve(library, picture.id, by="bob")
    assert refused.value.data["artifact"] == approved


def test_rejecting_twice_by_another_person_is_a_conflict_that_shows_what_the_first_did(
    library: Library, pictures: Any
) -> None:
    picture = pictures.one(status="pending")
    rejected = decisions.reject(library, picture.id, by="ann", reason="too dark")
    with pytest.raises(Conflict, match="ann") as refused:
        decisions.reject(library, picture.id, by="bob", reason="too dark")
    assert refused.value.data["artifact"] == rejected


def test_the_same_person_may_give_another_reason(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    decisions.reject(library, picture.id, by="ann", reason="too dark")
    assert decisions.reject(library, picture.id, by="ann", reason="too blue").rejection_reason == "too blue"


def test_a_repeated_decision_adds_no_event_and_answers_as_the_first_time(library: Library, pictures: Any) -> None:
    picture = pictures.one(status="pending")
    for decide in (
        lambda: decisions.approve(library, picture.id, by="ann", sha256=picture.sha256, revision=picture.revision),
        lambda: decisions.reject(library, picture.id, by="ann", reason="too dark", revision=picture.revision + 1),
    ):
        first = decide()
        seq = events.last_seq(library)
        assert decide() == first
        assert events.last_seq(library) == seq


def test_a_rejection_repeated_with_parameters_runs_the_step_again_once(library: Library, pictures: Any) -> None:
    chain, _ = chains.create_chain(library, name="film", actor="runner")
    picture = pictures.one(run=runs.Run("gpu-a", "p1", "w", chain=chain.id, step="one"))
    attempts.finish(library, server_address="gpu-a", prompt_id="p1", status="completed", error=None, actor="gpu-a")
    driving.start(library, chain.id, engine="local", parameters={}, actor="runner")
    decisions.reject(library, picture.id, by="ann", reason="too dark")
    for _ in range(2):
        decisions.reject(library, picture.id, by="ann", reason="too dark", again={"7.text": "light"})
    newest, first = attempts.list_attempts(library, picture.workflow_id)
    assert executing.get_overrides(library, newest.id) == {"7.text": "light"}
    assert first.prompt_id == "p1"
    with pytest.raises(Conflict, match="it is queued at this moment"):
        decisions.reject(library, picture.id, by="ann", reason="too dark", again={"7.text": "dim"})


def test_a_decision_on_other_bytes_than_were_seen_is_refused(library: Library, pictures: Any) -> None:
    picture = pictures.one(status="pending")
    with pytest.raises(Conflict) as refused:
        decisions.approve(library, picture.id, by="ann", sha256=OTHER)
    assert refused.value.data["sha256"] == picture.sha256
    assert status(library, picture.id) == "pending"


def test_a_decision_on_an_older_revision_is_refused_with_the_present_one(library: Library, pictures: Any) -> None:
    picture = pictures.one(status="pending")
    decisions.tag(library, picture.id, "seen", by="bob")
    for decide in (
        lambda: decisions.approve(library, picture.id, by="ann", revision=picture.revision),
        lambda: decisions.reject(library, picture.id, by="ann", reason="no", revision=picture.revision),
        lambda: decisions.ask_again(library, picture.id, by="ann", revision=picture.revision),
        lambda: decisions.select(library, picture.id, by="ann", revision=picture.revision),
        lambda: decisions.tag(library, picture.id, "mine", by="ann", revision=picture.revision),
        lambda: decisions.untag(library, picture.id, "seen", by="ann", revision=picture.revision),
        lambda: edit(library, picture.id, revision=picture.revision),
        lambda: edits.restore(library, picture.id, picture.id, by="ann", revision=picture.revision),
    ):
        with pytest.raises((StaleRevision, NotUsable)) as refused:
            decide()
        if isinstance(refused.value, StaleRevision):
            assert refused.value.data["revision"] > picture.revision
    assert status(library, picture.id) == "pending"
    assert artifacts.get_artifact(library, picture.id).tags == ("seen",)


def test_approving_version_2_while_version_3_arrives_approves_exactly_what_was_seen(
    library: Library, pictures: Any
) -> None:
    first = pictures.one(status="pending")
    second = pictures.one(workflow_id=first.workflow_id, status="pending")
    third = pictures.one(workflow_id=first.workflow_id, status="pending")
    decisions.approve(library, second.id, by="ann", sha256=second.sha256)
    assert [status(library, a.id) for a in (first, second, third)] == ["pending", "approved", "pending"]
    current = artifacts.get_latest_artifact(library, first.workflow_id)
    assert current is not None
    assert current.id == second.id


def test_changed_bytes_cannot_be_approved_and_nothing_is_decided(library: Library, pictures: Any) -> None:
    picture = pictures.one(status="pending")
    overwrite(picture.local_path, b"not what was recorded")
    with pytest.raises(NotUsable, match="bytes"):
        decisions.approve(library, picture.id, by="ann")
    assert status(library, picture.id) == "pending"


def test_a_lost_file_cannot_be_approved(library: Library, pictures: Any) -> None:
    picture = pictures.one(status="pending")
    Path(picture.local_path).unlink()
    with pytest.raises(NotUsable):
        decisions.approve(library, picture.id, by="ann")


def test_what_was_approved_is_not_usable_any_more_once_its_bytes_change(library: Library, pictures: Any) -> None:
    picture = pictures.one(status="pending")
    decisions.approve(library, picture.id, by="ann")
    overwrite(picture.local_path, b"not what was approved")
    seen = artifacts.get_artifact(library, picture.id)
    assert seen.approval_status == "approved"
    assert not seen.usable
    with pytest.raises(NotUsable, match="bytes"):
        artifacts.require_usable(library, seen)


def test_changed_bytes_can_be_rejected(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    overwrite(picture.local_path, b"not what was recorded")
    assert decisions.reject(library, picture.id, by="ann", reason="damaged").approval_status == "rejected"


def test_nothing_in_the_trash_can_be_approved_or_selected(library: Library, pictures: Any) -> None:
    picture = pictures.one(status="pending")
    trash.delete(library, picture.id, by="ann")
    for decide in (decisions.approve, decisions.select):
        with pytest.raises(NotUsable, match="trash"):
            decide(library, picture.id, by="ann")


@pytest.mark.parametrize("by", ["", "  ", "two\0", "x" * 256, None])
def test_every_decision_has_an_actor(library: Library, pictures: Any, by: Any) -> None:
    picture = pictures.one(status="pending")
    for decide in (
        lambda: decisions.approve(library, picture.id, by=by),
        lambda: decisions.reject(library, picture.id, by=by, reason="no"),
        lambda: decisions.ask_again(library, picture.id, by=by),
        lambda: decisions.select(library, picture.id, by=by),
        lambda: decisions.tag(library, picture.id, "nice", by=by),
        lambda: decisions.untag(library, picture.id, "nice", by=by),
        lambda: edit(library, picture.id, by=by),
        lambda: edits.restore(library, picture.id, picture.id, by=by),
        lambda: trash.delete(library, picture.id, by=by),
        lambda: trash.undelete(library, picture.id, by=by),
    ):
        with pytest.raises(Invalid):
            decide()


def test_a_decision_on_what_is_not_there_is_not_found(library: Library) -> None:
    nobody = identities.new_id()
    for decide in (
        lambda: decisions.approve(library, nobody, by="ann"),
        lambda: decisions.reject(library, nobody, by="ann", reason="no"),
        lambda: decisions.ask_again(library, nobody, by="ann"),
        lambda: decisions.select(library, nobody, by="ann"),
        lambda: decisions.tag(library, nobody, "nice", by="ann"),
        lambda: edit(library, nobody, b"x"),
    ):
        with pytest.raises(NotFound):
            decide()


def test_a_decision_takes_an_id_in_capitals(library: Library, pictures: Any) -> None:
    picture = pictures.one(status="pending")
    assert decisions.approve(library, picture.id.upper(), by="ann").id == picture.id
