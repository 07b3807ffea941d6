"""Pins that nothing which a browser would run is shown in place, whatever it is called and whatever it says it is."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Callable
from urllib.parse import unquote

import pytest
from hubs import Answer, Hub, Serve
from making import png
from mounting_like_comfyui import like_comfyui
from PIL import Image
from sending import form

SCRIPT = b"<script>alert(document.domain)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">' + SCRIPT + b"</svg>"
DANGEROUS = {
    "svg": SVG,
    "svg with a declaration": b'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE svg>\n' + SVG,
    "svg after a mark": b"\xef\xbb\xbf \n" + SVG,
    "svg after a comment": b"<!--" + b"x" * 5000 + b"-->" + SVG,
    "svg in utf-16": SVG.decode().encode("utf-16"),
    "html": b"<!doctype html><html><body>" + SCRIPT,
    "html fragment": b"hello " + SCRIPT,
    "html in utf-7": b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "xhtml": b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">' + SCRIPT + b"</html>",
    "xml": b'<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="x"?><a/>',
    "js": b"alert(1)",
    "css": b"body { background: url(javascript:alert(1)) }",
    "mhtml": b"From: <Saved>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x\r\n\r\n--x\r\n"
    b"Content-Type: text/html\r\n\r\n" + SCRIPT,
    "pdf": b"%PDF-1.7\n1 0 obj <</OpenAction <</S /JavaScript /JS (app.alert(1))>>>>\n",
    "json": b'{"a": "' + SCRIPT + b'"}',
    "text": b"just a text",
    "flash": b"CWS\x0a" + bytes(100),
    "zip": b"PK\x03\x04" + bytes(100),
    "nothing known": bytes(range(256)),
    "gif after a script": SCRIPT + b"GIF89a",
}
DISGUISES = (
    *(("x.png", "image/png"), ("x.svg", "image/svg+xml"), ("x.html", "text/html; charset=utf-7")),
    *(("x.mp4;.mhtml", 'video/mp4; a="b"'), ("x", None)),
)


def picture(form: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, form)
    return file.getvalue()


INLINE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "png": ("image/png", png),
    "jpg": ("image/jpeg", lambda: picture("JPEG")),
    "webp": ("image/webp", lambda: picture("WEBP")),
    "gif": ("image/gif", lambda: picture("GIF")),
    "avif": ("image/avif", lambda: b"\0\0\0\x1cftypavif" + bytes(20)),
    "mp4": ("video/mp4", lambda: b"\0\0\0\x1cftypisom" + bytes(20)),
    "webm": ("video/webm", lambda: b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webm"),
    "flac": ("audio/flac", lambda: b"fLaC" + bytes(20)),
    "mp3": ("audio/mpeg", lambda: b"ID3\x04" + bytes(20)),
    "wav": ("audio/wav", lambda: b"RIFF\x24\0\0\0WAVEfmt " + bytes(20)),
    "ogg": ("audio/ogg", lambda: b"OggS" + bytes(20)),
}


async def downloads(hub: Hub, data: bytes) -> AsyncIterator[Answer]:
    """What comes back of what was uploaded under each disguise."""
    made = (await hub.post("/workflows", 201, json={"workflow_name": "w"})).json["id"]
    for filename, content_type in DISGUISES:
        body = form(data, filename, content_type)
        artifact = (await hub.post(f"/workflows/{made}/artifacts", 201, data=body)).json
        answer = await hub.get(f"/artifacts/{artifact['id']}/download")
        assert answer.body == data
        yield answer


def assert_harmless(answer: Answer) -> None:
    assert answer.headers.getall("X-Content-Type-Options") == ["nosniff"]
    (policy,) = answer.headers.getall("Content-Security-Policy")
    assert [part.strip() for part in policy.split(";")] == ["sandbox", "default-src 'none'"]
    assert len(answer.headers.getall("Content-Type")) == len(answer.headers.getall("Content-Disposition")) == 1


@pytest.mark.parametrize("kind", DANGEROUS)
async def test_what_could_run_is_a_download_of_no_type_however_it_is_disguised(hub: Hub, kind: str) -> None:
    async for answer in downloads(hub, DANGEROUS[kind]):
        assert_harmless(answer)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment; ")


@pytest.mark.parametrize("kind", INLINE)
async def test_pictures_films_and_sounds_are_shown_under_the_type_of_their_bytes(hub: Hub, kind: str) -> None:
    media_type, make = INLINE[kind]
    async for answer in downloads(hub, make()):
        assert_harmless(answer)
        assert answer.headers["Content-Type"] == media_type
        assert answer.headers["Content-Disposition"].startswith("inline; ")


@pytest.mark.parametrize(
    "filename",
    [
        *('a"b.png', 'a"; filename="evil.html', "a\\b.png", "größe 🐉.png"),
        *("a;b=c.png", "a%22b%0d%0aX: 1.png", "'*.png", "…"),
    ],
)
async def test_a_name_stays_inside_of_its_header(hub: Hub, filename: str) -> None:
    picture = hub.pictures.one()
    hub.change("UPDATE artifacts SET filename = ? WHERE id = ?", filename, picture.id)
    answer = await hub.get(f"/artifacts/{picture.id}/download")
    assert_harmless(answer)
    match = re.fullmatch(
        r"""inline; filename="([A-Za-z0-9._ -]*)"; filename\*=UTF-8''([A-Za-z0-9._~%-]*)""",
        answer.headers["Content-Disposition"],
    )
    assert match is not None
    assert unquote(match[2]) == filename
    assert len(match[1]) == len(filename)


async def test_no_answer_of_ours_is_a_page(hub: Hub) -> None:
    await hub.post("/chains", 201, json={"name": SCRIPT.decode().replace("/", "")})
    for path, status in (("/chains", 200), ("/%3Cscript%3E", 404), ("/chains/%3Csvg%20onload=x%3E", 404)):
        answer = await hub.get(path, status)
        assert answer.headers["Content-Type"].partition(";")[0] in ("application/json", "application/problem+json")


@pytest.mark.parametrize("mount", ["/artifact-db", "/api/artifact-db"])
async def test_our_policy_holds_under_whatever_flags_comfyui_runs_with(serve: Serve, mount: str) -> None:
    hub = await serve(make=like_comfyui)
    picture = hub.pictures.one(data=SVG)
    for headers, status in (({}, 200), ({"Range": "bytes=0-3"}, 206)):
        assert_harmless(await hub.get(f"/artifacts/{picture.id}/download", status, mount=mount, headers=headers))
