"""Pins the HTTP edge: where the token goes, and what a server is told to be that refuses, hangs, drips or breaks off.

`call` is a fixture: each test that takes it runs with an upload, with a fetch_digest and with system_stats.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from certifying import authority
from comfyui_artifact_db import errors
from comfyui_artifact_db.comfyui_client import ComfyUIServer, Server, Uploaded, servers

Connect = Callable[..., ComfyUIServer]
Call = Callable[[ComfyUIServer], object]
ServerThat = Callable[..., Any]
TellsNothing = Callable[..., None]

SIZE = 300_000  # bytes; what fetch_digest expects in these tests


def upload(server: ComfyUIServer, size: int = SIZE) -> Uploaded:
    return server.upload(io.BytesIO(bytes(size)), filename="v1.png", subfolder="", size=size)


def fetch(server: ComfyUIServer) -> str | None:
    return server.fetch_digest(filename="v1.png", subfolder="", folder_type="input", size=SIZE)


# Where the token goes


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_other_origin_hears_nothing(
    server_that: ServerThat, call: Call, status: int, connect: Connect, assert_tells_nothing: TellsNothing, token: str
) -> None:
    other = server_that(lambda request: request.answer(200, b'{"name": "v1.png"}'))
    there = server_that(lambda request: request.answer(status, Location=f"{other.url}/elsewhere"))
    with connect(there.url) as server, pytest.raises(errors.ServerFailed, match="redirect, which is not") as failed:
        call(server)
    assert failed.value.data["status"] == status
    assert other.headers_seen == []
    assert [headers["Authorization"] for headers in there.headers_seen] == [f"Bearer {token}"]
    assert_tells_nothing(failed.value, other.url, "elsewhere")


def test_the_body_of_a_redirect_is_not_read(server_that: ServerThat, connect: Connect) -> None:
    def redirect_without_end(request: Any) -> None:
        request.send_response(302)
        request.send_header("Location", "/elsewhere")
        request.end_headers()
        request.write_until_hung_up(b"x" * 65536, pause=0)

    endless = server_that(redirect_without_end)
    with connect(endless.url) as server, pytest.raises(errors.ServerFailed, match="redirect"):
        server.system_stats()
    assert endless.hung_up.wait(5)


def test_proxies_and_credentials_of_the_environment_are_left_alone(
    server_that: ServerThat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connect: Connect, token: str
) -> None:
    proxy = server_that(lambda request: request.answer(200, b"{}"))
    there = server_that(lambda request: request.answer(200, b"{}"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with connect(there.url) as server:
        server.system_stats()
    assert proxy.headers_seen == []
    assert there.headers_seen[0]["Authorization"] == f"Bearer {token}"


def test_without_a_token_no_authorization_is_sent(server_that: ServerThat) -> None:
    there = server_that(lambda request: request.answer(200, b"{}"))
    with ComfyUIServer(Server("gpu-a", there.url)) as server:
        server.system_stats()
    assert "Authorization" not in there.headers_seen[0]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1, with its key, that no authority has signed."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("there is no openssl to make a certificate with")
    file = tmp_path / "certificate.pem"
    command = [*(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=gpu-b")]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
    subprocess.run([*command, "-keyout", file, "-out", tmp_path / "only.pem"], check=True, capture_output=True)
    file.write_bytes(file.read_bytes() + (tmp_path / "only.pem").read_bytes())
    return file


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent(
    server_that: ServerThat, certificate: Path, connect: Connect, assert_tells_nothing: TellsNothing
) -> None:
    there = server_that(lambda request: request.answer(200, b"{}"), certificate)
    with connect(there.url) as server, pytest.raises(errors.ServerUnreachable, match="TLS") as failed:
        server.system_stats()
    assert there.headers_seen == []
    assert_tells_nothing(failed.value)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there the system's authorities are not a file")
def test_an_authority_that_the_system_trusts_is_trusted(
    server_that: ServerThat, certificate: Path, monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    there = server_that(lambda request: request.answer(200, b'{"name": "v1.png"}'), certificate)
    with connect(there.url) as server:
        assert upload(server) == Uploaded("v1.png", "")


def test_what_the_operator_names_goes_with_every_request_over_tls_of_a_studio(
    server_that: ServerThat, tmp_path: Path, call: Call, token: str
) -> None:
    ca, certificate = authority(tmp_path)
    there = server_that(lambda request: request.answer(500), certificate)
    server = Server("gpu-b", there.url, token, {"X-Api-Key": "k3y of ours"}, ca)
    with ComfyUIServer(server) as client, pytest.raises(errors.ServerFailed, match="status 500"):
        call(client)
    for headers in there.headers_seen:
        assert (headers["Authorization"], headers["X-Api-Key"]) == (f"Bearer {token}", "k3y of ours")
    assert there.headers_seen
    with ComfyUIServer(Server("gpu-b", there.url, token)) as client, pytest.raises(errors.ServerUnreachable) as refused:
        call(client)
    assert "its certificate is not believed" in str(refused.value)
    assert "into ca_file of server 'gpu-b'" in str(refused.value)


def test_headers_are_nowhere_to_be_seen(
    server_that: ServerThat, call: Call, token: str, assert_tells_nothing: TellsNothing
) -> None:
    there = server_that(lambda request: request.answer(403, b"k3y of ours"))
    server = Server("gpu-b", there.url, token, {"X-Api-Key": "k3y of ours"})
    assert "k3y" not in repr(server)
    with ComfyUIServer(server) as client, pytest.raises(errors.ServerFailed, match="headers_env") as refused:
        call(client)
    assert_tells_nothing(refused.value, "k3y")


def test_a_certificate_for_another_host_is_refused(
    server_that: ServerThat, certificate: Path, monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    there = server_that(lambda request: request.answer(200, b"{}"), certificate)
    with (
        connect(there.url.replace("127.0.0.1", "localhost")) as server,
        pytest.raises(errors.ServerUnreachable, match=r"TLS.*hostname mismatch") as refused,
    ):
        server.system_stats()
    assert "ca_file" not in str(refused.value), "that would not help"
    assert there.headers_seen == []


def test_a_server_that_drips_through_tls_is_left_after_the_deadline_too(
    server_that: ServerThat, certificate: Path, monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    there = server_that(lambda request: request.write_until_hung_up(b"1", pause=0.02), certificate)
    with (
        connect(there.url, timeout=0.3, deadline=0.4) as server,
        pytest.raises(errors.ServerUnreachable, match=r"within 0[.][34] s"),
    ):
        server.system_stats()


# A server that refuses


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_says_which_setting_to_look_at(
    server_that: ServerThat, call: Call, status: int, connect: Connect, assert_tells_nothing: TellsNothing, token: str
) -> None:
    there = server_that(lambda request: request.answer(status, b"you are not " + token.encode()))
    with connect(there.url) as server, pytest.raises(errors.ServerFailed, match=r"^refused: ") as failed:
        call(server)
    assert "check token_env of server 'gpu-b'" in str(failed.value)
    assert_tells_nothing(failed.value, "you are not")


@pytest.mark.parametrize("status", [201, 204, 206, 400, 429, 500, 502, 503])
def test_any_other_status_is_told_by_its_number_and_without_the_body(
    server_that: ServerThat, call: Call, status: int, connect: Connect, assert_tells_nothing: TellsNothing
) -> None:
    there = server_that(lambda request: request.answer(status, b"" if status == 204 else b"Traceback: /home/artist"))
    with connect(there.url) as server, pytest.raises(errors.ServerFailed, match=str(status)) as failed:
        call(server)
    assert failed.value.code == "server_failed"
    assert failed.value.data["status"] == status
    assert_tells_nothing(failed.value, "artist")


def test_a_file_that_comfyui_finds_too_large_is_said_to_be_so(
    comfyui: Any, connect: Connect, assert_tells_nothing: TellsNothing
) -> None:
    comfyui.app._client_max_size = SIZE // 2
    with connect(comfyui.url) as server, pytest.raises(errors.DeliveryFailed, match="--max-upload-size") as failed:
        upload(server)
    assert_tells_nothing(failed.value)


@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
def test_a_refusal_in_the_middle_of_an_upload_is_heard_although_the_server_hangs_up(
    server_that: ServerThat, connect: Connect, reset: bool
) -> None:
    def refuse_at_once(request: Any) -> None:
        request.rfile.read(1000)
        request.send_response(413)
        request.end_headers()
        if reset:
            time.sleep(0.2)  # until the answer has arrived: a reset would overtake it
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            for end in (request.rfile, request.wfile, request.connection):
                end.close()

    there = server_that(refuse_at_once)
    with connect(there.url) as server, pytest.raises(errors.DeliveryFailed, match="--max-upload-size"):
        upload(server, 16 * 1024 * 1024)


# An answer that is broken


def test_an_encoded_answer_is_not_unpacked(server_that: ServerThat, connect: Connect) -> None:
    there = server_that(lambda request: request.answer(200, b"\x1f\x8b", Content_Encoding="gzip"))
    with connect(there.url) as server, pytest.raises(errors.DeliveryFailed, match="encoded"):
        fetch(server)


def test_an_answer_that_breaks_off_has_failed(server_that: ServerThat, call: Call, connect: Connect) -> None:
    there = server_that(lambda request: request.answer(200, b'{"name": "v1.png"}', Content_Length=str(SIZE)))
    with connect(there.url) as server, pytest.raises(errors.DeliveryFailed, match="broke off"):
        call(server)


@pytest.mark.parametrize("chunks", [b"5\r\nabc", b"zz\r\nabc\r\n", b""])
def test_a_broken_chunked_answer_has_failed(
    server_that: ServerThat, chunks: bytes, connect: Connect, assert_tells_nothing: TellsNothing
) -> None:
    def answer(request: Any) -> None:
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.write(chunks)

    there = server_that(answer)
    with connect(there.url) as server, pytest.raises(errors.DeliveryFailed, match="broke off") as failed:
        fetch(server)
    assert_tells_nothing(failed.value)


def test_an_answer_that_contradicts_itself_has_failed(
    server_that: ServerThat, call: Call, connect: Connect, assert_tells_nothing: TellsNothing
) -> None:
    def answer(request: Any) -> None:
        request.read_body()
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 7\r\n\r\n{}")

    there = server_that(answer)
    with connect(there.url) as server, pytest.raises(errors.ServerFailed) as failed:
        call(server)
    assert_tells_nothing(failed.value)


# A server that is away, hangs or drips


def test_a_server_that_is_away_is_unreachable(call: Call, connect: Connect, assert_tells_nothing: TellsNothing) -> None:
    with socket.socket() as taken:  # bound and not listening: nothing answers there, and nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        with (
            connect(f"http://127.0.0.1:{taken.getsockname()[1]}") as server,
            pytest.raises(errors.ServerUnreachable) as failed,
        ):
            call(server)
    assert failed.value.__cause__ is not None
    assert_tells_nothing(failed.value)


def test_a_host_that_no_name_server_knows_is_unreachable(connect: Connect, assert_tells_nothing: TellsNothing) -> None:
    with connect("http://gpu-b.invalid:8188") as server, pytest.raises(errors.ServerUnreachable) as failed:
        server.system_stats()
    assert_tells_nothing(failed.value)


def test_a_server_that_hangs_up_without_an_answer_is_unreachable(
    server_that: ServerThat, call: Call, connect: Connect, assert_tells_nothing: TellsNothing
) -> None:
    there = server_that(lambda request: None)
    with connect(there.url) as server, pytest.raises(errors.ServerUnreachable) as failed:
        call(server)
    assert_tells_nothing(failed.value)


def test_a_server_that_hangs_is_unreachable_after_the_timeout(
    server_that: ServerThat, call: Call, connect: Connect, assert_tells_nothing: TellsNothing
) -> None:
    there = server_that(lambda request: request.server.over.wait())
    began = time.monotonic()
    with (
        connect(there.url, timeout=0.3) as server,
        pytest.raises(errors.ServerUnreachable, match=r"within 0[.]3 s") as failed,
    ):
        call(server)
    assert time.monotonic() - began < 15
    assert_tells_nothing(failed.value)


def test_a_server_that_does_not_read_the_upload_is_unreachable_after_the_timeout(
    server_that: ServerThat, connect: Connect
) -> None:
    there = server_that(lambda request: request.server.over.wait())
    began = time.monotonic()
    with connect(there.url, timeout=0.3) as server, pytest.raises(errors.ServerUnreachable):
        upload(server, 32 * 1024 * 1024)
    assert time.monotonic() - began < 15


def test_a_server_that_falls_silent_within_the_file_is_unreachable(
    server_that: ServerThat, connect: Connect, assert_tells_nothing: TellsNothing
) -> None:
    def stall(request: Any) -> None:
        request.answer(200, bytes(1000), Content_Length=str(SIZE))
        request.server.over.wait()

    there = server_that(stall)
    with connect(there.url, timeout=0.3) as server, pytest.raises(errors.ServerUnreachable) as failed:
        fetch(server)
    assert_tells_nothing(failed.value)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"", id="within the status line"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Drip: ", id="within a header"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="within a body without a length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", id="within a body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", id="within the length of a chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", id="within a chunk"),
    ],
)
def test_a_server_that_drips_is_left_after_the_deadline(
    server_that: ServerThat, call: Call, head: bytes, connect: Connect, assert_tells_nothing: TellsNothing
) -> None:
    def drip(request: Any) -> None:
        request.read_body()
        request.wfile.write(head)
        request.write_until_hung_up(b"1", pause=0.02)

    there = server_that(drip)
    began = time.monotonic()
    with (
        connect(there.url, timeout=0.3, deadline=0.4) as server,
        # A download of which nobody says where it ends is not even begun.
        pytest.raises(errors.ServerFailed, match=r"within 0[.][34] s|where it ends") as failed,
    ):
        call(server)
    assert time.monotonic() - began < 15
    assert there.hung_up.wait(5)
    assert_tells_nothing(failed.value)


def test_a_server_that_reads_the_upload_in_sips_is_left_after_the_deadline(
    server_that: ServerThat, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "SLOWEST", 1024**3)  # no upload is faster than that

    def sip(request: Any) -> None:
        while not request.server.over.wait(0.01) and request.rfile.read(100_000):
            pass

    there = server_that(sip)
    began = time.monotonic()
    with (
        connect(there.url, timeout=0.3, deadline=0.4) as server,
        pytest.raises(errors.ServerUnreachable, match=r"within 0[.][34] s"),
    ):
        upload(server, 64 * 1024 * 1024)
    assert time.monotonic() - began < 15


def test_a_large_upload_and_its_reading_back_may_take_longer_than_the_deadline(
    server_that: ServerThat, connect: Connect
) -> None:
    """Socket buffers take in the first megabytes; what is beyond them has to wait for the server."""
    part, parts = 4 * 1024 * 1024, 6
    size = part * parts

    def take_time(request: Any) -> None:
        if request.command == "GET":
            request.answer(200, b"", Content_Length=str(size))
        for _ in range(parts):
            time.sleep(0.3)
            if request.command == "GET":
                request.wfile.write(bytes(part))
            else:
                request.rfile.read(part)
        if request.command == "POST":
            request.headers.replace_header("Content-Length", str(int(request.headers["Content-Length"]) - size))
            request.answer(200, b'{"name": "v1.png"}')

    there = server_that(take_time)
    with connect(there.url, timeout=1, deadline=1) as server:
        assert upload(server, size) == Uploaded("v1.png", "")
        digest = server.fetch_digest(filename="v1.png", subfolder="", folder_type="input", size=size)
    assert digest == hashlib.sha256(bytes(size)).hexdigest()


def test_each_call_has_the_whole_deadline(server_that: ServerThat, connect: Connect) -> None:
    def answer_late(request: Any) -> None:
        time.sleep(0.2)
        request.answer(200, b"{}")

    there = server_that(answer_late)
    with connect(there.url, timeout=0.5, deadline=0.5) as server:
        for _ in range(4):
            server.system_stats()
