"""Owns who may ask: this machine only, from no other site, in a form that no other site can send.

Every route runs these checks itself, whatever flags ComfyUI runs with. Tokens will open the door to others.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from .problems import Refused

if TYPE_CHECKING:
    from .hub import Hub

CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
PERMISSIONS = ("public", "view", "review", "record", "admin")

_SENT_UNASKED = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})
"""What a browser sends to any site without asking it first."""

_PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


def check(hub: Hub, request: web.Request, permission: str, bodies: tuple[str, ...]) -> None:
    """Let a request pass, or refuse it before anything is read or opened.

    Args:
        permission: what the route asks for; `public` asks only that no other site is behind it.
        bodies: the media types that the route takes; empty when it takes no body.
    Raises:
        Refused: 401, 403 or 415.
    """
    _check_site(request, permission)
    _check_host(hub, request)
    if permission != "public":
        _check_peer(hub, request)
    if request.method in CHANGING:
        _check_body(request, bodies)


def _check_site(request: web.Request, permission: str) -> None:
    site = request.headers.get("Sec-Fetch-Site")
    if site == "cross-site" and not (permission == "public" and _is_visit(request)):
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


def _check_host(hub: Hub, request: web.Request) -> None:
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1:
        raise _forbidden("it has no Host, or several")
    try:
        name = urlsplit(f"//{hosts[0]}").hostname or ""
    except ValueError:
        name = ""
    if not (_is_this_machine(name) or name == "localhost" or name in hub.config.hosts):
        raise _forbidden(
            "its Host is neither this machine nor one of `hosts` in the configuration", "add the name to `hosts`"
        )


def _check_peer(hub: Hub, request: web.Request) -> None:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    address = peer[0] if isinstance(peer, tuple) and peer else ""
    proxied = any(name in request.headers for name in _PROXY_HEADERS)
    if hub.config.local_trust and not proxied and _is_this_machine(address):
        return
    raise Refused(
        401,
        "unauthorized",
        "only this machine may ask; tokens, which open the routes to others, are not in this release yet",
        WWW_Authenticate="Bearer",
    )


def _check_body(request: web.Request, bodies: tuple[str, ...]) -> None:
    if request.content_type in bodies:
        return
    if not request.can_read_body and request.content_type not in _SENT_UNASKED:
        return  # some clients name a type for a body that they do not send
    if not bodies and request.content_type == "application/json" and request.content_length in (None, 2):
        return
    accepted = " or ".join(bodies) if bodies else "no body at all"
    raise Refused(415, "wrong_media_type", f"it is sent as {request.content_type}; this route takes {accepted}")


def _is_this_machine(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _forbidden(reason: str, remedy: str = "ask from this server's own pages, or from a program") -> Refused:
    return Refused(403, "forbidden", f"refused: {reason}; {remedy}")
