"""Owns the table of routes: each with its handler, who may use it, and which bodies it takes. There is no other list.

Those that are described in the contract and not built yet are in it too, and answer 501.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from ..errors import ArtifactDBError
from . import (
    about,
    artifacts,
    asking,
    chains,
    collecting,
    downloads,
    engine,
    events,
    guarding,
    handovers,
    imports,
    names,
    panel,
    problems,
    repeating,
    servers,
    sessions,
    switches,
    thumbnails,
    transfers,
    trash,
    uploads,
    workflows,
)
from .hub import Hub
from .rendering import PREFIX

logger = logging.getLogger("artifact_db.server_routes")

Handler = Callable[[Hub, web.Request], Awaitable[web.StreamResponse]]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

JSON = ("application/json",)
FORM = ("multipart/form-data",)


@dataclass(frozen=True)
class Route:
    """One route. `handler` None: not built yet. `bodies`: the media types it takes.

    `keyed`: a POST that is sent again is known by its Idempotency-Key; else by ids in its body. `again` answers it
    where it was done and the answer was lost; None: its handler does, since done again it does what is left to do.
    """

    method: str
    path: str
    handler: Handler | None
    permission: str
    bodies: tuple[str, ...] = ()
    keyed: bool = True
    again: repeating.Again | None = None


ROUTES: tuple[Route, ...] = (
    Route("GET", "/chains", chains.list_chains, "view"),
    Route("POST", "/chains", chains.create_chain, "record", JSON, again=chains.create_chain),
    Route("GET", "/chains/{chain_id}", chains.get_chain, "view"),
    Route("PATCH", "/chains/{chain_id}", chains.update_chain, "record", JSON),
    Route("DELETE", "/chains/{chain_id}", chains.delete_chain, "admin"),
    Route("POST", "/chains/{chain_id}/undelete", chains.undelete_chain, "admin", again=chains.show),
    Route("GET", "/chains/{chain_id}/workflows", chains.list_chain_workflows, "view"),
    Route("POST", "/chains/{chain_id}/cancel", chains.cancel_chain, "record"),
    Route("POST", "/chains/{chain_id}/resume", chains.resume_chain, "record", again=chains.resumed),
    Route("POST", "/chains/{chain_id}/rerun", chains.rerun_chain, "record", JSON, again=chains.rerun_chain),
    Route("GET", "/workflows", workflows.list_workflows, "view"),
    Route("POST", "/workflows", workflows.create_workflow, "record", JSON, again=workflows.made),
    Route("GET", "/workflows/{workflow_id}", workflows.get_workflow, "view"),
    Route("PATCH", "/workflows/{workflow_id}", workflows.update_workflow, "record", JSON),
    Route("POST", "/workflows/{workflow_id}/retry", workflows.retry_workflow, "record", JSON, again=workflows.retried),
    Route("GET", "/workflows/{workflow_id}/artifacts", workflows.list_workflow_artifacts, "view"),
    Route("POST", "/workflows/{workflow_id}/artifacts", uploads.upload_artifact, "record", FORM, again=artifacts.made),
    Route("GET", "/workflows/{workflow_id}/latest", workflows.get_latest_artifact, "view"),
    Route("POST", "/workflows/{workflow_id}/collect", collecting.collect_outputs, "record", JSON),
    Route("GET", "/outputs", artifacts.find_output, "view"),
    Route("POST", "/outputs", handovers.record_outputs, "record", FORM, keyed=False),
    Route("GET", "/artifacts", artifacts.list_artifacts, "view"),
    Route("GET", "/artifacts/{artifact_id}", artifacts.get_artifact, "view"),
    Route("PATCH", "/artifacts/{artifact_id}", artifacts.request_review, "review", JSON),
    Route("DELETE", "/artifacts/{artifact_id}", artifacts.delete_artifact, "review"),
    Route("POST", "/artifacts/{artifact_id}/undelete", artifacts.undelete_artifact, "review", again=artifacts.show),
    Route("GET", "/artifacts/{artifact_id}/download", downloads.download_artifact, "view"),
    Route("GET", "/artifacts/{artifact_id}/thumbnail", thumbnails.get_artifact_thumbnail, "view"),
    Route("POST", "/artifacts/{artifact_id}/approve", artifacts.approve_artifact, "review", JSON, again=artifacts.show),
    Route("POST", "/artifacts/{artifact_id}/reject", artifacts.reject_artifact, "review", JSON, again=artifacts.show),
    Route("POST", "/artifacts/{artifact_id}/select", artifacts.select_artifact, "review", JSON, again=artifacts.show),
    Route("POST", "/artifacts/{artifact_id}/edit", uploads.edit_artifact, "review", FORM + JSON, again=artifacts.made),
    Route("GET", "/artifacts/{artifact_id}/versions", artifacts.list_artifact_versions, "view"),
    Route("GET", "/artifacts/{artifact_id}/lineage", artifacts.get_artifact_lineage, "view"),
    Route("GET", "/artifacts/{artifact_id}/events", events.list_artifact_events, "view"),
    Route("PUT", "/artifacts/{artifact_id}/tags/{tag}", artifacts.tag_artifact, "review"),
    Route("DELETE", "/artifacts/{artifact_id}/tags/{tag}", artifacts.untag_artifact, "review"),
    Route("GET", "/tags", artifacts.list_tags, "view"),
    Route("POST", "/tags", artifacts.change_tags, "review", JSON, again=artifacts.show_tags),
    Route("GET", "/names", names.list_names, "view"),
    Route("GET", "/queue", artifacts.get_queue, "view"),
    Route(
        "POST", "/artifacts/{artifact_id}/transfer", transfers.transfer_artifact, "record", JSON, again=transfers.go_on
    ),
    Route("GET", "/transfers", transfers.list_transfers, "view"),
    Route("GET", "/transfers/{transfer_id}", transfers.get_transfer, "view"),
    Route("POST", "/transfers/{transfer_id}/retry", transfers.retry_transfer, "record", again=transfers.go_on),
    Route("POST", "/engine/{call}", engine.call_engine, "record", JSON, keyed=False),
    Route("POST", "/trash/empty", trash.empty_trash, "admin", JSON),
    Route("GET", "/imports", imports.list_imports, "admin"),
    Route("POST", "/imports", imports.begin_import, "admin", JSON),
    Route("GET", "/imports/{import_id}", imports.get_import, "admin"),
    Route("POST", "/imports/{import_id}/cancel", imports.cancel_import, "admin"),
    Route("GET", "/events", events.list_events, "view"),
    Route("GET", "/servers", servers.list_servers, "view"),
    Route("GET", "/recording", switches.get_recording, "view"),
    Route("PUT", "/recording", switches.switch_recording, "admin", JSON),
    Route("GET", "/health", about.get_health, "public"),
    Route("GET", "/metrics", None, "view"),
    Route("GET", "/session", sessions.get_session, "view"),
    Route("POST", "/session", sessions.open_session, "public", JSON),
    Route("DELETE", "/session", sessions.close_session, "public"),
    Route("GET", "/openapi.json", about.get_openapi, "public"),
    Route("GET", "/", panel.get_page, "public"),
    Route("GET", "/assets/{asset}", panel.get_asset, "public"),
)


def answers(hub: Hub) -> list[tuple[str, str, Answer]]:
    """What a web server mounts: method, whole path and guarded handler, in the order of `places`."""
    return [(route.method, path, _guarded(hub, route)) for route, path in places()]


def places() -> list[tuple[Route, str]]:
    """Every route with the whole path that it is mounted at; the last one takes what no other does."""
    unknown = Route("*", "/{unknown:(?s:.*)}", _no_route, "public", JSON + FORM)
    bare = Route("*", "", panel.redirect_to_page, "public")
    return [
        *((route, PREFIX + _mountable(route.path)) for route in ROUTES),
        *((other, PREFIX + other.path) for other in (bare, unknown)),
    ]


def _mountable(path: str) -> str:
    """A path as aiohttp takes it. A variable of its own making would not match braces, which a tag may have."""
    return re.sub(r"\{([a-z_]+)\}", lambda name: f"{{{name[1]}:{_matching(name[1])}}}", path)


def _guarded(hub: Hub, route: Route) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            await guarding.check(hub, request, route.permission, route.bodies)
            if route.handler is None:
                raise problems.not_built(f"{route.method} {route.path}")
            if route.method in guarding.CHANGING:
                asking.query(request)
            if route.method == "POST" and route.keyed and route.permission != guarding.PUBLIC:
                return await repeating.answer(hub, request, route.handler, route.again)
            return await route.handler(hub, request)
        except problems.Refused as refusal:
            return problems.of_refusal(refusal)
        except ArtifactDBError as error:
            return problems.of_error(hub, error)
        except (web.HTTPException, ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            # The one broad except of the program: whatever it was, no traceback leaves this machine.
            logger.exception("%s %s failed", request.method, request.path)
            return problems.of_crash()

    return answer


async def _no_route(hub: Hub, request: web.Request) -> web.StreamResponse:
    path = "/" + request.match_info["unknown"]
    allowed = sorted({route.method for route in ROUTES if _pattern(route.path).fullmatch(path)})
    if allowed:
        raise problems.Refused(
            405, "method_not_allowed", f"this route takes {', '.join(allowed)}", Allow=", ".join(allowed)
        )
    raise problems.Refused(404, "not_found", f"no route {path}; GET {PREFIX}/openapi.json lists them")


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{([a-z_]+)\}", lambda name: _matching(name[1]), path))


def _matching(variable: str) -> str:
    """What a variable in a path stands for: an asset is the one thing that lies in folders."""
    return "(?s:.+)" if variable == "asset" else "[^/]+"
