"""Pins deliveries to a server that does as ComfyUI does: where the bytes go, that they are proven, and sent once."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from blake3 import blake3
from comfyui_artifact_db.db import models
from comfyui_artifact_db.library.transfers import create_transfer
from comfyui_artifact_db.library.views import Artifact
from comfyui_artifact_db.server_routes import transfers
from comfyui_servers_that import TOKEN, ComfyUI
from hubs import Answer, Hub
from making import png
from tampering import kept, tamper


async def deliver(hub: Hub, artifact: Artifact, expect: int = 201, **body: Any) -> Answer:
    return await hub.post(f"/artifacts/{artifact.id}/transfer", expect, json={"server": "gpu-b", **body})


def asked(comfyui: ComfyUI) -> list[str]:
    """What the server was asked; it is forgotten then."""
    seen = [f"{request.method} {request.path}" for request in comfyui.requests]
    comfyui.requests.clear()
    return seen


async def test_a_delivery_puts_the_bytes_under_a_name_made_of_them_and_proves_it(hub: Hub, comfyui: ComfyUI) -> None:
    picture = hub.pictures.one()
    answer = await deliver(hub, picture)
    transfer = answer.json
    assert transfer["status"] == "completed"
    assert transfer["target_filename"] == f"{picture.sha256}.png"
    assert transfer["receipt_sha256"] == picture.sha256
    assert (transfer["attempts"], transfer["error_message"]) == (1, None)
    assert transfer["uploaded_at"] == transfer["updated_at"]
    assert (transfer["artifact_id"], transfer["source_workflow_id"]) == (picture.id, picture.workflow_id)
    assert answer.headers["Location"] == f"/artifact-db/transfers/{transfer['id']}"
    assert (await hub.get(f"/transfers/{transfer['id']}")).json == transfer
    there = comfyui.folder / "input" / transfer["target_filename"]
    assert there.read_bytes() == kept(picture)
    assert {request.headers["Authorization"] for request in comfyui.requests} == {f"Bearer {TOKEN}"}
    assert asked(comfyui) == ["GET /view", "POST /upload/image", "GET /view"]


def hashed(path: Path) -> str:
    return f"blake3:{blake3(path.read_bytes()).hexdigest()}"


async def test_what_the_server_has_hashed_by_itself_is_not_read_back(hub: Hub, comfyui: ComfyUI) -> None:
    comfyui.hashes = hashed
    picture = hub.pictures.one()
    transfer = (await deliver(hub, picture)).json
    assert (transfer["status"], transfer["receipt_sha256"]) == ("completed", picture.sha256)
    assert asked(comfyui) == ["GET /view", "POST /upload/image"]


@pytest.mark.parametrize("told", ["blake3:" + "0" * 64, "sha256:" + "0" * 64, "", None, 7])
async def test_a_hash_that_proves_nothing_is_not_believed_and_the_file_is_read_back(
    hub: Hub, comfyui: ComfyUI, told: Any
) -> None:
    comfyui.hashes = lambda path: told
    assert (await deliver(hub, hub.pictures.one())).json["status"] == "completed"
    assert asked(comfyui) == ["GET /view", "POST /upload/image", "GET /view"]
    comfyui.after_storing = lambda path: path.write_bytes(b"x") and None
    assert (await deliver(hub, hub.pictures.one())).json["status"] == "failed"


async def test_a_server_that_hashes_what_it_has_spoilt_is_found_out(hub: Hub, comfyui: ComfyUI) -> None:
    comfyui.hashes, comfyui.after_storing = hashed, lambda path: path.write_bytes(bytes(path.stat().st_size)) and None
    transfer = (await deliver(hub, hub.pictures.one())).json
    assert transfer["status"] == "failed"
    assert "same bytes" in transfer["error_message"]


async def test_where_nobody_here_can_compute_its_hash_the_file_is_read_back(
    hub: Hub, comfyui: ComfyUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "blake3", None)  # as when it is not installed
    comfyui.hashes = hashed
    assert (await deliver(hub, hub.pictures.one())).json["status"] == "completed"
    assert asked(comfyui) == ["GET /view", "POST /upload/image", "GET /view"]


async def test_what_changed_between_its_proof_and_its_sending_is_not_taken_for_delivered(
    hub: Hub, comfyui: ComfyUI
) -> None:
    """The server may well hash what it got: it is not what was approved."""
    comfyui.hashes = hashed
    picture = hub.pictures.one(data=png(1))

    async def change(request: web.Request) -> web.StreamResponse:
        tamper(picture, png(2), unseen=True)
        return web.Response(status=404)

    comfyui.instead[f"{picture.sha256}.png"] = change
    assert (await deliver(hub, picture)).json["status"] == "failed"


async def test_every_step_of_a_delivery_is_an_event(hub: Hub) -> None:
    picture = hub.pictures.one()
    before = (await hub.get("/events")).json["items"][-1]["seq"]
    headers = {"X-Artifact-Actor": "runner"}
    transfer = await hub.post(f"/artifacts/{picture.id}/transfer", 201, json={"server": "gpu-b"}, headers=headers)
    created, begun, done = (await hub.get(f"/events?after={before}")).json["items"]
    assert [event["action"] for event in (created, begun, done)] == ["transfer.created", *["transfer.updated"] * 2]
    assert {event["actor"] for event in (created, begun, done)} == {transfer.json["requested_by"]} == {"runner"}
    assert (created["after"]["status"], begun["after"]["status"]) == ("pending", "uploading")
    assert done["before"] == {"status": "uploading"}
    assert done["after"]["target_filename"] == transfer.json["target_filename"]


async def test_bytes_that_are_on_their_way_are_not_sent_beside_it(hub: Hub, comfyui: ComfyUI) -> None:
    twins = [hub.pictures.one(data=png(7)) for _ in range(4)]
    name = f"{twins[0].sha256}.png"

    async def slowly(request: web.Request) -> web.StreamResponse:
        path = comfyui.folder / "input" / name
        there = path.is_file()
        await asyncio.sleep(0.3)
        return web.FileResponse(path) if there else web.Response(status=404)

    comfyui.instead[name] = slowly
    answers = await asyncio.gather(*(deliver(hub, twin) for twin in twins))
    assert {(answer.json["status"], answer.json["target_filename"]) for answer in answers} == {("completed", name)}
    assert asked(comfyui).count("POST /upload/image") == 1


async def test_bytes_that_the_server_has_are_not_sent_again(hub: Hub, comfyui: ComfyUI) -> None:
    picture = hub.pictures.one(data=png(7))
    twin = hub.pictures.one(data=png(7))
    first = (await deliver(hub, picture)).json
    asked(comfyui)
    for artifact in (picture, twin):
        again = (await deliver(hub, artifact)).json
        assert again["id"] != first["id"]
        assert (again["status"], again["target_filename"]) == ("completed", first["target_filename"])
        assert asked(comfyui) == ["GET /view"]


async def test_a_name_that_is_taken_by_other_bytes_is_told_as_it_became(hub: Hub, comfyui: ComfyUI) -> None:
    picture = hub.pictures.one()
    taken = comfyui.folder / "input" / f"{picture.sha256}.png"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"somebody else's")
    first = (await deliver(hub, picture)).json
    assert first["target_filename"] == f"{picture.sha256} (1).png"
    assert (comfyui.folder / "input" / first["target_filename"]).read_bytes() == kept(picture)
    assert taken.read_bytes() == b"somebody else's"
    asked(comfyui)
    assert (await deliver(hub, picture)).json["target_filename"] == first["target_filename"]
    assert asked(comfyui) == ["GET /view"], "it is where the last delivery left it"


async def test_bytes_that_the_server_has_lost_are_sent_again(hub: Hub, comfyui: ComfyUI) -> None:
    picture = hub.pictures.one()
    first = (await deliver(hub, picture)).json
    (comfyui.folder / "input" / first["target_filename"]).unlink()
    again = (await deliver(hub, picture)).json
    assert (again["status"], again["target_filename"]) == ("completed", first["target_filename"])
    assert (comfyui.folder / "input" / again["target_filename"]).is_file()


async def test_a_subfolder_is_part_of_the_name(hub: Hub, comfyui: ComfyUI) -> None:
    picture = hub.pictures.one()
    transfer = (await deliver(hub, picture, subfolder="shots/día 1")).json
    assert transfer["target_filename"] == f"shots/día 1/{picture.sha256}.png"
    assert transfer["target_subfolder"] == "shots/día 1"
    assert (comfyui.folder / "input" / transfer["target_filename"]).is_file()
    elsewhere = (await deliver(hub, picture)).json
    assert elsewhere["target_filename"] == f"{picture.sha256}.png", "another folder is another place"


@pytest.mark.parametrize("known_before", [True, False])
async def test_what_is_delivered_for_a_workflow_is_an_input_of_its_attempt(hub: Hub, known_before: bool) -> None:
    photo = hub.pictures.one()
    workflow = (await hub.post("/workflows", 201, json={"workflow_name": "film"})).json["id"]
    prompt = {"prompt_id": "p-1", "status": "executing"}
    if known_before:
        await hub.patch(f"/workflows/{workflow}", json=prompt)
    transfer = (await deliver(hub, photo, target_workflow_id=workflow.upper())).json
    assert transfer["target_workflow_id"] == workflow
    if not known_before:
        await hub.patch(f"/workflows/{workflow}", json=prompt)
    film = hub.pictures.one(workflow_id=workflow)
    (link,) = (await hub.get(f"/artifacts/{film.id}/lineage")).json["ancestors"]
    assert (link["artifact"]["id"], link["relation"]) == (photo.id, "input")


@pytest.fixture
def slow(comfyui: ComfyUI, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The server answers an upload only once this is set, and the hub does not wait for that."""
    go_on = threading.Event()
    comfyui.after_storing = lambda path: go_on.wait(20) and None
    monkeypatch.setattr(transfers, "PATIENCE", 0.05)
    return go_on


async def finished(hub: Hub, path: str) -> dict[str, Any]:
    """The transfer at a path, once it has ended."""
    for _ in range(1000):
        transfer: dict[str, Any] = (await hub.get(path)).json
        if transfer["status"] in ("completed", "failed"):
            return transfer
        await asyncio.sleep(0.01)
    pytest.fail("it never ended")


async def test_a_delivery_that_takes_long_goes_on_when_nobody_waits_for_it(hub: Hub, slow: threading.Event) -> None:
    answer = await deliver(hub, hub.pictures.one(), 202)
    path = answer.headers["Location"].removeprefix("/artifact-db")
    assert answer.json["status"] in ("pending", "uploading")
    slow.set()
    assert (await finished(hub, path))["status"] == "completed"


async def test_a_retry_that_takes_long_goes_on_too(hub: Hub, slow: threading.Event) -> None:
    waiting = create_transfer(hub.library, hub.pictures.one().id, server="gpu-b", by="runner")
    answer = await hub.post(f"/transfers/{waiting.id}/retry", 202)
    assert answer.headers["Location"] == f"/artifact-db/transfers/{waiting.id}"
    slow.set()
    assert (await finished(hub, f"/transfers/{waiting.id}"))["status"] == "completed"


async def test_the_client_that_asked_may_go(hub: Hub, comfyui: ComfyUI) -> None:
    go_on, stored = threading.Event(), threading.Event()

    def wait(path: Path) -> None:
        stored.set()
        go_on.wait(20)

    comfyui.after_storing = wait
    asking = asyncio.create_task(deliver(hub, hub.pictures.one()))
    assert await asyncio.get_running_loop().run_in_executor(None, stored.wait, 20)
    asking.cancel()
    go_on.set()
    (transfer,) = (await hub.get("/transfers")).json["items"]
    assert (await finished(hub, f"/transfers/{transfer['id']}"))["status"] == "completed"


async def test_transfers_are_found_by_status_artifact_and_server(hub: Hub) -> None:
    one, other = hub.pictures.one(), hub.pictures.one()
    done = (await deliver(hub, one)).json
    waiting = create_transfer(hub.library, other.id, server="gpu-b", by="runner")

    async def found(query: str) -> list[str]:
        return [transfer["id"] for transfer in (await hub.get(f"/transfers?{query}")).json["items"]]

    assert await found("") == [waiting.id, done["id"]]
    assert await found("status=completed") == await found(f"artifact={one.id}") == [done["id"]]
    assert await found("status=pending&server=gpu-b") == [waiting.id]
    assert await found("server=gpu-c") == []
    for wrong in ("status=great", "artifact=1"):
        assert (await hub.get(f"/transfers?{wrong}", 422)).fields == [wrong.partition("=")[0]]


async def test_a_delivery_that_is_asked_for_again_with_its_key_is_the_same_one(hub: Hub, comfyui: ComfyUI) -> None:
    picture = hub.pictures.one()
    path, headers = f"/artifacts/{picture.id}/transfer", {"Idempotency-Key": "delivery-1"}
    first = await hub.post(path, 201, json={"server": "gpu-b"}, headers=headers)
    asked(comfyui)
    again = await hub.post(path, 201, json={"server": "gpu-b"}, headers=headers)
    assert again.json == first.json
    with hub.library.database.writing():  # as when the first answer was lost with its process
        models.IdempotencyKey.update(answer=None).execute()
    lost = await hub.post(path, 200, json={"server": "gpu-b"}, headers=headers)
    assert lost.json["id"] == first.json["id"]
    assert asked(comfyui) == []
