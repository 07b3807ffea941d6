"""Pins that a wrong upload or edit is refused and leaves nothing: no file, no part, no row, no event."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from comfyui_artifact_db.config import Config
from hubs import Answer, Hub, Serve
from making import png
from sending import BY_HAND, form, multipart, part
from tampering import tamper

FILE = part("file", png(4), filename=b"a.png")


@dataclass(frozen=True)
class Door:
    """A route that takes a file, and how to knock at it."""

    hub: Hub
    path: str

    async def send(self, expect: int, data: Any, headers: dict[str, str] | None = None) -> Answer:
        """Send a body that is refused, and see that nothing is left of it."""
        before = self.hub.state()
        answer = await self.hub.post(self.path, expect, data=data, headers=headers)
        assert self.hub.state() == before
        return answer


@pytest.fixture(params=["upload", "edit"])
async def door(hub: Hub, request: pytest.FixtureRequest) -> Door:
    """Both of the routes that take a file, one after the other."""
    return door_of(hub, request.param)


def door_of(hub: Hub, name: str) -> Door:
    picture = hub.pictures.one()
    paths = {"upload": f"/workflows/{picture.workflow_id}/artifacts", "edit": f"/artifacts/{picture.id}/edit"}
    return Door(hub, paths[name])


async def test_a_file_that_is_empty_or_missing_is_named(door: Door) -> None:
    for body in (form(b""), form(None, approval_status="approved"), form(None, metadata="{}")):
        assert (await door.send(422, body)).fields == ["file"]
    without_a_name = part("file", png())
    assert (await door.send(422, multipart(without_a_name), BY_HAND)).fields == ["file"]


async def test_a_field_that_is_unknown_or_sent_twice_is_named(door: Door) -> None:
    for name in ("path", "local_path", "url", "file2", "artifact_id", "version"):
        assert (await door.send(422, form(png(), **{name: "x"}))).fields == [name]
    assert (await door.send(422, multipart(FILE, FILE), BY_HAND)).fields == ["file"]
    twice = part("metadata", b"{}")
    assert (await door.send(422, multipart(twice, FILE, twice), BY_HAND)).fields == ["metadata"]


async def test_a_file_name_that_is_a_path_or_unprintable_or_long_is_refused(door: Door) -> None:
    paths = (b"../a.png", b"..", b"..a.png", b"/etc/passwd", b"a/b.png", b"a\\\\b.png", b"C:\\\\a.png", b".")
    others = (b"a\xc2\x85.png", b"a\xe2\x80\xa8/b.png", b"x" * 256, "ü".encode() * 128, b" ")
    for filename in (*paths, *others):
        body = multipart(part("file", png(), filename=filename))
        assert (await door.send(422, body, BY_HAND)).fields == ["file"], filename


@pytest.mark.parametrize("filename", [b"a\r\nX-Evil: 1\r\n.png", b"a\n.png", b"a\r.png", b"a\x00.png", b"a\x7f.png"])
async def test_a_file_name_cannot_add_a_header(door: Door, filename: bytes) -> None:
    answer = await door.hub.post(
        door.path, None, data=multipart(part("file", png(), filename=filename)), headers=BY_HAND
    )
    if answer.status == 201:
        assert "X-Evil" not in answer.json["filename"], "what follows a line's end is no part of the name"
        assert answer.json["filename"].isprintable()
    else:
        assert answer.status in (400, 422)


async def test_a_field_with_a_wrong_value_is_refused(door: Door) -> None:
    for wrong in ("{", "[]", "", '{"a": 1e999}', '{"a": "\\ud800"}', '{"a": NaN}', "\ufeff"):
        assert (await door.send(400, form(png(), metadata=wrong))).code == "malformed", wrong
    for wrong in ("great", "rejected", "", "Approved"):
        assert (await door.send(422, form(png(), approval_status=wrong))).fields == ["approval_status"], wrong


async def test_an_upload_with_a_wrong_field_is_refused(hub: Hub) -> None:
    wrong = {
        "id": ("1", "", "../../x"),
        "output_key": ("", "9", "9:images", "9:images:x", "a/b:images:0", "..:images:0 "),
        "subfolder": ("../x", "/x", "a/../b", "a//b", "C:x", "\\x", "a\x00", "x" * 4097),
        "approval_status": ("edited",),
    }
    door = door_of(hub, "upload")
    for name, values in wrong.items():
        for value in values:
            assert (await door.send(422, form(png(), **{name: value}))).fields == [name], value


async def test_a_field_that_is_no_text_or_too_large_is_refused(door: Door) -> None:
    assert (await door.send(422, multipart(part("metadata", b"\xff"), FILE), BY_HAND)).fields == ["metadata"]
    large = io.BytesIO(multipart(part("metadata", b"{" + b" " * (1024 * 1024) + b"}"), FILE))
    assert (await door.send(413, large, BY_HAND)).fields == ["metadata"]


@pytest.mark.parametrize("name", ["upload", "edit"])
@pytest.mark.parametrize("said", [True, False])
async def test_a_file_over_the_limit_is_refused(serve: Serve, config: Config, name: str, said: bool) -> None:
    hub = await serve(replace(config, max_upload=1024 * 1024))
    door = door_of(hub, name)
    just_right, too_large = (png() + bytes(1024 * 1024 - len(png()) + more) for more in (0, 1))

    async def without_length() -> AsyncIterator[bytes]:
        yield multipart(part("file", too_large, filename=b"a.png"))

    body: Any = form(too_large) if said else without_length()
    refused = await door.send(413, body, None if said else BY_HAND)
    assert (refused.code, refused.fields) == ("too_large", ["file"])
    await hub.post(door.path, 201, data=form(just_right))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # aiohttp's, of a header that is cut off
async def test_a_body_that_is_cut_off_is_malformed_wherever_it_is_cut(door: Door) -> None:
    whole = multipart(part("metadata", b"{}"), part("file", png(4, (64, 64)), filename=b"a.png"))
    closing = len("--\r\n")
    for end in sorted({1, 6, 20, 60, *range(0, len(whole), 37), *range(len(whole) - 14, len(whole) - closing + 2)}):
        answer = await door.send(400, whole[:end], BY_HAND)
        assert answer.code == "malformed", end


HEAD = b"--edge\r\nContent-Disposition: form-data"
NESTED = b'--in\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\nx\r\n--in--\r\n'
IN_NAME_ONLY = (
    *(b"", b"garbage", b"--edge--\r\nx", b"--edge\r\n\r\nno headers\r\n--edge--\r\n"),
    HEAD + b"\r\n\r\nx\r\n--edge--\r\n",
    HEAD + b"; name=file\r\nContent-Length: -5\r\n\r\nx\r\n--edge--\r\n",
    HEAD + b"; name=file\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\nx\r\n--edge--\r\n",
    b"--edge\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n" + NESTED + b"--edge--\r\n",
    multipart(part("_charset_", b"x" * 40), FILE),
)


async def test_what_is_multipart_in_name_only_is_refused(door: Door) -> None:
    for data in IN_NAME_ONLY:
        before = door.hub.state()
        answer = await door.hub.post(door.path, None, data=data, headers=BY_HAND)
        assert (answer.status, answer.code) in ((400, "malformed"), (422, "invalid")), data
        assert door.hub.state() == before


@pytest.mark.parametrize(
    "boundary", ["; boundary=other", "", '; boundary="', "; boundary=" + "e" * 100, "; boundary=ü"]
)
async def test_a_body_with_another_edge_than_its_header_says_is_malformed(door: Door, boundary: str) -> None:
    headers = {"Content-Type": "multipart/form-data" + boundary}
    assert (await door.send(400, multipart(FILE), headers)).code == "malformed"


@asynccontextmanager
async def connected(door: Door, length: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which the head of a request has been sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.hub.server.port)
    head = (
        f"POST /artifact-db{door.path} HTTP/1.1\r\nHost: {door.hub.host}\r\nContent-Length: {length}\r\n"
        f"Content-Type: {BY_HAND['Content-Type']}\r\n\r\n"
    )
    writer.write(head.encode())
    yield reader, writer
    writer.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait for what happens after an answer, or without one."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it never came to be")


async def test_a_client_that_goes_half_way_leaves_nothing(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    before = door.hub.state()
    whole = multipart(part("file", png() + bytes(3 * 1024 * 1024), filename=b"a.png"))
    parts = lambda: list(door.hub.config.store.glob("staging/*/*.part"))
    async with connected(door, len(whole)) as (_, writer):
        writer.write(whole[: 2 * 1024 * 1024])
        await writer.drain()
        await until(lambda: any(p.stat().st_size for p in parts()))
    await until(lambda: not parts())
    assert door.hub.state() == before
    assert not [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"]


async def test_an_edit_that_makes_no_sense_is_refused(hub: Hub) -> None:
    picture, other = hub.pictures.record(keys=("9:images:0", "9:images:1"))
    door = Door(hub, f"/artifacts/{picture.id}/edit")
    wrong = await door.send(422, form(b"just a text", "a.png"))
    assert (wrong.code, wrong.fields) == ("wrong_file_type", ["file"])
    assert (await door.send(422, form(png(), approval_status="auto_approved"))).fields == ["approval_status"]
    assert (await door.send(422, form(png(), approved_by=""))).fields == ["approved_by"]
    assert (await door.send(422, form(png(), approved_by="x" * 256))).fields == ["approved_by"]
    before = hub.state()
    assert (await hub.post(door.path, 422, json={"from_version": other.id})).fields == ["from_version"]
    await hub.post(door.path, 404, json={"from_version": str(uuid4())})
    await hub.delete(f"/artifacts/{other.id}")
    await hub.post(f"/artifacts/{other.id}/edit", 409, data=form(png()))
    await hub.post(f"/artifacts/{other.id}/edit", 409, json={"from_version": other.id})
    assert hub.files() == before[1]


async def test_only_bytes_that_may_travel_can_be_brought_back(hub: Hub) -> None:
    first = hub.pictures.one()
    pending, changed, removed = (hub.pictures.one(workflow_id=first.workflow_id) for _ in range(3))
    await hub.patch(f"/artifacts/{pending.id}", json={"approval_status": "pending"})
    tamper(changed, png(99))
    hub.change("UPDATE artifacts SET bytes_removed_at = '2026-11-22T10:00:00.000Z' WHERE id = ?", removed.id)
    before = hub.state()
    for version, status, code in ((pending, 409, "not_usable"), (changed, 409, "not_usable"), (removed, 410, "gone")):
        refused = await hub.post(f"/artifacts/{first.id}/edit", status, json={"from_version": version.id})
        assert refused.code == code
    assert hub.state() == before
