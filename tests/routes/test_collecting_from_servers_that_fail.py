"""Pins what becomes of a collection when files or the server fail: tried again, what arrived kept, the rest named."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from comfyui_artifact_db.library import fetching
from comfyui_servers_that import TOKEN, ComfyUI, Misbehaving, Request
from gathering import WRITTEN, Gathering, gathering, gathering_from, hasty
from making import png

__all__ = ["gathering", "gathering_from", "hasty"]

From = Callable[[str], Awaitable[Gathering]]
ServerThat = Callable[[Callable[[Request], object]], Misbehaving]

PICTURES = [f"{n}.png" for n in range(4)]


@pytest.fixture
def pictures(comfyui: ComfyUI) -> None:
    """The prompt left four pictures."""
    comfyui.ran("p", {"9": {"images": [comfyui.file(name, png(n)) for n, name in enumerate(PICTURES)]}})


def status(code: int) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text=WRITTEN, headers={"Location": "http://127.0.0.1:9/"})

    return answer


async def truncated(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100000"})
    await response.prepare(request)
    await response.write(png(2))
    assert request.transport is not None
    request.transport.close()
    return response


async def dripping(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100000"})
    await response.prepare(request)
    while True:
        await response.write(b"x")
        await asyncio.sleep(0.02)


async def hanging(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(10)
    return web.Response()


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    while True:
        await response.write(bytes(100_000))


FAILING = {
    "404": (status(404), "does not have this file", 1),
    "410": (status(410), "status 410", 1),
    "500": (status(500), "status 500", 3),
    "503": (status(503), "status 503", 3),
    "redirect": (status(302), "redirect", 1),
    "truncated": (truncated, "broke off", 3),
    "endless": (endless, "more than the", 1),
}


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("kind", FAILING)
async def test_a_file_that_cannot_be_had_is_named_and_the_others_are_kept(
    gathering: Gathering, comfyui: ComfyUI, kind: str
) -> None:
    behave, why, tries = FAILING[kind]
    object.__setattr__(gathering.hub.library.config, "max_upload", 5_000_000)
    comfyui.instead["2.png"] = behave
    refused = await gathering.ask(502)
    assert refused.code == "incomplete"
    (missing,) = refused.json["missing"]
    assert (missing["output_key"], missing["filename"], missing["type"]) == ("9:images:2", "2.png", "output")
    assert why in missing["reason"]
    assert comfyui.views().count("2.png") == tries
    assert "2.png" in refused.json["detail"]
    kept = (await gathering.hub.get(f"/workflows/{gathering.workflow_id}/artifacts")).json["items"]
    assert {item["filename"] for item in kept} == {"0.png", "1.png", "3.png"}
    workflow, attempt, message = await gathering.state()
    assert (workflow, attempt) == ("failed", "failed")
    assert re.search(r"1 output is missing: 9:images:2 \(2\.png\)", str(message))
    del comfyui.instead["2.png"]
    items = await gathering.collect()
    assert [item["filename"] for item in items] == PICTURES
    assert await gathering.data(items[2]) == png(2)
    assert comfyui.views().count("0.png") == 1, "what arrived is not fetched again"
    assert await gathering.state() == ("completed", "completed", None)
    assert (await gathering.workflow())["latest_artifact_id"] == items[0]["id"]


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("code", [429, 500, 503])
async def test_what_fails_twice_and_then_works_is_no_failure(gathering: Gathering, comfyui: ComfyUI, code: int) -> None:
    refusals = iter([code, code])

    async def at_last(request: web.Request) -> web.StreamResponse:
        refusal = next(refusals, None)
        return web.Response(body=png(2)) if refusal is None else web.Response(status=refusal)

    comfyui.instead["2.png"] = at_last
    assert len(await gathering.collect()) == 4
    assert await gathering.state() == ("completed", "completed", None)


@pytest.mark.parametrize("behave", [dripping, hanging], ids=lambda behave: behave.__name__)
async def test_of_a_server_that_does_not_get_on_the_rest_is_not_waited_for(
    gathering: Gathering, comfyui: ComfyUI, monkeypatch: pytest.MonkeyPatch, behave: Any
) -> None:
    monkeypatch.setattr(fetching, "AT_ONCE", 2)
    names = [f"{n}.png" for n in range(40)]
    comfyui.ran("p", {"9": {"images": [comfyui.file(name, png(n)) for n, name in enumerate(names)]}})
    for name in names[1:]:
        comfyui.instead[name] = behave
    began = time.monotonic()
    refused = await gathering.ask(502)
    assert time.monotonic() - began < 10
    assert [one["filename"] for one in refused.json["missing"]] == names[1:]
    assert "not tried any more" in refused.json["missing"][-1]["reason"]
    assert "and 19 more" in refused.json["detail"]
    assert len(comfyui.views()) < 10
    comfyui.instead.clear()
    assert len(await gathering.collect()) == 40


@pytest.mark.usefixtures("pictures")
async def test_a_server_that_refuses_the_token_is_asked_once(
    gathering: Gathering, comfyui: ComfyUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "AT_ONCE", 1)
    for name in PICTURES:
        comfyui.instead[name] = status(401)
    refused = await gathering.ask(502)
    assert "token_env" in refused.json["missing"][0]["reason"]
    assert len(comfyui.views()) == 1
    assert (await gathering.workflow())["latest_artifact_id"] is None


HOSTILE = [
    {"filename": "../../etc/passwd", "subfolder": "", "type": "output"},
    {"filename": "a.png", "subfolder": "../../..", "type": "output"},
    {"filename": "a.png", "subfolder": "/etc", "type": "output"},
    {"filename": "a.png [input]", "subfolder": "", "type": "output"},
    {"filename": "a.png", "subfolder": "", "type": "http://127.0.0.1:9/"},
    {"filename": "x" * 300, "subfolder": "", "type": "output"},
    {"filename": "a\u202egnp.exe", "subfolder": "", "type": "output"},
]


async def test_names_that_lead_elsewhere_are_not_asked_for(gathering: Gathering, comfyui: ComfyUI) -> None:
    comfyui.ran("p", {"9": {"images": [*HOSTILE, comfyui.file("a.png", png(1))]}})
    refused = await gathering.ask(502)
    assert len(refused.json["missing"]) == len(HOSTILE)
    assert comfyui.views() == ["a.png"]
    kept = (await gathering.hub.get(f"/workflows/{gathering.workflow_id}/artifacts")).json["items"]
    assert [(item["filename"], item["output_key"]) for item in kept] == [("a.png", f"9:images:{len(HOSTILE)}")]


@pytest.mark.usefixtures("pictures")
async def test_an_attempt_that_is_settled_stays_so_when_previews_are_gone(
    gathering: Gathering, comfyui: ComfyUI
) -> None:
    gone = {"filename": "gone.png", "subfolder": "", "type": "temp"}
    comfyui.histories["p"]["outputs"]["1"] = {"images": [gone]}
    await gathering.collect()
    await gathering.ask(502, include_temp=True)
    assert await gathering.state() == ("completed", "completed", None)


@pytest.mark.parametrize(
    ("behave", "code"),
    [
        (lambda request: request.answer(200, WRITTEN.encode()), "delivery_failed"),
        (lambda request: request.answer(200, b"[]"), "delivery_failed"),
        (lambda request: request.answer(200, b'{"p": 7}'), "delivery_failed"),
        (lambda request: request.answer(200, b'{"p":' + b"[" * 100_000), "delivery_failed"),
        (lambda request: request.answer(500, WRITTEN.encode()), "server_failed"),
        (lambda request: request.answer(401, WRITTEN.encode()), "server_failed"),
        (lambda request: request.answer(302, Location="http://127.0.0.1:9/"), "server_failed"),
        (lambda request: None, "server_unreachable"),
        (lambda request: request.server.over.wait(20), "server_unreachable"),
    ],
    ids=["a page", "a list", "a number", "brackets", "500", "401", "a redirect", "nothing", "silence"],
)
async def test_a_server_that_tells_nothing_of_the_prompt_changes_nothing(
    gathering_from: From, server_that: ServerThat, behave: Callable[[Request], object], code: str
) -> None:
    gathering = await gathering_from(server_that(behave).url)
    before = gathering.hub.state()
    assert (await gathering.ask(502)).code == code
    assert gathering.hub.state() == before


async def test_a_server_that_is_down_changes_nothing(gathering_from: From) -> None:
    gathering = await gathering_from("http://127.0.0.1:1")
    before = gathering.hub.state()
    assert (await gathering.ask(502)).code == "server_unreachable"
    assert gathering.hub.state() == before


async def test_the_token_goes_to_its_server_and_nowhere_else(gathering_from: From, server_that: ServerThat) -> None:
    other = server_that(lambda request: request.answer(200))
    entry = {"outputs": {"9": {"images": [{"filename": "a.png"}]}}, "status": {"status_str": "success"}}

    def behave(request: Request) -> None:
        if request.path.startswith("/history"):
            request.answer(200, json.dumps({"p": entry}).encode())
        else:
            request.answer(302, Location=other.url + "/view")

    there = server_that(behave)
    gathering = await gathering_from(there.url)
    await gathering.ask(502)
    assert {headers["Authorization"] for headers in there.headers_seen} == {f"Bearer {TOKEN}"}
    assert other.headers_seen == []


@pytest.mark.usefixtures("pictures")
async def test_a_store_that_takes_nothing_says_so_and_a_later_call_goes_on(
    gathering: Gathering, comfyui: ComfyUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = gathering.hub.library.store.staging
    name = gathering.hub.library.store.root / "store-id"
    moved, kept = staging.rename(staging.with_name("elsewhere")), name.rename(name.with_suffix(".kept"))
    refused = await gathering.ask(503)
    assert refused.code == "store_failed"
    moved.rename(staging)
    kept.rename(name)
    assert (await gathering.state())[:2] == ("failed", "failed")
    assert len(await gathering.collect()) == 4
    assert (await gathering.state())[:2] == ("completed", "completed")


@pytest.mark.usefixtures("pictures")
async def test_while_the_database_is_away_nothing_is_left_behind(gathering: Gathering, comfyui: ComfyUI) -> None:
    hub = gathering.hub
    kept = hub.database.with_suffix(".kept")

    async def away(request: web.Request) -> web.StreamResponse:
        hub.library.database.close()
        hub.database.rename(kept)
        hub.database.write_bytes(b"this is no database" * 1000)
        return web.Response(body=png(2))

    comfyui.instead["2.png"] = away
    assert (await gathering.ask(503)).code == "unavailable"
    hub.library.database.close()
    kept.rename(hub.database)
    assert not [name for name in hub.files() if not name.endswith((".lock", "store-id"))]
    comfyui.instead.clear()
    assert len(await gathering.collect()) == 4
