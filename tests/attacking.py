"""Knows how pages of other sites, and other machines, could ask for what they may not have: each route, each way."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from comfyui_artifact_db.server_routes.table import ROUTES, Route
from hubs import Hub
from requesting import CHANGING, READING, Known

HEADS = [replace(route, method="HEAD") for route in READING]
NOT_PUBLIC = [route for route in [*ROUTES, *HEADS] if route.permission != "public"]
ACROSS = {"Sec-Fetch-Site": "cross-site"}
VISIT = {**ACROSS, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
"""What a browser sends when somebody follows a link on another site."""


@dataclass(frozen=True)
class Attack:
    """Requests that are refused: with `headers`, in which {host} is the hub's own, and a `body` if one is given."""

    name: str
    status: int
    headers: dict[str, str]
    routes: list[Route] = field(default_factory=lambda: [*ROUTES, *HEADS])
    body: bytes | None = None


def origin(name: str, value: str) -> Attack:
    return Attack(f"from {name}", 403, {"Origin": value})


ATTACKS = [
    origin("another site", "http://evil.example"),
    origin("a page without an origin", "null"),
    origin("the same host at another port", "http://127.0.0.1:1"),
    origin("the same host without its port", "http://127.0.0.1"),
    origin("another name of this machine", "http://localhost:{port}"),
    origin("a host that begins like ours", "http://{host}.evil.example"),
    origin("a host that ends like ours", "http://evil.{host}"),
    origin("a user at our host", "http://evil@{host}"),
    origin("a file", "file://"),
    origin("an extension", "chrome-extension://abcdef"),
    origin("no origin at all", ""),
    origin("a host alone", "{host}"),
    origin("a broken address", "http://["),
    Attack("across sites", 403, ACROSS),
    Attack("across sites with our origin", 403, {**ACROSS, "Origin": "http://{host}"}),
    Attack("across sites as a navigation", 403, {**ACROSS, "Sec-Fetch-Mode": "navigate"}),
    Attack("across sites as a visit", 403, VISIT, [*NOT_PUBLIC, *CHANGING]),
    Attack("across sites in a frame", 403, {**VISIT, "Sec-Fetch-Dest": "iframe"}),
    Attack("across sites as a picture", 403, {**ACROSS, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}),
    *(
        Attack(f"without an Origin, {site}", 403, {"Sec-Fetch-Site": site}, list(CHANGING))
        for site in ("same-site", "same-origin", "strange")
    ),
    *(
        Attack(f"as {kind}", 415, {"Content-Type": kind}, list(CHANGING), body=body)
        for kind in ("text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "text/html")
        for body in (b'{"name": "x", "reason": "x"}', b"")
        if body or kind != "text/html"
    ),
    *(
        Attack(f"with the Host {host!r}", 403, {"Host": host})
        for host in (
            *("evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0"),
            *("192.168.0.1", "[::]", "127.0.0.1@evil.example", "evil.example#@127.0.0.1", "[", "127.1", "0x7f000001"),
        )
    ),
    *(
        Attack(f"through a proxy that sends {name}", 401, {name: "127.0.0.1"}, NOT_PUBLIC)
        for name in ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "x-forwarded-for")
    ),
]


async def ask_wrongly(hub: Hub, known: Known, attack: Attack, mount: str) -> list[str]:
    """The routes that did not refuse."""
    passed = []
    headers = {name: value.format(host=hub.host, port=hub.server.port) for name, value in attack.headers.items()}
    for route in attack.routes:
        request: dict[str, Any] = known.request(route) if attack.body is None else {"data": attack.body}
        answer = await hub.ask(route.method, known.path(route), mount=mount, headers=headers, **request)
        if answer.status != attack.status:
            passed.append(f"{route.method} {route.path}: {answer.status}")
    return passed
