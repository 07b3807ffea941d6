"""Owns small answers that a browser shows or runs: under their own ETag, and under headers that nobody else changes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest


class Shown(web.Response):
    """Puts its headers on last: a middleware of ComfyUI's could lay its own Content-Security-Policy over ours."""

    def __init__(self, body: bytes | None, status: int, final: Mapping[str, str]) -> None:
        super().__init__(body=body, status=status)
        self._final = dict(final)

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        self.headers.update(self._final)
        return await super().prepare(request)


def answer(request: web.Request, body: bytes, media_type: str, **headers: str) -> web.Response:
    """200 with a body, or 304 when it is what the client has.

    Args:
        headers: further ones, with underscores for hyphens; `Cache_Control` is no-cache unless it says otherwise.
    """
    etag = f'"{hashlib.sha256(body).hexdigest()}"'
    final = {
        hdrs.CONTENT_TYPE: media_type,
        hdrs.ETAG: etag,
        hdrs.CACHE_CONTROL: "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    if _has(request, etag):
        del final[hdrs.CONTENT_TYPE]
        return Shown(None, 304, final)
    return Shown(body, 200, final)


def _has(request: web.Request, etag: str) -> bool:
    known = request.headers.get(hdrs.IF_NONE_MATCH, "")
    return known.strip() == "*" or etag in re.findall(r'"[^"]*"', known)
