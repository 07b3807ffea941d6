"""Pins uploads and edits that are right: what is recorded of them, and what a repeated one does."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import replace
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from aiohttp import FormData
from comfyui_artifact_db.config import Approval, Config
from hubs import Hub, Serve
from making import png
from sending import BY_HAND, form, multipart, part
from tampering import kept


@pytest.fixture
async def workflow(hub: Hub) -> str:
    """The path of a workflow's artifacts."""
    return f"/workflows/{(await hub.post('/workflows', 201, json={'workflow_name': 'w'})).json['id']}/artifacts"


async def test_an_upload_is_recorded_with_everything_that_was_said_of_it(hub: Hub, workflow: str) -> None:
    chosen = str(uuid4())
    body = form(
        png(3, (32, 16)),
        "Foto 1.png",
        id=chosen.upper(),
        output_key="12:7:images:3",
        approval_status="pending",
        metadata=json.dumps({"seed": 421337, "width": "what I say"}),
        subfolder="shots/day 1",
    )
    made = await hub.post(workflow, 201, data=body, headers={"X-Artifact-Actor": "runner"})
    artifact = made.json
    assert made.headers["Location"] == f"/artifact-db/artifacts/{chosen}"
    assert (await hub.get(f"/artifacts/{chosen}")).json == artifact
    assert artifact["id"] == chosen
    assert artifact["sha256"] == hashlib.sha256(png(3, (32, 16))).hexdigest()
    assert (artifact["output_key"], artifact["node_id"]) == ("12:7:images:3", "12:7")
    assert (artifact["filename"], artifact["subfolder"]) == ("Foto 1.png", "shots/day 1")
    assert (artifact["approval_status"], artifact["version"]) == ("pending", 1)
    assert (artifact["file_type"], artifact["file_format"], artifact["usable"]) == ("image", "png", False)
    assert artifact["metadata"].items() >= {"seed": 421337, "height": 16, "width": "what I say"}.items()
    assert (await hub.get("/events?limit=500")).json["items"][-1]["actor"] == "runner"
    assert (await hub.get(f"/artifacts/{chosen}/download")).body == png(3, (32, 16))


async def test_an_upload_without_an_output_is_one_of_its_own(hub: Hub, workflow: str) -> None:
    keys = []
    for data, filename in ((png(1), "a.png"), (png(2), "b.png"), (b"hello", "c.txt"), (png(3), "d.png")):
        made = (await hub.post(workflow, 201, data=form(data, filename))).json
        keys.append((made["output_key"], made["version"]))
    assert keys == [("upload:images:0", 1), ("upload:images:1", 1), ("upload:text:0", 1), ("upload:images:2", 1)]


async def test_uploads_of_one_output_are_its_versions(hub: Hub, workflow: str) -> None:
    made = [
        (await hub.post(workflow, 201, data=form(png(n), output_key="9:images:0", approval_status=status))).json
        for n, status in enumerate(("auto_approved", "approved", "pending"))
    ]
    assert [artifact["version"] for artifact in made] == [1, 2, 3]
    assert [artifact["is_latest"] for artifact in made] == [True, True, False]
    assert (made[1]["approved_by"], made[1]["decided_sha256"]) == ("local", made[1]["sha256"])


async def test_outputs_of_a_workflow_that_requires_approval_start_as_pending(hub: Hub, serve: Serve) -> None:
    body = {"workflow_name": "w", "requires_approval": True}
    made = (await hub.post("/workflows", 201, json=body)).json["id"]
    assert (await hub.post(f"/workflows/{made}/artifacts", 201, data=form(png()))).json["approval_status"] == "pending"
    strict = await serve(replace(hub.config, approval=Approval(default="required", edited="pending")))
    made = (await strict.post("/workflows", 201, json={"workflow_name": "w"})).json["id"]
    upload = (await strict.post(f"/workflows/{made}/artifacts", 201, data=form(png()))).json
    assert upload["approval_status"] == "pending"
    edit = (await strict.post(f"/artifacts/{upload['id']}/edit", 201, data=form(png(7)))).json
    assert edit["approval_status"] == "pending"


async def test_the_same_upload_twice_is_one(hub: Hub, workflow: str) -> None:
    chosen = {"id": str(uuid4()), "output_key": "9:images:0"}
    first = await hub.post(workflow, 201, data=form(png(), **chosen))
    before = hub.state()
    again = await hub.post(workflow, 200, data=form(png(), **chosen))
    assert again.json == first.json
    assert hub.state() == before


@pytest.mark.parametrize("other", ["bytes", "workflow"])
async def test_an_id_that_another_artifact_has_is_a_conflict(hub: Hub, workflow: str, other: str) -> None:
    chosen = {"id": str(uuid4()), "output_key": "9:images:0"}
    await hub.post(workflow, 201, data=form(png(1), **chosen))
    another = (await hub.post("/workflows", 201, json={"workflow_name": "x"})).json["id"]
    before = hub.state()
    path = f"/workflows/{another}/artifacts" if other == "workflow" else workflow
    refused = await hub.post(path, 409, data=form(png(2 if other == "bytes" else 1), **chosen))
    assert refused.code == "conflict"
    assert hub.state() == before


@pytest.mark.parametrize(
    "filename",
    [
        *("ComfyUI_00001_.png", "Größe 🐉.png", "a'b.png", "a b;c.png", "semi;colon=.png"),
        *("x" * 251 + ".png", ".png", "CON"),
    ],
)
async def test_a_file_is_labelled_with_its_name_and_stored_under_another(
    hub: Hub, workflow: str, filename: str
) -> None:
    made = (await hub.post(workflow, 201, data=form(png(), filename))).json
    assert made["filename"] == unicodedata.normalize("NFC", filename)
    assert made["local_filename"].startswith(made["id"])
    assert made["local_filename"].endswith(".png")


async def test_a_body_may_come_in_any_order_and_in_small_pieces(hub: Hub, workflow: str) -> None:
    data = multipart(
        part("file", png(4), filename=b"a.png"),
        part("output_key", b"9:images:0"),
        part("metadata", b'{"a":"\xc3\xbc"}'),
    )

    async def dripping() -> Any:
        for index in range(0, len(data), 7):
            yield data[index : index + 7]

    made = (await hub.post(workflow, 201, data=dripping(), headers=BY_HAND)).json
    assert (made["output_key"], made["metadata"]["a"]) == ("9:images:0", "ü")
    assert made["sha256"] == hashlib.sha256(png(4)).hexdigest()


async def test_a_file_that_looks_like_the_edge_of_a_body_arrives_whole(hub: Hub, workflow: str) -> None:
    tricky = b"--edge\r\n\r\n--edge-- \r\n-\r\n--edg\r\n--\r\n" * 1000
    data = multipart(part("file", tricky, filename=b"a.txt", boundary=b"other"), boundary=b"other")
    headers = {"Content-Type": "multipart/form-data; boundary=other"}
    made = (await hub.post(workflow, 201, data=data, headers=headers)).json
    assert (await hub.get(f"/artifacts/{made['id']}/download")).body == tricky


async def test_a_file_larger_than_one_piece_and_than_aiohttps_usual_body_arrives_whole(hub: Hub, workflow: str) -> None:
    large = png(1) + bytes(range(256)) * 20_000
    made = (await hub.post(workflow, 201, data=form(large))).json
    assert made["file_size"] == len(large)
    assert (await hub.get(f"/artifacts/{made['id']}/download")).body == large


async def test_an_edit_is_a_new_version_whose_parent_is_what_was_edited(hub: Hub) -> None:
    first = hub.pictures.one(status="pending")
    body = form(png(9), "retouched.png", approved_by="ada", metadata='{"tool": "gimp"}')
    headers = {"If-Match": f'"{first.revision}"', "X-Artifact-Actor": quote("Zoë")}
    made = await hub.post(f"/artifacts/{first.id}/edit", 201, data=body, headers=headers)
    edit = made.json
    assert (edit["version"], edit["parent_artifact_id"], edit["approval_status"]) == (2, first.id, "edited")
    assert (edit["approved_by"], edit["filename"], edit["metadata"]["tool"]) == ("ada", "retouched.png", "gimp")
    assert (edit["is_latest"], edit["is_head"]) == (True, True)
    assert made.headers["Location"] == f"/artifact-db/artifacts/{edit['id']}"
    (event,) = [e for e in (await hub.get("/events")).json["items"] if e["action"] == "artifact.edited"]
    assert (event["actor"], event["entity_id"]) == ("Zoë", edit["id"])
    assert (await hub.get(f"/artifacts/{first.id}/download")).body == kept(first)


@pytest.mark.parametrize("status", ["edited", "pending", "approved"])
async def test_an_edit_has_the_status_that_is_asked_for(hub: Hub, status: str) -> None:
    first = hub.pictures.one()
    edit = (await hub.post(f"/artifacts/{first.id}/edit", 201, data=form(png(9), approval_status=status))).json
    assert edit["approval_status"] == status
    assert (edit["decided_by"] is not None) == (status == "approved")


async def test_an_older_version_can_be_brought_back(hub: Hub) -> None:
    first = hub.pictures.one()
    second = hub.pictures.one(workflow_id=first.workflow_id)
    body = {"from_version": first.id, "approved_by": "ada"}
    restored = (await hub.post(f"/artifacts/{second.id}/edit", 201, json=body)).json
    assert (restored["version"], restored["sha256"], restored["approved_by"]) == (3, first.sha256, "ada")
    assert restored["parent_artifact_id"] == first.id
    assert restored["id"] != first.id


async def test_everything_that_is_uploaded_is_in_the_log_with_its_hash(hub: Hub, workflow: str, config: Config) -> None:
    data = FormData(default_to_multipart=True)
    data.add_field("file", png(1), filename="a.png")
    made = (await hub.post(workflow, 201, data=data)).json
    (event,) = [e for e in (await hub.get("/events")).json["items"] if e["action"] == "artifact.recorded"]
    assert event["entity_id"] == made["id"]
    assert event["after"]["sha256"] == made["sha256"]
    assert not list(config.store.glob("staging/*/*"))
