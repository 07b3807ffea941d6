"""How late ComfyUI's event loop is at worst while much is asked of the hub in it, against the same server idle."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import bulk
import filling
import requests
from bench_bytes import film, post, send
from measuring import Figure, figure, in_turns

from devtools import environment
from devtools.servers import ComfyServer

ROWS, PICTURES = 100_000, 200
RUNS = 3
ALLOWED = 0.05
"""Seconds that the worst lag may be longer than on the idle server."""

PACK = Path(__file__).parent / "lag_pack"


def run() -> list[Figure]:
    """The worst lag while 1 GB is uploaded, 200 thumbnails are made and 100,000 rows are paged, all at once."""
    with tempfile.TemporaryDirectory(prefix="artifact-db-bench-") as folder:
        server = ComfyServer(environment.comfyui(), Path(folder) / "server")
        shutil.copytree(PACK, server.folder / "custom_nodes" / "lag")
        bulk.fill(server.data, ROWS)
        filling.fill(server.data, PICTURES)
        source = film(Path(folder))
        server.start()
        try:
            time.sleep(3)  # ComfyUI goes on with its own start
            taken: list[float] = []
            busy, idle = in_turns(
                lambda: _worst(server, lambda: taken.append(_work(server, source))),
                lambda: _worst(server, lambda: time.sleep(taken[-1] if taken else 5)),
                runs=RUNS,
            )
        finally:
            server.stop()
    limit = f"idle ({idle * 1000:.0f} ms) plus {ALLOWED * 1000:.0f} ms"
    return [figure("worst lag of the event loop", busy, idle + ALLOWED, goal=1.0, unit="s", rival_name=limit)]


def _worst(server: ComfyServer, work: Callable[[], object]) -> float:
    requests.get(f"{server.url}/bench/lag", timeout=30)
    work()
    return float(requests.get(f"{server.url}/bench/lag", timeout=30).json()["worst"])


def _work(server: ComfyServer, source: Path) -> float:
    """All three at once; returns the seconds until the last one is done."""
    shutil.rmtree(server.data / "store" / "thumbnails", ignore_errors=True)
    began = time.perf_counter()
    threads = [
        threading.Thread(target=work, args=more)
        for work, *more in ((_upload, server, source), (_thumbnails, server), (_pages, server))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def _upload(server: ComfyServer, source: Path) -> None:
    url = f"{server.url}/artifact-db"
    _, workflow = post(f"{url}/workflows", b'{"workflow_name": "bench"}')
    _, artifact = send(f"{url}/workflows/{workflow['id']}/artifacts", source)
    (server.data / "store" / artifact["local_path"]).unlink()


def _thumbnails(server: ComfyServer) -> None:
    url = f"{server.url}/artifact-db"
    listed = requests.get(f"{url}/artifacts?queue=1&limit={PICTURES}", timeout=60).json()["items"]
    for artifact in listed:
        answer = requests.get(server.url + artifact["thumbnail_url"], timeout=60)
        assert answer.headers["Content-Type"] == "image/webp"


def _pages(server: ComfyServer) -> None:
    cursor, count = "", 0
    while cursor is not None:
        query = f"limit=500&cursor={cursor}" if cursor else "limit=500"
        page = requests.get(f"{server.url}/artifact-db/artifacts?{query}", timeout=60).json()
        count += len(page["items"])
        cursor = page["next_cursor"]
    assert count >= ROWS, count
