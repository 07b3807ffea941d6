"""Pins what a delivery to a ComfyUI server does when the server is good, when it lies, and when the caller is wrong."""

from __future__ import annotations

import hashlib
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db import errors
from comfyui_artifact_db.comfyui_client import ComfyUIServer, Uploaded, servers

SIZE = 300_000  # a little more than one block
BYTES = (bytes(range(256)) * 1172)[:SIZE]

Connect = Callable[..., ComfyUIServer]
Call = Callable[[ComfyUIServer], object]
ServerThat = Callable[..., Any]
TellsNothing = Callable[..., None]


def upload(server: ComfyUIServer, content: bytes = BYTES, filename: str = "v1.png", subfolder: str = "") -> Uploaded:
    return server.upload(io.BytesIO(content), filename=filename, subfolder=subfolder, size=len(content))


def fetch(server: ComfyUIServer, filename: str = "v1.png", size: int = SIZE, subfolder: str = "") -> str | None:
    return server.fetch_digest(filename=filename, subfolder=subfolder, folder_type="input", size=size)


# A server that does as it should


def test_what_was_uploaded_is_there_under_the_name_asked_for(comfyui: Any, connect: Connect) -> None:
    with connect(comfyui.url) as server:
        assert upload(server, subfolder="shots/día 1") == Uploaded("v1.png", "shots/día 1")
        assert fetch(server, subfolder="shots/día 1") == hashlib.sha256(BYTES).hexdigest()
    assert comfyui.fields == [{"type": "input", "subfolder": "shots/día 1", "overwrite": "false"}]


def test_a_file_of_no_bytes_arrives_too(comfyui: Any, connect: Connect) -> None:
    with connect(comfyui.url) as server:
        upload(server, b"")
        assert fetch(server, size=0) == hashlib.sha256(b"").hexdigest()


def test_the_same_bytes_again_are_the_same_file(comfyui: Any, connect: Connect) -> None:
    with connect(comfyui.url) as server:
        assert upload(server) == upload(server) == Uploaded("v1.png", "")


def test_a_name_that_is_taken_by_other_bytes_is_answered_with_the_new_name(comfyui: Any, connect: Connect) -> None:
    with connect(comfyui.url) as server:
        upload(server, b"somebody else's")
        taken = upload(server)
        assert taken == Uploaded("v1 (1).png", "")
        assert fetch(server, taken.filename) == hashlib.sha256(BYTES).hexdigest()
        assert fetch(server, size=15) == hashlib.sha256(b"somebody else's").hexdigest()


def test_a_file_that_is_not_there_has_no_digest(comfyui: Any, connect: Connect) -> None:
    with connect(comfyui.url) as server:
        assert fetch(server) is None


def test_system_stats_are_given_as_the_server_says_them(comfyui: Any, connect: Connect) -> None:
    with connect(comfyui.url) as server:
        assert server.system_stats() == {"system": {"comfyui_version": "0.3.75"}, "devices": []}


def test_the_upload_says_its_length_and_asks_for_no_encoding(comfyui: Any, connect: Connect) -> None:
    with connect(comfyui.url) as server:
        upload(server)
    [request] = comfyui.requests
    assert int(request.headers["Content-Length"]) > SIZE
    assert "Transfer-Encoding" not in request.headers
    assert request.headers["Accept-Encoding"] == "identity"


def test_the_base_path_comes_before_every_route(server_that: ServerThat, connect: Connect) -> None:
    there = server_that(
        lambda request: request.answer(200 if request.path == "/proxy/8188/system_stats" else 404, b"{}")
    )
    with connect(there.url + "/proxy/8188/") as server:
        assert server.system_stats() == {}


@pytest.mark.timeout(120)
def test_a_large_file_is_never_in_memory_as_a_whole(comfyui: Any, tmp_path: Path, connect: Connect) -> None:
    size = 64 * 1024 * 1024
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(size)
    expected = hashlib.sha256(bytes(size)).hexdigest()
    with connect(comfyui.url, timeout=30, deadline=60) as server, large.open("rb") as file:
        server.system_stats()  # imports and connects
        tracemalloc.start()
        try:
            server.upload(file, filename="large.bin", subfolder="", size=size)
            digest = fetch(server, "large.bin", size)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert digest == expected
    assert peak < 8 * 1024 * 1024  # the server, which runs in this process too, included


# A server that lies


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.write_bytes(BYTES[:-1]), "shorter than the 300000"),
        (lambda path: path.write_bytes(b""), "of 0 bytes, shorter"),
        (lambda path: path.write_bytes(BYTES + b"!"), "longer than the 300000"),
    ],
)
def test_a_stored_file_of_another_length_is_found_out(
    comfyui: Any, harm: Callable[[Path], object], said: str, connect: Connect, assert_tells_nothing: TellsNothing
) -> None:
    comfyui.after_storing = harm
    with connect(comfyui.url) as server:
        upload(server)
        with pytest.raises(errors.DeliveryFailed, match=said) as failed:
            fetch(server)
    assert_tells_nothing(failed.value)


def test_a_stored_file_of_other_bytes_has_another_digest(comfyui: Any, connect: Connect) -> None:
    comfyui.after_storing = lambda path: path.write_bytes(BYTES[::-1])
    with connect(comfyui.url) as server:
        upload(server)
        assert fetch(server) == hashlib.sha256(BYTES[::-1]).hexdigest()


@pytest.mark.parametrize(
    "answer",
    [
        {"name": "../../custom_nodes/evil.py"},
        {"name": "a\\b.png"},
        {"name": "/etc/passwd"},
        {"name": ".."},
        {"name": "a\n.png"},
        {"name": "\ud800.png"},
        {"name": "a" * 256},
        {"name": "v1.png [output]"},
        {"name": ""},
        {"name": None},
        {"name": ["v1.png"]},
        {},
        {"name": "v1.png", "subfolder": "../output"},
        {"name": "v1.png", "subfolder": "/etc"},
        {"name": "v1.png", "subfolder": None},
        {"name": "v1.png", "type": "output"},
    ],
)
def test_an_upload_answered_with_an_unusable_place_has_failed(
    server_that: ServerThat, answer: Any, connect: Connect, assert_tells_nothing: TellsNothing
) -> None:
    there = server_that(lambda request: request.answer(200, json.dumps(answer).encode()))
    with connect(there.url) as server, pytest.raises(errors.DeliveryFailed) as failed:
        upload(server)
    assert_tells_nothing(failed.value, "evil", "passwd")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>artist</html>",
        b'"artist"',
        b'["artist"]',
        b"null",
        b'{"name": "artist',
        b"\xff\xfeartist",
        b"[" * 500_000,
        b'{"name": "v1.png", "n": ' + b"9" * 5000 + b"x}",
    ],
)
def test_an_answer_that_is_no_json_object_is_a_failure(
    server_that: ServerThat, json_call: Call, body: bytes, connect: Connect, assert_tells_nothing: TellsNothing
) -> None:
    there = server_that(lambda request: request.answer(200, body))
    with connect(there.url) as server, pytest.raises(errors.DeliveryFailed, match="JSON") as failed:
        json_call(server)
    assert_tells_nothing(failed.value, "artist")


def test_a_json_answer_of_5_megabytes_is_not_taken(
    server_that: ServerThat, json_call: Call, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "LARGEST_HISTORY", servers.LARGEST_JSON)  # which is larger, as graphs are
    body = json.dumps({"name": "v1.png", "filler": "x" * 5_000_000}).encode()
    there = server_that(lambda request: request.answer(200, body))
    with connect(there.url) as server, pytest.raises(errors.DeliveryFailed, match="more than 1048576 bytes"):
        json_call(server)


@pytest.mark.parametrize("length", [{}, {"Content_Length": str(10**12)}])
def test_a_body_without_end_is_read_no_further_than_the_file_is_long(
    server_that: ServerThat, length: dict[str, str], connect: Connect, assert_tells_nothing: TellsNothing
) -> None:
    def write_without_end(request: Any) -> None:
        request.send_response(200)
        for name, value in length.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.write_until_hung_up(b"x" * 65536, pause=0)

    endless = server_that(write_without_end)
    with connect(endless.url) as server, pytest.raises(errors.DeliveryFailed, match="longer") as failed:
        fetch(server)
    assert endless.hung_up.wait(5)
    assert_tells_nothing(failed.value)


# What the caller gives


@pytest.mark.parametrize("filename", ["../v1.png", "a b.png", 'a".png', "a\r\nX: y", "é.png", ""])
def test_a_name_that_we_would_not_have_generated_is_never_sent(comfyui: Any, filename: str, connect: Connect) -> None:
    with connect(comfyui.url) as server, pytest.raises(ValueError, match="not a name that we send"):
        upload(server, filename=filename)
    assert comfyui.requests == []


@pytest.mark.parametrize("subfolder", ["..", "a/../b", "/a", "a/", "a\\b", "a\r\nb", "C:"])
def test_a_subfolder_that_leads_elsewhere_is_never_sent(comfyui: Any, subfolder: str, connect: Connect) -> None:
    with connect(comfyui.url) as server:
        for call in (upload, fetch):
            with pytest.raises(errors.Invalid, match="subfolder") as refused:
                call(server, subfolder=subfolder)
            assert refused.value.field == "subfolder"
    assert comfyui.requests == []


@pytest.mark.parametrize(("filename", "folder_type"), [("../v1.png", "input"), ("v1.png", "models")])
def test_only_plain_files_of_comfyuis_folders_are_fetched(
    comfyui: Any, filename: str, folder_type: str, connect: Connect
) -> None:
    with connect(comfyui.url) as server, pytest.raises(ValueError, match="not a file of a ComfyUI folder"):
        server.fetch_digest(filename=filename, subfolder="", folder_type=folder_type, size=1)
    assert comfyui.requests == []


class Unreadable(io.BytesIO):
    """A file on a disk that fails after the first block."""

    def read(self, amount: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError(5, "Input/output error")
        return super().read(amount)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (io.BytesIO(BYTES[:-1]), "ended 1 bytes before the 300000"),
        (io.BytesIO(BYTES + b"!"), "longer than the 300000"),
        (Unreadable(BYTES), "could not be read"),
    ],
)
def test_a_file_that_is_not_what_was_said_is_never_taken_for_a_whole_upload(
    comfyui: Any, source: io.BytesIO, said: str, connect: Connect
) -> None:
    with connect(comfyui.url) as server:
        with pytest.raises(errors.StoreFailed, match=said):
            server.upload(source, filename="v1.png", subfolder="", size=SIZE)
        assert fetch(server) is None
        assert upload(server) == Uploaded("v1.png", "")  # and the session is as good as before


# A file that was read before


def test_a_file_that_has_not_changed_is_not_read_again_and_one_that_has_is(comfyui: Any, connect: Connect) -> None:
    with connect(comfyui.url) as server:
        upload(server)
        assert fetch(server) == fetch(server) == hashlib.sha256(BYTES).hexdigest()
        first, second = (request for request in comfyui.requests if request.path == "/view")
        assert "If-None-Match" not in first.headers
        assert second.headers["If-None-Match"].startswith('"')
        (comfyui.folder / "input" / "v1.png").write_bytes(BYTES[::-1])
        assert fetch(server) == hashlib.sha256(BYTES[::-1]).hexdigest()


@pytest.mark.parametrize("validator", ["", 'W/"weak"', "bare"])
def test_what_is_no_strong_validator_proves_nothing(server_that: ServerThat, connect: Connect, validator: str) -> None:
    answers = iter([BYTES, BYTES[::-1]])
    there = server_that(lambda request: request.answer(200, next(answers), ETag=validator))
    with connect(there.url) as server:
        assert fetch(server) == hashlib.sha256(BYTES).hexdigest()
        assert fetch(server) == hashlib.sha256(BYTES[::-1]).hexdigest()


def test_not_modified_is_no_answer_where_nothing_was_read_before(server_that: ServerThat, connect: Connect) -> None:
    there = server_that(lambda request: request.answer(304))
    with connect(there.url) as server, pytest.raises(errors.ServerFailed):
        fetch(server)
