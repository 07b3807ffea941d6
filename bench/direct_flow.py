"""The rivals of chains: scripts that copy files from server to server.

`DirectFlow` is what people write, at its fastest: it waits on ComfyUI's websocket, as ComfyUI's own example does, keeps
its connections, and holds pictures in memory. It records nothing, compares nothing, and asks nobody. `CarefulFlow` does
what a chain's rules ask of the bytes, and nothing else: how near to the first any program can come that keeps them.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

Graph = dict[str, Any]


class DirectFlow:
    """The script's connections to its servers; an async context manager."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._client_id = uuid.uuid4().hex
        self._sockets: dict[str, aiohttp.ClientWebSocketResponse] = {}

    async def __aenter__(self) -> DirectFlow:
        self._session = aiohttp.ClientSession()
        for url in self._urls:
            self._sockets[url] = await self._session.ws_connect(f"{url}/ws?clientId={self._client_id}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def run(self, steps: Sequence[tuple[str, Graph]], picture: bytes) -> tuple[bytes, list[tuple[str, str]]]:
        """Run graphs one after the other, each on its server, with what the one before it made as node 1's file.

        Returns:
            What the last one made; and the server and prompt id of each.
        """
        ran = []
        for number, (url, graph) in enumerate(steps):
            name = await self._upload(url, f"direct_{number}.png", picture)
            graph = {**graph, "1": {**graph["1"], "inputs": {**graph["1"]["inputs"], "image": name}}}
            prompt_id = await self._queue(url, graph)
            ran.append((url, prompt_id))
            picture = await self._download(url, prompt_id)
        return picture, ran

    async def _upload(self, url: str, name: str, picture: bytes) -> str:
        form = aiohttp.FormData({"type": "input", "overwrite": "true"})
        form.add_field("image", picture, filename=name)
        async with self._session.post(f"{url}/upload/image", data=form) as answer:
            return str((await answer.json())["name"])

    async def _queue(self, url: str, graph: Graph) -> str:
        """Queue a graph and wait until it has run; returns its prompt id."""
        body = {"prompt": graph, "client_id": self._client_id}
        async with self._session.post(f"{url}/prompt", json=body) as answer:
            prompt_id = str((await answer.json())["prompt_id"])
        async for message in self._sockets[url]:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            told = json.loads(message.data)
            if told["type"] == "executing" and told["data"] == {"node": None, "prompt_id": prompt_id}:
                return prompt_id
        raise AssertionError("the websocket was closed")

    async def _download(self, url: str, prompt_id: str) -> bytes:
        async with self._session.get(f"{url}/history/{prompt_id}") as answer:
            shown = (await answer.json())[prompt_id]["outputs"]
        (image,) = (image for node in shown.values() for image in node["images"])
        async with self._session.get(f"{url}/view", params=image) as answer:
            return await answer.read()


class CarefulFlow(DirectFlow):
    """The same, where no crash loses a picture and none arrives as another: kept durably, read back, and compared.

    What a server has already, and says to be as it was, is not sent to it again.
    """

    def __init__(self, urls: Sequence[str], folder: Path, validators: dict[tuple[str, str], str]) -> None:
        """`validators`: what servers have, by address and name; what it says of another run counts for this one."""
        super().__init__(urls)
        self._folder = folder
        self._validators = validators

    async def _upload(self, url: str, name: str, picture: bytes) -> str:
        digest = hashlib.sha256(picture).digest()
        name = f"{digest.hex()}.png"
        known = self._validators.get((url, name))
        asked = {"params": {"filename": name, "type": "input"}, "headers": {"If-None-Match": known} if known else {}}
        if known is not None:
            async with self._session.get(f"{url}/view", **asked) as answer:
                if answer.status == 304:
                    return name
        await super()._upload(url, name, picture)
        async with self._session.get(f"{url}/view", **asked) as answer:
            assert hashlib.sha256(await answer.read()).digest() == digest
            self._validators[url, name] = answer.headers["ETag"]
        return name

    async def _download(self, url: str, prompt_id: str) -> bytes:
        picture = await super()._download(url, prompt_id)
        with (self._folder / f"{prompt_id}.png").open("xb") as file:
            file.write(picture)
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(self._folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        return picture
