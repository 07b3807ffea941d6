"""Pins what the hub tells of itself: its health, and what is not built yet."""

from __future__ import annotations

from pathlib import Path

import contract
import pytest
from comfyui_artifact_db.config import Config, load_config
from comfyui_artifact_db.server_routes.table import ROUTES, Route
from hubs import VERSION, Hub, Serve
from requesting import fill, named


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


@pytest.mark.parametrize("route", [route for route in ROUTES if route.handler is None], ids=named)
async def test_what_is_planned_says_so_and_changes_nothing(hub: Hub, route: Route) -> None:
    known = fill(hub)
    before = hub.state()
    answer = await hub.ask(route.method, known.path(route), 501, **known.request(route))
    assert answer.code == "not_built"
    assert hub.state() == before
