"""Owns prompts on a real ComfyUI with the extension: queued through POST /prompt, their ends heard over its socket."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from devtools import environment, pictures
from devtools.servers import ComfyServer

SIDE = 1024
PHOTO: dict[str, Any] = {"class_type": "LoadImage", "inputs": {"image": "photo.png"}}
"""The node of a graph that has the photo of `SIDE` pixels square that each server has among its inputs."""


class Prompts:
    """One who queues prompts on a server and hears how they end."""

    def __init__(self, server: ComfyServer, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self._loop = loop
        self._client = uuid.uuid4().hex

    def run(self, *graphs: dict[str, Any]) -> float:
        """Queue prompts all at once; returns the seconds from the first POST to the message that the last succeeded."""
        return self._loop.run_until_complete(self._run(graphs))

    async def _run(self, graphs: tuple[dict[str, Any], ...]) -> float:
        waited_for = {uuid.uuid4().hex: graph for graph in graphs}
        socket_url = f"/ws?clientId={self._client}"
        async with aiohttp.ClientSession(self.server.url) as session, session.ws_connect(socket_url) as socket:
            began = time.perf_counter()
            for prompt_id, graph in waited_for.items():
                body = {"prompt": graph, "prompt_id": prompt_id, "client_id": self._client}
                async with session.post("/prompt", json=body) as answer:
                    assert answer.status == 200, await answer.text()
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    continue
                event = json.loads(message.data)
                assert event["type"] != "execution_error", event
                if event["type"] == "execution_success":
                    waited_for.pop(event["data"]["prompt_id"], None)
                if not waited_for:
                    return time.perf_counter() - began
        raise AssertionError("the server closed the connection")


@contextmanager
def prompting(config: str = "") -> Iterator[Prompts]:
    """A server of one's own with this configuration, and one who queues prompts on it."""
    with tempfile.TemporaryDirectory(prefix="artifact-db-bench-") as folder:
        server = ComfyServer(environment.comfyui(), Path(folder) / "server", config=config)
        (server.folder / "input" / PHOTO["inputs"]["image"]).write_bytes(pictures.photo(SIDE, SIDE))
        server.start()
        loop = asyncio.new_event_loop()
        try:
            yield Prompts(server, loop)
        finally:
            loop.close()
            server.stop()
