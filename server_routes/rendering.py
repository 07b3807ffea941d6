"""Owns what views look like as JSON: columns under their names, paths relative to the store, links to the routes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ..library import pages
from ..library.views import Artifact, Related, View

if TYPE_CHECKING:
    from .hub import Hub

PREFIX = "/artifact-db"

_INTERNAL = ("file_mtime_ns", "file_inode")
_NEVER_SEEN = ("chain_deleted_at", "purged_at")
"""Columns that are empty in whatever is shown."""


def plain(view: View, *, without: Iterable[str] = ()) -> dict[str, Any]:
    """A view as it is, without some of its columns."""
    left_out = frozenset((*without, *_NEVER_SEEN))
    fields = dataclasses.fields(view)
    return {field.name: getattr(view, field.name) for field in fields if field.name not in left_out}


def artifact(hub: Hub, view: Artifact) -> dict[str, Any]:
    """An artifact with the links to its bytes."""
    url = f"{PREFIX}/artifacts/{view.id}"
    return {
        **plain(view, without=_INTERNAL),
        "local_path": hub.library.store.relative(view.local_path),
        "tags": list(view.tags),
        "url": f"{url}/download",
        "thumbnail_url": f"{url}/thumbnail?v={version(view)}",
    }


def version(view: Artifact) -> str:
    """What stands for an artifact's bytes in the URL of its thumbnail, which may then be kept for ever."""
    return view.sha256[:16]


def related(hub: Hub, step: Related) -> dict[str, Any]:
    """One step of a lineage."""
    return {"artifact": artifact(hub, step.artifact), "relation": step.relation, "of": step.of, "depth": step.depth}


def answer(body: Any, *, status: int = 200, revision: int | None = None, location: str | None = None) -> web.Response:
    """A JSON answer; `revision` becomes its ETag, `location` is below the routes' prefix."""
    headers = {"Cache-Control": "private, no-cache"}
    if revision is not None:
        headers["ETag"] = f'"{revision}"'
    if location is not None:
        headers["Location"] = PREFIX + location
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)


def page(items: list[Any], page: pages.Page[Any]) -> web.Response:
    """A page of a list."""
    return answer({"items": items, "next_cursor": page.next_cursor})
