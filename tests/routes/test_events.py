"""Pins the pages of the event log: in order, without gaps, each as the contract says, the hashes a chain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from comfyui_artifact_db.library import access, bundles, events, exporting, identities, importing, upkeep, workflows
from comfyui_artifact_db.library.opening import Library
from hubs import Hub
from making import Pictures, png
from requesting import fill
from sending import form


async def test_a_page_begins_with_the_first_event_or_after_one(hub: Hub) -> None:
    fill(hub)
    everything = (await hub.get("/events?limit=500")).json
    numbers = [event["seq"] for event in everything["items"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert everything["next_cursor"] is None
    after = (await hub.get("/events?after=3&limit=2")).json
    assert [event["seq"] for event in after["items"]] == [4, 5]
    assert after["next_cursor"] == "5"
    none = (await hub.get(f"/events?after={numbers[-1]}")).json
    assert none == {"items": [], "next_cursor": None}
    assert (await hub.get("/events?after=999999999999999999")).json["items"] == []


async def test_each_event_carries_the_hash_of_the_one_before_it(hub: Hub) -> None:
    fill(hub)
    previous = events.GENESIS
    for event in (await hub.get("/events?limit=500")).json["items"]:
        stored = [json.dumps(event[key], ensure_ascii=False, separators=(",", ":"), sort_keys=True)
                  if event[key] is not None else None for key in ("before", "after")]  # fmt: skip
        columns = ("seq", "at", "actor", "action", "entity_type", "entity_id", "chain_id", "workflow_id")
        parts = [*(event[column] for column in columns), *stored, event["previous_hash"]]
        text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
        assert event["previous_hash"] == previous
        assert event["hash"] == hashlib.sha256(text.encode()).hexdigest()
        previous = event["hash"]


async def test_a_change_by_another_process_is_an_event_too(hub: Hub, reopened: Callable[[], Library]) -> None:
    other = reopened()
    Pictures(other).one()
    first = (await hub.get("/events")).json["items"]
    workflows.create_workflow(other, workflow_name="w", actor="another process")
    await hub.post("/workflows", 201, json={"workflow_name": "w"})
    more = (await hub.get(f"/events?after={first[-1]['seq']}")).json["items"]
    assert [event["actor"] for event in more] == ["another process", "local"]
    assert more[1]["previous_hash"] == more[0]["hash"]


async def test_every_kind_of_event_is_seen_and_is_as_the_contract_says(hub: Hub, tmp_path: Path) -> None:
    known = fill(hub)
    chain, workflow, artifact = (known.ids[name] for name in ("chain_id", "workflow_id", "artifact_id"))
    await hub.patch(f"/chains/{chain}", json={"status": "executing_level_0"})
    await hub.patch(f"/workflows/{workflow}", json={"status": "executing", "parameters": {"1.seed": 1}})
    edit = (await hub.post(f"/artifacts/{artifact}/edit", 201, data=form(png(9)))).json["id"]
    await hub.post(f"/artifacts/{artifact}/edit", 201, json={"from_version": artifact})
    await hub.post(f"/artifacts/{edit}/select")
    await hub.patch(f"/artifacts/{edit}", json={"approval_status": "pending"})
    await hub.post(f"/artifacts/{edit}/approve")
    await hub.post(f"/artifacts/{edit}/reject", json={"reason": "no"})
    await hub.put(f"/artifacts/{edit}/tags/a")
    await hub.delete(f"/artifacts/{edit}/tags/a")
    await hub.delete(f"/artifacts/{edit}")
    await hub.post(f"/artifacts/{edit}/undelete")
    await hub.post(f"/artifacts/{artifact}/transfer", 201, json={"server": "gpu-a"})
    bundles.export_bundle(hub.library, exporting.find_root(hub.library, chain), tmp_path / "a.zip", by="tester")
    await hub.delete(f"/artifacts/{edit}")
    await hub.post("/trash/empty")
    await hub.delete(f"/chains/{chain}", 204)
    await hub.post(f"/chains/{chain}/undelete")
    await hub.delete(f"/chains/{chain}", 204)
    await hub.post("/trash/empty")
    importing.import_bundle(hub.library, tmp_path / "a.zip", by="tester")
    cookie = (await hub.post("/session", json={"token": known.ids["token"]})).headers["Set-Cookie"].partition(";")[0]
    await hub.delete("/session", 204, headers={"Cookie": cookie})
    access.revoke_token(hub.library, "visitor", by="tester")
    await hub.put("/recording", json={"record": "all"})
    hub.change("UPDATE store_identity SET id = ?", identities.new_id())
    upkeep.adopt_store(hub.config, by="tester")
    seen = {event["action"] for event in (await hub.get("/events?limit=500")).json["items"]}
    assert seen == set(events.ACTIONS)


@pytest.mark.parametrize("query", ["after=-1", "after=x", "after=", "after=1.0", "after=" + "9" * 19, "entity=x"])
async def test_a_position_that_is_none_is_refused(hub: Hub, query: str) -> None:
    for headers in ({}, {"Accept": "text/event-stream"}):
        assert (await hub.get(f"/events?{query}", 400, headers=headers)).code == "malformed"
