"""Pins how a file comes from a server: whole or not at all, in blocks, with an end, under a name that is one."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from comfyui_artifact_db import errors
from comfyui_artifact_db.comfyui_client import ComfyUIServer, servers

DATA = bytes(range(256)) * 5000  # more than one block

Connect = Callable[..., ComfyUIServer]
ServerThat = Callable[..., Any]


def download(server: ComfyUIServer, filename: str = "a.png", *, most: int = 10**9, **where: str) -> bytes | None:
    got = bytearray()
    size = server.download(
        got.extend, filename=filename, most=most, **{"subfolder": "", "folder_type": "output", **where}
    )
    assert size in (None, len(got))
    return None if size is None else bytes(got)


def test_a_file_comes_as_it_is_from_the_folder_that_is_named(comfyui: Any, connect: Connect) -> None:
    comfyui.file("a.png", DATA)
    comfyui.file("a.png", b"another", subfolder="día 1/b", type="temp")
    comfyui.file("nothing.txt", b"")
    with connect(comfyui.url) as server:
        assert download(server) == DATA
        assert download(server, subfolder="día 1/b", folder_type="temp") == b"another"
        assert download(server, "nothing.txt") == b""
        assert download(server, "b.png") is None


def test_the_connection_is_kept_for_the_next_file(comfyui: Any, connect: Connect) -> None:
    comfyui.file("a.png", DATA)
    with connect(comfyui.url) as server:
        for _ in range(3):
            download(server)
    assert len({request.transport for request in comfyui.requests}) == 1


@pytest.mark.parametrize("most", [len(DATA) - 1, 10])
def test_a_file_that_is_longer_than_we_take_is_left(comfyui: Any, connect: Connect, most: int) -> None:
    comfyui.file("a.png", DATA)
    with connect(comfyui.url) as server, pytest.raises(errors.DeliveryFailed, match="more than the") as failed:
        download(server, most=most)
    assert failed.value.data["lasting"]


def test_a_file_that_is_exactly_as_long_as_we_take_comes(comfyui: Any, connect: Connect) -> None:
    comfyui.file("a.png", DATA)
    with connect(comfyui.url) as server:
        assert download(server, most=len(DATA)) == DATA


def chunked(request: Any, *chunks: bytes) -> None:
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    for chunk in chunks:
        request.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")


def test_a_proxy_may_send_it_in_chunks(server_that: ServerThat, connect: Connect) -> None:
    there = server_that(lambda request: chunked(request, DATA, b"x", b""))
    with connect(there.url) as server:
        assert download(server) == DATA + b"x"


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        pytest.param(lambda r: r.answer(200, b"x" * 10, Content_Length="11"), "middle of its answer", id="too short"),
        pytest.param(lambda r: chunked(r, DATA), "middle of its answer", id="no last chunk"),
        pytest.param(lambda r: r.wfile.write(b"HTTP/1.1 200 OK\r\n\r\nxyz"), "where it ends", id="no length"),
        pytest.param(lambda r: r.answer(200, b"xyz", Content_Length="three"), "where it ends", id="a length in words"),
        pytest.param(lambda r: r.answer(200, b"xyz", Content_Length="-1"), "where it ends", id="a negative length"),
        pytest.param(lambda r: r.answer(200, b"xyz", Content_Encoding="gzip"), "encoded", id="compressed"),
    ],
)
def test_a_body_that_is_not_whole_is_none(
    server_that: ServerThat, connect: Connect, behave: Callable[[Any], object], why: str
) -> None:
    there = server_that(behave)
    with connect(there.url) as server, pytest.raises(errors.DeliveryFailed, match=why) as failed:
        download(server)
    assert "lasting" not in failed.value.data  # it may come whole the next time


def test_a_body_without_end_is_left_at_the_limit(server_that: ServerThat, connect: Connect) -> None:
    def endless(request: Any) -> None:
        chunked(request)
        request.write_until_hung_up(b"10000\r\n" + bytes(0x10000) + b"\r\n", pause=0)

    there = server_that(endless)
    with connect(there.url) as server, pytest.raises(errors.DeliveryFailed, match="more than the 5000000 bytes"):
        download(server, most=5_000_000)
    assert there.hung_up.wait(5)


def test_what_comes_fast_enough_may_take_longer_than_the_deadline(
    server_that: ServerThat, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "BLOCK", 1000)
    monkeypatch.setattr(servers, "SLOWEST", 5000)

    def slowly(request: Any) -> None:
        request.answer(200, b"", Content_Length="10000")
        for _ in range(10):
            time.sleep(0.1)
            request.wfile.write(bytes(1000))

    with connect(server_that(slowly).url, timeout=0.3, deadline=0.3) as server:
        assert download(server) == bytes(10000)
    monkeypatch.setattr(servers, "SLOWEST", 50_000)
    with (
        connect(server_that(slowly).url, timeout=0.3, deadline=0.3) as server,
        pytest.raises(errors.ServerUnreachable, match="did not finish"),
    ):
        download(server)


@pytest.mark.parametrize(
    ("filename", "where"),
    [
        ("../a.png", {}),
        ("a/b.png", {}),
        ("a.png [input]", {}),
        ("a\r\nb.png", {}),
        ("a.png", {"subfolder": "../.."}),
        ("a.png", {"subfolder": "/etc"}),
        ("a.png", {"folder_type": "models"}),
    ],
)
def test_a_name_that_leads_elsewhere_is_not_asked_for(
    comfyui: Any, connect: Connect, filename: str, where: dict[str, str]
) -> None:
    with connect(comfyui.url) as server, pytest.raises(errors.DeliveryFailed, match="none to ask for"):
        download(server, filename, **where)
    assert comfyui.requests == []


def test_what_the_writer_raises_comes_out_as_it_is(comfyui: Any, connect: Connect) -> None:
    comfyui.file("a.png", DATA)

    def full(block: bytes) -> None:
        raise OSError(28, "No space left on device")

    with connect(comfyui.url) as server, pytest.raises(OSError, match="No space") as failed:
        server.download(full, filename="a.png", subfolder="", folder_type="output", most=10**9)
    assert type(failed.value) is OSError


@pytest.mark.timeout(120)
def test_a_large_file_is_never_in_memory_as_a_whole(comfyui: Any, connect: Connect) -> None:
    size = 64 * 1024 * 1024
    place = comfyui.folder / "output" / "large.bin"
    place.parent.mkdir(parents=True)
    with place.open("wb") as file:
        file.truncate(size)
    with connect(comfyui.url, timeout=30, deadline=60) as server:
        server.system_stats()  # imports and connects
        tracemalloc.start()
        try:
            got = server.download(len, filename="large.bin", subfolder="", folder_type="output", most=size)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert got == size
    assert peak < 8 * 1024 * 1024  # the server, which runs in this process too, included
