"""Start of ComfyUI with the extension and without it."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from measuring import Figure, figure, in_turns

from devtools import environment
from devtools.servers import ComfyServer

RUNS = 5
ALLOWED = 0.3
"""Seconds that the extension may add."""


def run() -> list[Figure]:
    """Seconds from the start of the process to the first answer."""
    comfyui = environment.comfyui()
    with tempfile.TemporaryDirectory(prefix="artifact-db-bench-") as folder:

        def start(*, extension: bool) -> float:
            server = ComfyServer(comfyui, Path(folder) / ("with" if extension else "without"), extension=extension)
            began = time.perf_counter()
            server.start()
            taken = time.perf_counter() - began
            server.stop()
            return taken

        ours, bare = in_turns(lambda: start(extension=True), lambda: start(extension=False), runs=RUNS)
    limit = f"without it ({bare:.2f} s) plus {ALLOWED} s"
    return [figure("start of ComfyUI", ours, bare + ALLOWED, goal=1.0, unit="s", rival_name=limit)]
