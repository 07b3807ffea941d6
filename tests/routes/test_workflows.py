"""Pins the routes of workflows: making, reading and changing them, and their attempts."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from hubs import Hub

WORKFLOW: dict[str, Any] = {
    "workflow_name": "qwen_image_edit",
    "server_address": "a laptop in Köln",
    "requires_approval": True,
    "workflow_definition": {"1": {"class_type": "KSampler", "inputs": {"seed": 2**53, "cfg": 7.5}}},
    "parameters": {"1.text": "a dragon"},
    "temporal_workflow_id": "t" * 1000,
    "temporal_run_id": None,
}


async def test_a_new_workflow_has_what_was_sent_and_can_be_found_where_it_is(hub: Hub) -> None:
    made = await hub.post("/workflows", 201, json=WORKFLOW)
    assert made.json.items() >= WORKFLOW.items()
    assert (made.json["status"], made.json["prompt_id"], made.json["chain_id"]) == ("queued", "", None)
    assert made.headers["Location"] == f"/artifact-db/workflows/{made.json['id']}"
    found = await hub.get(f"/workflows/{made.json['id']}")
    assert found.json == {**made.json, "chain_name": None, "attempts": []}
    assert found.etag == made.etag == '"1"'


async def test_a_workflow_with_a_prompt_has_its_first_attempt(hub: Hub) -> None:
    body = {**WORKFLOW, "server": "gpu-a", "prompt_id": "p-1", "status": "executing"}
    made = (await hub.post("/workflows", 201, json=body, headers={"X-Artifact-Actor": "runner"})).json
    (attempt,) = (await hub.get(f"/workflows/{made['id']}")).json["attempts"]
    assert made["server_address"] == attempt["server_address"] == "gpu-a", "`server` wins over `server_address`"
    assert attempt["prompt_id"] == "p-1"
    assert attempt["number"] == 1
    assert attempt["requested_by"] == "runner"
    assert attempt["started_at"] == made["started_at"] == made["queued_at"]
    assert attempt["workflow_definition"] == WORKFLOW["workflow_definition"]


async def test_a_url_that_is_configured_becomes_the_name_of_its_server(hub: Hub) -> None:
    known = await hub.post("/workflows", 201, json={"workflow_name": "w", "server_address": "HTTP://127.0.0.1:2/"})
    other = await hub.post("/workflows", 201, json={"workflow_name": "w", "server_address": "http://127.0.0.1:3"})
    assert known.json["server_address"] == "gpu-b"
    assert other.json["server_address"] == "http://127.0.0.1:3"


@pytest.mark.parametrize("change", [False, True])
async def test_a_server_that_is_not_configured_is_refused_with_the_names_that_are(hub: Hub, change: bool) -> None:
    made = (await hub.post("/workflows", 201, json=WORKFLOW)).json["id"]
    before = hub.state()
    if change:
        refused = await hub.patch(f"/workflows/{made}", 422, json={"server": "gpu-c", "status": "failed"})
    else:
        refused = await hub.post("/workflows", 422, json={"workflow_name": "w", "server": "http://127.0.0.1:1"})
    assert refused.code == "unknown_server"
    assert refused.json["servers"] == ["gpu-a", "gpu-b"]
    assert refused.fields == ["server"]
    assert hub.state() == before


async def test_a_step_of_a_chain_that_is_not_there_is_not_made(hub: Hub) -> None:
    before = hub.state()
    await hub.post("/workflows", 404, json={"workflow_name": "w", "chain_id": str(uuid4()), "step_id": "s"})
    assert hub.state() == before


async def test_making_the_same_workflow_twice_makes_one(hub: Hub) -> None:
    chosen = {**WORKFLOW, "id": str(uuid4()), "prompt_id": "p-1"}
    await hub.post("/workflows", 201, json=chosen)
    before = hub.state()
    await hub.post("/workflows", 200, json=chosen)
    assert hub.state() == before
    for other in ({"workflow_name": "x"}, {"step_id": "s"}, {"requires_approval": False}):
        assert (await hub.post("/workflows", 409, json={**chosen, **other})).code == "conflict"
    assert hub.state() == before


async def test_another_prompt_is_another_attempt_and_a_status_is_the_newest_attempts_too(hub: Hub) -> None:
    path = f"/workflows/{(await hub.post('/workflows', 201, json=WORKFLOW)).json['id']}"
    for prompt in ("p-1", "p-2", "p-2"):
        await hub.patch(path, json={"prompt_id": prompt, "server": "gpu-b"})
    message = "\x1b[31mCUDA out of memory\x1b[0m\r\n" * 100
    failed = await hub.patch(path, json={"status": "failed", "error_message": message})
    assert failed.json["completed_at"] == failed.json["updated_at"]
    newest, oldest = (await hub.get(path)).json["attempts"]
    assert (newest["prompt_id"], newest["number"], newest["status"]) == ("p-2", 2, "failed")
    assert newest["error_message"] == failed.json["error_message"] == message
    assert (oldest["prompt_id"], oldest["number"], oldest["status"]) == ("p-1", 1, "queued")


async def test_columns_of_a_workflow_change_one_by_one(hub: Hub) -> None:
    made = (await hub.post("/workflows", 201, json=WORKFLOW)).json
    path = f"/workflows/{made['id']}"
    for changes in (
        {"requires_approval": False},
        {"workflow_definition": None},
        {"parameters": {"2.x": [1, 2.5, None, "ü"]}},
        {"temporal_workflow_id": "t-2", "temporal_run_id": "r-2"},
        {"status": "executing"},
    ):
        changed = (await hub.patch(path, json=changes)).json
        assert changed.items() >= changes.items()
    assert changed["started_at"] == changed["updated_at"]
    assert changed["revision"] == 6


async def test_workflows_are_found_by_chain_step_status_prompt_and_standing_alone(hub: Hub) -> None:
    chain = (await hub.post("/chains", 201, json={"name": "c"})).json["id"]

    async def make(**body: Any) -> str:
        return str((await hub.post("/workflows", 201, json={"workflow_name": "w", **body})).json["id"])

    alone = await make(prompt_id="p-1", status="executing")
    first = await make(chain_id=chain, step_id="a", prompt_id="p-1")
    second = await make(chain_id=chain, step_id="b")

    async def found(query: str) -> list[str]:
        return [workflow["id"] for workflow in (await hub.get(f"/workflows?{query}")).json["items"]]

    assert await found("") == [second, first, alone]
    assert await found(f"chain={chain.upper()}") == [second, first]
    assert await found("step=a") == [first]
    assert await found("status=executing") == [alone]
    assert await found("prompt_id=p-1") == [first, alone]
    assert await found("standalone=true") == [alone]
    assert await found(f"chain={chain}&standalone=1") == []
    assert "workflow_definition" not in (await hub.get("/workflows")).json["items"][0]
