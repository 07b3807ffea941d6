"""Pins what the hub tells of itself: its health, and what is not built yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import contract
import pytest
from comfyui_artifact_db.config import Config, Server, load_config
from comfyui_artifact_db.server_routes.table import ROUTES, Route
from comfyui_servers_that import TOKEN, ComfyUI, Misbehaving, comfyui, server_that
from hubs import VERSION, Hub, Serve
from requesting import fill, named

__all__ = ["comfyui", "server_that"]


async def test_a_hub_says_that_it_is_well(hub: Hub) -> None:
    health = (await hub.get("/health")).json
    assert health["status"] == "ok"
    assert health["version"] == VERSION
    assert health["schema_version"] >= 2
    assert health["pending_intents"] == 0
    assert health["nearly_full"] == []
    assert (await hub.get("/health?probe=kubernetes")).json == health


async def test_a_hub_that_is_well_says_that_its_disk_is_nearly_full(serve: Serve, config: Config, disk: Path) -> None:
    hub = await serve(load=lambda: load_config(config.folder, {"ARTIFACT_DB_STORE": str(disk / "store")}))
    health = (await hub.get("/health")).json
    assert (health["status"], health["nearly_full"]) == ("ok", ["store"])


async def test_the_contract_is_given_to_whoever_asks(hub: Hub) -> None:
    assert (await hub.get("/openapi.json?cached=no")).json == contract.DOCUMENT


async def test_each_server_is_told_with_how_it_is(
    serve: Serve, config: Config, comfyui: ComfyUI, server_that: Callable[..., Misbehaving]
) -> None:
    comfyui.queue = {"queue_running": [[0, "p", {}, {}, []]], "queue_pending": [[0, "q", {}, {}, []]]}
    strange = server_that(lambda request: request.answer(401, TOKEN.encode()))
    slow = server_that(lambda request: request.server.over.wait(20))
    urls = {"up": comfyui.url, "down": "http://127.0.0.1:1", "strange": strange.url, "slow": slow.url}
    hub = await serve(replace(config, servers={name: Server(name, url, TOKEN) for name, url in urls.items()}))
    asked = await asyncio.gather(*(hub.get("/servers") for _ in range(5)))
    assert len({answer.body for answer in asked}) == 1
    found = {server["name"]: server for server in asked[0].json["items"]}
    assert [found[name]["status"] for name in urls] == ["up", "away", "wrong", "away"]
    assert (found["up"]["queue"], found["up"]["version"], found["up"]["error"]) == (2, "0.3.75", None)
    assert "check token_env of server 'strange'" in found["strange"]["error"]
    assert TOKEN.encode() not in asked[0].body
    assert [request.path for request in comfyui.requests] == ["/prompt", "/system_stats"], "once for all who ask"


@pytest.mark.parametrize("route", [route for route in ROUTES if route.handler is None], ids=named)
async def test_what_is_planned_says_so_and_changes_nothing(hub: Hub, route: Route) -> None:
    known = fill(hub)
    before = hub.state()
    answer = await hub.ask(route.method, known.path(route), 501, **known.request(route))
    assert answer.code == "not_built"
    assert hub.state() == before
