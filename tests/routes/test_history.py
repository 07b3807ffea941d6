"""Pins the history of one artifact, the length of the queue, and searching, over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import deleting
import pytest
from comfyui_artifact_db.library import identities, runs, workflows
from hubs import Hub


async def all_events(hub: Hub, path: str, limit: int) -> list[dict[str, Any]]:
    found, cursor = [], ""
    while True:
        page = (await hub.get(f"{path}?limit={limit}{cursor}")).json
        found += page["items"]
        assert len(page["items"]) <= limit
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def test_a_history_is_of_one_artifact_the_oldest_first(hub: Hub) -> None:
    artifact, other = hub.pictures.one(status="pending"), hub.pictures.one()
    path = f"/artifacts/{artifact.id}"
    await hub.put(f"{path}/tags/hero")
    await hub.post(f"{path}/reject", json={"reason": "too dark"})
    await hub.post(f"/artifacts/{other.id}/select")
    await hub.post(f"{path}/approve")
    await hub.delete(path)
    whole = (await hub.get(f"{path}/events")).json
    actions = [event["action"] for event in whole["items"]]
    decided = [action for action in actions if "changed" not in action]
    assert decided == [
        *("artifact.recorded", "artifact.tagged", "artifact.rejected", "artifact.approved", "artifact.deleted"),
    ]
    assert {event["entity_id"] for event in whole["items"]} == {artifact.id}
    assert whole["next_cursor"] is None
    log = [e for e in await all_events(hub, "/events", 500) if e["entity_id"] == artifact.id]
    for limit in (1, 2, 500):
        assert await all_events(hub, f"{path.upper().replace('/ARTIFACTS', '/artifacts')}/events", limit) == log


async def test_the_history_of_what_was_deleted_for_good_can_be_read(hub: Hub) -> None:
    artifact = hub.pictures.one(run=runs.Run("gpu-a", "p", "w", chain="film", step="a"))
    path = f"/artifacts/{artifact.id}/events"
    before = (await hub.get(path)).json
    chain_id = workflows.get_workflow(hub.library, artifact.workflow_id).chain_id
    assert chain_id is not None
    deleting.for_good(hub.library, chain_id, by="ann")
    await hub.get(f"/artifacts/{artifact.id}", 404)
    assert (await hub.get(path)).json == before


async def test_a_history_that_cannot_be_asked_for(hub: Hub) -> None:
    artifact = hub.pictures.one()
    assert (await hub.get(f"/artifacts/{identities.new_id()}/events", 404)).code == "not_found"
    path = f"/artifacts/{artifact.id}/events"
    for query in ("cursor=x", "cursor=-1", "cursor=", "limit=x", "after=1", f"cursor={'9' * 19}"):
        await hub.get(f"{path}?{query}", 400)
    for query in ("limit=0", "limit=501"):
        await hub.get(f"{path}?{query}", 422)
    last = (await hub.get(f"{path}?cursor={'9' * 18}")).json
    assert last == {"items": [], "next_cursor": None}


async def test_the_queue_tells_its_length(hub: Hub) -> None:
    assert (await hub.get("/queue")).json == {"waiting": 0, "more": False}
    waiting = [hub.pictures.one(status="pending") for _ in range(3)]
    hub.pictures.one()
    assert (await hub.get("/queue")).json == {"waiting": 3, "more": False}
    await hub.post(f"/artifacts/{waiting[0].id}/approve")
    assert (await hub.get("/queue")).json["waiting"] == 2 == len((await hub.get("/artifacts?queue=1")).json["items"])


async def test_a_very_long_queue_is_counted_up_to_a_thousand(hub: Hub) -> None:
    keys = tuple(f"9:images:{number}" for number in range(1001))
    waiting = await asyncio.to_thread(hub.pictures.record, keys=keys, status="pending")
    assert (await hub.get("/queue")).json == {"waiting": 1000, "more": True}
    await hub.post(f"/artifacts/{waiting[0].id}/approve")
    assert (await hub.get("/queue")).json == {"waiting": 1000, "more": False}


async def test_names_are_searched(hub: Hub) -> None:
    hub.pictures.one()
    film = hub.pictures.one(run=runs.Run("gpu-a", "p", "qwen-edit", chain="Dragon für Süd", step="edit_frame1"))
    for q in ("dragon", "DRAG edit", "frame1 sud", '"dragon"', "qwen-ed*", film.filename):
        found = (await hub.get(f"/artifacts?q={quote(q)}")).json["items"]
        assert [artifact["id"] for artifact in found] == [film.id], q
    for q in ("dragoon", "🐉", '"', "NEAR(dragon, edit)"):
        assert (await hub.get(f"/artifacts?q={quote(q)}")).json == {"items": [], "next_cursor": None}
    assert len((await hub.get("/artifacts?q=comfyui&kind=image")).json["items"]) == 2
    page = (await hub.get("/artifacts?q=comfyui&limit=1")).json
    rest = (await hub.get(f"/artifacts?q=comfyui&limit=1&cursor={page['next_cursor']}")).json
    assert page["items"][0]["id"] == film.id
    assert (rest["items"][0]["id"], rest["next_cursor"]) != (film.id, page["next_cursor"])


@pytest.mark.parametrize("q", ["", "%20", "%00", "x" * 256, "%0A", "%1B", "x" * 5000])
async def test_what_cannot_be_searched_for_is_refused(hub: Hub, q: str) -> None:
    assert (await hub.get(f"/artifacts?q={q}", 422)).fields == ["q"]
