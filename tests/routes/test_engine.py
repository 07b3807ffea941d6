"""Pins the route that an engine on another machine asks: which calls there are, and that a wrong one is refused."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import contract
import pytest
from comfyui_artifact_db.server_routes.engine import CALLS
from hubs import Hub
from requesting import fill

PATH = "/engine/{call}"


def described() -> dict[str, tuple[set[str], set[str]]]:
    """The calls that the contract describes, with the arguments that each needs and may have."""
    text = contract.DOCUMENT["paths"][PATH]["post"]["description"]
    found = {}
    for name, arguments in re.findall(r"^\* `(\w+)`(?: \(([^)]*)\))?:", text, re.MULTILINE):
        given = [one for one in arguments.split(", ") if one]
        found[name] = ({one for one in given if one[-1] != "?"}, {one[:-1] for one in given if one[-1] == "?"})
    return found


def test_the_contract_describes_every_call_with_its_arguments() -> None:
    assert described() == {name: (set(call.required), set(call.optional)) for name, call in CALLS.items()}
    (parameter,) = contract.DOCUMENT["paths"][PATH]["parameters"]
    assert parameter["schema"]["enum"] == list(CALLS)


@pytest.mark.parametrize("call", ["", "fail", "drop_everything", "__class__", "%00", "x" * 300])
async def test_a_call_that_there_is_not_is_not_found(hub: Hub, call: str) -> None:
    path = f"/engine/{call}"
    expect = 422 if call == "fail" else 404
    await hub.post(path, expect, json={"arguments": {}})


@pytest.mark.parametrize("call", [name for name, call in CALLS.items() if call.required])
async def test_arguments_that_are_wrong_are_named(hub: Hub, call: str) -> None:
    fill(hub)
    before = hub.state()
    wrong: list[Any] = [None, True, 1.5, -1, "", "no id", "x" * 200_000, ["x"], [{"a": 1}], {"a": [1]}, 10**30]
    first = next(iter(CALLS[call].required))
    refused = await hub.post(f"/engine/{call}", 422, json={"arguments": {}})
    assert refused.fields == [f"arguments.{first}"]
    refused = await hub.post(f"/engine/{call}", 422, json={"arguments": {"colour": "red"}})
    assert refused.fields == ["arguments.colour"]
    for value in wrong:
        for name in (*CALLS[call].required, *CALLS[call].optional):
            others = {other: str(uuid4()) for other in CALLS[call].required if other != name}
            answer = await hub.ask("POST", f"/engine/{call}", json={"arguments": {**others, name: value}})
            assert answer.status in (404, 409, 422) or call in ("list_driven", "is_size_of_any", "delivered_names")
    assert hub.state() == before


async def test_what_nothing_has_is_not_found(hub: Hub) -> None:
    for name, arguments in {
        "get_drive": {"chain_id": str(uuid4())},
        "get_standings": {"chain_id": str(uuid4())},
        "conclude_chain": {"chain_id": str(uuid4()), "status": "failed", "error": None},
        "fail": {"workflow_id": str(uuid4()), "error": "x"},
        "acknowledge": {"attempt_id": str(uuid4())},
        "begin_delivery": {"attempt_id": str(uuid4()), "artifact_id": str(uuid4())},
        "end_delivery": {"transfer_id": str(uuid4()), "number": 1, "error": "x"},
    }.items():
        await hub.post(f"/engine/{name}", 404, json={"arguments": arguments})


async def test_an_artifact_that_may_not_travel_is_shown(hub: Hub) -> None:
    known = fill(hub)
    artifact = hub.pictures.one(status="pending")
    workflow = (await hub.get(f"/workflows/{known.ids['workflow_id']}")).json
    names = ("id", "chain_id", "step_id", "workflow_name", "requires_approval")
    step = {**{name: workflow[name] for name in names}, "workflow_definition": {}}
    begin = {"step": step, "server": "gpu-a", "overrides": None}
    attempt = (await hub.post("/engine/begin_attempt", json={"arguments": begin})).json["result"]
    asked = {"attempt_id": attempt["id"], "artifact_id": artifact.id}
    refused = await hub.post("/engine/begin_delivery", 409, json={"arguments": asked})
    assert (refused.code, refused.json["artifact"]["id"]) == ("not_usable", artifact.id)
    found = await hub.post("/engine/find_step", json={"arguments": {"workflow_id": workflow["id"]}})
    assert found.json["result"][1] == attempt
