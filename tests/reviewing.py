"""What a reviewer does, in one call each, and what tests ask of a workflow afterwards."""

from __future__ import annotations

from typing import Any

from comfyui_artifact_db.library import artifacts, edits
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Artifact
from comfyui_artifact_db.media.kinds import PNG, Kind
from making import png


def edit(
    library: Library, artifact_id: str, data: bytes | None = None, *, kind: Kind = PNG, by: str = "editor", **how: Any
) -> Artifact:
    """Hand in an edited picture, as a route does; without `data` it is one that nobody else has made."""
    with library.store.receiving() as part:
        part.write(png(int(artifact_id[-4:], 16)) if data is None else data)
        return edits.edit(library, artifact_id, part, kind, by=by, filename="edited.png", **how)


def current_id(library: Library, workflow_id: str) -> str | None:
    """The id of a workflow's current artifact."""
    current = artifacts.get_latest_artifact(library, workflow_id)
    return current.id if current else None


def is_head(library: Library, artifact_id: str) -> bool:
    """Whether an artifact is the head of its output now."""
    return artifacts.get_artifact(library, artifact_id).is_head


def status(library: Library, artifact_id: str) -> str:
    """An artifact's approval status now."""
    return artifacts.get_artifact(library, artifact_id).approval_status
