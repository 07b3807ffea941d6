"""Pins the decisions over HTTP: approve, reject, ask again, select; who decided, on which bytes, and who was later."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import contract
import pytest
from hubs import Answer, Hub
from tampering import tamper

DECISIONS: dict[str, dict[str, Any]] = {
    "approve": {},
    "reject": {"reason": "too dark"},
    "select": {},
}
DECIDED = ("artifact.approved", "artifact.rejected")


async def last_event(hub: Hub) -> dict[str, Any]:
    events: list[dict[str, Any]] = (await hub.get("/events?limit=500")).json["items"]
    return events[-1]


async def decided(hub: Hub, action: str) -> dict[str, Any]:
    """The newest event of an action."""
    events = (await hub.get("/events?limit=500")).json["items"]
    return next(event for event in reversed(events) if event["action"] == action)


async def test_an_approval_is_of_bytes_by_a_person_at_a_time(hub: Hub) -> None:
    picture = hub.pictures.one(status="pending")
    body = {"approved_by": "ada@studio.example", "sha256": picture.sha256}
    answer = (await hub.post(f"/artifacts/{picture.id}/approve", json=body)).json
    assert answer["approval_status"] == "approved"
    assert answer["approved_by"] == answer["decided_by"] == "ada@studio.example"
    assert answer["decided_sha256"] == picture.sha256
    assert answer["approved_at"] == answer["decided_at"] == answer["updated_at"]
    assert answer["usable"] is True


async def test_a_rejection_has_a_reason_and_is_nothing_that_travels(hub: Hub) -> None:
    picture = hub.pictures.one()
    reason = "Zu dunkel 🌚\nund das <b>Auge</b> fehlt"
    answer = (await hub.post(f"/artifacts/{picture.id}/reject", json={"reason": reason})).json
    assert (answer["approval_status"], answer["rejection_reason"]) == ("rejected", reason)
    assert (answer["decided_by"], answer["approved_by"], answer["usable"]) == ("local", None, False)
    refused = await hub.get(f"/workflows/{picture.workflow_id}/latest?usable=1", 409)
    assert refused.json["artifact"]["rejection_reason"] == reason


async def test_a_usable_artifact_can_be_asked_about_again(hub: Hub) -> None:
    picture = hub.pictures.one(status="pending")
    path = f"/artifacts/{picture.id}"
    await hub.post(f"{path}/approve")
    again = (await hub.patch(path, json={"approval_status": "pending"})).json
    assert again["approval_status"] == "pending"
    assert {again[key] for key in ("approved_by", "approved_at", "decided_sha256", "decided_by")} == {None}
    await hub.post(f"{path}/reject", json={"reason": "no"})
    refused = await hub.patch(path, 409, json={"approval_status": "pending"})
    assert refused.json["artifact"]["approval_status"] == "rejected"


async def test_selecting_makes_current_and_head(hub: Hub) -> None:
    first, second = hub.pictures.record(keys=("9:images:0", "9:images:1"))
    answer = (await hub.post(f"/artifacts/{second.id}/select")).json
    assert (answer["is_latest"], answer["is_head"]) == (True, True)
    assert (await hub.get(f"/workflows/{first.workflow_id}/latest")).json["id"] == second.id
    assert (await hub.get(f"/artifacts/{first.id}")).json["is_latest"] is False


async def test_who_asks_is_the_actor_and_who_decided_is_a_claim_beside_it(hub: Hub) -> None:
    other, picture = hub.pictures.record(keys=("9:images:0", "9:images:1"), status="pending")
    actor = {"X-Artifact-Actor": quote("Zoë 🎨 / panel", safe="")}
    path = f"/artifacts/{picture.id}"
    await hub.post(f"{path}/approve", json={"approved_by": "ada"}, headers=actor)
    approved = await decided(hub, "artifact.approved")
    assert (approved["actor"], approved["after"]["approved_by"]) == ("Zoë 🎨 / panel", "ada")
    await hub.post(f"{path}/reject", json={"approved_by": "bob", "reason": "no"}, headers=actor)
    rejected = await decided(hub, "artifact.rejected")
    assert (rejected["actor"], rejected["after"]["decided_by"]) == ("Zoë 🎨 / panel", "bob")
    await hub.post(f"/artifacts/{other.id}/approve", headers=actor)
    assert (await hub.get(f"/artifacts/{other.id}")).json["approved_by"] == "Zoë 🎨 / panel"
    await hub.post(f"{path}/approve", json={})
    await hub.post(f"{path}/select", json={"approved_by": "eve"}, headers=actor)
    selected = await decided(hub, "artifact.selected")
    assert (selected["actor"], selected["after"]["selected_by"]) == ("Zoë 🎨 / panel", "eve")


@pytest.mark.parametrize("name", ["", "%20", "%00", "a%0D%0Ab", "%ED%A0%80%00", "x" * 256])
async def test_an_actor_that_is_nobody_is_refused(hub: Hub, name: str) -> None:
    picture = hub.pictures.one()
    before = hub.state()
    for method, path in (("POST", "/approve"), ("DELETE", ""), ("PUT", "/tags/a"), ("POST", "/undelete")):
        answer = await hub.ask(method, f"/artifacts/{picture.id}{path}", 400, headers={"X-Artifact-Actor": name})
        assert answer.code == "malformed"
    assert hub.state() == before


@pytest.mark.parametrize("action", DECISIONS)
async def test_the_same_decision_by_the_same_person_changes_nothing_twice(hub: Hub, action: str) -> None:
    (_, picture) = hub.pictures.record(keys=("9:images:0", "9:images:1"))
    path = f"/artifacts/{picture.id}/{action}"
    stale = {"If-Match": f'"{picture.revision}"'}
    first = await hub.post(path, json=DECISIONS[action], headers=stale)
    before = hub.state()
    again = await hub.post(path, json=DECISIONS[action])
    assert again.json == first.json
    assert again.etag == first.etag
    assert hub.state() == before


@pytest.mark.parametrize("action", ["approve", "reject"])
async def test_the_same_decision_by_somebody_else_is_a_conflict_that_shows_the_first(hub: Hub, action: str) -> None:
    picture = hub.pictures.one(status="pending")
    path = f"/artifacts/{picture.id}/{action}"
    first = await hub.post(path, json={**DECISIONS[action], "approved_by": "ada"})
    before = hub.state()
    refused = await hub.post(path, 409, json={**DECISIONS[action], "approved_by": "bob"})
    assert refused.code == "conflict"
    assert refused.json["artifact"] == first.json
    assert "ada" in refused.json["detail"]
    assert hub.state() == before


async def test_of_many_who_decide_at_once_one_wins_and_the_others_are_shown_what_it_was(hub: Hub) -> None:
    picture = hub.pictures.one(status="pending")
    seen = {"If-Match": f'"{picture.revision}"'}

    async def decide(person: int) -> Answer:
        action = ("approve", "reject")[person % 2]
        body = {**DECISIONS[action], "approved_by": f"person {person}"}
        return await hub.ask("POST", f"/artifacts/{picture.id}/{action}", json=body, headers=seen)

    answers = await asyncio.gather(*(decide(person) for person in range(12)))
    (won,) = [answer for answer in answers if answer.status == 200]
    lost = [answer for answer in answers if answer.status != 200]
    assert {answer.status for answer in lost} == {412}
    for answer in lost:
        assert answer.json["artifact"] == won.json, "what the other one did"
    decisions = [e for e in (await hub.get("/events")).json["items"] if e["action"] in DECIDED]
    assert len(decisions) == 1


async def test_a_decision_on_bytes_that_were_not_seen_is_a_conflict(hub: Hub) -> None:
    picture = hub.pictures.one(status="pending")
    before = hub.state()
    assert (await hub.post(f"/artifacts/{picture.id}/approve", 409, json={"sha256": "0" * 64})).code == "conflict"
    assert hub.state() == before


async def test_what_cannot_be_decided_on_says_why(hub: Hub) -> None:
    thrown, changed, removed, pending = (hub.pictures.one(status="pending") for _ in range(4))
    await hub.delete(f"/artifacts/{thrown.id}")
    tamper(changed, b"something else")
    hub.change("UPDATE artifacts SET bytes_removed_at = '2026-11-22T10:00:00.000Z' WHERE id = ?", removed.id)
    before = hub.state()
    for artifact in (thrown, changed):
        for action in ("approve", "select"):
            refused = await hub.post(f"/artifacts/{artifact.id}/{action}", 409)
            assert refused.code == "not_usable"
            assert refused.json["artifact"]["id"] == artifact.id
    assert (await hub.post(f"/artifacts/{pending.id}/select", 409)).code == "not_usable"
    for action in ("approve", "select"):
        assert (await hub.post(f"/artifacts/{removed.id}/{action}", 410)).code == "gone"
    assert hub.state() == before


async def test_an_edit_is_usable_already_and_is_not_approved(hub: Hub) -> None:
    picture = hub.pictures.one()
    edit = (await hub.post(f"/artifacts/{picture.id}/edit", 201, json={"from_version": picture.id})).json
    refused = await hub.post(f"/artifacts/{edit['id']}/approve", 409)
    assert refused.json["artifact"] == edit


async def test_what_was_delivered_cannot_be_taken_back(hub: Hub) -> None:
    picture = hub.pictures.one()
    await hub.post(f"/artifacts/{picture.id}/transfer", 201, json={"server": "gpu-a"})
    hub.change("UPDATE artifact_transfers SET status = 'completed'")
    before = hub.state()
    refused = await hub.patch(f"/artifacts/{picture.id}", 409, json={"approval_status": "pending"})
    assert refused.json["artifact"]["approval_status"] == "auto_approved"
    assert "gpu-a" in refused.json["detail"]
    assert hub.state() == before


async def test_every_event_of_a_decision_is_as_the_contract_says(hub: Hub) -> None:
    picture = hub.pictures.one(status="pending")
    await hub.post(f"/artifacts/{picture.id}/approve", json={"approved_by": "ada"})
    event = await last_event(hub)
    contract.validate(event, "components", "schemas", "Event")
    assert event["before"].keys() == event["after"].keys()
    assert event["before"]["approval_status"] == "pending"
    assert event["after"]["decided_sha256"] == picture.sha256
