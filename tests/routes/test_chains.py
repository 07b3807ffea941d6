"""Pins the routes of chains: making, reading, changing and deleting them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from hubs import Hub

CHAIN: dict[str, Any] = {
    "name": "image-edit-to-video",
    "description": "Von einem Foto zu einem Film 🐉",
    "chain_definition": {"steps": [{"id": "frame", "workflow": {"1": {"class_type": "LoadImage"}}}]},
    "temporal_workflow_id": "w" * 1000,
    "temporal_run_id": "r-1",
}


async def test_a_new_chain_has_what_was_sent_and_can_be_found_where_it_is(hub: Hub) -> None:
    made = await hub.post("/chains", 201, json=CHAIN)
    assert made.json.items() >= CHAIN.items()
    assert made.json["status"] == "initializing"
    assert made.json["current_level"] == 0
    assert made.etag == '"1"'
    assert made.headers["Location"] == f"/artifact-db/chains/{made.json['id']}"
    found = await hub.get(f"/chains/{made.json['id']}")
    assert found.json == {**made.json, "workflows": [], "drive": None, "progress": [], "undelivered": []}
    assert found.etag == made.etag


async def test_a_chain_may_begin_with_an_id_a_status_and_a_level_of_the_clients_choosing(hub: Hub) -> None:
    chosen = {"id": str(uuid4()), "name": "c", "status": "executing_level_2", "current_level": 2, "run": False}
    made = (await hub.post("/chains", 201, json=chosen)).json
    assert [made[key] for key in ("id", "status", "current_level")] == [chosen["id"], "executing_level_2", 2]


async def test_making_the_same_chain_twice_makes_one(hub: Hub) -> None:
    chosen = {**CHAIN, "id": str(uuid4())}
    first = await hub.post("/chains", 201, json=chosen)
    await hub.patch(f"/chains/{chosen['id']}", json={"status": "completed"})
    before = hub.state()
    again = await hub.post("/chains", 200, json={**chosen, "id": str(chosen["id"]).upper()})
    assert again.json["status"] == "completed", "a repeated request does not set it back"
    assert again.json["created_at"] == first.json["created_at"]
    assert hub.state() == before


@pytest.mark.parametrize(
    "other", [{"name": "x"}, {"description": None}, {"chain_definition": {}}, {"temporal_workflow_id": "t"}]
)
async def test_an_id_that_another_chain_has_is_a_conflict(hub: Hub, other: dict[str, Any]) -> None:
    chosen = {**CHAIN, "id": str(uuid4())}
    await hub.post("/chains", 201, json=chosen)
    before = hub.state()
    refused = await hub.post("/chains", 409, json={**chosen, **other})
    assert refused.code == "conflict"
    assert hub.state() == before


async def test_a_temporal_id_that_another_chain_has_is_a_conflict(hub: Hub) -> None:
    await hub.post("/chains", 201, json=CHAIN)
    await hub.post("/chains", 409, json={"name": "other", "temporal_workflow_id": CHAIN["temporal_workflow_id"]})
    other = (await hub.post("/chains", 201, json={"name": "other"})).json
    change = {"temporal_workflow_id": CHAIN["temporal_workflow_id"]}
    before = hub.state()
    await hub.patch(f"/chains/{other['id']}", 409, json=change)
    assert hub.state() == before


async def test_a_chain_moves_through_its_levels_to_its_end_and_back(hub: Hub) -> None:
    chain = (await hub.post("/chains", 201, json=CHAIN)).json
    path = f"/chains/{chain['id']}"
    moved = await hub.patch(path, json={"status": "executing_level_1", "current_level": 1})
    assert (moved.json["status"], moved.json["completed_at"], moved.etag) == ("executing_level_1", None, '"2"')
    failed = await hub.patch(path, json={"status": "failed", "error_message": "node 3 failed"})
    assert failed.json["error_message"] == "node 3 failed"
    assert failed.json["completed_at"] == failed.json["updated_at"]
    resumed = await hub.patch(path, json={"status": "executing_level_1", "error_message": None})
    assert (resumed.json["error_message"], resumed.json["completed_at"]) == (None, None)
    assert (await hub.get(path)).json["revision"] == 4


async def test_an_error_message_is_kept_as_the_program_that_failed_wrote_it(hub: Hub) -> None:
    chain = (await hub.post("/chains", 201, json=CHAIN)).json
    message = '  Traceback:\r\n\x1b[31mValueError\x1b[0m: "\u0000" \u2028\n' + "x" * 9000
    changed = await hub.patch(f"/chains/{chain['id']}", json={"error_message": message})
    assert changed.json["error_message"] == message


async def test_a_change_to_what_it_is_already_changes_nothing(hub: Hub) -> None:
    chain = (await hub.post("/chains", 201, json=CHAIN)).json
    before = hub.state()
    same = await hub.patch(f"/chains/{chain['id']}", json={"status": "initializing", "current_level": 0})
    assert same.etag == '"1"'
    assert hub.state() == before


async def test_a_chain_shows_its_workflows_by_step(hub: Hub) -> None:
    chain = (await hub.post("/chains", 201, json=CHAIN)).json["id"]
    for step in ("b", "a", "a"):
        await hub.post("/workflows", 201, json={"workflow_name": "w", "chain_id": chain, "step_id": step})
    await hub.post("/workflows", 201, json={"workflow_name": "standalone"})
    steps = (await hub.get(f"/chains/{chain}")).json["workflows"]
    assert [step["step_id"] for step in steps] == ["a", "a", "b"]
    listed = (await hub.get(f"/chains/{chain}/workflows")).json["items"]
    assert [step["id"] for step in listed] == [steps[1]["id"], steps[0]["id"], steps[2]["id"]], "newest first"


async def test_deleting_a_chain_takes_everything_in_it_and_nothing_else(hub: Hub) -> None:
    chain = (await hub.post("/chains", 201, json=CHAIN)).json["id"]
    step = (await hub.post("/workflows", 201, json={"workflow_name": "w", "chain_id": chain})).json["id"]
    gone = hub.pictures.one(workflow_id=step)
    stays = hub.pictures.one()
    answer = await hub.delete(f"/chains/{chain}", 204, headers={"X-Artifact-Actor": "ada"})
    assert answer.body == b""
    for path in (f"/chains/{chain}", f"/workflows/{step}", f"/artifacts/{gone.id}", f"/chains/{chain}/workflows"):
        assert (await hub.get(path, 404)).code == "not_found"
    await hub.get(f"/artifacts/{stays.id}")
    last = (await hub.get("/events?limit=500")).json["items"][-1]
    assert (last["action"], last["actor"], last["entity_id"]) == ("chain.deleted", "ada", chain)
    await hub.post("/trash/empty", 200, json={})
    stored = [name for name in hub.files() if name.startswith("files/")]
    assert stored == [hub.library.store.relative(stays.local_path)]


async def test_chains_are_found_by_status_name_and_failed_steps(hub: Hub) -> None:
    def body(name: str, status: str = "initializing") -> dict[str, str]:
        return {"name": name, "status": status}

    first = (await hub.post("/chains", 201, json=body("film"))).json["id"]
    second = (await hub.post("/chains", 201, json=body("film", "failed"))).json["id"]
    third = (await hub.post("/chains", 201, json=body("foto", "executing_level_0"))).json["id"]
    failed = {"workflow_name": "w", "status": "failed"}
    await hub.post("/workflows", 201, json={**failed, "chain_id": third})
    await hub.post("/workflows", 201, json=failed)

    async def found(query: str) -> list[str]:
        return [chain["id"] for chain in (await hub.get(f"/chains?{query}")).json["items"]]

    assert await found("") == [third, second, first]
    assert await found("name=film") == [second, first]
    assert await found("name=FILM") == []
    assert await found("status=failed") == [second]
    assert await found("status=executing_level_0") == [third]
    assert await found("failed=1") == [third]
    assert await found("failed=0&status=initializing&name=film") == [first]
    assert "chain_definition" not in (await hub.get("/chains")).json["items"][0]
