"""Two people who decide at once: one winner, and one who is told what the other did."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.config import Approval
from comfyui_artifact_db.errors import ArtifactDBError, Conflict, StaleRevision
from comfyui_artifact_db.library import artifacts, decisions, edits, events
from comfyui_artifact_db.library.opening import Library
from reviewing import edit


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each call returned or raised, all of them started at the same moment."""
    start = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(number: int, call: Callable[[], Any]) -> None:
        start.wait()
        try:
            results[number] = call()
        except ArtifactDBError as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("turn", range(5))
def test_of_two_who_approve_at_once_one_wins(library: Library, pictures: Any, turn: int) -> None:
    picture = pictures.one(status="pending")
    results = at_once(*(lambda by=by: decisions.approve(library, picture.id, by=by) for by in ("ann", "bob")))
    (won,) = [result for result in results if not isinstance(result, Exception)]
    (lost,) = [result for result in results if isinstance(result, Exception)]
    assert isinstance(lost, Conflict)
    assert lost.data["artifact"].approved_by == won.approved_by
    assert won.approved_by in str(lost)
    assert [e.action for e in events.history(library, picture.id)].count("artifact.approved") == 1


@pytest.mark.parametrize("turn", range(5))
def test_of_an_approval_and_a_rejection_at_once_one_wins(library: Library, pictures: Any, turn: int) -> None:
    picture = pictures.one(status="pending")
    results = at_once(
        lambda: decisions.approve(library, picture.id, by="ann", revision=picture.revision),
        lambda: decisions.reject(library, picture.id, by="bob", reason="too dark", revision=picture.revision),
    )
    (won,) = [result for result in results if not isinstance(result, Exception)]
    (lost,) = [result for result in results if isinstance(result, Exception)]
    assert isinstance(lost, StaleRevision)
    assert artifacts.get_artifact(library, picture.id) == won
    decided = [e.action for e in events.history(library, picture.id) if e.action != "artifact.recorded"]
    assert len([action for action in decided if action in ("artifact.approved", "artifact.rejected")]) == 1
    invariants.check(library)


@pytest.mark.parametrize("turn", range(3))
def test_of_two_edits_of_one_revision_at_once_one_wins(library: Library, pictures: Any, turn: int) -> None:
    picture = pictures.one()
    results = at_once(
        *(lambda by=by: edit(library, picture.id, by=by, revision=picture.revision) for by in ("ann", "bob"))
    )
    (lost,) = [result for result in results if isinstance(result, Exception)]
    assert isinstance(lost, StaleRevision)
    assert lost.data["revision"] > picture.revision
    invariants.check(library)


def test_a_double_click_is_one_decision(library: Library, pictures: Any) -> None:
    picture = pictures.one(status="pending")
    click = lambda: decisions.approve(library, picture.id, by="ann", revision=picture.revision)
    first, second = at_once(click, click)
    assert first == second
    assert [e.action for e in events.history(library, picture.id)].count("artifact.approved") == 1


def test_many_versions_at_once_have_numbers_of_their_own_and_one_head(library: Library, pictures: Any) -> None:
    from making import Pictures

    first = pictures.one()
    makers = [Pictures(library) for _ in range(6)]
    results = at_once(*(lambda maker=maker: maker.one(workflow_id=first.workflow_id) for maker in makers))
    assert sorted(artifact.version for artifact in results) == [2, 3, 4, 5, 6, 7]
    invariants.check(library)


def test_whatever_is_decided_at_once_the_pointers_agree_afterwards(library: Library, pictures: Any) -> None:
    four = pictures.record(keys=tuple(f"9:images:{index}" for index in range(4)), status="pending")
    results = at_once(
        *(lambda a=a: decisions.approve(library, a.id, by="ann") for a in four),
        *(lambda a=a: decisions.reject(library, a.id, by="bob", reason="no") for a in four),
        *(lambda a=a: edit(library, a.id) for a in four),
    )
    assert not [result for result in results if isinstance(result, Exception) and not isinstance(result, Conflict)]
    invariants.check(library)


@pytest.mark.parametrize("status", ["pending", "edited"])
@pytest.mark.parametrize("turn", range(3))
def test_of_two_edits_of_one_revision_one_becomes_a_version(
    library: Library, pictures: Any, status: str, turn: int
) -> None:
    picture = pictures.one()
    results = at_once(
        *(lambda: edit(library, picture.id, status=status, revision=picture.revision) for _ in ("ann", "bob"))
    )
    (won,) = [result for result in results if not isinstance(result, Exception)]
    (lost,) = [result for result in results if isinstance(result, Exception)]
    assert isinstance(lost, StaleRevision)
    assert lost.data["artifact"] == artifacts.get_artifact(library, picture.id)
    assert lost.data["artifact"].revision > picture.revision
    assert won.version == 2
    again = edit(library, picture.id, status=status, revision=lost.data["revision"])
    assert again.version == 3
    invariants.check(library)


def test_of_two_pending_versions_restored_on_one_revision_one_is_made(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = edit(library, first.id)
    library.config = replace(library.config, approval=Approval(edited="pending"))
    restored = edits.restore(library, second.id, first.id, by="ann", revision=second.revision)
    with pytest.raises(StaleRevision):
        edits.restore(library, second.id, first.id, by="bob", revision=second.revision)
    assert (restored.version, restored.approval_status) == (3, "pending")
    told = events.history(library, restored.id)[0].after
    assert told is not None
    assert (told["edited_artifact_id"], told["parent_artifact_id"]) == (second.id, first.id)
    invariants.check(library)
