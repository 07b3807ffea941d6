"""Two real ComfyUI servers, started once and shared by all tests that need them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from devtools.environment import ComfyUI, comfyui
from devtools.servers import ComfyServer, free_port


@pytest.fixture(scope="session")
def comfyui_code() -> ComfyUI:
    """The ComfyUI to start servers from, installed when it is not there yet."""
    return comfyui()


@pytest.fixture(scope="session")
def servers(comfyui_code: ComfyUI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ComfyServer, ComfyServer]]:
    """Server A with the extension, which knows both as gpu-a and gpu-b; server B without anything of ours."""
    ports = free_port(), free_port()
    config = "".join(f'[servers.gpu-{name}]\nurl = "http://127.0.0.1:{port}"\n' for name, port in zip("ab", ports))
    a = ComfyServer(comfyui_code, tmp_path_factory.mktemp("comfyui-a"), port=ports[0], config=config)
    b = ComfyServer(comfyui_code, tmp_path_factory.mktemp("comfyui-b"), port=ports[1], extension=False)
    for server in (a, b):
        server.launch()
    try:
        for server in (a, b):
            server.wait()
        yield a, b
    finally:
        for server in (a, b):
            server.stop()


@pytest.fixture(scope="session")
def server(servers: tuple[ComfyServer, ComfyServer]) -> ComfyServer:
    """Server A, with the extension."""
    return servers[0]
