"""The switch of recording everything: who may, what it holds against, and that it outlives the hub."""

from __future__ import annotations

from dataclasses import replace

import pytest
from comfyui_artifact_db.config import Config
from comfyui_artifact_db.library import switches
from hubs import Hub, Serve


async def test_nothing_is_switched_on_a_fresh_hub(hub: Hub) -> None:
    assert (await hub.get("/recording")).json == {
        "record": "nodes",
        "decided_by": "default",
        "switched_by": None,
        "switched_at": None,
    }


async def test_a_switch_holds_and_its_event_says_who_threw_it(hub: Hub) -> None:
    headers = {"X-Artifact-Actor": "anna"}
    answer = (await hub.put("/recording", json={"record": "all"}, headers=headers)).json
    assert (answer["record"], answer["decided_by"], answer["switched_by"]) == ("all", "switch", "anna")
    again = await hub.put("/recording", json={"record": "all"}, headers={"X-Artifact-Actor": "bob"})
    assert again.json == answer == (await hub.get("/recording")).json, "to switch on what is on changes nothing"
    assert (await hub.put("/recording", json={"record": "nodes"})).json["record"] == "nodes"
    told = [event for event in (await hub.get("/events")).json["items"] if event["action"] == "recording.switched"]
    assert [(event["actor"], event["before"], event["after"]) for event in told] == [
        ("anna", {"record": "nodes"}, {"record": "all"}),
        (told[1]["actor"], {"record": "all"}, {"record": "nodes"}),
    ]


async def test_another_process_sees_the_switch(hub: Hub, serve: Serve) -> None:
    await hub.put("/recording", json={"record": "all"})
    other = await serve(hub.config)
    assert (await other.get("/recording")).json["record"] == "all"


async def test_where_the_file_says_all_nothing_is_switched(config: Config, serve: Serve) -> None:
    hub = await serve(replace(config, record="all"))
    assert (await hub.get("/recording")).json["decided_by"] == "configuration"
    before = hub.rows()
    answer = await hub.put("/recording", 409, json={"record": "nodes"})
    assert 'record = "all"' in answer.json["detail"]
    assert (await hub.put("/recording", json={"record": "all"})).json["decided_by"] == "configuration"
    assert hub.rows() == before


async def test_a_file_that_says_all_no_more_leaves_what_was_switched_before(config: Config, serve: Serve) -> None:
    first = await serve(config)
    await first.put("/recording", json={"record": "all"})
    await first.put("/recording", json={"record": "nodes"})
    assert switches.get_recording(first.library).record == "nodes"
    strict = await serve(replace(config, record="all"))
    assert switches.get_recording(strict.library).record == "all"


@pytest.mark.parametrize(
    ("body", "status"), [({"record": "some"}, 422), ({"record": None}, 422), ({}, 422), ({"all": 1}, 422), ([], 400)]
)
async def test_what_is_no_switch_is_refused(hub: Hub, body: object, status: int) -> None:
    before = hub.rows()
    await hub.put("/recording", status, json=body)
    assert hub.rows() == before
