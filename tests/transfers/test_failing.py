"""Pins what becomes of a delivery to a server that refuses, lies, hangs or is down: it fails, and says why."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db.library import transfers
from comfyui_artifact_db.library.views import Artifact
from comfyui_servers_that import TOKEN, ComfyUI, Misbehaving, Request
from hubs import Hub
from tampering import kept

HubFor = Callable[[str], Awaitable[Hub]]
Behave = Callable[[Request], object]
ServerThat = Callable[[Behave], Misbehaving]
WRITTEN = b"what the server wrote"


async def failed(hub: Hub, artifact: Artifact) -> dict[str, Any]:
    """A transfer that failed, and says why."""
    answer = await hub.post(f"/artifacts/{artifact.id}/transfer", 201, json={"server": "gpu-b"})
    transfer: dict[str, Any] = answer.json
    assert transfer["status"] == "failed"
    assert "gpu-b" in transfer["error_message"]
    assert WRITTEN not in answer.body
    assert (transfer["target_filename"], transfer["receipt_sha256"], transfer["uploaded_at"]) == (None, None, None)
    last = (await hub.get("/events?limit=500")).json["items"][-1]
    assert (last["action"], last["after"]["status"]) == ("transfer.updated", "failed")
    assert last["after"]["error_message"] == transfer["error_message"]
    return transfer


def to_an_upload(behave: Behave) -> Behave:
    """A server that has no file, and does this to one that is sent."""
    return lambda request: request.answer(404) if request.command == "GET" else behave(request)


BEHAVIOURS: dict[str, tuple[Behave, str]] = {
    "401": (lambda request: request.answer(401, WRITTEN), "token_env"),
    "403": (lambda request: request.answer(403, WRITTEN), "token_env"),
    "413": (to_an_upload(lambda request: request.answer(413, WRITTEN)), "--max-upload-size"),
    "500": (lambda request: request.answer(500, WRITTEN), "500"),
    "500 to an upload": (to_an_upload(lambda request: request.answer(500, WRITTEN)), "500"),
    "a redirect": (lambda request: request.answer(307, Location="http://127.0.0.1:9/"), "redirect"),
    "a page": (to_an_upload(lambda request: request.answer(200, WRITTEN)), "not JSON"),
    "a path": (to_an_upload(lambda request: request.answer(200, b'{"name": "../x.png"}')), "plain file name"),
    "nothing": (lambda request: None, "gpu-b"),
    "another file": (lambda request: request.answer(200, b'{"name": "x.png"}'), "same bytes"),
}


@pytest.mark.parametrize("kind", BEHAVIOURS)
async def test_a_server_that_answers_wrongly_is_a_failure_with_a_reason(
    hub_for: HubFor, server_that: ServerThat, kind: str
) -> None:
    behave, reason = BEHAVIOURS[kind]
    hub = await hub_for(server_that(behave).url)
    transfer = await failed(hub, hub.pictures.one())
    assert reason in transfer["error_message"]


async def test_a_redirect_is_not_followed_with_the_token(hub_for: HubFor, server_that: ServerThat) -> None:
    other = server_that(lambda request: request.answer(200))
    hub = await hub_for(server_that(lambda request: request.answer(302, Location=other.url + "/view")).url)
    await failed(hub, hub.pictures.one())
    assert other.headers_seen == []


@pytest.mark.usefixtures("impatient_client")
async def test_a_server_that_hangs_is_a_failure(hub_for: HubFor, server_that: ServerThat) -> None:
    hub = await hub_for(server_that(lambda request: request.server.over.wait(20)).url)
    assert "did not answer" in (await failed(hub, hub.pictures.one()))["error_message"]


@pytest.mark.usefixtures("impatient_client")
async def test_a_server_that_drips_is_a_failure(hub_for: HubFor, server_that: ServerThat) -> None:
    def drip(request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000000")
        request.end_headers()
        request.write_until_hung_up(b"x", pause=0.02)

    hub = await hub_for(server_that(drip).url)
    await failed(hub, hub.pictures.one())


async def test_a_server_that_is_down_is_a_failure_each_time(hub_for: HubFor) -> None:
    hub = await hub_for("http://127.0.0.1:1")
    transfer = await failed(hub, hub.pictures.one())
    assert "could not be reached" in transfer["error_message"]
    again = (await hub.post(f"/transfers/{transfer['id']}/retry")).json
    assert (again["status"], again["attempts"]) == ("failed", 2)


def truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def garble(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def lengthen(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


@pytest.mark.parametrize("spoil", [truncate, garble, lengthen, Path.unlink], ids=lambda spoil: spoil.__name__)
async def test_a_server_that_spoils_what_it_takes_is_found_out_and_works_again_once_it_is_mended(
    hub: Hub, comfyui: ComfyUI, spoil: Callable[[Path], None]
) -> None:
    comfyui.after_storing = spoil
    picture = hub.pictures.one()
    transfer = await failed(hub, picture)
    assert "same bytes" in transfer["error_message"]
    comfyui.after_storing = lambda path: None
    again = (await hub.post(f"/transfers/{transfer['id']}/retry")).json
    assert (again["status"], again["attempts"], again["error_message"]) == ("completed", 2, None)
    there = comfyui.folder / "input" / again["target_filename"]
    assert there.read_bytes() == kept(picture)
    assert again["receipt_sha256"] == picture.sha256


async def test_what_was_delivered_is_not_delivered_again(hub: Hub, comfyui: ComfyUI) -> None:
    picture = hub.pictures.one()
    transfer = (await hub.post(f"/artifacts/{picture.id}/transfer", 201, json={"server": "gpu-b"})).json
    before, asked = hub.state(), len(comfyui.requests)
    refused = await hub.post(f"/transfers/{transfer['id']}/retry", 409)
    assert (refused.code, refused.json["transfer"]) == ("conflict", transfer)
    assert hub.state() == before
    assert len(comfyui.requests) == asked


async def test_of_many_retries_at_once_one_delivers(hub: Hub, comfyui: ComfyUI) -> None:
    picture = hub.pictures.one()
    waiting = transfers.create_transfer(hub.library, picture.id, server="gpu-b", by="runner")
    go_on = threading.Event()
    comfyui.after_storing = lambda path: go_on.wait(20) and None
    retries = [asyncio.create_task(hub.ask("POST", f"/transfers/{waiting.id}/retry")) for _ in range(6)]
    refused = []
    for finished in asyncio.as_completed(retries):
        answer = await finished
        if answer.status == 409:
            refused.append(answer)
        if len(refused) == len(retries) - 1:
            go_on.set()
    assert {answer.json["transfer"]["id"] for answer in refused} == {waiting.id}
    (done,) = [task.result() for task in retries if task.result().status == 200]
    assert (done.json["status"], done.json["attempts"]) == ("completed", 1)
    assert [request.method for request in comfyui.requests].count("POST") == 1


async def test_a_delivery_whose_process_died_can_be_tried_again_after_a_while(hub: Hub) -> None:
    picture = hub.pictures.one()
    waiting = transfers.create_transfer(hub.library, picture.id, server="gpu-b", by="runner")

    def uploading_since(minutes: float) -> None:
        at = datetime.now(timezone.utc) - timedelta(minutes=minutes)
        text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        hub.change("UPDATE artifact_transfers SET status = 'uploading', attempts = 1, updated_at = ?", text)

    uploading_since(14)
    assert (await hub.post(f"/transfers/{waiting.id}/retry", 409)).json["transfer"]["status"] == "uploading"
    uploading_since(16)
    done = (await hub.post(f"/transfers/{waiting.id}/retry")).json
    assert (done["status"], done["attempts"]) == ("completed", 2)


async def test_the_token_goes_to_its_server_and_nowhere_else(hub: Hub, comfyui: ComfyUI) -> None:
    picture = hub.pictures.one()
    await hub.post(f"/artifacts/{picture.id}/transfer", 201, json={"server": "gpu-b"})
    assert comfyui.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"
    # hub_for looks for it in every row and in the log, hub.ask in every answer.
    for path in ("/servers", "/transfers", "/events", "/health", "/openapi.json", f"/artifacts/{picture.id}"):
        await hub.get(path)
    await hub.post(f"/artifacts/{picture.id}/transfer", 422, json={"server": "gpu-c"})
