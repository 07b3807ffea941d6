"""Pins handovers: several outputs of one execution with their record, whole or not at all, once however often sent."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any
from uuid import uuid4

import pytest
from comfyui_artifact_db.library import emptying, trash
from hubs import Hub
from making import png
from sending import BY_HAND, handover, multipart, outputs, part

GRAPH = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "x"}},
}


def run(**told: Any) -> dict[str, Any]:
    """An execution that nobody has told of."""
    return {"server_address": "gpu-a", "prompt_id": str(uuid4()), "workflow_name": "edit", **told}


async def attempt_of(hub: Hub, workflow_id: str) -> dict[str, Any]:
    (attempt,) = (await hub.get(f"/workflows/{workflow_id}")).json["attempts"]
    return dict(attempt)


async def test_outputs_are_recorded_together_with_their_run_and_how_it_ended(hub: Hub) -> None:
    before = hub.pictures.one()
    files = (png(1), png(2))
    told = outputs(*files, tags=["hero"], metadata={"seed": 1}, subfolder="day 1", approval_status="pending")
    told[1] |= {"output_key": "12:7:images:3", "approval_status": None, "tags": []}
    chosen = str(uuid4())
    record = {
        "run": run(chain="film", step="a", requested_by="anna", workflow_definition=GRAPH, inputs=[before.id]),
        "workflow_id": chosen,
        "outputs": told,
        "ending": {"status": "completed", "inputs": {"upload": [before.id]}},
    }
    made = await hub.post("/outputs", 201, data=handover(record, *files), headers={"X-Artifact-Actor": "gpu-a"})
    first, second = made.json["items"]
    assert made.json["next_cursor"] is None
    assert [first["id"], second["id"]] == [one["artifact_id"] for one in told]
    assert (first["workflow_id"], first["filename"], first["subfolder"]) == (chosen, "0.png", "day 1")
    assert (first["tags"], first["approval_status"], first["usable"]) == (["hero"], "pending", False)
    assert (second["node_id"], second["approval_status"], second["file_format"]) == ("12:7", "auto_approved", "png")
    assert (first["metadata"]["seed"], first["metadata"]["width"]) == (1, 8)
    assert (await hub.get(f"/artifacts/{second['id']}/download")).body == files[1]
    workflow = (await hub.get(f"/workflows/{chosen}")).json
    assert (workflow["step_id"], workflow["status"]) == ("a", "awaiting_approval")
    attempt = await attempt_of(hub, chosen)
    assert (attempt["requested_by"], attempt["status"]) == ("anna", "completed")
    assert [chain["id"] for chain in (await hub.get("/chains?name=film")).json["items"]] == [workflow["chain_id"]]
    lineage = (await hub.get(f"/artifacts/{first['id']}/lineage")).json
    assert [link["artifact"]["id"] for link in lineage["ancestors"]] == [before.id]
    assert {event["actor"] for event in (await hub.get("/events?limit=500")).json["items"][-8:]} == {"gpu-a"}


async def test_the_same_handover_again_changes_nothing_and_is_answered_the_same(hub: Hub) -> None:
    record = {"run": run(), "outputs": outputs(png(1), png(2)), "ending": {"status": "completed"}}
    first = await hub.post("/outputs", 201, data=handover(record, png(1), png(2)))
    before = hub.state()
    again = await hub.post("/outputs", 200, data=handover(record, png(1), png(2)))
    assert again.json == first.json
    assert hub.state() == before


async def test_the_same_handover_many_times_at_once_is_one(hub: Hub) -> None:
    record = {"run": run(chain="film"), "outputs": outputs(png(1), png(2))}
    answers = await asyncio.gather(
        *(hub.ask("POST", "/outputs", data=handover(record, png(1), png(2))) for _ in range(8))
    )
    assert {answer.status for answer in answers} <= {200, 201}
    assert len({json.dumps([one["id"] for one in answer.json["items"]]) for answer in answers}) == 1
    assert len((await hub.get("/artifacts")).json["items"]) == 2
    assert len((await hub.get("/chains")).json["items"]) == 1


async def test_a_later_handover_of_the_same_run_belongs_to_the_same_attempt(hub: Hub) -> None:
    same = run(step="", chain="")
    first = (await hub.post("/outputs", 201, data=handover({"run": same}, png(1)))).json["items"][0]
    assert (await attempt_of(hub, first["workflow_id"]))["status"] == "executing"
    later = {
        "run": same,
        "outputs": outputs(png(2), output_key="10:images:0"),
        "ending": {"status": "failed", "error": "no\r\nluck"},
    }
    second = (await hub.post("/outputs", 201, data=handover(later, png(2)))).json["items"][0]
    assert second["workflow_id"] == first["workflow_id"]
    attempt = await attempt_of(hub, first["workflow_id"])
    assert (attempt["status"], attempt["error_message"]) == ("failed", "no\r\nluck")


async def test_outputs_of_an_attempt_that_is_there_belong_to_its_workflow(hub: Hub) -> None:
    workflow = (await hub.post("/workflows", 201, json={"workflow_name": "w", "prompt_id": "p"})).json["id"]
    attempt_id = (await attempt_of(hub, workflow))["id"]
    record = {"attempt_id": attempt_id, "outputs": outputs(png(1))}
    made = (await hub.post("/outputs", 201, data=handover(record, png(1)))).json["items"][0]
    assert (made["workflow_id"], made["attempt_id"]) == (workflow, attempt_id)
    record |= {"outputs": [], "ending": {"status": "completed"}}
    assert (await hub.post("/outputs", 200, data=handover(record))).json["items"] == []
    assert (await attempt_of(hub, workflow))["status"] == "completed"
    record["attempt_id"] = str(uuid4())
    assert (await hub.post("/outputs", 404, data=handover(record))).code == "not_found"


async def test_an_output_that_is_recorded_already_stands_for_one_that_is_to_be_recorded_once(hub: Hub) -> None:
    same = run()
    first = (await hub.post("/outputs", 201, data=handover({"run": same}, png(1)))).json["items"][0]
    told = outputs(png(1), png(2), once=True)
    made = (await hub.post("/outputs", 201, data=handover({"run": same, "outputs": told}, png(1), png(2)))).json
    assert [one["id"] for one in made["items"]] == [first["id"], told[1]["artifact_id"]]
    assert len((await hub.get("/artifacts")).json["items"]) == 2


async def test_an_ending_without_outputs_is_told_of_every_open_attempt_or_of_a_new_one(hub: Hub) -> None:
    same = run(chain="film", step="a")
    made = [
        (await hub.post("/outputs", 201, data=handover({"run": {**same, "step": step}}, png(1)))).json["items"][0]
        for step in ("a", "b")
    ]
    ended = {"run": {**same, "chain": "", "step": ""}, "ending": {"status": "cancelled", "error": "interrupted"}}
    for _ in range(2):
        assert (await hub.post("/outputs", 200, data=handover(ended))).json["items"] == []
    for artifact in made:
        assert (await attempt_of(hub, artifact["workflow_id"]))["status"] == "cancelled"
    unseen = {"run": run(), "ending": {"status": "outcome_unknown", "error": "ComfyUI ended"}}
    for _ in range(2):
        await hub.post("/outputs", 200, data=handover(unseen))
    found = (await hub.get(f"/workflows?prompt_id={unseen['run']['prompt_id']}")).json["items"]  # type: ignore[index]
    assert [(one["workflow_name"], one["status"]) for one in found] == [("edit", "outcome_unknown")]


@pytest.mark.parametrize("by", ["run", "attempt_id"])
async def test_files_that_went_in_are_known_by_their_bytes(hub: Hub, by: str) -> None:
    photo, unknown = hub.pictures.one(), hashlib.sha256(b"unknown").hexdigest()
    whose: dict[str, Any] = {"run": run()}
    if by == "attempt_id":
        workflow = (await hub.post("/workflows", 201, json={"workflow_name": "w", "prompt_id": "p"})).json["id"]
        whose = {"attempt_id": (await attempt_of(hub, workflow))["id"]}
    ending = {"status": "completed", "inputs": {"read": [photo.sha256, unknown]}}
    record = {**whose, "outputs": outputs(png(1)), "ending": ending}
    made = (await hub.post("/outputs", 201, data=handover(record, png(1)))).json["items"][0]
    lineage = (await hub.get(f"/artifacts/{made['id']}/lineage")).json
    assert [link["artifact"]["id"] for link in lineage["ancestors"]] == [photo.id]


async def test_a_text_is_one_whatever_it_looks_like_and_other_bytes_are_what_they_are(hub: Hub) -> None:
    markup, picture = b"<svg onload=alert(1)>", png(1)
    told = outputs(markup, picture, markup)
    for one, claimed in zip(told, ("txt", "mp4", "png"), strict=True):
        one["file_format"] = claimed
    made = (
        await hub.post("/outputs", 201, data=handover({"run": run(), "outputs": told}, markup, picture, markup))
    ).json
    kinds = [(one["file_type"], one["file_format"]) for one in made["items"]]
    assert kinds == [("text", "txt"), ("image", "png"), ("image", "svg")]


async def test_what_was_deleted_for_good_is_not_recorded_again(hub: Hub) -> None:
    record = {"run": run(), "outputs": outputs(png(1))}
    made = (await hub.post("/outputs", 201, data=handover(record, png(1)))).json["items"][0]
    trash.delete(hub.library, made["id"], by="ann")
    assert (await hub.post("/outputs", 200, data=handover(record, png(1)))).json["items"][0]["id"] == made["id"]
    emptying.empty(hub.library, by="ann", ids=[made["id"]])
    before = hub.state()
    refused = await hub.post("/outputs", 409, data=handover(record, png(1)))
    assert refused.code == "deleted"
    assert hub.state() == before


ONE = outputs(png(1))
RUN = run()


@pytest.mark.parametrize(
    ("field", "record", "files"),
    [
        ("record.run", {}, (png(1),)),
        ("record.run", {"run": RUN, "attempt_id": str(uuid4())}, (png(1),)),
        ("record.outputs", {"run": RUN, "outputs": []}, ()),
        ("record.outputs", {"run": RUN, "outputs": {}}, ()),
        ("record.outputs", {"run": RUN, "outputs": [*ONE, *ONE]}, (png(1), png(1))),
        ("record.outputs[0]", {"run": RUN, "outputs": ["x"]}, (png(1),)),
        ("record.outputs[0].sha256", {"run": RUN, "outputs": ONE}, (png(2),)),
        ("record.outputs[0].sha256", {"run": RUN, "outputs": ONE}, (b"",)),
        ("record.outputs[0].sha256", {"run": RUN, "outputs": [{**ONE[0], "sha256": "A" * 64}]}, (png(1),)),
        ("record.outputs[0].filename", {"run": RUN, "outputs": [{**ONE[0], "filename": "../x.png"}]}, (png(1),)),
        ("record.outputs[0].output_key", {"run": RUN, "outputs": [{**ONE[0], "output_key": "9:images:"}]}, (png(1),)),
        ("record.outputs[0].local_path", {"run": RUN, "outputs": [{**ONE[0], "local_path": "/etc"}]}, (png(1),)),
        (
            "record.outputs[0].approval_status",
            {"run": RUN, "outputs": outputs(png(1), approval_status="edited")},
            (png(1),),
        ),
        ("record.outputs[0].tags[0]", {"run": RUN, "outputs": outputs(png(1), tags=["a,b"])}, (png(1),)),
        ("record.outputs[0].once", {"run": RUN, "outputs": outputs(png(1), once="yes")}, (png(1),)),
        ("record.run.chain", {"run": {**RUN, "chain": "http://evil/"}, "outputs": ONE}, (png(1),)),
        ("record.run.prompt_id", {"run": {**RUN, "prompt_id": None}, "outputs": ONE}, (png(1),)),
        ("record.run.inputs[0]", {"run": {**RUN, "inputs": ["x"]}, "outputs": ONE}, (png(1),)),
        ("record.run.url", {"run": {**RUN, "url": "http://evil"}, "outputs": ONE}, (png(1),)),
        ("record.ending.status", {"run": RUN, "outputs": ONE, "ending": {"status": "queued"}}, (png(1),)),
        ("record.ending.error", {"run": RUN, "outputs": ONE, "ending": {"status": "failed", "error": 5}}, (png(1),)),
        ("file", {"run": RUN, "outputs": ONE}, ()),
        ("file", {"run": RUN, "outputs": ONE}, (png(1), png(1))),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_recorded(
    hub: Hub, field: str, record: dict[str, Any], files: tuple[bytes, ...]
) -> None:
    before = hub.state()
    refused = await hub.post("/outputs", 422, data=handover(record, *files))
    assert refused.fields == [field]
    assert hub.state() == before


async def test_an_id_that_another_artifact_has_is_a_conflict_and_nothing_of_it_is_recorded(hub: Hub) -> None:
    taken = hub.pictures.one()
    told = outputs(png(1), png(2))
    told[1]["artifact_id"] = taken.id
    before = hub.state()
    refused = await hub.post("/outputs", 409, data=handover({"run": run(), "outputs": told}, png(1), png(2)))
    assert refused.code == "conflict"
    assert hub.state() == before


@pytest.mark.parametrize(
    "body",
    [
        multipart(part("file", png(1), filename=b"a.png")),
        multipart(part("other", b"x")),
        multipart(part("record", json.dumps({"run": RUN, "outputs": ONE}).encode()), part("other", b"x")),
        b"--edge--\r\n",
    ],
    ids=["file first", "no record", "an unknown field", "nothing"],
)
async def test_the_record_comes_first_and_then_files(hub: Hub, body: bytes) -> None:
    before = hub.state()
    refused = await hub.ask("POST", "/outputs", data=body, headers=BY_HAND)
    assert refused.status in (400, 422)
    assert hub.state() == before


@pytest.mark.parametrize("data", [b"{", b"[]", b"\xff", b'{"run": NaN}'])
async def test_a_record_that_is_no_json_object_is_malformed(hub: Hub, data: bytes) -> None:
    refused = await hub.ask("POST", "/outputs", data=multipart(part("record", data)), headers=BY_HAND)
    assert refused.status in (400, 422)


async def test_a_body_that_is_cut_off_leaves_nothing(hub: Hub) -> None:
    record = json.dumps({"run": run(), "outputs": outputs(png(1), png(2))}).encode()
    whole = multipart(part("record", record), part("file", png(1), filename=b"a"), part("file", png(2), filename=b"b"))
    before = hub.state()
    for length in (len(whole) - 4, len(whole) - 15, whole.index(png(1)) + 20, whole.index(record) + 9):
        assert (await hub.post("/outputs", 400, data=whole[:length], headers=BY_HAND)).code == "malformed"
    assert hub.state() == before
