"""Pins what a workflow offers over HTTP: its current artifact, whether it is usable, and what it was at a time."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from hubs import Hub
from making import png
from tampering import tamper


async def test_a_workflow_offers_its_current_artifact_usable_or_not(hub: Hub) -> None:
    picture = hub.pictures.one(status="pending")
    path = f"/workflows/{picture.workflow_id}/latest"
    offered = await hub.get(path)
    assert (offered.json["id"], offered.json["usable"]) == (picture.id, False)
    assert offered.etag == '"1"'
    refused = await hub.get(f"{path}?usable=1", 409)
    assert (refused.code, refused.json["artifact"]) == ("not_usable", offered.json)
    await hub.post(f"/artifacts/{picture.id}/approve")
    assert (await hub.get(f"{path}?usable=true")).json["usable"] is True


async def test_bytes_that_changed_are_not_offered_as_usable_whatever_their_file_looks_like(hub: Hub) -> None:
    picture = hub.pictures.one(data=png(1))
    tamper(picture, png(2), unseen=True)
    refused = await hub.get(f"/workflows/{picture.workflow_id}/latest?usable=1", 409)
    assert refused.code == "not_usable"


async def test_bytes_that_were_removed_are_gone(hub: Hub) -> None:
    picture = hub.pictures.one()
    hub.change("UPDATE artifacts SET bytes_removed_at = '2026-11-22T10:00:00.000Z' WHERE id = ?", picture.id)
    assert (await hub.get(f"/workflows/{picture.workflow_id}/latest?usable=1", 410)).code == "gone"
    offered = (await hub.get(f"/workflows/{picture.workflow_id}/latest")).json
    assert (offered["usable"], offered["bytes_removed_at"]) == (False, "2026-11-22T10:00:00.000Z")


async def test_what_was_current_at_a_time_can_be_asked(hub: Hub) -> None:
    first, second = hub.pictures.record(keys=("9:images:0", "9:images:1"))
    path = f"/workflows/{first.workflow_id}/latest"
    await asyncio.sleep(0.002)  # times are in milliseconds
    await hub.post(f"/artifacts/{second.id}/select")
    before, after = (
        event["at"]
        for event in (await hub.get("/events")).json["items"]
        if event["action"] == "workflow.current_changed"
    )
    assert (await hub.get(f"{path}?at={before}")).json["id"] == first.id
    assert (await hub.get(f"{path}?at={after}")).json["id"] == second.id
    assert (await hub.get(f"{path}?at=9999-12-31T23:59:59Z&usable=1")).json["id"] == second.id
    assert (await hub.get(f"{path}?at=2020-01-01", 404)).code == "not_found"
    await hub.post(f"/artifacts/{first.id}/reject", json={"reason": "no"})
    assert (await hub.get(f"{path}?at={before}&usable=1", 409)).json["artifact"]["id"] == first.id


@pytest.mark.parametrize("at", ["", "now", "12:00", "0001-01-01T00:00:00%2B14:00"])
async def test_what_is_no_time_is_refused(hub: Hub, at: str) -> None:
    picture = hub.pictures.one()
    assert (await hub.get(f"/workflows/{picture.workflow_id}/latest?at={at}", 422)).fields == ["at"]


async def test_a_workflow_without_artifacts_offers_nothing(hub: Hub) -> None:
    workflow = (await hub.post("/workflows", 201, json={"workflow_name": "w"})).json["id"]
    for path in (f"{workflow}/latest", f"{uuid4()}/latest", f"{uuid4()}/latest?at=2026-01-01"):
        assert (await hub.get(f"/workflows/{path}", 404)).code == "not_found"
    await hub.get(f"/workflows/{workflow}/latest?usable=maybe", 400)
