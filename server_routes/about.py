"""The routes that tell of the hub itself: its health and its contract."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web

from ..db.migrating import schema_version
from ..library.opening import Library
from . import rendering
from .hub import Hub

CONTRACT = Path(__file__).resolve().parent / "openapi.json"


@cache
def contract() -> dict[str, Any]:
    """The OpenAPI document, as it is served."""
    document: dict[str, Any] = json.loads(CONTRACT.read_text(encoding="utf-8"))
    return document


async def get_openapi(hub: Hub, request: web.Request) -> web.Response:
    return rendering.answer(await hub.off_loop(contract))


async def get_health(hub: Hub, request: web.Request) -> web.Response:
    return rendering.answer({**await hub.run(_health), "version": hub.version, "started_at": hub.started_at})


def _health(library: Library) -> dict[str, Any]:
    with library.reading():
        pass
    number = int(schema_version(library.database).partition("_")[0] or 0)
    return {
        "status": "ok",
        "schema_version": number,
        "pending_intents": len(library.deferred),
        "nearly_full": library.disks.nearly_full(),
    }
