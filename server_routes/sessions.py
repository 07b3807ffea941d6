"""The routes of sessions: a browser signs in with a token once, asks what it may do, and signs out.

Pictures and event streams cannot send a header: they ride on the cookie, which no script can read.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ..answers import fields
from ..library import access, identities
from ..library.access import Identity
from . import asking, guarding, rendering
from .guarding import COOKIE
from .hub import Hub

PATH = "/"
"""ComfyUI has the routes at two places, which have no other path in common."""


async def get_session(hub: Hub, request: web.Request) -> web.Response:
    asking.query(request)
    return _answer(guarding.identity(request))


async def open_session(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, fields.Body({}, {"token": fields.name}))
    token = values.get("token") or guarding.bearer(request)
    if token is None:
        raise guarding.unauthorized('send a token: {"token": …}, or Authorization: Bearer')
    identity, session = await guarding.admitted(hub, request, access.open_session, token)
    answer = _answer(identity)
    now = identities.now()
    seconds = identities.seconds_between(now, identity.expires_at or now)
    answer.set_cookie(COOKIE, session, max_age=seconds, **manner(request))
    return answer


async def close_session(hub: Hub, request: web.Request) -> web.Response:
    session = request.cookies.get(COOKIE)
    if session is not None:
        await hub.run(access.close_session, session)
    answer = web.Response(status=204)
    answer.set_cookie(COOKIE, "", max_age=0, **manner(request))
    return answer


def _answer(identity: Identity) -> web.Response:
    body = {
        "name": identity.name,
        "role": identity.role,
        "permissions": list(identity.permissions),
        "via": identity.via,
        "expires_at": identity.expires_at,
    }
    return rendering.answer(body)


def manner(request: web.Request) -> dict[str, Any]:
    """How the cookie of a session is set, for whoever asks."""
    return {"path": PATH, "httponly": True, "samesite": "Strict", "secure": _is_secure(request)}


def _is_secure(request: web.Request) -> bool:
    """Whether the browser speaks https, to us or to a proxy. A wrong claim harms only who makes it."""
    proto = request.headers.get("X-Forwarded-Proto", "").split(",")[0].strip().lower()
    return request.secure or proto == "https" or request.headers.get("Origin", "").lower().startswith("https://")
