"""Serves a real hub on 127.0.0.1 and asks it. Every answer is held against the contract, and keeps its secrets."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import contract
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from comfyui_artifact_db.config import Config
from comfyui_artifact_db.library.opening import Library, SharedLibrary
from comfyui_artifact_db.server_routes.application import application
from contract import PREFIX
from making import Pictures
from yarl import URL

VERSION = "0.0.test"

at_rest = partial(application, drives=False)
"""A hub that serves chains and drives none: what a test sees in them it did itself."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """What a problem calls itself."""
        return str(self.json["code"])

    @property
    def fields(self) -> list[str]:
        """The fields that a problem calls wrong."""
        return [error["field"] for error in self.json.get("errors", [])]

    @property
    def etag(self) -> str:
        return self.headers["ETag"]


class Hub:
    """A hub that is being served, the library that it holds, and a client of it."""

    def __init__(self, config: Config, shared: SharedLibrary, server: TestServer, session: ClientSession) -> None:
        self.config = config
        self.shared = shared
        self.server = server
        self.session = session
        self.url = ""
        self.secrets: tuple[str, ...] = ()

    @property
    def library(self) -> Library:
        return self.shared.get()

    @cached_property
    def pictures(self) -> Pictures:
        """Records pictures into the hub's library."""
        return Pictures(self.library)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    async def ask(
        self, method: str, path: str, expect: int | None = None, *, mount: str = PREFIX, **request: Any
    ) -> Answer:
        """Send a request and check what comes back.

        Args:
            path: below the prefix, percent-encoded, with its query.
            expect: the status that it should have; None for any.
            mount: where the routes are.
            request: as aiohttp's client takes it (`json`, `data`, `headers`).
        """
        url = URL(f"{self.url}{mount}{path}", encoded=True)
        async with self.session.request(method, url, allow_redirects=False, **request) as response:
            body = await response.read()
            answer = Answer(response.status, response.headers, body)
        assert expect is None or answer.status == expect, f"{method} {path}: {answer.status} {body[:1000]!r}"
        contract.check(method, path.partition("?")[0], answer.status, answer.headers, body)
        self.assert_tells_nothing(answer)
        return answer

    async def get(self, path: str, expect: int = 200, **request: Any) -> Answer:
        return await self.ask("GET", path, expect, **request)

    async def post(self, path: str, expect: int = 200, **request: Any) -> Answer:
        return await self.ask("POST", path, expect, **request)

    async def patch(self, path: str, expect: int = 200, **request: Any) -> Answer:
        return await self.ask("PATCH", path, expect, **request)

    async def delete(self, path: str, expect: int = 200, **request: Any) -> Answer:
        return await self.ask("DELETE", path, expect, **request)

    async def put(self, path: str, expect: int = 200, **request: Any) -> Answer:
        return await self.ask("PUT", path, expect, **request)

    def assert_tells_nothing(self, answer: Answer) -> None:
        """No answer has a traceback, a path of this machine or a secret."""
        told = answer.body + repr(dict(answer.headers)).encode()
        assert b"Traceback (most recent call last)" not in told
        for folder in (self.config.folder, Path(__file__).resolve().parent.parent):
            assert str(folder).encode() not in told
        for secret in self.secrets:
            assert secret.encode() not in told

    def change(self, statement: str, *values: Any) -> None:
        """Change a row behind the library's back, to make what this release cannot make yet."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            connection.execute(statement, values)

    @property
    def database(self) -> Path:
        return Path(self.config.database.removeprefix("sqlite:///"))

    def rows(self) -> list[str]:
        """The whole database as text."""
        with closing(sqlite3.connect(self.database)) as connection:
            return list(connection.iterdump())

    def files(self) -> dict[str, tuple[int, int]]:
        """Every file of the store, staging included, with its size and time; thumbnails are made and made again."""
        root = self.config.store
        paths = (p for p in root.rglob("*") if p.is_file() and p.relative_to(root).parts[0] != "thumbnails")
        return {str(p.relative_to(root)): (p.stat().st_size, p.stat().st_mtime_ns) for p in paths}

    def state(self) -> tuple[list[str], dict[str, tuple[int, int]]]:
        """All that a request could have changed."""
        return self.rows(), self.files()


Serve = Callable[..., Awaitable[Hub]]


@pytest.fixture
async def serve(config: Config, migrated: Path) -> AsyncIterator[Serve]:
    """Serves a hub with a configuration, or with that of a fresh installation.

    `load` finds the configuration anew, as a program does; the hub may then be one that cannot work.
    `make` makes the application that holds the routes: that of the standalone hub, or another.
    """
    running: list[Hub] = []

    async def start(
        config: Config = config,
        *,
        host: str = "127.0.0.1",
        load: Callable[[], Config] | None = None,
        make: Callable[[SharedLibrary, str], web.Application] = at_rest,
    ) -> Hub:
        shared = SharedLibrary()
        shared.configure(load or (lambda: config))
        server = TestServer(make(shared, VERSION), host=host)
        hub = Hub(config, shared, server, ClientSession())
        running.append(hub)
        if load is None and not hub.database.exists():
            shutil.copy(migrated, hub.database)  # before it is served: it opens its library then
        await server.start_server()
        hub.url = f"http://127.0.0.1:{server.port}"
        if load is None:
            hub.library.prepare()
        return hub

    yield start
    for hub in running:
        await hub.session.close()
        await hub.server.close()


@pytest.fixture
async def hub(serve: Serve) -> Hub:
    """The hub of a fresh installation."""
    return await serve()
