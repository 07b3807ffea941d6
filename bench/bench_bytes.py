"""A file of 1 GB through REST into the store and out of it again, against the least that does the same."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from commanding import Served, Shell
from measuring import Figure, figure, in_turns

from devtools import environment
from devtools.servers import ComfyServer, free_port

SIZE = 1 << 30
RUNS = 3
PIECE = 1 << 20
ALLOWED = 64
"""MB that a process's memory may grow by."""

BOUNDARY = "----artifact-db-bench"


def run() -> list[Figure]:
    """Seconds for the whole file, from the first byte of the request to the last one of the answer."""
    with tempfile.TemporaryDirectory(prefix="artifact-db-bench-") as folder:
        home = Path(folder)
        source = film(home)
        (home / "home").mkdir()
        shell = Shell(home / "home")
        with shell.serving() as hub, _plain(home / "plain") as plain:
            figures = _upload(hub, plain, source, home)
        return [*figures, *_download(home, source)]


def film(folder: Path) -> Path:
    """A file of 1 GB that nothing compresses."""
    path = folder / "film.bin"
    with path.open("wb") as file:
        for _ in range(SIZE // PIECE):
            file.write(os.urandom(PIECE))
    return path


@contextlib.contextmanager
def _plain(folder: Path) -> Iterator[str]:
    folder.mkdir()
    port = free_port()
    program = Path(__file__).with_name("plain_server.py")
    process = subprocess.Popen([sys.executable, str(program), str(folder), str(port)])
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url)
        yield url
    finally:
        process.kill()
        process.wait()


def _wait(url: str) -> None:
    address = urlsplit(url)
    for _ in range(200):
        with contextlib.suppress(OSError):
            http.client.HTTPConnection(address.hostname or "", address.port, timeout=1).connect()
            return
        time.sleep(0.05)
    raise AssertionError(f"nobody answers at {url}")


def _upload(hub: Served, plain: str, source: Path, home: Path) -> list[Figure]:
    before = _memory(hub.process.pid)
    grown = []

    def ours() -> float:
        _, answer = post(f"{hub.url}/workflows", json.dumps({"workflow_name": "bench"}).encode())
        taken, artifact = send(f"{hub.url}/workflows/{answer['id']}/artifacts", source)
        grown.append(_memory(hub.process.pid, peak=True) - before)
        stored = hub_store(home) / artifact["local_path"]
        assert stored.stat().st_size == SIZE
        stored.unlink()  # else the disk is full before the last turn
        return taken

    def rival() -> float:
        taken, answer = send(f"{plain}/upload", source)
        Path(answer["path"]).unlink()
        return taken

    ours_taken, rival_taken = in_turns(ours, rival, runs=RUNS)
    dd = _dd(source, home / "dd")
    print(f"  dd conv=fsync of the same file: {dd:.2f} s", file=sys.stderr)
    name = "a minimal aiohttp handler that hashes and fsyncs"
    return [
        figure("upload 1 GB", ours_taken, rival_taken, goal=1.15, unit="s", rival_name=name),
        figure("memory that it takes", max(grown), ALLOWED, goal=1.0, unit="MB", rival_name=f"{ALLOWED} MB"),
    ]


def hub_store(home: Path) -> Path:
    """Where the hub in this home keeps files."""
    return Shell(home / "home").data / "store"


def _download(home: Path, source: Path) -> list[Figure]:
    server = ComfyServer(environment.comfyui(), home / "comfyui")
    output = server.folder / "output"
    output.mkdir(exist_ok=True)
    os.link(source, output / "film.bin")
    server.start()
    try:
        url = f"{server.url}/artifact-db"
        _, workflow = post(f"{url}/workflows", json.dumps({"workflow_name": "bench"}).encode())
        _, artifact = send(f"{url}/workflows/{workflow['id']}/artifacts", source)
        ours, rival = in_turns(
            lambda: _get(f"{url}/artifacts/{artifact['id']}/download"),
            lambda: _get(f"{server.url}/view?filename=film.bin&type=output"),
            runs=RUNS + 2,
        )
    finally:
        server.stop()
    return [figure("download 1 GB", ours, rival, goal=1.05, unit="s", rival_name="ComfyUI's /view of the same file")]


def post(url: str, body: bytes) -> tuple[float, Any]:
    """Send JSON; the seconds that it took, and the answer."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=600)
    began = time.perf_counter()
    connection.request("POST", address.path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status in (200, 201), text
    return time.perf_counter() - began, json.loads(text)


def send(url: str, source: Path) -> tuple[float, Any]:
    """A file as multipart, by sendfile where there is one, so that the client costs as little as can be."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{source.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=600)
    connection.putrequest("POST", address.path)
    connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
    connection.putheader("Content-Length", str(len(head) + SIZE + len(tail)))
    began = time.perf_counter()
    connection.endheaders()
    connection.send(head)
    with source.open("rb") as file:
        connection.sock.sendfile(file)
    connection.send(tail)
    answer = connection.getresponse()
    text = answer.read()
    taken = time.perf_counter() - began
    assert answer.status in (200, 201), text
    return taken, json.loads(text)


def _get(url: str) -> float:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=600)
    buffer = bytearray(PIECE)
    began = time.perf_counter()
    connection.request("GET", f"{address.path}?{address.query}")
    answer = connection.getresponse()
    size = 0
    while count := answer.readinto(buffer):
        size += count
    taken = time.perf_counter() - began
    assert (answer.status, size) == (200, SIZE), (answer.status, size)
    return taken


def _dd(source: Path, target: Path) -> float:
    began = time.perf_counter()
    command = ["dd", f"if={source}", f"of={target}", "bs=1M", "conv=fsync", "status=none"]
    subprocess.run(command, check=True)
    taken = time.perf_counter() - began
    target.unlink()
    return taken


def _memory(pid: int, *, peak: bool = False) -> float:
    """MB of a process's memory, now or at most so far (Linux)."""
    name = "VmHWM" if peak else "VmRSS"
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1000
