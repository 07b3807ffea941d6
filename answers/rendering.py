"""Owns what views look like as JSON: columns under their names, paths relative to the store, links to the routes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from ..library.lineage import Lineage
from ..library.opening import Library
from ..library.tags import Tagged
from ..library.views import Artifact, Chain, Event, Related, View, Workflow

PREFIX = "/artifact-db"
"""Where the routes lie on a server."""

_INTERNAL = ("file_mtime_ns", "file_inode")
_NEVER_SEEN = ("chain_deleted_at", "purged_at")
"""Columns that are empty in whatever is shown."""

_HEAVY = ("workflow_definition", "parameters")


def plain(view: View, *, without: Iterable[str] = ()) -> dict[str, Any]:
    """A view as it is, without some of its columns."""
    left_out = frozenset((*without, *_NEVER_SEEN))
    fields = dataclasses.fields(view)
    return {field.name: getattr(view, field.name) for field in fields if field.name not in left_out}


def chain_summary(chain: Chain) -> dict[str, Any]:
    """A chain as lists show it."""
    return {**plain(chain, without=("chain_definition",)), "overview": None}


def workflow_summary(workflow: Workflow) -> dict[str, Any]:
    """A workflow as lists show it."""
    return plain(workflow, without=_HEAVY)


def artifact(library: Library, view: Artifact) -> dict[str, Any]:
    """An artifact with the links to its bytes."""
    url = f"{PREFIX}/artifacts/{view.id}"
    return {
        **plain(view, without=_INTERNAL),
        "local_path": library.store.relative(view.local_path),
        "tags": list(view.tags),
        "url": f"{url}/download",
        "thumbnail_url": f"{url}/thumbnail?v={version(view)}",
    }


def version(view: Artifact) -> str:
    """What stands for an artifact's bytes in the URL of its thumbnail, which may then be kept for ever."""
    return view.sha256[:16]


def lineage(library: Library, found: Lineage) -> dict[str, Any]:
    """A lineage with its artifacts."""
    return {
        "artifact": artifact(library, found.artifact),
        "ancestors": [_related(library, step) for step in found.ancestors],
        "descendants": [_related(library, step) for step in found.descendants],
        "links": [{"from": link.origin, "to": link.to, "relation": link.relation} for link in found.links],
        "gone": [dataclasses.asdict(step) for step in found.gone],
    }


def _related(library: Library, step: Related) -> dict[str, Any]:
    found = artifact(library, step.artifact)
    return {"artifact": found, "relation": step.relation, "of": step.of, "depth": step.depth}


def events(found: Sequence[Event], limit: int) -> dict[str, Any]:
    """A page of events from one more than it has room for."""
    items = found[:limit]
    cursor = str(items[-1].seq) if len(found) > limit else None
    return {"items": [plain(event) for event in items], "next_cursor": cursor}


def tag_counts(found: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    """Tags as their list has them."""
    return [{"tag": tag, "count": count} for tag, count in found]


def tags_changed(changed: Iterable[Tagged]) -> dict[str, Any]:
    """What became of each artifact whose tags were to be changed."""
    items = [
        {"id": one.id, "status": 404, "tags": None}
        if one.tags is None
        else {"id": one.id, "status": 200, "tags": list(one.tags)}
        for one in changed
    ]
    return {"items": items}
