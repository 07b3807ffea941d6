"""Pins the way through a ComfyUI to its hub: everything streams by, with the rights of whoever asks and no others."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData, web
from aiohttp.test_utils import TestServer
from attacking import ATTACKS, ask_wrongly
from comfyui_artifact_db.config import Config, Server
from comfyui_artifact_db.library import access
from comfyui_artifact_db.server_routes import proxying
from comfyui_artifact_db.server_routes.guarding import PUBLIC
from comfyui_artifact_db.server_routes.table import ROUTES
from hubs import Hub, Serve
from making import png
from mounting_like_comfyui import like_comfyui
from requesting import fill
from sending import form

SECRET = "the-machines-own-t0ken"
MOUNTS = ("/artifact-db", "/api/artifact-db")

Proxied = Callable[[str], Awaitable[Hub]]


@pytest.fixture
def proxied(serve: Serve, config: Config, tmp_path: Path) -> Proxied:
    """A ComfyUI whose hub is at an address."""

    async def start(url: str) -> Hub:
        own = replace(config, hub=Server("hub", url, SECRET), store=tmp_path / "nowhere")
        proxy = await serve(own, load=lambda: own, make=like_comfyui)
        proxy.secrets = (SECRET,)
        return proxy

    return start


@pytest.fixture
async def proxy(hub: Hub, proxied: Proxied) -> AsyncIterator[Hub]:
    """A ComfyUI whose hub is `hub`; it opens no database and makes no store."""
    yield await proxied(hub.url)
    assert not (hub.config.folder / "nowhere").exists()


def bearer(hub: Hub, role: str = "admin") -> dict[str, str]:
    """The header of somebody with a new token."""
    _, token = access.create_token(hub.library, f"the {role}", role=role, by="tester")  # type: ignore[arg-type]
    return {"Authorization": f"Bearer {token}"}


async def test_nobody_has_the_rights_of_this_machine_through_it(hub: Hub, proxy: Hub) -> None:
    known = fill(hub)
    before = hub.state()
    for mount in MOUNTS:
        for route in ROUTES:
            if route.permission == PUBLIC:
                continue
            answer = await proxy.ask(route.method, known.path(route), 401, mount=mount, **known.request(route))
            assert answer.code == "unauthorized", route
    assert hub.state() == before
    assert (await proxy.get("/health")).json["status"] == "ok"


@pytest.mark.parametrize("role", ["view", "review", "record"])
async def test_a_person_has_their_own_rights_through_it(hub: Hub, proxy: Hub, role: str) -> None:
    known, theirs = fill(hub), bearer(hub, role)
    for route in ROUTES:
        if route.permission == PUBLIC:
            continue
        asked = {"headers": theirs, **known.request(route)}
        answer = await proxy.ask(route.method, known.path(route), **asked)
        permitted = route.permission in access.ROLES[role]
        assert (answer.status == 403) == (not permitted), (route, answer.body[:300])
        assert answer.status not in (401, 500, 503), (route, answer.body[:300])


async def test_what_other_sites_ask_for_ends_at_the_proxy(hub: Hub, proxy: Hub) -> None:
    known = fill(hub)
    before = hub.state()
    for attack in ATTACKS:
        assert await ask_wrongly(proxy, known, attack, MOUNTS[0]) == [], attack.name
        assert hub.state() == before, attack.name


async def test_a_session_of_the_hub_is_one_of_this_origin(hub: Hub, proxy: Hub) -> None:
    token = bearer(hub, "review")["Authorization"].removeprefix("Bearer ")
    page = {"Origin": proxy.url, "Sec-Fetch-Site": "same-origin"}
    signed = await proxy.post("/session", json={"token": token}, headers=page)
    cookie = signed.headers["Set-Cookie"]
    assert "Path=/;" in cookie + ";"
    assert "SameSite=Strict" in cookie
    assert "HttpOnly" in cookie
    assert "Secure" not in cookie
    assert "Domain" not in cookie
    theirs = {"Cookie": f"other=1; {cookie.partition(';')[0]}; more=2"}
    assert (await proxy.get("/session", headers=theirs)).json["via"] == "session"
    picture = hub.pictures.one(status="pending")
    path = f"/artifacts/{picture.id}/approve"
    assert (await proxy.post(path, 403, json={}, headers=theirs)).code == "forbidden"
    approved = await proxy.post(path, json={}, headers={**theirs, **page})
    assert (approved.json["approved_by"], approved.json["approval_status"]) == ("the review", "approved")
    gone = await proxy.delete("/session", 204, headers={**theirs, **page})
    assert "Max-Age=0" in gone.headers["Set-Cookie"]
    assert (await proxy.get("/session", 401, headers=theirs)).code == "unauthorized"
    secure = await proxy.post("/session", json={"token": token}, headers={**page, "X-Forwarded-Proto": "https"})
    assert "Secure" in secure.headers["Set-Cookie"]


async def test_downloads_pass_as_they_are(hub: Hub, proxy: Hub) -> None:
    picture, theirs = hub.pictures.one(), bearer(hub, "view")
    path = f"/artifacts/{picture.id}/download"
    whole = await hub.get(path)
    passed = await proxy.get(path, headers=theirs)
    assert passed.body == whole.body
    for name in (
        "ETag",
        "Content-Type",
        "Content-Length",
        "Content-Disposition",
        "Content-Security-Policy",
        "Cache-Control",
    ):
        assert passed.headers[name] == whole.headers[name], name
    part = await proxy.get(path, 206, headers={**theirs, "Range": "bytes=2-5"})
    assert (part.body, part.headers["Content-Range"]) == (whole.body[2:6], f"bytes 2-5/{len(whole.body)}")
    assert (await proxy.get(path, 304, headers={**theirs, "If-None-Match": whole.etag})).body == b""
    head = await proxy.ask("HEAD", path, 200, headers=theirs)
    assert (head.body, head.headers["Content-Length"]) == (b"", str(len(whole.body)))
    assert (await proxy.get(path, 416, headers={**theirs, "Range": "bytes=99999-"})).code == "bad_range"
    thumbnail = f"/artifacts/{picture.id}/thumbnail?v={picture.sha256[:16]}"
    assert (await proxy.get(thumbnail, headers=theirs)).headers["Content-Type"] == "image/webp"
    assert (await proxy.get(f"/artifacts/{picture.id}", mount=MOUNTS[1], headers=theirs)).json["id"] == picture.id


async def test_names_in_paths_and_queries_pass_unchanged(hub: Hub, proxy: Hub) -> None:
    picture, theirs = hub.pictures.one(), bearer(hub)
    made = await proxy.put(f"/artifacts/{picture.id}/tags/a%2Fb%20%C3%A4%3F", headers=theirs)
    assert made.json["tags"] == ["a/b ä?"]
    found = await proxy.get("/artifacts?tag=a%2Fb%20%C3%A4%3F", headers=theirs)
    assert [one["id"] for one in found.json["items"]] == [picture.id]
    for path in ("/../artifacts", "/artifacts/../../chains", "/%2e%2e/artifacts", "/artifacts/%2E./%2e"):
        assert (await proxy.get(path, 404, headers=theirs)).code == "not_found"


async def test_the_event_stream_comes_through_as_it_happens(hub: Hub, proxy: Hub) -> None:
    theirs = {**bearer(hub, "view"), "Accept": "text/event-stream"}
    async with proxy.session.get(f"{proxy.url}/artifact-db/events?after=0", headers=theirs) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        picture = await asyncio.to_thread(hub.pictures.one)

        async def heard() -> None:
            while picture.id.encode() not in await stream.content.readline():
                pass

        await asyncio.wait_for(heard(), 10)


async def test_a_large_upload_passes_in_bounded_memory(hub: Hub, proxy: Hub) -> None:
    theirs = bearer(hub, "record")
    made = await proxy.post("/workflows", 201, json={"workflow_name": "w"}, headers=theirs)
    size, piece = 300 * 1024 * 1024, bytes(1024 * 1024)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size // len(piece)):
            yield piece

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    body = FormData()
    body.add_field("file", pieces(), filename="large.bin", content_type="application/octet-stream")
    uploaded = await proxy.post(f"/workflows/{made.json['id']}/artifacts", 201, data=body, headers=theirs)
    assert uploaded.json["file_size"] == size
    got = 0
    async with proxy.session.get(f"{proxy.url}{uploaded.json['url']}", headers=theirs) as download:
        async for data in download.content.iter_any():
            got += len(data)
    assert got == size
    # Hub, ComfyUI and client are one process here.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


async def test_the_panels_files_are_this_comfyuis_own(hub: Hub, proxy: Hub) -> None:
    await hub.server.close()
    page = await proxy.get("/")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert (await proxy.get("/assets/js/panel/page.mjs")).headers["Content-Type"].startswith("text/javascript")
    async with proxy.session.get(f"{proxy.url}/artifact-db", allow_redirects=False) as bare:
        assert (bare.status, bare.headers["Location"]) == (302, "artifact-db/")


async def test_a_hub_that_is_away_is_a_problem_that_says_what_to_do(hub: Hub, proxy: Hub) -> None:
    await hub.server.close()
    for method, path, body in (
        ("GET", "/artifacts", {}),
        ("GET", "/health", {}),
        ("POST", "/chains", {"json": {"name": "x"}}),
        ("POST", "/workflows/x/artifacts", {"data": form(png(1))}),
    ):
        answer = await proxy.ask(method, path, 503, **body)
        assert (answer.code, answer.headers["Retry-After"]) == ("unavailable", "2")
        assert "artifact-db doctor" in answer.json["detail"]


@pytest.fixture
async def stranger() -> AsyncIterator[Callable[[Any], Awaitable[str]]]:
    """Serves something that is no hub."""
    running: list[TestServer] = []

    async def start(handler: Any) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        server = TestServer(app)
        running.append(server)
        await server.start_server()
        return f"http://127.0.0.1:{server.port}"

    yield start
    for server in running:
        await server.close()


async def test_a_hub_that_answers_nothing_is_away_after_a_while(
    proxied: Proxied, stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silence(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    monkeypatch.setattr(proxying, "SILENCE_SECONDS", 0.2)
    proxy = await proxied(await stranger(silence))
    assert (await proxy.get("/artifacts", 503)).code == "unavailable"


async def test_nothing_of_this_machine_goes_to_the_hub_and_redirects_are_not_followed(
    proxied: Proxied, stranger: Any
) -> None:
    asked: list[web.Request] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})

    proxy = await proxied(await stranger(elsewhere))
    headers = {
        **{"Authorization": "Basic c2VjcmV0", "Comfy-User": "anna", "X-Forwarded-For": "127.0.0.1"},
        **{"Cookie": "comfy=1; artifact_db_session=s; other=2", "Origin": proxy.url, "Referer": proxy.url},
    }
    answer = await proxy.post("/chains", 503, json={"name": "x"}, headers=headers)
    assert "redirect" in answer.json["detail"]
    (request,) = asked
    told = {name.lower(): value for name, value in request.headers.items()}
    assert told["cookie"] == "artifact_db_session=s"
    assert told["origin"] == f"http://{request.host}"
    assert told["x-forwarded-by"] == proxying.NAME
    assert not {"authorization", "comfy-user", "x-forwarded-for", "referer"} & told.keys()
    assert SECRET not in str(told)


async def test_a_proxy_that_asks_itself_says_so(proxied: Proxied, stranger: Any) -> None:
    places: list[Hub] = []

    async def back(request: web.Request) -> web.StreamResponse:
        async with places[0].session.get(f"{places[0].url}{request.path}", headers=request.headers) as answer:
            kept = {name: answer.headers[name] for name in ("Content-Type", "Retry-After")}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    places.append(await proxied(await stranger(back)))
    answer = await places[0].get("/artifacts", 503)
    assert "names itself" in answer.json["detail"]


async def test_an_answer_that_breaks_off_breaks_off_here_too(proxied: Proxied, stranger: Any) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x" * 10)
        assert request.transport is not None
        request.transport.close()
        return response

    proxy = await proxied(await stranger(half))
    with pytest.raises(Exception, match=r"payload|disconnected|closed|reset"):
        await proxy.get("/artifacts")


async def test_a_reader_that_leaves_ends_what_the_hub_sends_them(
    proxied: Proxied, stranger: Any, caplog: pytest.LogCaptureFixture
) -> None:
    left = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x")
                await asyncio.sleep(0.01)
        except (ConnectionError, asyncio.CancelledError):
            left.set()
            raise

    proxy = await proxied(await stranger(endless))
    stream = await proxy.session.get(f"{proxy.url}/artifact-db/events")
    assert await stream.content.read(3)
    stream.close()
    await asyncio.wait_for(left.wait(), 10)
    assert "broke off" not in caplog.text
