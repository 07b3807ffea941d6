"""One hub in a process of its own, and ComfyUI servers that record into it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hub_mode import Machines

from devtools.environment import ComfyUI


@pytest.fixture(scope="session")
def machines(comfyui_code: ComfyUI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A hub, and two ComfyUI servers that have no database, each behind a wire of its own to the hub."""
    machines = Machines(comfyui_code, tmp_path_factory.mktemp("hub-mode"))
    try:
        yield machines.start()
        machines.check()
    finally:
        machines.stop()
