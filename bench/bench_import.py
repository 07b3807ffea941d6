"""Adopting a folder by `artifact-db import`, against a loop that copies, fsyncs and hashes each of the same files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from commanding import Shell
from measuring import Figure, figure, in_turns
from output_folders import editor, graph
from PIL import Image

FILES = int(os.environ.get("ARTIFACT_DB_BENCH_FILES", "5000"))
SIDE = 820
"""Pixels of each side: of noise, that is a PNG of 2 MB."""

SMALL = 10_000
AGAIN = 5.0
"""Files of a second run, and the seconds that it may take with the start of the program."""

RUNS = 2
"""Of each side, after one that is not counted; each writes 10 GB."""

LOOP = 'for f in "$1"/*.png; do cp --reflink=never "$f" "$2/" && sync "$2/${f##*/}" && sha256sum "$f"; done >"$2/sums"'


def run() -> list[Figure]:
    """Seconds of a first run and of a second one."""
    with tempfile.TemporaryDirectory(prefix="artifact-db-bench-") as folder:
        home = Path(folder)
        size = _make(home / "output", FILES, SIDE)
        name = f"import {FILES} PNGs of {size / 1e6:.1f} MB"
        taken = in_turns(lambda: _first(home, FILES), lambda: _rival(home), runs=RUNS)
        first = figure(name, *taken, goal=1.5, unit="s", rival_name="cp, sync and sha256sum of each")
        shutil.rmtree(home / "output")
        _make(home / "output", SMALL, 8)
        with _hub(home) as shell:
            _import(shell, SMALL)
            again = min(_import(shell, 0) for _ in range(RUNS))
    seconds = {"goal": 1.0, "unit": "s", "rival_name": f"{AGAIN:.0f} s"}
    return [first, figure(f"import {SMALL} files again", again, AGAIN, **seconds)]


def _make(folder: Path, count: int, side: int) -> float:
    """Pictures of noise as SaveImage writes them, each with a graph of its own; returns the bytes of one."""
    folder.mkdir()
    Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(folder / "noise", "PNG")
    data = (folder / "noise").read_bytes()
    (folder / "noise").unlink()
    after = data.index(b"IHDR") + 4 + 13 + 4
    for number in range(count):
        told = _chunk("prompt", graph(number)) + _chunk("workflow", editor(number))
        (folder / f"ComfyUI_{number:05}_.png").write_bytes(data[:after] + told + data[after:])
    os.sync()
    long_ago = time.time() - 3600
    for path in folder.iterdir():
        os.utime(path, (long_ago, long_ago))
    return len(data)


def _chunk(name: str, value: Any) -> bytes:
    body = b"tEXt" + name.encode() + b"\0" + json.dumps(value).encode("latin-1")
    return (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


@contextmanager
def _hub(home: Path) -> Iterator[Shell]:
    """A hub with nothing in it."""
    (home / "home").mkdir()
    yield Shell(home / "home")
    shutil.rmtree(home / "home")


def _first(home: Path, new: int) -> float:
    with _hub(home) as shell:
        return _import(shell, new)


def _import(shell: Shell, new: int) -> float:
    began = time.perf_counter()
    command = shell.command("import", str(shell.home.parent / "output"), "--json", "--by", "bench")
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=shell.environment())
    taken = time.perf_counter() - began
    told = json.loads(done.stdout)
    assert (told["new"], told["failed"]) == (new, [])
    return taken


def _rival(home: Path) -> float:
    target = home / "copies"
    target.mkdir()
    began = time.perf_counter()
    subprocess.run(["bash", "-c", LOOP, "loop", str(home / "output"), str(target)], check=True)
    taken = time.perf_counter() - began
    assert len((target / "sums").read_text().splitlines()) == FILES
    shutil.rmtree(target)
    return taken
