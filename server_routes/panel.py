"""The hub's own page, and the scripts, styles and words of the panel, which the page and ComfyUI load from here.

None of it holds any data: what it shows, it asks the other routes for. Only files of this package are ever read.
"""

from __future__ import annotations

import re
from pathlib import Path

from aiohttp import web

from . import asking, shown
from .hub import Serving
from .problems import Refused

PACKAGE = Path(__file__).resolve().parent.parent
PAGE = PACKAGE / "web" / "page" / "index.html"

POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self'; script-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)

MAX_NAME = 200

_FOLDERS = {
    "js": (PACKAGE / "web" / "js", re.compile(r"(?:[\w-]+/)*[\w-]+(?:\.[\w-]+)*\.m?js", re.ASCII)),
    "css": (PACKAGE / "web" / "css", re.compile(r"(?:[\w-]+/)*[\w-]+(?:\.[\w-]+)*\.(?:css|svg)", re.ASCII)),
    "locales": (PACKAGE / "locales", re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*/main\.json", re.ASCII)),
}
"""Where each kind of asset lies, and what the names of its files look like. No part of one begins with a dot."""

_MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}


async def redirect_to_page(hub: Serving, request: web.Request) -> web.Response:
    """The page's links count from its folder: without the slash at its end they would miss it."""
    if request.method not in ("GET", "HEAD"):
        raise Refused(405, "method_not_allowed", "this route takes GET", Allow="GET")
    query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
    return web.Response(status=302, headers={"Location": f"{request.path.rpartition('/')[2]}/{query}"})


async def get_page(hub: Serving, request: web.Request) -> web.Response:
    body = await hub.off_loop(PAGE.read_bytes)
    return shown.answer(request, body, "text/html; charset=utf-8", Content_Security_Policy=POLICY)


async def get_asset(hub: Serving, request: web.Request) -> web.Response:
    asking.query(request)
    asset = request.match_info["asset"]
    path = _asset(asset)
    body = await hub.off_loop(lambda: _read(path)) if path is not None else None
    if path is None or body is None:
        raise Refused(404, "not_found", f"no asset {asset[:200]!r}")
    media_type = _MEDIA_TYPES[path.suffix]
    return shown.answer(request, body, media_type, Content_Security_Policy="sandbox; default-src 'none'")


def _asset(asset: str) -> Path | None:
    """The file that an asset's name stands for; None where it cannot be one of ours."""
    kind, _, name = asset.partition("/")
    if kind not in _FOLDERS:
        return None
    folder, names = _FOLDERS[kind]
    return folder / name if len(name) <= MAX_NAME and names.fullmatch(name) else None


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
