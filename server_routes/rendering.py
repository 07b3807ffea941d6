"""Owns answers: JSON with the headers of small answers. What stands in it is the contract's (see `answers`)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ..answers import rendering
from ..answers.rendering import PREFIX, chain_summary, plain, version, workflow_summary
from ..library import pages
from ..library.views import Artifact

if TYPE_CHECKING:
    from .hub import Hub

__all__ = ["PREFIX", "answer", "artifact", "chain_summary", "page", "plain", "version", "workflow_summary"]


def artifact(hub: Hub, view: Artifact) -> dict[str, Any]:
    """An artifact with the links to its bytes."""
    return rendering.artifact(hub.library, view)


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
