"""Chains that the hub itself runs, over REST: begun, decided on, cancelled, tried again, run again."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chaining import Studio, step
from comfyui_artifact_db.config import Config, Server
from comfyui_artifact_db.library import identities
from comfyui_artifact_db.server_routes.application import application
from comfyui_servers_that import ComfyUI, serving
from hubs import Hub, Serve

REVIEWED = [step("one", requires_approval=True), step("two", "one", server="gpu-b")]


class Studios:
    """A hub that drives chains over two servers."""

    def __init__(self, hub: Hub, studio: Studio) -> None:
        self.hub, self.studio = hub, studio

    async def begin(self, *steps: dict[str, Any], expect: int = 201, **more: Any) -> dict[str, Any]:
        definition = {"steps": list(steps), "parameters": more.pop("defaults", {})}
        body = {"name": "film", "chain_definition": definition, "run": True, **more}
        found: dict[str, Any] = (await self.hub.post("/chains", expect, json=body)).json
        return found

    async def until(self, chain: dict[str, Any], status: str) -> dict[str, Any]:
        for _ in range(1000):
            found: dict[str, Any] = (await self.hub.get(f"/chains/{chain['id']}")).json
            if found["status"] == status:
                return found
            await asyncio.sleep(0.02)
        raise AssertionError((found["status"], found["error_message"], found["workflows"]))

    async def workflow(self, chain: dict[str, Any], step_id: str) -> dict[str, Any]:
        listed = (await self.hub.get(f"/chains/{chain['id']}/workflows")).json["items"]
        return next(one for one in listed if one["step_id"] == step_id)

    async def current(self, chain: dict[str, Any], step_id: str) -> dict[str, Any]:
        workflow = await self.workflow(chain, step_id)
        found: dict[str, Any] = (await self.hub.get(f"/workflows/{workflow['id']}/latest")).json
        return found


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, ComfyUI]]:
    with serving(tmp_path / "gpu-a") as a, serving(tmp_path / "gpu-b") as b:
        yield {"gpu-a": a, "gpu-b": b}


@pytest.fixture
async def studios(serve: Serve, config: Config, servers: dict[str, ComfyUI]) -> Studios:
    configured = {name: Server(name, server.url) for name, server in servers.items()}
    hub = await serve(replace(config, servers=configured), make=application)
    return Studios(hub, Studio(hub.library, servers))


async def test_a_chain_runs_waits_for_a_decision_and_ends(studios: Studios) -> None:
    begun = await studios.begin(*REVIEWED)
    chain = await studios.until(begun, "awaiting_approval")
    assert chain["drive"]["engine"] == "local"
    waiting = await studios.current(chain, "one")
    assert (await studios.hub.get("/queue")).json["waiting"] == 1
    await studios.hub.post(f"/artifacts/{waiting['id']}/approve", 200, json={})
    done = await studios.until(begun, "completed")
    assert [one["status"] for one in done["workflows"]] == ["completed", "completed"]


async def test_the_same_request_begins_one_chain(studios: Studios) -> None:
    chosen = identities.new_id()
    first = await studios.begin(step("one"), id=chosen)
    await studios.until(first, "completed")
    again = await studios.begin(step("one"), id=chosen, expect=200)
    assert (again["id"], again["status"]) == (chosen, "completed")
    assert sum(len(server.queued) for server in studios.studio.servers.values()) == 1
    await studios.begin(step("two"), id=chosen, expect=409)


async def test_everything_that_is_wrong_is_told_and_nothing_begins(studios: Studios) -> None:
    before = studios.hub.state()
    wrong = await studios.begin(step("one", server="gpu-z"), step("two", "three"), expect=422)
    fields = {one["field"] for one in wrong["errors"]}
    assert fields >= {"steps[0].server", "steps[1].depends_on[0]"}
    for more in (
        {"parameters": {"promt": 1}},
        {"status": "completed"},
        {"chain_definition": None},
        {"engine": "temporl"},
    ):
        await studios.begin(step("one"), expect=422, **more)
    assert studios.hub.state() == before


async def test_a_chain_for_the_workers_of_temporal_is_left_to_them(studios: Studios) -> None:
    begun = await studios.begin(step("one"), engine="temporal")
    other = await studios.begin(step("one"))
    await studios.until(other, "completed")
    chain = (await studios.hub.get(f"/chains/{begun['id']}")).json
    assert (chain["drive"]["engine"], chain["status"], chain["workflows"]) == ("temporal", "initializing", [])
    await studios.hub.post(f"/chains/{begun['id']}/cancel", 200)


async def test_a_rejection_with_parameters_runs_the_step_again(studios: Studios) -> None:
    begun = await studios.begin(*REVIEWED)
    await studios.until(begun, "awaiting_approval")
    first = await studios.current(begun, "one")
    body = {"reason": "a dog", "parameters": {"7.text": "a dog"}}
    rejected = (await studios.hub.post(f"/artifacts/{first['id']}/reject", 200, json=body)).json
    assert rejected["approval_status"] == "rejected"
    for _ in range(500):
        versions = (await studios.hub.get(f"/artifacts/{first['id']}/versions")).json["items"]
        if len(versions) == 2:
            break
        await asyncio.sleep(0.02)
    assert [one["approval_status"] for one in versions] == ["pending", "rejected"]
    await studios.hub.post(f"/artifacts/{versions[0]['id']}/approve", 200, json={})
    await studios.until(begun, "completed")
    graphs = [
        asked["prompt"]["7"]["inputs"]["text"] for server in studios.studio.servers.values() for asked in server.queued
    ]
    assert graphs.count("a dog") == 1


async def test_parameters_that_the_step_has_not_reject_nothing(studios: Studios) -> None:
    begun = await studios.begin(*REVIEWED)
    await studios.until(begun, "awaiting_approval")
    first = await studios.current(begun, "one")
    body = {"reason": "a dog", "parameters": {"7.txt": "a dog"}}
    await studios.hub.post(f"/artifacts/{first['id']}/reject", 422, json=body)
    assert (await studios.current(begun, "one"))["approval_status"] == "pending"


async def test_a_chain_is_cancelled_with_its_prompt(studios: Studios) -> None:
    for server in studios.studio.servers.values():
        server.runs = None
    begun = await studios.begin(step("one", server="gpu-a"), step("two", "one"))
    server = studios.studio.servers["gpu-a"]
    for _ in range(500):
        if server.queued:
            break
        await asyncio.sleep(0.02)
    cancelled = (await studios.hub.post(f"/chains/{begun['id']}/cancel", 200)).json
    assert cancelled["status"] == "cancelled"
    assert server.interrupted == [server.queued[0]["prompt_id"]]
    assert (await studios.hub.post(f"/chains/{begun['id']}/cancel", 200)).json["status"] == "cancelled"
    await studios.hub.post(f"/chains/{begun['id']}/resume", 409)


async def test_a_failed_chain_is_resumed_or_its_step_tried_again(studios: Studios) -> None:
    studios.studio.fails = lambda graph: True
    begun = await studios.begin(step("one"), step("two", "one"))
    await studios.until(begun, "failed")
    studios.studio.fails = lambda graph: graph["7"]["inputs"]["seed"] == 0
    one = await studios.workflow(begun, "one")
    await studios.hub.post(f"/workflows/{one['id']}/retry", 202, json={"parameters": {"7.seed": 3}})
    await studios.until(begun, "failed")
    assert (await studios.workflow(begun, "one"))["status"] == "completed"
    studios.studio.fails = lambda graph: False
    await studios.hub.post(f"/chains/{begun['id']}/resume", 202)
    await studios.until(begun, "completed")
    await studios.hub.post(f"/chains/{begun['id']}/resume", 409)


async def test_a_chain_is_run_again_from_a_step(studios: Studios) -> None:
    begun = await studios.begin(step("one"), step("two", "one"))
    await studios.until(begun, "completed")
    body = {"from_step": "two", "parameters": {"two.7.text": "at night"}, "id": identities.new_id()}
    new = (await studios.hub.post(f"/chains/{begun['id']}/rerun", 201, json=body)).json
    assert (await studios.hub.post(f"/chains/{begun['id']}/rerun", 200, json=body)).json["id"] == new["id"]
    done = await studios.until(new, "completed")
    assert done["drive"]["source_chain_id"] == begun["id"]
    source, taken = await studios.current(begun, "one"), await studios.current(new, "one")
    assert (taken["source_artifact_id"], taken["sha256"]) == (source["id"], source["sha256"])
    await studios.hub.post(f"/chains/{begun['id']}/rerun", 422, json={"from_step": "three"})


async def test_the_chains_of_runners_elsewhere_are_theirs(studios: Studios) -> None:
    other = (await studios.hub.post("/chains", 201, json={"name": "another's"})).json
    await studios.hub.post(f"/chains/{other['id']}/resume", 404)
    await studios.hub.post(f"/chains/{other['id']}/rerun", 409)
    made = {"workflow_name": "w", "chain_id": other["id"], "step_id": "a"}
    workflow = (await studios.hub.post("/workflows", 201, json=made)).json
    await studios.hub.post(f"/workflows/{workflow['id']}/retry", 404)
    assert (await studios.hub.post(f"/chains/{other['id']}/cancel", 200)).json["status"] == "cancelled"


async def test_a_hub_whose_database_could_not_be_opened_at_its_start_drives_chains_once_it_can(
    serve: Serve, config: Config, servers: dict[str, ComfyUI], migrated: Path
) -> None:
    database = Path(config.database.removeprefix("sqlite:///"))
    shutil.copy(__file__, database)  # It is no database.
    configured = {name: Server(name, server.url) for name, server in servers.items()}
    hub = await serve(load=lambda: replace(config, servers=configured), make=application)
    await hub.get("/queue", 503)
    shutil.copy(migrated, database)
    await hub.get("/queue", 200)
    studios = Studios(hub, Studio(hub.library, servers))
    await studios.until(await studios.begin(step("one")), "completed")
