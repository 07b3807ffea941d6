"""Owns files that a program hands in for a workflow: each a new output, or the next version of one it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import first_row
from ..errors import Invalid
from ..media.kinds import Kind
from ..storage.files import Part
from . import artifacts, identities, names, recording, workflows
from .describing import described
from .views import Artifact

if TYPE_CHECKING:
    from .opening import Library

STATUSES = ("pending", "auto_approved", "approved")

_REPORTED_AS = {"image": "images", "video": "images", "latent": "latents"}
"""The key under which ComfyUI's history reports a type of file, where that is not its name."""


def reported_as(file_type: str) -> str:
    """The key under which ComfyUI's history would report a file of this type."""
    return _REPORTED_AS.get(file_type, file_type)


def require_workflow(library: Library, workflow_id: str) -> None:
    """Ask whether a workflow is there, before its file is taken.

    Raises:
        NotFound: it is not.
    """
    with library.reading():
        workflows.row_of(workflow_id)


def upload(
    library: Library,
    workflow_id: str,
    part: Part,
    kind: Kind,
    *,
    by: str,
    filename: str,
    metadata: dict[str, Any] | None = None,
    new_id: str | None = None,
    output_key: str | None = None,
    status: str | None = None,
    subfolder: str = "",
) -> tuple[Artifact, bool]:
    """Record one file of a workflow.

    Args:
        part: the received bytes, not yet finished; they are the caller's to discard unless they were recorded.
        new_id: a UUID of the caller's choosing, which makes the call safe to repeat.
        output_key: the output it is a version of; None makes a new output, `upload:KIND:INDEX`.
        status: one of `STATUSES`; None follows the approval rules.
    Returns:
        The artifact, and whether it was recorded now (False: the same call was made before).
    Raises:
        NotFound: the workflow is not there. Invalid: no bytes, or a value is wrong. Conflict: the id has other bytes.
    """
    if status is not None and status not in STATUSES:
        raise Invalid(f"approval_status of an upload is one of {', '.join(STATUSES)}", field="approval_status")
    if part.size == 0:
        raise Invalid("the file is empty", field="file")
    if output_key is not None:
        output_key = names.checked_output_key(output_key)
    subfolder = names.checked_subfolder(subfolder)
    artifact_id = identities.checked_id(new_id) if new_id is not None else identities.new_id()
    with library.reading():
        workflows.row_of(workflow_id)
        repeated = first_row(models.Artifact.select().where(models.Artifact.id == artifact_id))
        if repeated is not None and repeated["sha256"] == part.sha256 and repeated["workflow_id"] == workflow_id:
            part.discard()
            return artifacts.view(library, repeated), False
    placement = library.store.finish(
        part, artifact_id=artifact_id, extension=kind.file_format, day=identities.now()[:10]
    )
    found = described(part.path, kind)
    new = recording.NewArtifact(
        artifact_id=artifact_id,
        output_key=output_key or f"upload:{reported_as(kind.file_type)}:",
        filename=filename,
        file_type=kind.file_type,
        file_format=kind.file_format,
        metadata={**found, **(metadata or {})},
        node_id=output_key.rsplit(":", 2)[0] if output_key else "upload",
        subfolder=subfolder,
        status=status,
    )
    recording.record(library, [(new, placement)], actor=by, workflow_id=workflow_id)
    return artifacts.get_recorded(library, artifact_id), True
