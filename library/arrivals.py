"""Owns the outputs of a prompt on their way into the record: durable in the staging folder, promised to nobody yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..comfyui_client import History, Reported
from ..errors import ArtifactDBError
from ..media.kinds import Kind, of_format
from ..storage.files import Part, remove
from ..storage.local import Placement, Store
from . import identities, names
from .describing import described
from .recording import NewArtifact

LONGEST_LIST = 20
"""How many missing outputs a message names."""

_STATUS = {"success": "completed", "error": "failed", "interrupted": "cancelled", "": "outcome_unknown"}
"""What an attempt's status is when its server says so; empty: it has a history of the prompt that does not say."""


@dataclass(frozen=True)
class Arrived:
    """An output whose bytes are in the staging folder, durable."""

    output: Reported
    artifact_id: str
    kind: Kind
    placement: Placement
    metadata: dict[str, Any]

    def as_artifact(self) -> NewArtifact:
        """What is recorded of it, once for its prompt."""
        output = self.output
        text_name = f"{output.node_id.replace(':', '-')}_{output.index:05}_.txt"
        filename, subfolder = names.labels(output.filename or text_name, output.subfolder)
        return NewArtifact(
            artifact_id=self.artifact_id,
            output_key=output.output_key,
            filename=filename,
            file_type=self.kind.file_type,
            file_format=self.kind.file_format,
            metadata=self.metadata,
            node_id=output.node_id,
            subfolder=subfolder,
            comfy_folder_type=output.folder_type,
            once=True,
        )


@dataclass(frozen=True)
class Missing:
    """An output that could not be had, and why."""

    output: Reported
    error: ArtifactDBError

    def __str__(self) -> str:
        return f"{self.output.output_key} ({self.output.filename or 'a text'}): {self.error}"


Graph = Mapping[str, Any]
"""A prompt's graph in API format."""


def keep(
    store: Store, part: Part, output: Reported, kind: Kind, *, artifact_id: str, graph: Graph | None = None
) -> Arrived:
    """Make the bytes of an output durable, and describe them."""
    day = identities.now()[:10]
    placement = store.finish(part, artifact_id=artifact_id, extension=kind.file_format, day=day)
    metadata = described(part.path, kind, graph=graph, node_id=output.node_id)
    return Arrived(output, artifact_id, kind, placement, metadata)


def keep_text(store: Store, output: Reported, *, artifact_id: str, graph: Graph | None = None) -> Arrived:
    """Make a text that a history holds itself a file."""
    with store.receiving() as part:
        part.write((output.text or "").encode())
        # It is a text whatever it looks like: nobody made a picture by writing "<svg>".
        return keep(store, part, output, of_format("txt"), artifact_id=artifact_id, graph=graph)


def discard(store: Store, results: Sequence[Arrived | Missing]) -> None:
    """Forget what arrived: nobody was promised it."""
    for result in results:
        if isinstance(result, Arrived):
            remove(store.staging / result.placement.part)


def ending(history: History, missing: Sequence[Missing] = (), *, unsaid: str | None = None) -> tuple[str, str | None]:
    """The status and the error of an attempt whose prompt has ended so; without all of its outputs it has failed.

    Args:
        unsaid: the error where the server has a history of the prompt that does not say how it ended.
    """
    status = _STATUS[history.ending]
    error = {"interrupted": "interrupted", "": unsaid}.get(history.ending, history.message)
    if missing:
        status = "failed" if status == "completed" else status
        error = "\n".join(filter(None, [error, named(missing)]))
    return status, error


def named(missing: Sequence[Missing]) -> str:
    """Which outputs are missing and why, in a sentence."""
    count = "1 output is missing" if len(missing) == 1 else f"{len(missing)} outputs are missing"
    more = [f"and {len(missing) - LONGEST_LIST} more"] if len(missing) > LONGEST_LIST else []
    return f"{count}: " + "; ".join([*map(str, missing[:LONGEST_LIST]), *more])
