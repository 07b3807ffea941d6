"""Owns the header Idempotency-Key: a request that is sent again with its key is done once and answered the same."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from ..library import repeats
from . import asking
from .hub import Hub
from .problems import malformed

Handler = Callable[[Hub, web.Request], Awaitable[web.StreamResponse]]
Again = Callable[[Hub, web.Request, str], Awaitable[web.StreamResponse]]
"""Answers a request that was done before, whole or in part, and whose answer was lost: with its process, or with the
database for a moment. It does what was not done yet, and changes nothing else. It is given the id of what the request
made, or of what it changed first.
"""

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")
_KEPT_HEADERS = ("ETag", "Location", "Retry-After")


async def answer(hub: Hub, request: web.Request, handler: Handler, again: Again | None) -> web.StreamResponse:
    """Let a handler answer, once for each key. While it is at it, the same request waits for that answer.

    Args:
        again: None where the handler itself may do everything again: then only its answer is kept.
    Raises:
        Refused: 400, the key is none. Invalid: another request was given it. Whatever the handler raises.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return await handler(hub, request)
    if not _KEY.match(key):
        raise malformed(f"{HEADER} is 1 to 255 visible ASCII characters, best a UUID")
    asked = repeats.Request(key, await _fingerprint(request))
    async with hub.answering.setdefault(key, asyncio.Lock()):
        return await _answer(hub, request, asked, handler, again)


async def _answer(
    hub: Hub, request: web.Request, asked: repeats.Request, handler: Handler, again: Again | None
) -> web.StreamResponse:
    kept = await hub.run(repeats.find, asked)
    if kept is None:
        try:
            with repeats.during(asked if again is not None else None):
                answered = await handler(hub, request)
        except repeats.Repeated:
            kept = await hub.run(repeats.find, asked)
            assert kept is not None
    if kept is not None:
        if kept.answer is not None:
            return _replayed(kept.answer)
        # Without `again`, nothing of it was written before its answer.
        assert again is not None
        assert kept.entity_id is not None
        answered = await again(hub, request, kept.entity_id)
        answered.headers[REPLAYED] = "true"
    if isinstance(answered, web.Response) and answered.status < 300:
        await hub.run(repeats.keep, asked, _kept(answered))
    return answered


async def _fingerprint(request: web.Request) -> str:
    """What tells a request from another: who sends it, where to, and its body, unless that is a file."""
    digest = hashlib.sha256(f"{request.method} {request.path}\n{asking.actor(request)}\n".encode())
    if request.content_type != "multipart/form-data":
        digest.update(await asking.whole_body(request))
    return digest.hexdigest()


def _kept(answered: web.Response) -> dict[str, Any]:
    headers = {name: answered.headers[name] for name in _KEPT_HEADERS if name in answered.headers}
    return {"status": answered.status, "headers": headers, "body": answered.text}


def _replayed(kept: dict[str, Any]) -> web.Response:
    headers = {"Cache-Control": "private, no-cache", **kept["headers"], REPLAYED: "true"}
    text = kept["body"] or None
    kind = "application/json" if text else None
    return web.Response(status=kept["status"], text=text, content_type=kind, headers=headers)
