"""The table of the design, section 4: what approving, selecting and rejecting do to the pointers."""

from __future__ import annotations

from typing import Any

import invariants
import pytest
from comfyui_artifact_db.errors import NotUsable
from comfyui_artifact_db.library import artifacts, decisions
from comfyui_artifact_db.library.opening import Library
from reviewing import current_id, edit, is_head

FOUR = tuple(f"9:images:{index}" for index in range(4))


def test_approving_the_third_of_four_pending_pictures_offers_the_third(library: Library, pictures: Any) -> None:
    four = pictures.record(keys=FOUR, status="pending")
    decisions.approve(library, four[2].id, by="ann")
    current = artifacts.get_latest_artifact(library, four[0].workflow_id)
    assert current is not None
    assert current.id == four[2].id
    assert current.usable
    assert artifacts.require_usable(library, current) == current
    assert all(is_head(library, picture.id) for picture in four)
    invariants.check(library)


def test_approving_a_second_one_of_four_does_not_displace_the_one_that_was_approved_first(
    library: Library, pictures: Any
) -> None:
    four = pictures.record(keys=FOUR, status="pending")
    decisions.approve(library, four[2].id, by="ann")
    decisions.approve(library, four[1].id, by="ann")
    assert current_id(library, four[0].workflow_id) == four[2].id
    invariants.check(library)


def test_approving_the_current_one_moves_nothing(library: Library, pictures: Any) -> None:
    picture = pictures.one(status="pending")
    decisions.approve(library, picture.id, by="ann")
    assert current_id(library, picture.workflow_id) == picture.id
    assert is_head(library, picture.id)
    invariants.check(library)


def test_approving_a_pending_new_version_of_the_current_output_makes_it_head_and_current(
    library: Library, pictures: Any
) -> None:
    first = pictures.one()
    waiting = pictures.one(workflow_id=first.workflow_id, status="pending")
    decisions.approve(library, waiting.id, by="ann")
    assert current_id(library, first.workflow_id) == waiting.id
    assert is_head(library, waiting.id)
    assert not is_head(library, first.id)
    invariants.check(library)


def test_approving_an_older_version_makes_it_head_and_current_again(library: Library, pictures: Any) -> None:
    first = pictures.one()
    pictures.one(workflow_id=first.workflow_id)
    decisions.approve(library, first.id, by="ann")
    assert current_id(library, first.workflow_id) == first.id
    assert is_head(library, first.id)
    invariants.check(library)


def test_approving_a_version_of_another_output_leaves_a_usable_current_one(library: Library, pictures: Any) -> None:
    one, two = pictures.record(keys=FOUR[:2])
    waiting = pictures.one(workflow_id=one.workflow_id, keys=(two.output_key,), status="pending")
    decisions.approve(library, waiting.id, by="ann")
    assert current_id(library, one.workflow_id) == one.id
    assert is_head(library, waiting.id)
    assert not is_head(library, two.id)
    invariants.check(library)


@pytest.mark.parametrize("status", ["pending", "auto_approved", "approved", "edited"])
def test_rejecting_moves_nothing_and_nothing_is_offered_downstream(
    library: Library, pictures: Any, status: str
) -> None:
    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id, status=status)
    decisions.select(library, second.id, by="ann") if status != "pending" else None
    before = current_id(library, first.workflow_id), is_head(library, first.id), is_head(library, second.id)
    decisions.reject(library, second.id, by="ann", reason="too dark")
    assert (current_id(library, first.workflow_id), is_head(library, first.id), is_head(library, second.id)) == before
    current = artifacts.get_latest_artifact(library, first.workflow_id)
    assert current is not None
    if current.id == second.id:
        with pytest.raises(NotUsable, match="rejected"):
            artifacts.require_usable(library, current)
    invariants.check(library)


def test_after_a_rejection_an_approval_of_any_output_offers_something_again(library: Library, pictures: Any) -> None:
    one, two = pictures.record(keys=FOUR[:2], status="pending")
    decisions.reject(library, one.id, by="ann", reason="too dark")
    assert current_id(library, one.workflow_id) == one.id
    decisions.approve(library, two.id, by="ann")
    assert current_id(library, one.workflow_id) == two.id
    invariants.check(library)


def test_after_a_rejection_an_edit_offers_something_again(library: Library, pictures: Any) -> None:
    picture = pictures.one(status="pending")
    decisions.reject(library, picture.id, by="ann", reason="too dark")
    edited = edit(library, picture.id)
    assert current_id(library, picture.workflow_id) == edited.id
    assert edited.usable
    invariants.check(library)


def test_after_a_rejection_a_selection_offers_something_again(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id)
    decisions.reject(library, second.id, by="ann", reason="too dark")
    assert current_id(library, first.workflow_id) == second.id
    decisions.select(library, first.id, by="ann")
    assert current_id(library, first.workflow_id) == first.id
    invariants.check(library)


def test_selecting_one_of_four_makes_it_current(library: Library, pictures: Any) -> None:
    four = pictures.record(keys=FOUR)
    selected = decisions.select(library, four[2].id, by="ann")
    assert selected.is_latest
    assert current_id(library, four[0].workflow_id) == four[2].id
    assert all(is_head(library, picture.id) for picture in four)
    invariants.check(library)


def test_selecting_an_older_version_makes_it_head_and_current(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id)
    decisions.select(library, first.id, by="ann")
    assert current_id(library, first.workflow_id) == first.id
    assert is_head(library, first.id)
    assert not is_head(library, second.id)
    invariants.check(library)


def test_a_selection_holds_until_the_next_usable_version_of_that_output(library: Library, pictures: Any) -> None:
    one, two = pictures.record(keys=FOUR[:2])
    second = pictures.one(workflow_id=one.workflow_id, keys=(one.output_key,))
    decisions.select(library, one.id, by="ann")
    pictures.one(workflow_id=one.workflow_id, keys=(one.output_key,), status="pending")
    pictures.one(workflow_id=one.workflow_id, keys=(two.output_key,))
    assert current_id(library, one.workflow_id) == one.id
    assert is_head(library, one.id)
    fourth = pictures.one(workflow_id=one.workflow_id, keys=(one.output_key,))
    assert fourth.version == 4
    assert current_id(library, one.workflow_id) == fourth.id
    assert is_head(library, fourth.id)
    assert not is_head(library, second.id)
    invariants.check(library)


def test_selecting_what_is_selected_already_changes_nothing(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    assert decisions.select(library, picture.id, by="ann") == picture
    invariants.check(library)


@pytest.mark.parametrize("how", ["pending", "rejected", "deleted", "changed"])
def test_only_a_usable_version_can_be_selected(library: Library, pictures: Any, how: str) -> None:
    from pathlib import Path

    from comfyui_artifact_db.library import trash

    first = pictures.one()
    other = pictures.one(workflow_id=first.workflow_id, status="pending" if how == "pending" else "auto_approved")
    decisions.select(library, first.id, by="ann")
    if how == "rejected":
        decisions.reject(library, other.id, by="ann", reason="too dark")
    elif how == "deleted":
        trash.delete(library, other.id, by="ann")
    elif how == "changed":
        Path(other.local_path).chmod(0o600)
        Path(other.local_path).write_bytes(b"something else")
    with pytest.raises(NotUsable) as refused:
        decisions.select(library, other.id, by="ann")
    assert refused.value.data["artifact"].id == other.id
    assert current_id(library, first.workflow_id) == first.id
