"""The diagram of the design, section 4: every transition that is allowed, and every one that is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.errors import Conflict
from comfyui_artifact_db.library import artifacts, decisions
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Artifact
from reviewing import edit, status

STATUSES = ("pending", "approved", "rejected", "auto_approved", "edited")

Decision = Callable[[Library, str], Artifact]


def approve(library: Library, artifact_id: str) -> Artifact:
    return decisions.approve(library, artifact_id, by="ann")


def reject(library: Library, artifact_id: str) -> Artifact:
    return decisions.reject(library, artifact_id, by="ann", reason="too dark")


def ask_again(library: Library, artifact_id: str) -> Artifact:
    return decisions.ask_again(library, artifact_id, by="ann")


ALLOWED = {
    ("pending", approve): "approved",
    ("rejected", approve): "approved",
    ("auto_approved", approve): "approved",
    ("pending", reject): "rejected",
    ("approved", reject): "rejected",
    ("auto_approved", reject): "rejected",
    ("edited", reject): "rejected",
    ("auto_approved", ask_again): "pending",
    ("approved", ask_again): "pending",
    ("edited", ask_again): "pending",
}
UNCHANGED = [("approved", approve), ("rejected", reject), ("pending", ask_again)]
FORBIDDEN = [
    (start, decision)
    for start in STATUSES
    for decision in (approve, reject, ask_again)
    if (start, decision) not in ALLOWED and (start, decision) not in UNCHANGED
]


def make(library: Library, pictures: Any, start: str) -> Artifact:
    """An artifact that has come to this status in an ordinary way, by ann's hand where one was needed."""
    if start == "edited":
        return edit(library, pictures.one().id, by="ann")
    if start in ("approved", "rejected"):
        waiting = pictures.one(status="pending")
        return (approve if start == "approved" else reject)(library, waiting.id)
    artifact: Artifact = pictures.one(status=start)
    return artifact


def named(value: Any) -> str:
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize(("start", "decision"), ALLOWED, ids=named)
def test_an_allowed_transition_happens(library: Library, pictures: Any, start: str, decision: Decision) -> None:
    artifact = make(library, pictures, start)
    assert artifact.approval_status == start
    changed = decision(library, artifact.id)
    assert changed.approval_status == ALLOWED[start, decision] == status(library, artifact.id)
    assert changed.revision > artifact.revision
    invariants.check(library)


@pytest.mark.parametrize(("start", "decision"), UNCHANGED, ids=named)
def test_the_same_decision_by_the_same_person_changes_nothing(
    library: Library, pictures: Any, start: str, decision: Decision
) -> None:
    artifact = make(library, pictures, start)
    assert decision(library, artifact.id) == artifact
    assert artifacts.get_artifact(library, artifact.id) == artifact


@pytest.mark.parametrize(("start", "decision"), FORBIDDEN, ids=named)
def test_a_forbidden_transition_is_a_conflict_and_changes_nothing(
    library: Library, pictures: Any, start: str, decision: Decision
) -> None:
    artifact = make(library, pictures, start)
    with pytest.raises(Conflict) as refused:
        decision(library, artifact.id)
    assert refused.value.data["artifact"] == artifact
    assert artifacts.get_artifact(library, artifact.id) == artifact


def test_what_is_forbidden_is_approving_an_edit_and_asking_again_for_what_was_rejected() -> None:
    assert [("rejected", ask_again), ("edited", approve)] == FORBIDDEN


@pytest.mark.parametrize("start", STATUSES)
def test_any_version_can_be_edited_and_keeps_its_own_status(library: Library, pictures: Any, start: str) -> None:
    artifact = make(library, pictures, start)
    edited = edit(library, artifact.id)
    assert edited.approval_status == "edited"
    assert edited.parent_artifact_id == artifact.id
    assert status(library, artifact.id) == start
    invariants.check(library)


def test_asking_again_forgets_the_decision_that_was_made(library: Library, pictures: Any) -> None:
    artifact = make(library, pictures, "approved")
    asked = ask_again(library, artifact.id)
    assert (asked.approved_by, asked.approved_at, asked.decided_by, asked.decided_at) == (None, None, None, None)
    assert asked.decided_sha256 is None
    assert not asked.usable


def test_an_approval_forgets_the_reason_of_the_rejection_before_it(library: Library, pictures: Any) -> None:
    artifact = make(library, pictures, "rejected")
    approved = approve(library, artifact.id)
    assert approved.rejection_reason is None
    assert approved.usable


def test_a_rejection_forgets_the_approval_before_it(library: Library, pictures: Any) -> None:
    artifact = make(library, pictures, "approved")
    rejected = reject(library, artifact.id)
    assert (rejected.approved_by, rejected.approved_at) == (None, None)
    assert (rejected.decided_by, rejected.rejection_reason) == ("ann", "too dark")
    assert not rejected.usable
