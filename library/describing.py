"""Owns what a new artifact's `metadata` says: the facts of its bytes, and how they were generated.

Every door that records new bytes asks here, before its transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..media import facts
from ..media.kinds import Kind


def described(
    path: Path,
    kind: Kind,
    *,
    graph: Mapping[str, Any] | None = None,
    node_id: str | None = None,
) -> dict[str, Any]:
    """The metadata of a new artifact: what its bytes are, whatever they are; never an error.

    Args:
        graph: the graph that made it, in API format, where it is known. node_id: the node of it that gave it out.
    """
    return facts.describe(path, kind)
