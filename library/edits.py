"""Owns edits: new bytes, or those of an older version, as the next version of what was edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..db.statuses import USABLE
from ..errors import Conflict, Gone, Invalid, NotUsable, WrongFileType
from ..media.kinds import Kind
from ..storage.files import Part
from . import artifacts, identities, names, recording
from .describing import described
from .views import Artifact

if TYPE_CHECKING:
    from .opening import Library

STATUSES = ("edited", "pending", "approved")


def edit(
    library: Library,
    artifact_id: str,
    part: Part,
    kind: Kind,
    *,
    by: str,
    filename: str,
    actor: str | None = None,
    status: str | None = None,
    metadata: dict[str, Any] | None = None,
    new_id: str | None = None,
    revision: int | None = None,
) -> Artifact:
    """Record edited bytes as the next version; `parent_artifact_id` is what was edited.

    Args:
        part: the received bytes, not yet finished. kind: what they are, by content.
        by: whose edit it is. actor: who asks, where that is somebody else (a program, on behalf of a person).
        status: one of `STATUSES`; None follows `approval.edited` of the configuration.
        metadata: what is known of the new bytes.
    Raises:
        NotFound, StaleRevision. Invalid: no bytes, or a wrong status. WrongFileType: not the type of what it edits.
        Conflict: what it edits is in the trash.
    """
    by = names.checked_text(by, "approved_by")
    if status is not None and status not in STATUSES:
        raise Invalid(f"approval_status of an edit is one of {', '.join(STATUSES)}", field="approval_status")
    if part.size == 0:
        raise Invalid("the file is empty", field="file")
    parent = _editable(library, artifact_id)
    if kind.file_type != parent["file_type"]:
        raise WrongFileType(
            f"the file is {kind.file_type} ({kind.file_format}); an edit of this is {parent['file_type']}", field="file"
        )
    new_id = identities.checked_id(new_id) if new_id is not None else identities.new_id()
    placement = library.store.finish(part, artifact_id=new_id, extension=kind.file_format, day=identities.now()[:10])
    found = described(part.path, kind)
    new = _next_version(
        parent,
        new_id,
        by=by,
        status=status or _usual_status(library),
        filename=filename,
        file_format=kind.file_format,
        metadata={**found, **(metadata or {})},
        action="artifact.edited",
        seen=(parent["id"], revision),
    )
    recording.record(library, [(new, placement)], actor=actor or by, workflow_id=parent["workflow_id"])
    return artifacts.get_recorded(library, new_id)


def restore(
    library: Library,
    artifact_id: str,
    from_version: str,
    *,
    by: str,
    actor: str | None = None,
    revision: int | None = None,
) -> Artifact:
    """Make an older version of the same output the next version again: new row, same bytes, shared on disk.

    `by` and `actor` are as in `edit`.

    Raises:
        NotFound, StaleRevision. Invalid: `from_version` is of another output. Gone: its bytes were removed.
        NotUsable: its bytes are not those that were recorded, or it was rejected or waits for a decision.
    """
    by = names.checked_text(by, "approved_by")
    parent = _editable(library, artifact_id)
    with library.reading():
        source = artifacts.row_of(identities.checked_id(from_version, "from_version"))
        seen = artifacts.view(library, source)
    if (source["workflow_id"], source["output_key"]) != (parent["workflow_id"], parent["output_key"]):
        raise Invalid("from_version is a version of another output", field="from_version")
    if source["bytes_removed_at"] is not None:
        raise Gone(f"the bytes of version {source['version']} were removed")
    if library.store.digest(source["local_path"]) != source["sha256"]:
        raise NotUsable(f"the bytes of version {source['version']} are not those that were recorded", artifact=seen)
    if source["approval_status"] not in USABLE:
        raise NotUsable(
            f"version {source['version']} is {source['approval_status']}: approve it instead", artifact=seen
        )
    new_id = identities.new_id()
    placement = library.store.same_bytes(
        source["local_path"],
        source["sha256"],
        source["file_size"],
        artifact_id=new_id,
        day=identities.now()[:10],
    )
    new = _next_version(
        source,
        new_id,
        by=by,
        status=_usual_status(library),
        filename=source["filename"],
        file_format=source["file_format"],
        metadata=source["metadata"] or {},
        action="artifact.restored",
        seen=(parent["id"], revision),
    )
    recording.record(library, [(new, placement)], actor=actor or by, workflow_id=parent["workflow_id"])
    return artifacts.get_recorded(library, new_id)


def _usual_status(library: Library) -> str:
    return "edited" if library.config.approval.edited == "usable" else "pending"


def _editable(library: Library, artifact_id: str) -> dict[str, Any]:
    with library.reading():
        row = artifacts.row_of(artifact_id)
    if row["deleted_at"] is not None:
        raise Conflict("it is in the trash; take it out before editing it")
    return row


def _next_version(
    parent: dict[str, Any],
    new_id: str,
    *,
    by: str,
    status: str,
    filename: str,
    file_format: str,
    metadata: dict[str, Any],
    action: str,
    seen: tuple[str, int | None],
) -> recording.NewArtifact:
    return recording.NewArtifact(
        artifact_id=new_id,
        output_key=parent["output_key"],
        filename=filename,
        file_type=parent["file_type"],
        file_format=file_format,
        metadata=metadata,
        node_id=parent["node_id"],
        subfolder=parent["subfolder"],
        comfy_folder_type=parent["comfy_folder_type"],
        parent_artifact_id=parent["id"],
        status=status,
        approved_by=by if status in USABLE else None,
        action=action,
        seen=seen,
    )
