"""Owns taking over what a step of one chain made into another: new rows, the same bytes, and where they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..db import models
from ..db.querying import all_tuples
from . import artifacts, identities, recording, workflows
from .views import Workflow

if TYPE_CHECKING:
    from .opening import Library

_DECISION = ("approved_by", "approved_at", "rejection_reason", "decided_by", "decided_at", "decided_sha256")


def take_over(library: Library, source: Workflow, *, chain_id: str, workflow_id: str, by: str) -> None:
    """Make a step of a chain from one that ended in another: its heads, with their decisions, which are of bytes.

    Args:
        source: a workflow that has ended. workflow_id: the id of the new one, which makes the call safe to repeat.
    Raises:
        NotFound: the source, or the chain, is gone. StoreFailed: the disk refuses.
    """
    workflow, _ = workflows.create_workflow(
        library,
        id=workflow_id,
        actor=by,
        chain_id=chain_id,
        step_id=source.step_id,
        workflow_name=source.workflow_name,
        requires_approval=source.requires_approval,
        server_address=source.server_address,
        status=source.status,
        workflow_definition=source.workflow_definition,
        parameters=source.parameters,
    )
    with library.reading():
        table = models.Artifact
        there = table.select(table.source_artifact_id).where(
            (table.workflow_id == workflow.id) & table.deleted_at.is_null()
        )
        taken = {source_id for (source_id,) in all_tuples(there)}
    # The first that is recorded is the one that the step offers.
    heads = artifacts.list_heads(library, source.id)
    missing = [head for head in heads if head.id not in taken and head.bytes_removed_at is None]
    if missing:
        ids = [identities.new_id() for _ in missing]
        outputs = [
            (
                recording.NewArtifact(
                    artifact_id=artifact_id,
                    output_key=head.output_key,
                    filename=head.filename,
                    file_type=head.file_type,
                    file_format=head.file_format or "",
                    metadata=head.metadata,
                    node_id=head.node_id,
                    subfolder=head.subfolder,
                    comfy_folder_type=head.comfy_folder_type,
                    status=head.approval_status,
                    tags=head.tags,
                    source_artifact_id=head.id,
                    decision={name: getattr(head, name) for name in _DECISION},
                ),
                library.store.same_bytes(
                    library.store.relative(head.local_path),
                    head.sha256,
                    head.file_size,
                    artifact_id=artifact_id,
                    day=identities.now()[:10],
                ),
            )
            for artifact_id, head in zip(ids, missing, strict=True)
        ]
        recording.record(library, outputs, actor=by, workflow_id=workflow.id)
