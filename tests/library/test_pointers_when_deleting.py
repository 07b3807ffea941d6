"""The table of the design, section 4: who takes over what a deleted artifact stood for, and what comes back with it."""

from __future__ import annotations

from typing import Any

import invariants
import pytest
from comfyui_artifact_db.errors import NotFound, NotUsable, StaleRevision
from comfyui_artifact_db.library import artifacts, decisions, identities, pages, trash
from comfyui_artifact_db.library.opening import Library
from reviewing import current_id, is_head

A, B = "9:images:0", "9:images:1"


def test_the_newest_usable_version_of_the_output_takes_over(library: Library, pictures: Any) -> None:
    first = pictures.one()
    workflow_id = first.workflow_id
    second = pictures.one(workflow_id=workflow_id)
    third = pictures.one(workflow_id=workflow_id, status="pending")
    last = pictures.one(workflow_id=workflow_id)
    trash.delete(library, last.id, by="ann")
    assert current_id(library, workflow_id) == second.id
    assert is_head(library, second.id)
    assert not is_head(library, third.id)
    invariants.check(library)


def test_else_the_newest_usable_artifact_of_the_workflow_takes_over(library: Library, pictures: Any) -> None:
    one, other = pictures.record(keys=(A, B))
    pending = pictures.one(workflow_id=one.workflow_id, keys=(A,), status="pending")
    trash.delete(library, one.id, by="ann")
    assert current_id(library, one.workflow_id) == other.id
    assert is_head(library, pending.id)
    invariants.check(library)


def test_else_the_newest_version_takes_over(library: Library, pictures: Any) -> None:
    first = pictures.one(status="pending")
    second = pictures.one(workflow_id=first.workflow_id, status="pending")
    third = pictures.one(workflow_id=first.workflow_id)
    assert current_id(library, first.workflow_id) == third.id
    trash.delete(library, third.id, by="ann")
    assert current_id(library, first.workflow_id) == second.id
    assert is_head(library, second.id)
    invariants.check(library)


def test_else_none(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    deleted = trash.delete(library, picture.id, by="ann")
    assert deleted.deleted_at
    assert not deleted.usable
    assert current_id(library, picture.workflow_id) is None
    assert artifacts.get_latest_artifact_by_flag(library, picture.workflow_id) is None
    assert not is_head(library, picture.id)
    invariants.check(library)


def test_deleting_what_stands_for_nothing_moves_nothing(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id)
    trash.delete(library, first.id, by="ann")
    assert current_id(library, first.workflow_id) == second.id
    assert is_head(library, second.id)
    invariants.check(library)


def test_deleting_a_head_that_is_not_current_leaves_the_current_one(library: Library, pictures: Any) -> None:
    one, other = pictures.record(keys=(A, B))
    newer = pictures.one(workflow_id=one.workflow_id, keys=(B,))
    trash.delete(library, newer.id, by="ann")
    assert current_id(library, one.workflow_id) == one.id
    assert is_head(library, other.id)
    invariants.check(library)


def test_deleting_a_version_leaves_the_states_of_the_others(library: Library, pictures: Any) -> None:
    first = pictures.one(status="pending")
    second = pictures.one(workflow_id=first.workflow_id, status="pending")
    decisions.reject(library, first.id, by="ann", reason="too dark")
    decisions.approve(library, second.id, by="ann")
    trash.delete(library, second.id, by="bob")
    left = artifacts.get_artifact(library, first.id)
    assert (left.approval_status, left.decided_by) == ("rejected", "ann")
    assert left.is_latest
    assert not left.usable


def test_an_artifact_in_the_trash_keeps_its_row_its_file_and_its_bytes(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    trash.delete(library, picture.id, by="ann")
    seen = artifacts.get_artifact(library, picture.id)
    assert library.store.digest(library.store.relative(seen.local_path)) == picture.sha256
    assert artifacts.list_artifacts(library, pages.Ask()).items == []
    assert artifacts.list_versions(library, picture.id, pages.Ask()).items == []
    with pytest.raises(NotUsable, match="trash"):
        artifacts.require_usable(library, seen)


def test_deleting_twice_changes_nothing(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    once = trash.delete(library, picture.id, by="ann")
    assert trash.delete(library, picture.id, by="bob") == once


def test_undeleting_gives_back_what_nobody_has_moved(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id)
    trash.delete(library, second.id, by="ann")
    back = trash.undelete(library, second.id, by="ann")
    assert back.deleted_at is None
    assert back.is_latest
    assert back.is_head
    assert current_id(library, first.workflow_id) == second.id
    invariants.check(library)


def test_undeleting_does_not_take_back_what_somebody_has_moved(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id)
    trash.delete(library, second.id, by="ann")
    third = pictures.one(workflow_id=first.workflow_id)
    back = trash.undelete(library, second.id, by="ann")
    assert not back.is_latest
    assert not back.is_head
    assert current_id(library, first.workflow_id) == third.id
    invariants.check(library)


def test_undeleting_gives_back_the_head_alone_when_only_the_current_one_was_moved(
    library: Library, pictures: Any
) -> None:
    one, other = pictures.record(keys=(A, B))
    second = pictures.one(workflow_id=one.workflow_id, keys=(A,))
    trash.delete(library, second.id, by="ann")
    decisions.select(library, other.id, by="ann")
    back = trash.undelete(library, second.id, by="ann")
    assert back.is_head
    assert not back.is_latest
    assert current_id(library, one.workflow_id) == other.id
    invariants.check(library)


def test_undeleting_takes_what_nobody_holds(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id)
    trash.delete(library, first.id, by="ann")
    trash.delete(library, second.id, by="ann")
    assert current_id(library, first.workflow_id) is None
    trash.undelete(library, first.id, by="ann")
    assert current_id(library, first.workflow_id) == first.id
    assert is_head(library, first.id)
    trash.undelete(library, second.id, by="ann")
    assert current_id(library, first.workflow_id) == first.id
    invariants.check(library)


def test_undeleting_what_is_not_in_the_trash_changes_nothing(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    assert trash.undelete(library, picture.id, by="ann") == picture


def test_the_trash_honours_the_revision_that_was_seen(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    with pytest.raises(StaleRevision):
        trash.delete(library, picture.id, by="ann", revision=picture.revision + 1)
    deleted = trash.delete(library, picture.id, by="ann", revision=picture.revision)
    with pytest.raises(StaleRevision):
        trash.undelete(library, picture.id, by="ann", revision=picture.revision)
    assert trash.undelete(library, picture.id, by="ann", revision=deleted.revision).deleted_at is None


def test_what_is_not_there_cannot_be_deleted(library: Library) -> None:
    for change in (trash.delete, trash.undelete):
        with pytest.raises(NotFound):
            change(library, identities.new_id(), by="ann")
