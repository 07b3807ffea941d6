"""A decision is taken back only as long as nothing downstream has used it."""

from __future__ import annotations

from typing import Any

import invariants
import pytest
from comfyui_artifact_db.db import models
from comfyui_artifact_db.errors import Conflict
from comfyui_artifact_db.library import attempts, decisions, identities, runs, workflows
from comfyui_artifact_db.library.opening import Library
from reviewing import status


def deliver(library: Library, artifact_id: str, workflow_id: str, outcome: str) -> None:
    """A transfer as `library.transfers` leaves it; the delivery itself is tested with a server."""
    with library.writing("tester") as tx:
        models.Transfer.insert(
            id=identities.new_id(), artifact_id=artifact_id, source_workflow_id=workflow_id,
            target_server="gpu-b", status=outcome, created_at=tx.at,
        ).execute()  # fmt: skip


def test_what_was_delivered_cannot_be_taken_back(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    deliver(library, picture.id, picture.workflow_id, "completed")
    with pytest.raises(Conflict, match="delivered to gpu-b") as refused:
        decisions.ask_again(library, picture.id, by="ann")
    assert refused.value.data["artifact"] == picture
    assert status(library, picture.id) == "auto_approved"


@pytest.mark.parametrize("outcome", ["failed", "pending"])
def test_a_delivery_that_did_not_happen_holds_nothing(library: Library, pictures: Any, outcome: str) -> None:
    picture = pictures.one()
    deliver(library, picture.id, picture.workflow_id, outcome)
    assert decisions.ask_again(library, picture.id, by="ann").approval_status == "pending"


def test_what_another_workflow_was_made_from_cannot_be_taken_back(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    pictures.one(run=runs.Run("gpu-b", "next", "upscale", inputs=(picture.id,)))
    with pytest.raises(Conflict, match="made from it"):
        decisions.ask_again(library, picture.id, by="ann")


def test_what_another_chain_has_taken_over_cannot_be_taken_back(library: Library, pictures: Any) -> None:
    picture, copy = pictures.one(), pictures.one()
    with library.writing("tester"):
        models.Artifact.update(source_artifact_id=picture.id).where(models.Artifact.id == copy.id).execute()
    with pytest.raises(Conflict, match="taken it over"):
        decisions.ask_again(library, picture.id, by="ann")


def test_an_edit_of_it_does_not_count_as_use(library: Library, pictures: Any) -> None:
    from reviewing import edit

    picture = pictures.one()
    edit(library, picture.id)
    assert decisions.ask_again(library, picture.id, by="ann").approval_status == "pending"
    invariants.check(library)


def test_a_workflow_that_is_done_waits_for_approval_exactly_while_its_current_artifact_is_pending(
    library: Library, pictures: Any
) -> None:
    from reviewing import edit

    def workflow_status() -> str:
        return workflows.get_workflow(library, picture.workflow_id).status

    picture = pictures.one(run=runs.Run("gpu-a", "p", "text-to-image"), status="pending")
    assert workflow_status() == "executing"
    attempts.finish(library, server_address="gpu-a", prompt_id="p", status="completed", error=None, actor="tester")
    assert workflow_status() == "awaiting_approval"
    decisions.approve(library, picture.id, by="ann")
    assert workflow_status() == "completed"
    decisions.ask_again(library, picture.id, by="ann")
    assert workflow_status() == "awaiting_approval"
    edit(library, picture.id)
    assert workflow_status() == "completed"


def test_deleting_and_undeleting_the_pending_current_artifact_moves_its_workflow_on_and_back(
    library: Library, pictures: Any
) -> None:
    from comfyui_artifact_db.library import trash

    first = pictures.one(run=runs.Run("gpu-a", "p", "text-to-image"))
    attempts.finish(library, server_address="gpu-a", prompt_id="p", status="completed", error=None, actor="tester")
    second = pictures.one(workflow_id=first.workflow_id)
    decisions.ask_again(library, second.id, by="ann")
    assert workflows.get_workflow(library, first.workflow_id).status == "awaiting_approval"
    trash.delete(library, second.id, by="ann")
    assert workflows.get_workflow(library, first.workflow_id).status == "completed"
    trash.undelete(library, second.id, by="ann")
    assert workflows.get_workflow(library, first.workflow_id).status == "awaiting_approval"
