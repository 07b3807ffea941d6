"""Pins what becomes of a delivery to a server that refuses, lies, hangs or is down: it fails, and says why."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import processes
import pytest
from comfyui_artifact_db.config import Config, Server
from comfyui_artifact_db.errors import StoreFailed, Unavailable
from comfyui_artifact_db.library import transfers
from comfyui_artifact_db.library.opening import open_library
from comfyui_artifact_db.library.views import Artifact
from comfyui_artifact_db.server_routes.application import application
from comfyui_servers_that import TOKEN, ComfyUI, Misbehaving, Request
from hubs import Hub, Serve
from making import Pictures
from small_disks import filled
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


def hang(request: Request) -> object:
    return request.server.over.wait(20)


def drip(request: Request) -> None:
    request.read_body()
    request.send_response(200)
    request.send_header("Content-Length", "1000000")
    request.end_headers()
    request.write_until_hung_up(b"x", pause=0.02)


def break_off(request: Request) -> None:
    request.read_body()
    request.send_response(200)
    request.send_header("Content-Length", "1000000")
    request.end_headers()
    request.wfile.write(b"x")


def when(moment: str, behave: Behave) -> Behave:
    """A server that does this when it is asked for the file, when one is sent, or when that is read back."""

    def answer(request: Request) -> object:
        reads, sent = request.command == "GET", len(request.server.headers_seen) > 2
        if moment == ("read back" if reads and sent else "first look" if reads else "upload"):
            return behave(request)
        return request.answer(404) if reads else request.answer(200, b'{"name": "x.png"}')

    return answer


@pytest.mark.usefixtures("impatient_client")
@pytest.mark.parametrize("moment", ["first look", "upload", "read back"])
@pytest.mark.parametrize("behave", [hang, drip, break_off], ids=lambda behave: behave.__name__)
async def test_a_server_that_hangs_drips_or_breaks_off_at_any_moment_is_a_failure(
    hub_for: HubFor, server_that: ServerThat, moment: str, behave: Behave
) -> None:
    server = server_that(when(moment, behave))
    hub = await hub_for(server.url)
    told = (await failed(hub, hub.pictures.one()))["error_message"]
    assert any(why in told for why in ("did not answer", "did not finish", "fell silent", "broke off"))
    assert len(server.headers_seen) == ["first look", "upload", "read back"].index(moment) + 1


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


def fill_its_disk(path: Path) -> None:
    truncate(path)
    raise OSError(errno.ENOSPC, "no space left")


async def test_a_server_whose_disk_is_full_fails_and_gets_the_whole_file_once_there_is_room(
    hub: Hub, comfyui: ComfyUI
) -> None:
    """ComfyUI answers 500 then, and keeps what it has under the name that was asked for."""
    comfyui.after_storing = fill_its_disk
    picture = hub.pictures.one()
    transfer = await failed(hub, picture)
    assert "500; its own log says why" in transfer["error_message"]
    comfyui.after_storing = lambda path: None
    again = (await hub.post(f"/transfers/{transfer['id']}/retry")).json
    assert (again["status"], again["target_filename"]) == ("completed", f"{picture.sha256} (1).png")
    assert (comfyui.folder / "input" / again["target_filename"]).read_bytes() == kept(picture)


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


async def test_a_delivery_that_a_living_process_is_at_is_refused_and_one_whose_process_died_goes_on(
    hub: Hub, tmp_path: Path
) -> None:
    waiting = transfers.create_transfer(hub.library, hub.pictures.one().id, server="gpu-b", by="runner")
    hub.change("UPDATE artifact_transfers SET status = 'uploading', attempts = 1")
    with processes.started("delivering", tmp_path, waiting.id) as other:
        refused = await hub.post(f"/transfers/{waiting.id}/retry", 409)
        assert refused.json["transfer"]["status"] == "uploading"
        other.kill()
        other.wait()
        done = (await hub.post(f"/transfers/{waiting.id}/retry")).json
    assert (done["status"], done["attempts"]) == ("completed", 2)


@pytest.mark.parametrize("status", ["pending", "uploading"])
async def test_a_hub_that_starts_goes_on_with_what_another_was_delivering_when_it_died(
    hub: Hub, serve: Serve, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "BEGUN_WITHIN", 0.0)
    left = transfers.create_transfer(hub.library, hub.pictures.one().id, server="gpu-b", by="runner")
    hub.change("UPDATE artifact_transfers SET status = ?", status)
    following = await serve(hub.config, make=application)
    for _ in range(1000):
        done = (await following.get(f"/transfers/{left.id}")).json
        if done["status"] == "completed":
            break
        await asyncio.sleep(0.01)
    assert (done["status"], done["attempts"], done["requested_by"]) == ("completed", 1, "runner")


def test_a_receipt_for_which_there_is_no_room_is_written_by_the_next_try_and_nothing_is_sent_twice(
    disk: Path, tmp_path: Path, comfyui: ComfyUI
) -> None:
    servers = {"gpu-b": Server("gpu-b", comfyui.url)}
    config = Config(tmp_path, None, f"sqlite:///{disk / 'artifacts.db'}", tmp_path / "store", servers=servers)
    library = open_library(config)
    waiting = transfers.create_transfer(library, Pictures(library).one().id, server="gpu-b", by="runner")
    with ExitStack() as full:
        comfyui.after_storing = lambda path: full.enter_context(filled(disk)) and None
        with pytest.raises((StoreFailed, Unavailable)):
            transfers.deliver(library, waiting.id, by="runner")
        assert transfers.get_transfer(library, waiting.id).status == "uploading"
    done = transfers.deliver(library, waiting.id, by="runner")
    assert (done.status, done.attempts) == ("completed", 2)
    assert [request.method for request in comfyui.requests].count("POST") == 1
    library.close()


async def test_the_token_goes_to_its_server_and_nowhere_else(hub: Hub, comfyui: ComfyUI) -> None:
    picture = hub.pictures.one()
    await hub.post(f"/artifacts/{picture.id}/transfer", 201, json={"server": "gpu-b"})
    assert comfyui.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"
    # hub_for looks for it in every row and in the log, hub.ask in every answer.
    for path in ("/servers", "/transfers", "/events", "/health", "/openapi.json", f"/artifacts/{picture.id}"):
        await hub.get(path)
    await hub.post(f"/artifacts/{picture.id}/transfer", 422, json={"server": "gpu-c"})
