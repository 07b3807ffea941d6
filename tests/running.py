"""Runners: the client's calls on a hub and on a library in this process, over servers that run graphs at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import invariants
import pytest
from aiohttp import web
from chaining import GRAPH, Studio
from comfyui_artifact_db.client import ArtifactDB, connect, open_local
from comfyui_artifact_db.client.records import Artifact, Workflow
from comfyui_artifact_db.config import Config, Server
from comfyui_artifact_db.library.opening import Library, SharedLibrary, open_library
from comfyui_artifact_db.server_routes.application import application
from comfyui_servers_that import ComfyUI, serving
from making import png
from waiting import until

WAYS = ("hub", "library")


@dataclass
class ServedHub:
    """A hub in threads of this process."""

    shared: SharedLibrary
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def served(config: Config) -> Iterator[ServedHub]:
    """A hub of this configuration, which drives chains."""
    shared = SharedLibrary()
    shared.configure(lambda: config)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = web.AppRunner(application(shared, "0.0.test"), shutdown_timeout=0.1)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()

    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(60)
        yield ServedHub(shared, runner.addresses[0][1])
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass
class Runner:
    """`db` is what is tested; `library` is another process's, for what a test does behind its back."""

    way: str
    db: ArtifactDB
    library: Library
    comfyui: Studio
    folder: Path
    open: Callable[..., ArtifactDB]
    made: int = 0

    def until(self, look: Callable[[], bool]) -> None:
        """Ask again and again until the answer is true."""
        until(look, 30)

    def file(self, data: bytes | None = None, name: str = "picture.png") -> Path:
        """A picture that nobody has made before, in a file."""
        self.made += 1
        path = self.folder / name
        path.write_bytes(png(5000 + self.made) if data is None else data)
        return path

    def step(self, **more: Any) -> Workflow:
        """A workflow."""
        return self.db.create_workflow("edit", **more)

    def picture(self, workflow: Workflow | None = None, **more: Any) -> Artifact:
        """A recorded picture."""
        return self.db.create_artifact((workflow or self.step()).id, self.file(), **more)

    def execute(self, workflow: Workflow, server: str = "gpu-a") -> Workflow:
        """What a runner does itself: a prompt that a server has run."""
        self.made += 1
        prompt_id, comfyui = f"prompt-{self.made}", self.comfyui.servers[server]
        outputs, status = comfyui.runs(GRAPH)
        comfyui.ran(prompt_id, outputs, status=status)
        return self.db.update_workflow(workflow.id, server=server, prompt_id=prompt_id, status="executing")


@contextmanager
def a_runner(way: str, config: Config, folder: Path, servers: dict[str, ComfyUI]) -> Iterator[Runner]:
    config = replace(config, servers={name: Server(name, server.url) for name, server in servers.items()})
    library = open_library(config)
    library.prepare()
    files = folder / "files"
    files.mkdir()
    try:
        studio = Studio(library, servers)
        if way == "hub":
            with served(config) as hub:
                reach = lambda **how: connect(hub.url, **{"backoff": 0.01, **how})
                with reach(actor="anna") as db:
                    yield Runner(way, db, library, studio, files, reach)
        else:
            reach = lambda **how: open_local(config, **how)
            with reach(actor="anna") as db:
                yield Runner(way, db, library, studio, files, reach)
        invariants.check(library)
    finally:
        library.close()


@pytest.fixture(scope="session")
def two_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ComfyUI]]:
    folder = tmp_path_factory.mktemp("servers")
    with serving(folder / "gpu-a") as a, serving(folder / "gpu-b") as b:
        yield {"gpu-a": a, "gpu-b": b}


@pytest.fixture(params=WAYS)
def runner(
    request: pytest.FixtureRequest, config: Config, tmp_path: Path, two_servers: dict[str, ComfyUI]
) -> Iterator[Runner]:
    """Both ways, one after the other: no test can tell them apart."""
    with a_runner(request.param, config, tmp_path, two_servers) as runner:
        yield runner
