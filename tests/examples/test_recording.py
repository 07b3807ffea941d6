"""The `recording.py` of the examples never stops the script that it is copied beside, whatever is in place of a hub."""

from __future__ import annotations

import importlib.util
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest
from commanding import ROOT

ANSWERS = {
    "no HTTP at all": b"good morning\r\n\r\n",
    "an answer that is cut off": b'HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{"id": ',
    "a refusal that is cut off": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 99\r\n\r\n<html>",
    "a number": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n5",
}


@pytest.fixture
def recording() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recording_of_a_script", ROOT / "examples/adopting/recording.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The address of a server that says this to whoever asks, and hangs up."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(answer)
            self.request.shutdown(socket.SHUT_WR)
            while self.request.recv(65536):
                pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/artifact-db"
        finally:
            server.shutdown()


def run_a_script(recording: ModuleType, hub: str) -> None:
    record = recording.Recording(hub, "by-script")
    record.ran("negative", "gpu-a", "0a1b")
    record.done()


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_script_goes_on_whatever_answers_in_place_of_a_hub(
    recording: ModuleType, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(ANSWERS[kind]) as url:
        run_a_script(recording, url)
    assert capsys.readouterr().err.startswith("not recorded: ")


@pytest.mark.parametrize("hub", ["http://127.0.0.1:81x0", "nope"])
def test_a_script_goes_on_where_its_hub_is_no_address(
    recording: ModuleType, hub: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_a_script(recording, hub)
    assert capsys.readouterr().err.startswith("not recorded: ")
