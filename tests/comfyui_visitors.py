"""Requests to every route of the hub, as the table lists them: honest ones, and those of pages that mean no good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from comfyui_artifact_db.server_routes.table import ROUTES
from comfyui_studio import Studio, picture
from waiting import until

MOUNTS = ("/artifact-db", "/api/artifact-db")

_BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/chains"): {"name": "by a visitor"},
    ("PATCH", "/chains/{chain_id}"): {"status": "failed"},
    ("POST", "/workflows"): {"workflow_name": "by a visitor"},
    ("PATCH", "/workflows/{workflow_id}"): {"status": "failed"},
    ("PATCH", "/artifacts/{artifact_id}"): {"approval_status": "pending"},
    ("POST", "/artifacts/{artifact_id}/reject"): {"reason": "by a visitor"},
    ("POST", "/artifacts/{artifact_id}/transfer"): {"server": "gpu-b"},
}
"""What makes a request a good one, where an empty object does not."""


@dataclass(frozen=True)
class Visit:
    """One request that would be answered, and would change something if it changes anything."""

    method: str
    path: str
    bodies: tuple[str, ...]
    body: dict[str, Any]

    def send(self, studio: Studio, **more: Any) -> Any:
        """Send it, with further headers or another body."""
        return studio.ask(self.method, self.path, stream=True, **{**self.body, **more})


def visits(
    studio: Studio, mount: str, methods: tuple[str, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")
) -> list[Visit]:
    """One visit of each route, to a chain, a workflow and an artifact made for it."""
    chain = studio.post("/chains", {"name": "visited"}, 201)
    artifact = studio.uploaded(chain_id=chain["id"], step_id="a", requires_approval=True)
    names = {
        "chain_id": chain["id"],
        "workflow_id": artifact["workflow_id"],
        "artifact_id": artifact["id"],
        "transfer_id": artifact["id"],
        "tag": "visited",
    }
    return [
        Visit(
            route.method,
            mount + re.sub(r"\{([a-z_]+)\}", lambda name: names.get(name[1], "x"), route.path),
            route.bodies,
            _body(route.method, route.path, route.bodies),
        )
        for route in ROUTES
        if route.method in methods
    ]


def state(studio: Studio) -> tuple[Any, ...]:
    """All that a request could change, once the prompts that have ended are written down as ended."""
    until(lambda: studio.rows("SELECT count(*) FROM attempts WHERE status = 'executing'") == [(0,)])
    return studio.rows("SELECT max(seq) FROM events"), studio.rows("SELECT count(*) FROM artifacts"), studio.files()


def _body(method: str, path: str, bodies: tuple[str, ...]) -> dict[str, Any]:
    if "multipart/form-data" in bodies:
        return {"files": {"file": ("a.png", picture())}}
    return {"json": _BODIES.get((method, path), {})} if bodies else {}


def attacks(visit: Visit, url: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """How pages of other sites could try the same request: each with what `Visit.send` takes."""
    evil = "http://evil.example"
    host = url.removeprefix("http://")
    for headers in (
        {"Origin": evil},
        {"Origin": "null"},
        {"Origin": f"http://evil.example/?{host}"},
        {"Host": "evil.example"},
        {"Host": "192.0.2.7", "Origin": "http://192.0.2.7"},  # a name would make ComfyUI ask the network for it
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": url},
        {"Sec-Fetch-Site": "same-site"},
    ):
        yield str(headers), {"headers": headers}
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml", ""):
        yield (
            f"a body of {kind!r}",
            {"data": b'{"name": "x"}', "json": None, "files": None, "headers": {"Content-Type": kind}},
        )
    if "multipart/form-data" not in visit.bodies:
        yield "a form", {"files": {"file": ("a.png", b"x")}, "json": None}
