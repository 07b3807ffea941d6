"""Pins Idempotency-Key: a request that is sent again, also after its process died, is done once, answered the same."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from comfyui_artifact_db.db import models
from comfyui_artifact_db.library import artifacts, decisions, pages, repeats
from hubs import Answer, Hub
from making import png
from sending import form


def keyed(key: str | None = None, **headers: str) -> dict[str, str]:
    return {"Idempotency-Key": key or str(uuid4()), **headers}


async def sent(hub: Hub, path: str, **request: Any) -> Answer:
    return await hub.ask("POST", path, **request)


def events_of(hub: Hub) -> int:
    with hub.library.reading():
        return int(models.Event.select().count())


@pytest.mark.parametrize("path", ["/chains", "/workflows"])
async def test_what_is_made_is_made_once_and_answered_the_same(hub: Hub, path: str) -> None:
    body = {"name": "film"} if path == "/chains" else {"workflow_name": "edit"}
    headers = keyed()
    first = await sent(hub, path, json=body, headers=headers)
    before = events_of(hub)
    again = await sent(hub, path, json=body, headers=headers)
    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert again.headers["Location"] == first.headers["Location"]
    assert again.etag == first.etag
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert events_of(hub) == before


async def test_a_file_that_is_sent_again_is_no_second_version(hub: Hub) -> None:
    artifact = hub.pictures.one()
    headers = keyed()
    path = f"/artifacts/{artifact.id}/edit"
    first = await sent(hub, path, data=form(png(5)), headers=headers)
    again = await sent(hub, path, data=form(png(5)), headers=headers)
    assert again.json == first.json
    assert len(artifacts.list_versions(hub.library, artifact.id, pages.Ask()).items) == 2
    assert list(hub.library.store.staging.iterdir()) == []


async def test_a_decision_that_is_sent_again_does_not_undo_what_came_after_it(hub: Hub) -> None:
    artifact = hub.pictures.one(status="pending")
    headers = keyed()
    approve = f"/artifacts/{artifact.id}/approve"
    first = await sent(hub, approve, json={"approved_by": "anna"}, headers=headers)
    decisions.reject(hub.library, artifact.id, by="ben", reason="too dark")
    again = await sent(hub, approve, json={"approved_by": "anna"}, headers={**headers, "If-Match": first.etag})
    assert again.json == first.json
    assert artifacts.get_artifact(hub.library, artifact.id).approval_status == "rejected"


async def test_a_decision_that_found_nothing_to_change_is_remembered_too(hub: Hub) -> None:
    artifact = hub.pictures.one(status="pending")
    decisions.approve(hub.library, artifact.id, by="anna")
    headers = keyed()
    approve = f"/artifacts/{artifact.id}/approve"
    await sent(hub, approve, json={"approved_by": "anna"}, headers=headers)
    decisions.reject(hub.library, artifact.id, by="ben", reason="too dark")
    again = await sent(hub, approve, json={"approved_by": "anna"}, headers=headers)
    assert again.json["approval_status"] == "approved"
    assert artifacts.get_artifact(hub.library, artifact.id).approval_status == "rejected"


async def test_a_request_whose_answer_was_lost_is_answered_by_what_it_made(hub: Hub) -> None:
    artifact = hub.pictures.one(status="pending")
    chain = await sent(hub, "/chains", json={"name": "film"}, headers=keyed("lost-chain"))
    await sent(hub, f"/artifacts/{artifact.id}/edit", data=form(png(5)), headers=keyed("lost-edit"))
    await sent(hub, "/workflows", json={"workflow_name": "edit"}, headers=keyed("lost-workflow"))
    with hub.library.database.writing():  # as when the process is killed after the commit and before the answer
        models.IdempotencyKey.update(answer=None).execute()
    before = events_of(hub)
    again = await sent(hub, "/chains", json={"name": "film"}, headers=keyed("lost-chain"))
    assert (again.status, again.json["id"]) == (200, chain.json["id"])
    edited = await sent(hub, f"/artifacts/{artifact.id}/edit", data=form(png(5)), headers=keyed("lost-edit"))
    assert (edited.status, edited.json["version"], edited.json["approval_status"]) == (200, 2, "edited")
    workflow = await sent(hub, "/workflows", json={"workflow_name": "edit"}, headers=keyed("lost-workflow"))
    assert (workflow.status, workflow.json["workflow_name"]) == (200, "edit")
    assert events_of(hub) == before


async def test_many_at_once_are_one(hub: Hub) -> None:
    artifact = hub.pictures.one()
    headers = keyed()
    asked = [sent(hub, f"/artifacts/{artifact.id}/edit", data=form(png(5)), headers=headers) for _ in range(12)]
    answers = await asyncio.gather(*asked)
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert len(artifacts.list_versions(hub.library, artifact.id, pages.Ask()).items) == 2


@pytest.mark.parametrize(
    ("path", "other"),
    [("/chains", {"name": "another film"}), ("/workflows", {"workflow_name": "film"})],
    ids=["another body", "another route"],
)
async def test_another_request_with_the_same_key_is_refused(hub: Hub, path: str, other: dict[str, Any]) -> None:
    headers = keyed()
    await sent(hub, "/chains", json={"name": "film"}, headers=headers)
    before = events_of(hub)
    refused = await sent(hub, path, json=other, headers=headers)
    assert (refused.status, refused.fields) == (422, ["Idempotency-Key"])
    assert events_of(hub) == before


async def test_somebody_elses_request_with_the_same_key_is_refused(hub: Hub) -> None:
    headers = keyed()
    await sent(hub, "/chains", json={"name": "film"}, headers={**headers, "X-Artifact-Actor": "anna"})
    refused = await sent(hub, "/chains", json={"name": "film"}, headers={**headers, "X-Artifact-Actor": "ben"})
    assert refused.status == 422


async def test_a_request_that_was_refused_may_be_mended_under_the_same_key(hub: Hub) -> None:
    headers = keyed()
    assert (await sent(hub, "/chains", json={"name": ""}, headers=headers)).status == 422
    assert (await sent(hub, "/chains", json={"name": "film"}, headers=headers)).status == 201


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "größe"])
async def test_a_key_that_is_none_is_malformed(hub: Hub, key: str) -> None:
    refused = await sent(hub, "/chains", json={"name": "film"}, headers={"Idempotency-Key": key})
    assert (refused.status, refused.code) == (400, "malformed")


async def test_a_key_is_forgotten_after_a_week(hub: Hub) -> None:
    await sent(hub, "/chains", json={"name": "film"}, headers=keyed("old"))
    with hub.library.database.writing():
        models.IdempotencyKey.update(created_at="2026-01-01T00:00:00.000Z").execute()
    await sent(hub, "/chains", json={"name": "film"}, headers=keyed("new"))
    assert repeats.find(hub.library, repeats.Request("old", "")) is None
