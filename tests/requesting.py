"""Knows a right request for each route of the hub, for tests that ask all of them the same thing wrongly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from comfyui_artifact_db.library import access, attempts, chains, driving, transfers, workflows
from comfyui_artifact_db.server_routes.table import ROUTES, Route
from hubs import Hub
from making import png
from sending import form, handover

READING = tuple(route for route in ROUTES if route.method == "GET")
CHANGING = tuple(route for route in ROUTES if route.method != "GET")
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/chains"): {"name": "film"},
    ("PATCH", "/chains/{chain_id}"): {"status": "executing_level_1"},
    ("POST", "/workflows"): {"workflow_name": "edit"},
    ("PATCH", "/workflows/{workflow_id}"): {"status": "completed"},
    ("POST", "/workflows/{workflow_id}/collect"): {"server": "gpu-a", "prompt_id": "p"},
    ("PATCH", "/artifacts/{artifact_id}"): {"approval_status": "pending"},
    ("POST", "/artifacts/{artifact_id}/reject"): {"reason": "too dark"},
    ("POST", "/artifacts/{artifact_id}/transfer"): {"server": "gpu-a"},
    ("POST", "/imports"): {"folder": "outputs"},
    ("PUT", "/recording"): {"record": "all"},
}


QUERIES = {"/names": "?kind=chain", "/outputs": "?chain=film"}
"""What a GET cannot be asked without."""


def named(route: Route) -> str:
    """What a test of this route is called."""
    return f"{route.method}_{route.path.removeprefix('/').replace('/', '_')}"


@dataclass(frozen=True)
class Known:
    """The ids of what a hub has, one of each kind."""

    ids: dict[str, str] = field(default_factory=dict)

    def path(self, route: Route, **other: str) -> str:
        """A route's path with these ids, or `other` ones in their places."""
        query = "" if route in CHANGING else QUERIES.get(route.path, "")
        return route.path.format(**{**self.ids, **other}) + query

    def request(self, route: Route) -> dict[str, Any]:
        """A body that the route takes, as aiohttp's client wants it; a new one each time."""
        if route.path == "/outputs":
            run = {"server_address": "gpu-a", "prompt_id": str(uuid4()), "workflow_name": "edit"}
            return {"data": handover({"run": run}, png(9))}
        if "multipart/form-data" in route.bodies:
            return {"data": form(png(9))}
        if (route.method, route.path) == ("POST", "/session"):
            return {"json": {"token": self.ids["token"]}}
        if (route.method, route.path) == ("POST", "/tags"):
            return {"json": {"ids": [self.ids["artifact_id"]], "add": ["new"]}}
        if route.path == "/engine/{call}":
            return {"json": {"arguments": {"workflow_id": self.ids["workflow_id"], "error": "no luck"}}}
        body = BODIES.get((route.method, route.path))
        return {} if body is None else {"json": body}


def fill(hub: Hub) -> Known:
    """Give a hub one of each kind: a chain with a workflow, its artifact with a tag, a failed transfer, a token."""
    library = hub.library
    graph = {"9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}}
    steps = [{"id": "edit", "workflow": graph}]
    chain, _ = chains.create_chain(
        library, name="film", chain_definition={"name": "film", "steps": steps}, actor="tester"
    )
    # Of an engine that this hub has not, so that nobody drives it meanwhile.
    driving.start(library, chain.id, engine="temporal", parameters={}, actor="tester")
    workflow, _ = workflows.create_workflow(
        library, workflow_name="edit", chain_id=chain.id, step_id="edit", prompt_id="p", actor="tester"
    )
    how = {"server_address": "", "prompt_id": "p", "status": "failed", "error": "no luck"}
    attempts.finish(library, **how, actor="tester")  # type: ignore[arg-type]
    artifact = hub.pictures.one(workflow_id=workflow.id, tags=("hero",))
    transfer = transfers.create_transfer(library, artifact.id, server="gpu-a", by="tester")
    (hub.config.folder / "outputs").mkdir(exist_ok=True)
    begun, _ = library.adoptions.begin(library, "outputs", by="tester")
    library.adoptions.wait(begun.id)
    ids = {
        "import_id": begun.id,
        "chain_id": chain.id,
        "workflow_id": workflow.id,
        "artifact_id": artifact.id,
        "transfer_id": transfer.id,
    }
    _, token = access.create_token(library, "visitor", role="view", by="tester")
    return Known({**ids, "token": token, "tag": "new", "call": "fail", "asset": "js/panel/page.mjs"})


def unknown(name: str) -> str:
    """An id that nothing has."""
    return "villain" if name == "tag" else str(uuid4())
