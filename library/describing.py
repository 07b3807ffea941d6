"""Owns what a new artifact's `metadata` says: the facts of its bytes, and how they were generated.

Every door that records new bytes asks here, before its transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..graphs import editor, generation, parameters, walking
from ..media import embedded as embedding
from ..media import facts
from ..media.embedded import Embedded
from ..media.kinds import Kind

GENERATION = "generation"

MOST_LOOKED_AT = 200_000
"""Nodes of an embedded graph, once for each of them that may have written the file; of more, nothing is told."""


def described(
    path: Path,
    kind: Kind,
    *,
    graph: Mapping[str, Any] | None = None,
    node_id: str | None = None,
    embedded: Embedded | None = None,
) -> dict[str, Any]:
    """The metadata of a new artifact: what its bytes are, whatever they are; never an error.

    Args:
        graph: the graph that made it, in API format, where it is known. node_id: the node of it that gave it out.
        embedded: what the file says of its making, where that was read already.
    Returns:
        The facts of `media.facts`, and under `generation` what `graphs.generation` tells: of the graph, else of what
        the file has embedded.
    """
    found = facts.describe(path, kind)
    if graph is not None and node_id is not None:
        return {**found, **generated(graph, node_id)}
    said = embedding.read(path, kind) if embedded is None else embedded
    notes = [*([found["note"]] if "note" in found else []), *said.notes]
    told = _of_embedded(said)
    return {
        **found,
        **({"note": "; ".join(notes)} if notes else {}),
        **({GENERATION: told} if told else {}),
    }


def generated(graph: Mapping[str, Any], node_id: str) -> dict[str, Any]:
    """The part of the metadata that the graph alone tells; empty where nothing was generated."""
    told = generation.describe(graph, node_id)
    return {GENERATION: walking.plain(told)} if told else {}


def _of_embedded(said: Embedded) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if said.prompt is not None:
        told = _of_any(said.prompt, frozenset())
    elif said.workflow is not None:
        told = _of_any(*editor.as_graph(said.workflow))
    if not told and said.parameters is not None:
        told = parameters.describe(said.parameters)
    plain: dict[str, Any] = walking.plain(told)
    return plain


def _of_any(graph: Mapping[str, Any], vague: frozenset[str]) -> dict[str, Any]:
    """What all the nodes say that may have written the file: a file does not name its own."""
    outputs = walking.writing(graph)
    if len(outputs) * len(graph) > MOST_LOOKED_AT:
        return {}
    return generation.agreed([generation.describe(graph, node_id, vague) for node_id in outputs])
