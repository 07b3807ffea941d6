"""The table of the design, section 4: what recording does to the current artifact and to the heads."""

from __future__ import annotations

from typing import Any

import invariants
import pytest
from comfyui_artifact_db.library import decisions, edits, recording, runs, trash
from comfyui_artifact_db.library.opening import Library
from reviewing import current_id, edit, is_head

FOUR = tuple(f"9:images:{index}" for index in range(4))


@pytest.mark.parametrize("status", ["auto_approved", "pending", "approved", "edited", "rejected"])
def test_the_first_output_becomes_current_and_head_usable_or_not(library: Library, pictures: Any, status: str) -> None:
    if status == "rejected":
        picture = pictures.one(status="pending")
        decisions.reject(library, picture.id, by="ann", reason="too dark")
    else:
        picture = pictures.one(status=status)
    assert current_id(library, picture.workflow_id) == picture.id
    assert is_head(library, picture.id)
    invariants.check(library)


def test_of_four_first_outputs_the_first_becomes_current_and_each_is_a_head(library: Library, pictures: Any) -> None:
    four = pictures.record(keys=FOUR)
    assert current_id(library, four[0].workflow_id) == four[0].id
    assert [picture.is_latest for picture in four] == [True, False, False, False]
    assert all(picture.is_head for picture in four)
    invariants.check(library)


def test_the_first_output_stays_current_when_a_second_output_is_first_recorded(library: Library, pictures: Any) -> None:
    first = pictures.one(status="pending", keys=("9:images:0",))
    second = pictures.one(workflow_id=first.workflow_id, keys=("12:images:0",), status="auto_approved")
    assert current_id(library, first.workflow_id) == first.id
    assert is_head(library, first.id)
    assert is_head(library, second.id)
    invariants.check(library)


def test_a_usable_new_version_of_the_current_output_becomes_head_and_current(library: Library, pictures: Any) -> None:
    first = pictures.one()
    again = pictures.one(workflow_id=first.workflow_id)
    assert again.version == 2
    assert current_id(library, first.workflow_id) == again.id
    assert is_head(library, again.id)
    assert not is_head(library, first.id)
    invariants.check(library)


def test_a_usable_new_version_of_another_output_does_not_displace_a_usable_current_one(
    library: Library, pictures: Any
) -> None:
    one, two, _, _ = pictures.record(keys=FOUR)
    again = pictures.one(workflow_id=one.workflow_id, keys=(two.output_key,))
    assert current_id(library, one.workflow_id) == one.id
    assert is_head(library, again.id)
    assert not is_head(library, two.id)
    invariants.check(library)


@pytest.mark.parametrize("how", ["pending", "rejected"])
def test_a_usable_new_version_of_another_output_displaces_a_current_one_that_is_not_usable(
    library: Library, pictures: Any, how: str
) -> None:
    one, two, _, _ = pictures.record(keys=FOUR, status="pending")
    if how == "rejected":
        decisions.reject(library, one.id, by="ann", reason="too dark")
    again = pictures.one(workflow_id=one.workflow_id, keys=(two.output_key,), status="auto_approved")
    assert current_id(library, one.workflow_id) == again.id
    assert is_head(library, one.id)
    invariants.check(library)


def test_a_usable_new_version_becomes_current_also_when_all_versions_before_it_are_in_the_trash(
    library: Library, pictures: Any
) -> None:
    waiting = pictures.one(status="pending", keys=("9:images:0",))
    other = pictures.one(workflow_id=waiting.workflow_id, keys=("12:images:0",))
    trash.delete(library, other.id, by="ann")
    again = pictures.one(workflow_id=waiting.workflow_id, keys=("12:images:0",))
    assert again.version == 2
    assert current_id(library, waiting.workflow_id) == again.id
    invariants.check(library)


def test_an_edit_becomes_head_and_current(library: Library, pictures: Any) -> None:
    first = pictures.one()
    edited = edit(library, first.id)
    assert (edited.version, edited.approval_status, edited.parent_artifact_id) == (2, "edited", first.id)
    assert current_id(library, first.workflow_id) == edited.id
    assert is_head(library, edited.id)
    invariants.check(library)


def test_a_restored_version_becomes_head_and_current(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id)
    restored = edits.restore(library, second.id, first.id, by="ann")
    assert (restored.version, restored.sha256, restored.parent_artifact_id) == (3, first.sha256, first.id)
    assert current_id(library, first.workflow_id) == restored.id
    assert is_head(library, restored.id)
    invariants.check(library)


def test_running_again_gives_the_next_version_of_each_output(library: Library, pictures: Any) -> None:
    four = pictures.record(keys=FOUR)
    again = pictures.record(workflow_id=four[0].workflow_id, keys=FOUR)
    assert [picture.version for picture in again] == [2, 2, 2, 2]
    assert current_id(library, four[0].workflow_id) == again[0].id
    assert all(picture.is_head for picture in again)
    invariants.check(library)


def test_a_pending_new_version_never_displaces_a_usable_head_or_current_one(library: Library, pictures: Any) -> None:
    first = pictures.one()
    waiting = pictures.one(workflow_id=first.workflow_id, status="pending")
    assert current_id(library, first.workflow_id) == first.id
    assert is_head(library, first.id)
    assert not is_head(library, waiting.id)
    invariants.check(library)


def test_a_pending_edit_never_displaces_a_usable_head_or_current_one(library: Library, pictures: Any) -> None:
    first = pictures.one(status="approved")
    waiting = edit(library, first.id, status="pending")
    assert current_id(library, first.workflow_id) == first.id
    assert is_head(library, first.id)
    assert not is_head(library, waiting.id)
    invariants.check(library)


@pytest.mark.parametrize("how", ["pending", "rejected"])
def test_a_pending_new_version_becomes_head_when_the_head_is_not_usable_and_nothing_is_offered(
    library: Library, pictures: Any, how: str
) -> None:
    first = pictures.one(status="pending")
    if how == "rejected":
        decisions.reject(library, first.id, by="ann", reason="too dark")
    waiting = pictures.one(workflow_id=first.workflow_id, status="pending")
    assert is_head(library, waiting.id)
    assert not is_head(library, first.id)
    assert current_id(library, first.workflow_id) == first.id
    invariants.check(library)


def test_a_pending_output_of_one_prompt_stays_current_when_a_later_node_of_it_needs_no_approval(
    library: Library, pictures: Any
) -> None:
    run = runs.Run("gpu-a", "prompt-x", "two saves")
    waiting = pictures.one(run=run, keys=("9:images:0",), status="pending")
    free = pictures.one(run=run, keys=("12:images:0",), status="auto_approved")
    assert waiting.workflow_id == free.workflow_id
    assert current_id(library, waiting.workflow_id) == waiting.id
    invariants.check(library)


def test_the_heads_and_the_current_one_of_two_workflows_do_not_touch_each_other(
    library: Library, pictures: Any
) -> None:
    here, there = pictures.one(), pictures.one()
    pictures.one(workflow_id=here.workflow_id)
    assert current_id(library, there.workflow_id) == there.id
    assert is_head(library, there.id)
    invariants.check(library)


def test_versions_are_never_used_twice_also_after_a_deletion(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id)
    trash.delete(library, second.id, by="ann")
    trash.delete(library, first.id, by="ann")
    assert pictures.one(workflow_id=first.workflow_id).version == 3
    with library.reading():
        assert recording.next_version(first.workflow_id, first.output_key) == 4
    invariants.check(library)
