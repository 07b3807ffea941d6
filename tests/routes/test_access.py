"""Pins who may do what: every route for every role, and for everybody who is not let in, at every door of the hub."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import admitting
import contract
import pytest
from admitting import bearer, cookie, own_address
from comfyui_artifact_db.config import Config
from comfyui_artifact_db.library import access, events, fetching
from comfyui_artifact_db.server_routes import guarding
from comfyui_artifact_db.server_routes.table import ROUTES, Route
from hubs import Answer, Hub, Serve
from making import png
from mounting_like_comfyui import like_comfyui
from requesting import CHANGING, READING, Known, fill
from sending import form

EVERYTHING = [*ROUTES, *(replace(route, method="HEAD") for route in READING)]
NOT_PUBLIC = [route for route in EVERYTHING if route.permission != "public"]
MAY = {"view": "view", "review": "view review", "record": "view record", "admin": "view review record admin"}
"""The table of the design, written a second time."""

DOORS = {"standalone": "/artifact-db", "ComfyUI": "/artifact-db", "ComfyUI's twin": "/api/artifact-db"}
ENTRIES = [
    *(("standalone", peer) for peer in ("this machine, not trusted", "a proxy on this machine", "another machine")),
    ("ComfyUI", "this machine, not trusted"),
    *(("ComfyUI's twin", peer) for peer in ("a proxy on this machine", "another machine")),
]

Enter = Callable[..., Awaitable["Door"]]


class Door:
    """A hub, where its routes are, and what every request of some peer has."""

    def __init__(self, hub: Hub, mount: str, headers: dict[str, str]) -> None:
        self.hub, self.mount, self.headers = hub, mount, headers

    async def ask(self, known: Known, route: Route, headers: dict[str, str]) -> Answer:
        request = known.request(route)
        headers = {**self.headers, **headers}
        return await self.hub.ask(route.method, known.path(route), mount=self.mount, headers=headers, **request)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal does not take its time, nor does a server that nobody listens at."""
    monkeypatch.setattr(guarding, "FAILURE_SECONDS", 0.0)
    monkeypatch.setattr(fetching, "WAITS", ())


@pytest.fixture
def enter(serve: Serve, config: Config) -> Enter:
    async def enter(door: str, peer: str) -> Door:
        make: dict[str, Any] = {} if door == "standalone" else {"make": like_comfyui}
        if peer == "another machine":
            if (address := own_address()) is None:
                pytest.skip("this machine has no address but its loopback")
            hub = await serve(replace(config, hosts=(address,)), host="0.0.0.0", **make)
            hub.url = f"http://{address}:{hub.server.port}"
            return Door(hub, DOORS[door], {})
        hub = await serve(replace(config, local_trust=peer == "a proxy on this machine"), **make)
        return Door(hub, DOORS[door], {"X-Forwarded-For": "198.51.100.7"} if "proxy" in peer else {})

    return enter


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("door", "peer"), ENTRIES)
@pytest.mark.parametrize("role", MAY)
@pytest.mark.parametrize("via", ["token", "session"])
async def test_every_route_is_open_to_the_roles_that_have_its_permission_and_to_no_other(
    enter: Enter, via: str, role: str, door: str, peer: str
) -> None:
    entered = await enter(door, peer)
    hub, known = entered.hub, fill(entered.hub)
    token = admitting.token(hub.library, role=role)
    headers = bearer(token) if via == "token" else cookie(hub, admitting.session(hub.library, token))
    before = hub.state()
    for route in NOT_PUBLIC:
        if route.permission not in MAY[role].split():
            refused = await entered.ask(known, route, headers)
            assert refused.status == 403, (route.method, route.path)
            if route.method != "HEAD":
                detail = refused.json["detail"]
                assert f"permission {route.permission!r}" in detail
                assert f"'ada' has the role {role!r}" in detail
                able = [name for name, may in MAY.items() if route.permission in may.split()]
                assert f"the role {' or '.join(able)} has it" in detail
    assert hub.state() == before
    for route in NOT_PUBLIC:
        if route.permission in MAY[role].split():
            answer = await entered.ask(known, route, headers)
            assert answer.status not in (401, 403, 415, 500), (route.method, route.path, answer.body)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("door", "peer"), ENTRIES)
async def test_nobody_else_is_let_in_and_each_is_told_why_and_how_to_come_in(
    enter: Enter, door: str, peer: str
) -> None:
    entered = await enter(door, peer)
    hub, known = entered.hub, fill(entered.hub)
    nobodies = admitting.nobodies(hub)
    before = hub.state()
    for who, nobody in nobodies.items():
        for route in NOT_PUBLIC:
            refused = await entered.ask(known, route, nobody.headers)
            assert refused.status == 401, (who, route.method, route.path)
            assert refused.headers["WWW-Authenticate"].startswith('Bearer realm="artifact-db"')
            if route.method != "HEAD":
                assert nobody.why in refused.json["detail"], who
                assert "artifact-db token create NAME --role ROLE" in refused.json["detail"]
        assert hub.state() == before, who
    for route in EVERYTHING:
        if route.permission == "public" and route.path != "/session":
            assert (await entered.ask(known, route, {})).status == 200


@pytest.mark.usefixtures("at_once")
async def test_this_machine_keeps_its_rights_whatever_tokens_there_are_and_whatever_cookie_it_has(hub: Hub) -> None:
    known = fill(hub)
    nobodies = admitting.nobodies(hub)
    for route in READING:
        await hub.get(known.path(route), 501 if route.handler is None else 200)
    for who, nobody in nobodies.items():
        expect = 401 if "Bearer" in nobody.headers.get("Authorization", "") else 201
        await hub.post("/chains", expect, json={"name": who.replace("/", "")}, headers=nobody.headers)


async def test_whoever_says_who_they_are_is_held_to_it_on_this_machine_too(hub: Hub) -> None:
    token = admitting.token(hub.library, role="view")
    for headers in (bearer(token), cookie(hub, admitting.session(hub.library, token))):
        await hub.get("/artifacts", headers=headers)
        await hub.post("/chains", 403, json={"name": "c"}, headers=headers)


async def test_reading_with_a_token_or_a_session_changes_nothing(hub: Hub) -> None:
    known = fill(hub)
    token = admitting.token(hub.library, role="admin")
    headers = bearer(token), cookie(hub, admitting.session(hub.library, token))
    before = hub.state()
    for route in READING:
        for sent in headers:
            await hub.get(known.path(route), 501 if route.handler is None else 200, headers=sent)
    assert hub.state() == before


@pytest.mark.usefixtures("at_once")
async def test_a_token_frees_from_the_host_check_and_a_session_does_not(hub: Hub) -> None:
    known = fill(hub)
    token = admitting.token(hub.library, role="admin")
    session = cookie(hub, admitting.session(hub.library, token))
    for host in ("evil.example", "192.0.2.7:8188", "[::]"):
        before = hub.state()
        for route in EVERYTHING:
            asked = {"Host": host, "Origin": f"http://{host}"}
            at_host = replace(route)
            refused = await Door(hub, "/artifact-db", asked).ask(known, at_host, {"Cookie": session["Cookie"]})
            assert refused.status == 403
            wrong = await Door(hub, "/artifact-db", asked).ask(known, at_host, bearer("adb_" + "x" * 43))
            assert wrong.status == 401
        assert hub.state() == before
        for route in READING:
            let_in = await Door(hub, "/artifact-db", {"Host": host}).ask(known, route, bearer(token))
            assert let_in.status in (200, 501)
        await hub.post("/chains", 201, json={"name": "c"}, headers={"Host": host, **bearer(token)})


async def test_a_token_frees_from_no_other_check(hub: Hub) -> None:
    known = fill(hub)
    token = admitting.token(hub.library, role="admin")
    before = hub.state()
    for wrong in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-origin"},
    ):
        for route in CHANGING:
            for headers in (bearer(token), cookie(hub, admitting.session(hub.library, token))):
                sent = {**headers, **wrong}
                if "Origin" not in wrong:
                    sent.pop("Origin", None)
                refused = await Door(hub, "/artifact-db", {}).ask(known, route, sent)
                assert refused.status == 403, (wrong, route)
    for route in CHANGING:
        sent = {"Content-Type": "text/plain", **bearer(token)}
        await hub.ask(route.method, known.path(route), 415, data=b"{}", headers=sent)
    without = [row for row in before[0] if "session" not in row]
    assert [row for row in hub.rows() if "session" not in row] == without


async def test_a_change_that_rides_on_a_session_has_an_origin(hub: Hub) -> None:
    known = fill(hub)
    headers = cookie(hub, admitting.session(hub.library, admitting.token(hub.library, role="admin")))
    before = hub.state()
    for route in CHANGING:
        if route.permission != "public":
            refused = await Door(hub, "/artifact-db", {}).ask(known, route, {"Cookie": headers["Cookie"]})
            assert (refused.status, refused.code) == (403, "forbidden")
    assert hub.state() == before
    await hub.get("/artifacts", headers={"Cookie": headers["Cookie"]})


async def test_the_actor_of_a_change_is_the_tokens_name_and_approved_by_a_claim_beside_it(hub: Hub) -> None:
    token = admitting.token(hub.library)
    claims = {**bearer(token), "X-Artifact-Actor": "somebody else"}
    for headers in (claims, {**claims, **cookie(hub, admitting.session(hub.library, token)), "Authorization": ""}):
        one, other = (hub.pictures.one(status="pending") for _ in range(2))
        approved = (await hub.post(f"/artifacts/{one.id}/approve", json={}, headers=headers)).json
        assert approved["approved_by"] == "ada"
        claimed = await hub.post(f"/artifacts/{other.id}/approve", json={"approved_by": "bob"}, headers=headers)
        assert claimed.json["approved_by"] == "bob"
        await hub.put(f"/artifacts/{one.id}/tags/new", headers=headers)
        edited = await hub.post(f"/artifacts/{one.id}/edit", 201, data=form(png(7)), headers=headers)
        for entity in (one.id, other.id, edited.json["id"]):
            by = {event.action: event.actor for event in events.history(hub.library, entity)}
            assert {by[action] for action in by if action.endswith(("approved", "tagged", "edited"))} == {"ada"}
    for name in ("x" * 256, "chain", "chain (gpu-b)"):
        for path, expect in (("/chains", 403), (f"/artifacts/{one.id}/select", 400)):
            sent = {**bearer(token), "X-Artifact-Actor": name}
            await hub.post(path, expect, json={"name": "c"} if path == "/chains" else None, headers=sent)


@pytest.mark.parametrize("kind", ["token", "session"])
async def test_a_wrong_secret_is_answered_late_and_locks_nobody_out(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(guarding, "FAILURE_SECONDS", 0.3)
    token = admitting.token(hub.library)
    peer = {"X-Forwarded-For": "198.51.100.7"}
    wrong = bearer("adb_" + "x" * 43) if kind == "token" else cookie(hub, "x" * 43)
    for _ in range(3):
        began = time.monotonic()
        await hub.get("/artifacts", 401, headers={**peer, **wrong})
        assert time.monotonic() - began >= 0.3
    began = time.monotonic()
    await hub.get("/artifacts", headers={**peer, **bearer(token)})
    await hub.get("/artifacts")
    assert time.monotonic() - began < 0.3


@pytest.mark.usefixtures("at_once")
async def test_no_answer_with_content_may_be_kept_by_a_cache_that_others_use(hub: Hub) -> None:
    known = fill(hub)
    headers = bearer(admitting.token(hub.library, role="admin"))
    for route in NOT_PUBLIC:
        for sent in (headers, {"X-Forwarded-For": "198.51.100.7"}):
            answer = await Door(hub, "/artifact-db", {}).ask(known, route, sent)
            if answer.status != 204:
                assert "private" in answer.headers["Cache-Control"], (route.path, answer.status)
    missing = await hub.get(f"/artifacts/{known.ids['chain_id']}", 404)
    assert "private" in missing.headers["Cache-Control"]


async def test_a_hub_of_its_own_lets_no_page_of_another_site_read(hub: Hub) -> None:
    known, headers = fill(hub), bearer(admitting.token(hub.library, role="admin"))
    for route in READING:
        answer = await Door(hub, "/artifact-db", {}).ask(known, route, headers)
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_the_contract_names_the_roles_and_permissions_that_there_are() -> None:
    session = contract.DOCUMENT["components"]["schemas"]["Session"]["properties"]
    assert session["role"]["enum"] == list(access.ROLES)
    assert session["permissions"]["items"]["enum"] == list(access.PERMISSIONS)
    assert {role: " ".join(may) for role, may in access.ROLES.items()} == MAY
