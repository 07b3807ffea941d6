"""Two real ComfyUI servers that all tests share, as the studio they are."""

from __future__ import annotations

import pytest
from comfyui_studio import Studio

from devtools.servers import ComfyServer


@pytest.fixture(scope="session")
def studio(servers: tuple[ComfyServer, ComfyServer]) -> Studio:
    """Server A, with the extension and the tests' own pack."""
    return Studio(servers[0])


@pytest.fixture(scope="session")
def gpu_b(servers: tuple[ComfyServer, ComfyServer]) -> Studio:
    """Server B, an ordinary ComfyUI."""
    return Studio(servers[1])
