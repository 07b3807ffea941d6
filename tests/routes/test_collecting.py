"""Pins what collecting makes of a prompt that has ended: which artifacts, in which order and state, and each once."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from aiohttp import web
from comfyui_artifact_db.library import identities, runs, stores, trash
from comfyui_servers_that import ComfyUI
from gathering import Gathering, gathering, gathering_from, hasty
from making import png
from reviewing import edit

__all__ = ["gathering", "gathering_from", "hasty"]

ERROR = {
    "status_str": "error",
    "messages": [["execution_error", {"node_id": "5", "node_type": "KSampler", "exception_message": "no memory"}]],
}
INTERRUPTED = {"status_str": "error", "messages": [["execution_interrupted", {"node_id": "5"}]]}


def two_pictures(comfyui: ComfyUI, prompt_id: str = "p", **more: Any) -> None:
    comfyui.ran(prompt_id, {"9": {"images": [comfyui.file(f"{n}.png", png(n)) for n in (1, 2)]}}, **more)


async def test_every_file_and_text_becomes_an_artifact_of_its_own_output(
    gathering: Gathering, comfyui: ComfyUI
) -> None:
    wav = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(40)
    comfyui.ran(
        "p",
        {
            "1": {"text": ["a <svg> of words", ""]},
            "9": {"images": [comfyui.file("a.png", png(1)), comfyui.file("b.png", png(2), subfolder="x/y")]},
            "12:7": {
                "gifs": [{**comfyui.file("c.mp4", b"\0\0\0\x18ftypisom" + bytes(50)), "format": "video/h264-mp4"}]
            },
            "13": {"audio": [comfyui.file("d.png", wav)], "animated": [False]},
            "14": {"own": {"deep": [[comfyui.file("e.whatever", b"\0\1\2")]]}},
            "15": {"images": [comfyui.file("in.png", png(5), type="input")]},
        },
    )
    items = await gathering.collect()
    assert [(item["output_key"], item["file_type"], item["file_format"], item["filename"]) for item in items] == [
        ("9:images:0", "image", "png", "a.png"),
        ("9:images:1", "image", "png", "b.png"),
        ("12:7:gifs:0", "video", "mp4", "c.mp4"),
        ("13:audio:0", "audio", "wav", "d.png"),
        ("14:own:0", "other", "bin", "e.whatever"),
        ("1:text:0", "text", "txt", "1_00000_.txt"),
        ("15:images:0", "image", "png", "in.png"),
    ]
    assert [item["subfolder"] for item in items[:2]] == ["", "x/y"]
    assert items[-1]["comfy_folder_type"] == "input"
    assert items[0]["metadata"]["width"] == 8
    assert items[2]["node_id"] == "12:7"
    assert [await gathering.data(item) for item in (items[1], items[3], items[5])] == [png(2), wav, b"a <svg> of words"]
    workflow = await gathering.workflow()
    assert workflow["latest_artifact_id"] == items[0]["id"], "the first becomes current"
    assert {item["attempt_id"] for item in items} == {workflow["attempts"][0]["id"]}
    assert await gathering.state() == ("completed", "completed", None)


async def test_a_second_call_adds_nothing_and_fetches_nothing(gathering: Gathering, comfyui: ComfyUI) -> None:
    two_pictures(comfyui)
    first = await gathering.collect()
    before, asked = gathering.hub.state(), comfyui.views()
    assert await gathering.collect() == first
    assert gathering.hub.state() == before
    assert comfyui.views() == asked


async def test_all_of_it_is_one_transaction(gathering: Gathering, comfyui: ComfyUI) -> None:
    two_pictures(comfyui, graph={"9": {"class_type": "SaveImage", "inputs": {}}}, client_id="ui")
    known = len(await gathering.events())
    await gathering.collect()
    added = (await gathering.events())[known:]
    assert len({event["at"] for event in added}) == 1
    assert [event["action"] for event in added if not event["action"].endswith("_changed")] == [
        *("artifact.recorded", "artifact.recorded"),
        *("attempt.updated", "workflow.updated"),  # what it is made of
        *("attempt.updated", "workflow.updated"),  # how it ended
    ]
    workflow = await gathering.workflow()
    attempt = workflow["attempts"][0]
    assert attempt["workflow_definition"] == {"9": {"class_type": "SaveImage", "inputs": {}}}
    assert workflow["workflow_definition"] == attempt["workflow_definition"]
    assert attempt["client_id"] == "ui"


async def test_what_needs_approval_waits_for_it(gathering: Gathering, comfyui: ComfyUI) -> None:
    await gathering.announce("q", requires_approval=True)
    two_pictures(comfyui, "q")
    items = await gathering.collect(prompt_id="q")
    assert {item["approval_status"] for item in items} == {"pending"}
    assert (await gathering.state())[:2] == ("awaiting_approval", "completed")
    await gathering.hub.post(f"/artifacts/{items[0]['id']}/approve")
    before = gathering.hub.state()
    await gathering.collect(prompt_id="q")
    assert gathering.hub.state() == before
    assert (await gathering.workflow())["status"] == "completed"


@pytest.mark.parametrize(
    ("status", "becomes", "message"),
    [
        (ERROR, "failed", "node 5 (KSampler): no memory"),
        (INTERRUPTED, "cancelled", "interrupted"),
        (None, "outcome_unknown", "the server does not say how it ended"),
    ],
)
async def test_what_a_prompt_left_is_kept_however_it_ended(
    gathering: Gathering, comfyui: ComfyUI, status: Any, becomes: str, message: str
) -> None:
    two_pictures(comfyui, status=status)
    assert await gathering.keys() == ["9:images:0", "9:images:1"]
    assert await gathering.state() == (becomes, becomes, message)
    before = gathering.hub.state()
    await gathering.collect()
    assert gathering.hub.state() == before


async def test_a_prompt_without_outputs_is_only_ended(gathering: Gathering, comfyui: ComfyUI) -> None:
    comfyui.ran("p", {})
    assert await gathering.collect() == []
    assert await gathering.state() == ("completed", "completed", None)


@pytest.mark.parametrize("state", ["queued", "executing"])
async def test_a_prompt_that_has_not_ended_is_refused_with_its_state(
    gathering: Gathering, comfyui: ComfyUI, state: str
) -> None:
    comfyui.queue[{"queued": "queue_pending", "executing": "queue_running"}[state]] = [[1, "p", {}, {}, []]]
    before = gathering.hub.state()
    refused = await gathering.ask(409)
    assert (refused.code, refused.json["state"]) == ("conflict", state)
    assert gathering.hub.state() == before


async def test_a_prompt_that_ends_between_two_questions_is_collected(gathering: Gathering, comfyui: ComfyUI) -> None:
    comfyui.on_queue = lambda: two_pictures(comfyui)
    assert await gathering.keys() == ["9:images:0", "9:images:1"]


async def test_a_prompt_that_the_server_does_not_know_has_an_unknown_outcome(gathering: Gathering) -> None:
    refused = await gathering.ask(409)
    assert (refused.code, refused.json["state"]) == ("conflict", "unknown")
    status, attempt, message = await gathering.state()
    assert (status, attempt) == ("outcome_unknown", "outcome_unknown")
    assert "does not know prompt p" in str(message)
    before = gathering.hub.state()
    await gathering.ask(409)
    assert gathering.hub.state() == before


async def test_a_prompt_that_was_never_sent_stays_queued(gathering: Gathering) -> None:
    await gathering.announce("later", status="queued")
    await gathering.ask(409, prompt_id="later")
    assert (await gathering.state())[:2] == ("queued", "queued")


async def test_an_unknown_outcome_is_known_once_the_history_is_there(gathering: Gathering, comfyui: ComfyUI) -> None:
    await gathering.ask(409)
    two_pictures(comfyui)
    await gathering.collect()
    assert await gathering.state() == ("completed", "completed", None)


async def test_previews_are_collected_only_on_request(gathering: Gathering, comfyui: ComfyUI) -> None:
    kept, shown = comfyui.file("a.png", png(1)), comfyui.file("b.png", png(2), type="temp")
    comfyui.ran("p", {"1": {"images": [shown]}, "9": {"images": [kept, {**shown}]}})
    assert await gathering.keys() == ["9:images:0"]
    items = await gathering.collect(include_temp=True)
    assert [item["output_key"] for item in items] == ["9:images:0", "1:images:0", "9:images:1"]
    assert items[1]["comfy_folder_type"] == "temp"
    assert await gathering.keys() == ["9:images:0", "1:images:0", "9:images:1"]


async def test_what_a_node_recorded_of_this_prompt_is_not_recorded_again(
    gathering: Gathering, comfyui: ComfyUI
) -> None:
    run = runs.Run("gpu-b", "p", "ComfyUI")
    recorded = gathering.hub.pictures.record(run=run, keys=("4:images:0", "4:images:1"))
    assert {one.workflow_id for one in recorded} == {gathering.workflow_id}
    copies = [comfyui.file(f"copy{n}.png", png(n), type="temp") for n in (1, 2)]
    ids = [one.id for one in recorded]
    comfyui.ran(
        "p",
        {
            "4": {"images": copies, "artifact_ids": ids, "text": ["a note"]},
            "9": {"images": [comfyui.file("c.png", png(3))]},
        },
    )
    items = await gathering.collect(include_temp=True)
    assert [item["id"] for item in items[:2]] == ids
    assert [item["output_key"] for item in items[2:]] == ["9:images:0"]
    assert comfyui.views() == ["c.png"]
    assert (await gathering.workflow())["latest_artifact_id"] == ids[0]


async def test_a_part_that_nodes_recorded_under_another_step_is_not_recorded_again(
    gathering: Gathering, comfyui: ComfyUI
) -> None:
    run = runs.Run("gpu-b", "p", "ComfyUI", chain="film", step="a")
    other = gathering.hub.pictures.one(run=run, keys=("4:images:0",))
    assert other.workflow_id != gathering.workflow_id
    comfyui.ran(
        "p",
        {
            "4": {"images": [comfyui.file("copy.png", png(1), type="temp")], "artifact_ids": [other.id]},
            "9": {"images": [comfyui.file("c.png", png(3))]},
        },
    )
    items = await gathering.collect()
    assert [(item["output_key"], item["workflow_id"]) for item in items] == [
        ("4:images:0", other.workflow_id),
        ("9:images:0", gathering.workflow_id),
    ]


async def test_what_a_node_kept_in_another_hub_is_taken_from_its_copy(gathering: Gathering, comfyui: ComfyUI) -> None:
    copy = comfyui.file("copy.png", png(1), type="temp")
    elsewhere = "0198c5a2-0000-7000-8000-000000000000"
    comfyui.ran("p", {"4": {"images": [copy], "artifact_ids": [elsewhere], "text": []}})
    (item,) = await gathering.collect()
    assert (item["output_key"], item["comfy_folder_type"]) == ("4:images:0", "temp")
    assert await gathering.data(item) == png(1)


async def test_what_a_node_kept_for_this_hub_is_waited_for_and_not_taken_from_its_copy(
    gathering: Gathering, comfyui: ComfyUI
) -> None:
    copies = [comfyui.file(f"copy{n}.png", png(n), type="temp") for n in (1, 2)]
    own, another = stores.id_of(gathering.hub.library), identities.new_id()
    here, there = (
        {"images": [copy], "artifact_ids": [identities.new_id()], "artifact_store": [store]}
        for copy, store in zip(copies, (own, another), strict=True)
    )
    comfyui.ran("p", {"4": here, "5": there, "9": {"images": [comfyui.file("c.png", png(3))]}})
    refused = await gathering.ask(502)
    (missing,) = refused.json["missing"]
    assert missing["output_key"] == "4:images:0"
    assert "hands it in as soon as its ComfyUI reaches this hub" in missing["reason"]
    handed_in = gathering.hub.pictures.record(run=runs.Run("gpu-b", "p", "ComfyUI"), keys=("4:images:0",))
    items = await gathering.collect()
    assert [item["output_key"] for item in items] == ["4:images:0", "5:images:0", "9:images:0"]
    assert items[0]["id"] == handed_in[0].id
    assert (await gathering.workflow())["status"] == "completed"
    assert comfyui.views().count("copy1.png") == 0
    # In the next prompt the node is cached: it hands in nothing more.
    cached = {"status_str": "success", "messages": [["execution_cached", {"nodes": ["4"]}]]}
    comfyui.ran("q", {"4": here}, status=cached)
    (item,) = await gathering.collect(prompt_id="q")
    assert (item["output_key"], item["comfy_folder_type"]) == ("4:images:0", "temp")


async def test_a_new_prompt_becomes_the_workflows_next_attempt(gathering: Gathering, comfyui: ComfyUI) -> None:
    two_pictures(comfyui)
    two_pictures(comfyui, "q")
    first = await gathering.collect()
    second = await gathering.collect(prompt_id="q")
    assert [item["version"] for item in second] == [2, 2]
    workflow = await gathering.workflow()
    assert [attempt["prompt_id"] for attempt in workflow["attempts"]] == ["q", "p"]
    assert workflow["prompt_id"] == "q"
    assert workflow["latest_artifact_id"] == second[0]["id"]
    assert [item["id"] for item in await gathering.collect()] == [item["id"] for item in first]


async def test_a_late_end_of_an_older_attempt_leaves_the_workflow_as_it_is(
    gathering: Gathering, comfyui: ComfyUI
) -> None:
    two_pictures(comfyui, status=ERROR)
    await gathering.hub.patch(f"/workflows/{gathering.workflow_id}", json={"prompt_id": "q"})
    await gathering.collect()
    workflow = await gathering.workflow()
    assert [attempt["status"] for attempt in workflow["attempts"]] == ["executing", "failed"]
    assert (workflow["status"], workflow["error_message"]) == ("executing", None)


async def test_an_edit_made_meanwhile_does_not_stand_for_an_output(gathering: Gathering, comfyui: ComfyUI) -> None:
    two_pictures(comfyui)
    first = await gathering.collect()
    two_pictures(comfyui, "q")
    await gathering.hub.patch(f"/workflows/{gathering.workflow_id}", json={"prompt_id": "q"})
    edit(gathering.hub.library, first[0]["id"])
    second = await gathering.collect(prompt_id="q")
    assert [(item["output_key"], item["version"]) for item in second] == [("9:images:0", 3), ("9:images:1", 2)]


async def test_what_is_in_the_trash_stays_there(gathering: Gathering, comfyui: ComfyUI) -> None:
    two_pictures(comfyui)
    first = await gathering.collect()
    trash.delete(gathering.hub.library, first[0]["id"], by="tester")
    assert await gathering.keys() == ["9:images:1"]
    assert len(comfyui.views()) == 2


async def test_a_prompt_is_collected_into_the_workflow_that_holds_it(gathering: Gathering, comfyui: ComfyUI) -> None:
    two_pictures(comfyui)
    holder = gathering.workflow_id
    other = (await gathering.hub.post("/workflows", 201, json={"workflow_name": "other"})).json["id"]
    before = gathering.hub.state()
    assert holder in (await gathering.ask(409, workflow_id=other)).json["detail"]
    assert gathering.hub.state() == before


async def test_a_prompt_that_ran_on_another_server_is_not_collected_from_this_one(
    gathering: Gathering, comfyui: ComfyUI
) -> None:
    two_pictures(comfyui)
    body = {"workflow_name": "w", "server_address": "elsewhere", "prompt_id": "p"}
    other = (await gathering.hub.post("/workflows", 201, json=body)).json["id"]
    assert "elsewhere" in (await gathering.ask(409, workflow_id=other)).json["detail"]


async def test_a_prompt_whose_server_nobody_named_is_collected(gathering: Gathering, comfyui: ComfyUI) -> None:
    two_pictures(comfyui, "q")
    body = {"workflow_name": "w", "prompt_id": "q"}
    other = (await gathering.hub.post("/workflows", 201, json=body)).json["id"]
    assert await gathering.keys(workflow_id=other, prompt_id="q") == ["9:images:0", "9:images:1"]
    assert await gathering.state(other) == ("completed", "completed", None)


async def test_wrong_requests_change_nothing(gathering: Gathering, comfyui: ComfyUI) -> None:
    two_pictures(comfyui)
    before = gathering.hub.state()
    assert (await gathering.ask(422, server="gpu-z")).json["servers"] == ["gpu-b"]
    await gathering.ask(422, server="http://127.0.0.1:1")
    await gathering.ask(422, prompt_id="")
    await gathering.ask(422, include_temp="yes")
    await gathering.ask(422, url="http://127.0.0.1:1")
    await gathering.ask(404, workflow_id="0198c5a2-0000-7000-8000-000000000000")
    await gathering.ask(409, prompt_id="..")
    assert gathering.hub.state() == before
    assert not comfyui.views()


async def test_collecting_the_same_prompt_at_once_ends_as_one(gathering: Gathering, comfyui: ComfyUI) -> None:
    two_pictures(comfyui)
    answers = await asyncio.gather(*(gathering.ask() for _ in range(5)))
    assert len({answer.body for answer in answers}) == 1
    assert sorted(comfyui.views()) == ["1.png", "2.png"]


async def test_it_goes_on_when_the_client_leaves(gathering: Gathering, comfyui: ComfyUI) -> None:
    two_pictures(comfyui)
    asked, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    async def slowly(request: web.Request) -> web.StreamResponse:
        loop.call_soon_threadsafe(asked.set)
        await asyncio.get_running_loop().run_in_executor(None, go_on.wait, 10)
        return web.Response(body=png(1))

    comfyui.instead["1.png"] = slowly
    task = asyncio.create_task(gathering.ask())
    await asyncio.wait_for(asked.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    for _ in range(200):
        if (await gathering.workflow())["status"] == "completed":
            break
        await asyncio.sleep(0.02)
    assert await gathering.keys() == ["9:images:0", "9:images:1"]
    assert sorted(comfyui.views()) == ["1.png", "2.png"]


async def test_a_repeated_request_is_answered_as_the_first_time(gathering: Gathering, comfyui: ComfyUI) -> None:
    two_pictures(comfyui)
    path, body = f"/workflows/{gathering.workflow_id}/collect", {"server": "gpu-b", "prompt_id": "p"}
    first = await gathering.hub.post(path, json=body, headers={"Idempotency-Key": "k"})
    comfyui.histories.clear()
    again = await gathering.hub.post(path, json=body, headers={"Idempotency-Key": "k"})
    assert (again.body, again.headers["Idempotency-Replayed"]) == (first.body, "true")
