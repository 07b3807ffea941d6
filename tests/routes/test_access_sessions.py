"""Pins how a browser signs in and out, what its cookie is like, and that a stream ends with who reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http.cookies import Morsel, SimpleCookie

import admitting
import pytest
from admitting import bearer, cookie
from comfyui_artifact_db.library import access
from comfyui_artifact_db.library import events as log
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.server_routes import events, guarding
from hubs import Answer, Hub, Serve
from mounting_like_comfyui import like_comfyui
from streaming import Stream, streaming

ELSEWHERE = {"X-Forwarded-For": "198.51.100.7"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal does not take its time."""
    monkeypatch.setattr(guarding, "FAILURE_SECONDS", 0.0)


def set_cookie(answer: Answer) -> Morsel[str]:
    """The one cookie that an answer sets."""
    (line,) = [value for name, value in answer.headers.items() if name.lower() == "set-cookie"]
    ((name, morsel),) = SimpleCookie(line).items()
    assert name == "artifact_db_session"
    return morsel


@pytest.mark.parametrize("mount", ["/artifact-db", "/api/artifact-db"])
async def test_a_browser_signs_in_once_is_let_in_at_both_places_and_signs_out(serve: Serve, mount: str) -> None:
    hub = await serve(make=like_comfyui)
    token = admitting.token(hub.library, days=3)
    page = {**ELSEWHERE, "Origin": hub.url, "Sec-Fetch-Site": "same-origin"}
    await hub.ask("GET", "/session", 401, mount=mount, headers=page)
    answer = await hub.ask("POST", "/session", 200, mount=mount, json={"token": token}, headers=page)
    (made,) = access.list_tokens(hub.library)
    assert answer.json == {
        "name": "ada", "role": "review", "permissions": ["view", "review"], "via": "session",
        "expires_at": made.expires_at,
    }  # fmt: skip
    morsel = set_cookie(answer)
    assert (morsel["path"], morsel["httponly"], morsel["samesite"], morsel["secure"]) == ("/", True, "Strict", "")
    assert (morsel["domain"], 3 * 86400 - 10 < int(morsel["max-age"]) <= 3 * 86400) == ("", True)
    signed_in = {**page, "Cookie": f"{morsel.key}={morsel.value}"}
    for at in ("/artifact-db", "/api/artifact-db"):
        assert (await hub.ask("GET", "/session", 200, mount=at, headers=signed_in)).json == answer.json
        await hub.ask("GET", "/artifacts", 200, mount=at, headers=signed_in)
    out = await hub.ask("DELETE", "/session", 204, mount=mount, headers=signed_in)
    gone = set_cookie(out)
    assert (gone.value, gone["max-age"], gone["path"]) == ("", "0", "/")
    for at in ("/artifact-db", "/api/artifact-db"):
        await hub.ask("GET", "/session", 401, mount=at, headers=signed_in)
    await hub.ask("DELETE", "/session", 204, mount=mount, headers=signed_in)
    await hub.get("/artifacts", headers={**ELSEWHERE, **bearer(token)})


async def test_a_token_in_the_header_signs_in_as_well_and_at_any_host(hub: Hub) -> None:
    token = admitting.token(hub.library)
    for headers in (bearer(token), {**bearer(token), "Host": "evil.example"}):
        answer = await hub.post("/session", headers=headers)
        assert answer.json["name"] == "ada"
        assert 30 * 86400 - 10 < int(set_cookie(answer)["max-age"]) <= 30 * 86400
    await hub.post("/session", 403, json={"token": token}, headers={"Host": "evil.example"})


@pytest.mark.parametrize(
    ("headers", "secure"),
    [
        ({}, False),
        ({"X-Forwarded-Proto": "https"}, True),
        ({"X-Forwarded-Proto": "HTTPS, http"}, True),
        ({"X-Forwarded-Proto": "http, https"}, False),
        ({"Origin": "https://{host}"}, True),
        ({"Origin": "http://{host}"}, False),
    ],
)
async def test_the_cookie_is_for_https_alone_where_the_browser_speaks_it(
    hub: Hub, headers: dict[str, str], secure: bool
) -> None:
    token = admitting.token(hub.library)
    headers = {name: value.format(host=hub.host) for name, value in headers.items()}
    answer = await hub.post("/session", json={"token": token}, headers=headers)
    assert bool(set_cookie(answer)["secure"]) is secure


async def test_only_a_living_token_signs_in_and_nothing_else_is_written(hub: Hub) -> None:
    nobodies = admitting.nobodies(hub)
    before = hub.state()
    for who, nobody in nobodies.items():
        answer = await hub.post("/session", 401, headers={**ELSEWHERE, **nobody.headers})
        assert "Set-Cookie" not in answer.headers, who
        _, _, token = nobody.headers.get("Authorization", "").partition("Bearer ")
        if token and "," not in token:
            told = await hub.post("/session", 401, json={"token": token}, headers=ELSEWHERE)
            assert nobody.why in told.json["detail"]
            assert token not in told.body.decode()
    for wrong in (1, None, "", ["x"], "x" * 256):
        assert (await hub.post("/session", 422, json={"token": wrong})).fields == ["token"]
    assert hub.state() == before


async def test_no_page_of_another_site_signs_a_browser_in_or_out(hub: Hub) -> None:
    token = admitting.token(hub.library)
    session = admitting.session(hub.library, token)
    before = hub.state()
    for wrong in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        await hub.post("/session", 403, json={"token": token}, headers=wrong)
        await hub.delete("/session", 403, headers={**wrong, "Cookie": f"artifact_db_session={session}"})
    await hub.post("/session", 415, data=f'{{"token": "{token}"}}', headers={"Content-Type": "text/plain"})
    assert hub.state() == before


async def test_a_panel_learns_what_it_may_offer(hub: Hub) -> None:
    assert (await hub.get("/session")).json == {
        "name": "this machine", "role": "admin", "permissions": ["view", "review", "record", "admin"],
        "via": "machine", "expires_at": None,
    }  # fmt: skip
    for role, may in access.ROLES.items():
        token = admitting.token(hub.library, role, role)
        told = (await hub.get("/session", headers=bearer(token))).json
        assert (told["name"], told["role"], told["permissions"], told["via"]) == (role, role, list(may), "token")


async def test_pictures_and_downloads_ride_on_the_cookie(hub: Hub) -> None:
    picture = hub.pictures.one()
    session = admitting.session(hub.library, admitting.token(hub.library, role="view"))
    image = {**ELSEWHERE, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "image"}
    for path in ("thumbnail", "download"):
        await hub.get(f"/artifacts/{picture.id}/{path}", 401, headers=image)
        await hub.get(f"/artifacts/{picture.id}/{path}", headers={**image, "Cookie": f"artifact_db_session={session}"})


End = Callable[[Hub, str], Awaitable[None]]


async def revoke(hub: Hub, secret: str) -> None:
    access.revoke_token(hub.library, "ada", by="tester")


async def expire(hub: Hub, secret: str) -> None:
    hub.change("UPDATE tokens SET expires_at = ? WHERE name = 'ada'", admitting.LONG_AGO)


async def sign_out(hub: Hub, secret: str) -> None:
    await hub.delete("/session", 204, headers={"Cookie": f"artifact_db_session={secret}"})


async def expire_session(hub: Hub, secret: str) -> None:
    hub.change("UPDATE sessions SET expires_at = ?", admitting.LONG_AGO)


ENDS: list[tuple[str, End]] = [
    *(("token", end) for end in (revoke, expire)),
    *(("session", end) for end in (revoke, expire, sign_out, expire_session)),
]


async def ended(stream: Stream) -> list[str]:
    """What still came before a stream ended."""
    came = []
    while (event := await stream.next()) is not None:
        came.append(event["action"])
    return came


@pytest.mark.parametrize(("via", "end"), ENDS, ids=lambda value: getattr(value, "__name__", value))
async def test_a_stream_ends_with_the_token_or_the_session_that_opened_it(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, via: str, end: End
) -> None:
    # What changes without an event is asked about with each sign of life.
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05 if end in (expire, expire_session) else 3600.0)
    token = admitting.token(hub.library)
    secret = token if via == "token" else admitting.session(hub.library, token)
    mine = bearer(secret) if via == "token" else {"Cookie": f"artifact_db_session={secret}"}
    theirs = bearer(admitting.token(hub.library, "bob"))
    async with (
        streaming(hub, **{**ELSEWHERE, **mine}) as stream,
        streaming(hub, **{**ELSEWHERE, **theirs}) as other,
        streaming(hub) as local,
    ):
        for each in (stream, other, local):
            await each.until_comment()
        hub.pictures.one()
        before = log.last_seq(hub.library)
        for each in (stream, other, local):
            while (await each.take(1))[0]["seq"] < before:
                pass
        await end(hub, secret)
        assert await asyncio.wait_for(ended(stream), 10) == []
        picture = hub.pictures.one()
        for each in (other, local):
            while (await each.take(1))[0]["entity_id"] != picture.id:
                pass


async def test_a_stream_sends_nothing_more_once_another_process_has_revoked_its_token(
    hub: Hub, reopened: Callable[[], Library]
) -> None:
    token = admitting.token(hub.library)
    other = reopened()
    async with streaming(hub, **{**ELSEWHERE, **bearer(token)}) as stream:
        await stream.until_comment()
        access.revoke_token(other, "ada", by="tester")
        assert await asyncio.wait_for(ended(stream), 10) == []


async def test_signing_in_and_out_is_in_the_log_without_a_secret(hub: Hub) -> None:
    token = admitting.token(hub.library)
    answer = await hub.post("/session", json={"token": token})
    session = set_cookie(answer).value
    await sign_out(hub, session)
    told = await hub.get("/events")
    assert [event["action"] for event in told.json["items"]] == [
        *("token.created", "token.session_opened", "token.session_closed")
    ]
    assert [event["actor"] for event in told.json["items"]] == ["tester", "ada", "ada"]
    for secret in (token, session):
        assert secret.encode() not in told.body
    assert set_cookie(await hub.post("/session", json={"token": token}, headers=cookie(hub, session))).value != session
