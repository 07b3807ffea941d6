"""Owns who may ask: this machine, or whoever has a token or a session whose role allows it; and from no other site.

Every route runs these checks itself, whatever flags ComfyUI runs with, in a form that no other site can send.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from aiohttp import web

from ..errors import Denied
from ..library import access
from ..library.access import THIS_MACHINE, Identity
from .problems import Refused

if TYPE_CHECKING:
    from .hub import Hub, Serving

logger = logging.getLogger("artifact_db.server_routes")

T = TypeVar("T")

CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
PUBLIC = "public"
PERMISSIONS = (PUBLIC, *access.PERMISSIONS)

COOKIE = "artifact_db_session"

FAILURE_SECONDS = 0.5
"""A wrong token is answered this late. Nobody is counted and locked out: behind a proxy all peers are one."""


def request_key(name: str, kind: type) -> Any:
    """What to keep something under in a request: newer versions of aiohttp warn of a text, older ones know no other."""
    return web.RequestKey(name, kind) if hasattr(web, "RequestKey") else name


_IDENTITY = request_key("artifact_db.identity", Identity)

_SENT_UNASKED = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})
"""What a browser sends to any site without asking it first."""

_PROXY_HEADERS = ("forwarded", "via", "x-real-ip", "x-client-ip", "x-original-host", "cf-connecting-ip")
"""Besides all that begin with X-Forwarded."""

_HOW = "run `artifact-db token create NAME --role ROLE` on the hub's machine and sign in with what it prints"


async def check(hub: Hub, request: web.Request, permission: str, bodies: tuple[str, ...]) -> None:
    """Let a request pass, or refuse it before anything of it is read.

    Args:
        permission: what the route asks for; `public` asks only that no other site is behind it.
        bodies: the media types that the route takes; empty when it takes no body.
    Raises:
        Refused: 401, 403 or 415. ArtifactDBError: there is a token, and the database is away.
    """
    if not check_sender(hub, request, permission):
        await _admit_unknown_host(hub, request)
    if permission != PUBLIC:
        request[_IDENTITY] = visitor = await _identity(hub, request, _host(request))
        _check_role(visitor, permission)
    if request.method in CHANGING:
        check_body(request, bodies)


def check_sender(serving: Serving, request: web.Request, permission: str) -> bool:
    """Whether a request is for one of our own names; one that another site is behind is refused.

    The configuration is asked for no name of this machine: where it is wrong, this machine is told so.

    Raises:
        Refused: 403.
    """
    _check_site(request, permission)
    host = _host(request)
    return _is_local_name(host) or host in serving.config.hosts


def identity(request: web.Request) -> Identity:
    """Who asks, on a route that is not public."""
    found: Identity = request[_IDENTITY]
    return found


async def still_admitted(hub: Hub, request: web.Request) -> bool:
    """Whether who asked could ask now: their token or session may have ended since."""
    via = identity(request).via
    try:
        if via == "token":
            await hub.run(access.who, bearer(request) or "")
        elif via == "session":
            await hub.run(access.who_session, request.cookies[COOKIE])
    except Denied:
        return False
    return True


async def admitted(hub: Hub, request: web.Request, admit: Callable[..., T], secret: str) -> T:
    """What a function of `access` says of a secret; a wrong one is answered late.

    Raises:
        Refused: 401.
    """
    try:
        return await hub.run(admit, secret)
    except Denied as error:
        raise await _refusal(request, error) from error


def bearer(request: web.Request) -> str | None:
    """The token in the Authorization header; None when there is none. Other schemes are for a proxy before us.

    Raises:
        Refused: 401, there are several.
    """
    headers = (header.partition(" ") for header in request.headers.getall("Authorization", ()))
    tokens = [token.strip() for scheme, _, token in headers if scheme.lower() == "bearer"]
    if len(tokens) > 1:
        raise unauthorized("it has several tokens; send one")
    return tokens[0] if tokens else None


def unauthorized(detail: str, error: str = "") -> Refused:
    """401: whoever asks is to say who they are."""
    challenge = 'Bearer realm="artifact-db"' + (f', error="{error}"' if error else "")
    return Refused(401, "unauthorized", detail, WWW_Authenticate=challenge)


async def _identity(hub: Hub, request: web.Request, host: str) -> Identity:
    local = hub.config.local_trust and _is_this_machine(request, host)
    token = bearer(request)
    if token is not None:
        return await admitted(hub, request, access.who, token)
    session = request.cookies.get(COOKIE)
    if session is not None:
        try:
            found = await hub.run(access.who_session, session)
        except Denied as error:
            # On this machine a cookie may be another hub's, at another port: a wrong one says nothing.
            if not local:
                raise await _refusal(request, error) from error
        else:
            _check_page(request)
            return found
    if local:
        return THIS_MACHINE
    only = "only this machine, at localhost or 127.0.0.1," if hub.config.local_trust else "nobody"
    raise unauthorized(f"{only} may ask without a token: {_HOW}")


async def _refusal(request: web.Request, error: Denied) -> Refused:
    logger.info("refused %s: %s", _peer(request) or "somebody", error)
    await asyncio.sleep(FAILURE_SECONDS)
    return unauthorized(f"{error}; {_HOW}", error="invalid_token")


def _check_page(request: web.Request) -> None:
    """A browser sends a session unasked, whoever's page it shows: with a change it says whose."""
    if request.method in CHANGING and "Origin" not in request.headers:
        raise _forbidden("it is a change with a session and without an Origin")


async def _admit_unknown_host(hub: Hub, request: web.Request) -> None:
    token = bearer(request)
    if token is None:
        raise unknown_host()
    await admitted(hub, request, access.who, token)


def unknown_host() -> Refused:
    """403: it is asked for under a name that is none of ours, and without a token."""
    return _forbidden(
        "its Host is neither this machine nor one of `hosts` in the configuration",
        "add the name to `hosts`, or send a token as Authorization: Bearer",
    )


def _check_role(visitor: Identity, permission: str) -> None:
    if permission not in visitor.permissions:
        able = " or ".join(access.roles_with(permission))
        raise _forbidden(
            f"this takes the permission {permission!r}, and {visitor.name!r} has the role {visitor.role!r}",
            f"a token with the role {able} has it",
        )


def _check_site(request: web.Request, permission: str) -> None:
    site = request.headers.get("Sec-Fetch-Site")
    if site == "cross-site" and not (permission == PUBLIC and _is_visit(request)):
        raise _forbidden("another site asked for this in a browser")
    origin = request.headers.get("Origin")
    if origin is not None:
        if not _is_origin_of(origin, request.headers.get("Host", "")):
            raise _forbidden("its Origin is not this server")
    elif site is not None and site != "none" and request.method in CHANGING:
        raise _forbidden("a browser asked for a change without an Origin")


def _is_visit(request: web.Request) -> bool:
    """Whether a person follows a link to here, from a chat for example: the other site sees nothing of the answer."""
    asked = (request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest"))
    return request.method == "GET" and asked == ("navigate", "document")


def _is_origin_of(origin: str, host: str) -> bool:
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _host(request: web.Request) -> str:
    """The name in the Host header, without its port; empty when it cannot be read."""
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1:
        raise _forbidden("it has no Host, or several")
    try:
        return urlsplit(f"//{hosts[0]}").hostname or ""
    except ValueError:
        return ""


def _is_this_machine(request: web.Request, host: str) -> bool:
    """Whether it comes from here and is for here: a proxy on this machine speaks for others, under another Host."""
    names = {name.lower() for name in request.headers}
    proxied = any(name.startswith("x-forwarded") or name in _PROXY_HEADERS for name in names)
    return not proxied and _is_local_name(host) and _is_loopback(_peer(request))


def _peer(request: web.Request) -> str:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""


def check_body(request: web.Request, bodies: tuple[str, ...]) -> None:
    """Refuse a body of a type that a route does not take.

    Raises:
        Refused: 415.
    """
    if request.content_type in bodies:
        return
    if not request.can_read_body and request.content_type not in _SENT_UNASKED:
        return  # some clients name a type for a body that they do not send
    if not bodies and request.content_type == "application/json" and request.content_length in (None, 2):
        return
    accepted = " or ".join(bodies) if bodies else "no body at all"
    raise Refused(415, "wrong_media_type", f"it is sent as {request.content_type}; this route takes {accepted}")


def _is_local_name(name: str) -> bool:
    return name == "localhost" or _is_loopback(name)


def _is_loopback(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _forbidden(reason: str, remedy: str = "ask from this server's own pages, or from a program") -> Refused:
    return Refused(403, "forbidden", f"refused: {reason}; {remedy}")
