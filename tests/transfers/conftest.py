"""A hub with one server, gpu-b, whose token must never be seen, and servers to be that one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from comfyui_artifact_db.config import Config, Server
from comfyui_artifact_db.library import delivering
from comfyui_servers_that import TOKEN, ComfyUI, comfyui, server_that
from hubs import Hub, Serve, serve

__all__ = ["comfyui", "serve", "server_that"]


@pytest.fixture
async def hub_for(
    serve: Serve, config: Config, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Callable[[str], Awaitable[Hub]]]:
    """A hub whose gpu-b is at a URL. Whatever a test does with it, the token is nowhere to be seen afterwards."""
    made: list[Hub] = []

    async def at(url: str) -> Hub:
        hub = await serve(replace(config, servers={"gpu-b": Server("gpu-b", url, TOKEN)}))
        hub.secrets = (TOKEN,)
        made.append(hub)
        return hub

    with caplog.at_level("DEBUG"):
        yield at
    assert TOKEN not in caplog.text
    for hub in made:
        assert TOKEN not in "".join(hub.rows())


@pytest.fixture
async def hub(hub_for: Callable[[str], Awaitable[Hub]], comfyui: ComfyUI) -> Hub:
    """A hub whose gpu-b is a server that does as ComfyUI does."""
    return await hub_for(comfyui.url)


@pytest.fixture
def impatient_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client waits for half a second without a byte, and for a second altogether."""
    monkeypatch.setattr(delivering, "TIMEOUT", 0.5)
    monkeypatch.setattr(delivering, "DEADLINE", 1.0)
