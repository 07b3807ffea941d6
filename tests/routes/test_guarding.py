"""Pins who may ask: all routes are asked wrongly in every way there is, and refuse, and nothing changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from admitting import own_address
from attacking import ATTACKS, NOT_PUBLIC, VISIT, Attack, ask_wrongly
from comfyui_artifact_db.config import Config
from comfyui_artifact_db.server_routes.table import ROUTES
from hubs import Hub, Serve
from mounting_like_comfyui import like_comfyui
from requesting import CHANGING, READING, fill
from yarl import URL

MOUNTS = {"standalone": "/artifact-db", "ComfyUI": "/artifact-db", "ComfyUI's twin": "/api/artifact-db"}


@pytest.fixture(params=MOUNTS)
async def mounted(serve: Serve, request: pytest.FixtureRequest) -> tuple[Hub, str]:
    """A hub of each kind, and where its routes are."""
    hub = await serve() if request.param == "standalone" else await serve(make=like_comfyui)
    return hub, MOUNTS[request.param]


async def test_every_route_refuses_every_wrong_way_to_ask(mounted: tuple[Hub, str]) -> None:
    hub, mount = mounted
    known = fill(hub)
    before = hub.state()
    for attack in ATTACKS:
        assert await ask_wrongly(hub, known, attack, mount) == [], attack.name
        assert hub.state() == before, attack.name


async def test_a_body_of_bytes_without_a_type_is_refused(hub: Hub) -> None:
    known = fill(hub)
    before = hub.state()
    for route in CHANGING:
        url = URL(hub.url + "/artifact-db" + known.path(route), encoded=True)
        async with hub.session.request(
            route.method, url, data=b'{"name": "x"}', skip_auto_headers=["Content-Type"]
        ) as response:
            assert response.status == 415, route
    assert hub.state() == before


async def test_only_json_and_only_forms_where_they_are_taken(hub: Hub) -> None:
    known = fill(hub)
    before = hub.state()
    for route in CHANGING:
        for kind in {"application/json", "multipart/form-data; boundary=x"} - {
            kind + "; boundary=x" * (kind != "application/json") for kind in route.bodies
        }:
            await hub.ask(route.method, known.path(route), 415, data=b'{"name": "x"}', headers={"Content-Type": kind})
    assert hub.state() == before


async def test_nobody_may_ask_where_this_machine_is_not_trusted(serve: Serve, config: Config) -> None:
    hub = await serve(replace(config, local_trust=False))
    known = fill(hub)
    before = hub.state()
    assert await ask_wrongly(hub, known, Attack("from this machine", 401, {}, NOT_PUBLIC), "/artifact-db") == []
    assert hub.state() == before
    await hub.get("/health")
    await hub.get("/openapi.json")


async def test_another_machine_may_not_ask_whatever_its_host_says(serve: Serve, config: Config) -> None:
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but its loopback")
    hub = await serve(replace(config, hosts=(address,)), host="0.0.0.0")
    hub.url = f"http://{address}:{hub.server.port}"
    known = fill(hub)
    before = hub.state()
    for host in (f"{address}:{hub.server.port}", "127.0.0.1", "localhost"):
        attack = Attack("from elsewhere", 401, {"Host": host}, NOT_PUBLIC)
        assert await ask_wrongly(hub, known, attack, "/artifact-db") == []
    assert hub.state() == before
    await hub.get("/health")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://{host}"},
        {"Origin": "http://{host}", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://LOCALHOST:1", "Host": "localhost:1"},
        {"Origin": "https://{host}"},
        {"Sec-Fetch-Site": "none"},
        *({"Host": host} for host in ("localhost", "LOCALHOST:8188", "127.0.0.1", "127.8.9.1:80", "[::1]:8188")),
        {"Host": "[::ffff:127.0.0.1]"},
    ],
)
async def test_our_own_pages_and_programs_may_ask(hub: Hub, headers: dict[str, str]) -> None:
    headers = {name: value.format(host=hub.host) for name, value in headers.items()}
    known = fill(hub)
    await hub.get("/artifacts", headers=headers)
    await hub.post("/chains", 201, json={"name": "x"}, headers=headers)
    await hub.delete(f"/artifacts/{known.ids['artifact_id']}", headers=headers)


@pytest.mark.parametrize("host", ["studio.local", "Studio.Local:8190"])
async def test_a_host_for_others_is_not_this_machine(serve: Serve, config: Config, host: str) -> None:
    # A proxy on this machine keeps the Host, and not every one tells whom it speaks for.
    hub = await serve(replace(config, hosts=("studio.local",)))
    known = fill(hub)
    before = hub.state()
    assert (
        await ask_wrongly(hub, known, Attack("under another name", 401, {"Host": host}, NOT_PUBLIC), "/artifact-db")
        == []
    )
    assert hub.state() == before
    await hub.get("/health", headers={"Host": host})


async def test_a_browser_may_read_with_a_link_of_its_own(hub: Hub) -> None:
    for site in ("same-origin", "same-site", "none"):
        await hub.get("/artifacts", headers={"Sec-Fetch-Site": site})


async def test_whoever_follows_a_link_to_our_page_may_see_it_and_nothing_else(hub: Hub) -> None:
    known = fill(hub)
    for route in READING:
        expect = 200 if route.permission == "public" else 403
        await hub.get(known.path(route), expect, headers=VISIT)


async def raw(hub: Hub, head: str) -> int:
    """The status of what a request answers that no client would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.server.port)
    writer.write(head.replace("\n", "\r\n").encode() + b"Connection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert str(hub.config.folder).encode() not in answer
    assert b"Traceback" not in answer
    return int(answer.split()[1])


async def test_a_request_with_no_host_or_with_two_is_refused(hub: Hub) -> None:
    for hosts in ("", "Host: 127.0.0.1\nHost: evil.example\n", "Host: evil.example\nHost: 127.0.0.1\n"):
        for version in ("1.0", "1.1"):
            for method, path in (("GET", "/chains"), ("DELETE", "/artifacts/x"), ("GET", "/health"), ("GET", "/x")):
                assert await raw(hub, f"{method} /artifact-db{path} HTTP/{version}\n{hosts}") in (400, 403)
    assert await raw(hub, "GET /artifact-db/health HTTP/1.0\nHost: 127.0.0.1\n") == 200


async def test_a_request_that_names_its_host_in_its_line_is_held_to_its_header(hub: Hub) -> None:
    line = "GET http://127.0.0.1/artifact-db/chains HTTP/1.1\n"
    assert await raw(hub, line + "Host: evil.example\n") in (400, 403)


async def test_every_mounted_route_is_a_guarded_one(serve: Serve) -> None:
    guarded = {1: "_guarded.<locals>.answer", 2: "Way.unless_here.<locals>.answered"}
    for hub, times in ((await serve(), 1), (await serve(make=like_comfyui), 2)):
        mounted = [route for route in hub.server.app.router.routes() if "artifact-db" in str(route.resource)]
        assert {route.handler.__qualname__ for route in mounted} == {guarded[times]}
        own = [route for route in mounted if route.method not in ("HEAD", "*")]
        assert len(own) == times * len(ROUTES)
