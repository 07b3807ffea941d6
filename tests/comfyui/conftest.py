"""Real ComfyUI servers, each started once when the first test asks for it and shared by all that do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from comfyui_studio import Studio, add_pack, check_invariants

from devtools.environment import ComfyUI, comfyui
from devtools.servers import ComfyServer, free_port


@pytest.fixture(scope="session")
def comfyui_code() -> ComfyUI:
    """The ComfyUI to start servers from, installed when it is not there yet."""
    return comfyui()


@pytest.fixture(scope="session")
def servers(
    comfyui_code: ComfyUI, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ComfyServer, ComfyServer]]:
    """Server A with the extension, which knows both as gpu-a and gpu-b; server B without anything of ours."""
    ports = free_port(), free_port()
    config = "".join(
        f'[servers.gpu-{name}]\nurl = "http://127.0.0.1:{port}"\n' for name, port in zip("ab", ports, strict=True)
    )
    a = ComfyServer(comfyui_code, tmp_path_factory.mktemp("comfyui-a"), port=ports[0], config=config)
    b = ComfyServer(comfyui_code, tmp_path_factory.mktemp("comfyui-b"), port=ports[1], extension=False)
    add_pack(a)
    for server in (a, b):
        server.launch()
    try:
        for server in (a, b):
            server.wait()
        yield a, b
        check_invariants(a)
    finally:
        for server in (a, b):
            server.stop()


@pytest.fixture(scope="session")
def studio(servers: tuple[ComfyServer, ComfyServer]) -> Studio:
    """Server A, with the extension and the tests' own pack."""
    return Studio(servers[0])


@pytest.fixture(scope="session")
def gpu_b(servers: tuple[ComfyServer, ComfyServer]) -> Studio:
    """Server B, an ordinary ComfyUI."""
    return Studio(servers[1])
