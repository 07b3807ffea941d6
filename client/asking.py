"""Owns how a call is asked and answered, whoever answers it: an operation of the contract by its `operationId`."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from .. import config as configuration
from ..errors import BadConfiguration
from . import problems
from .records import Artifact, Record, Server

R = TypeVar("R", bound=Record)

PAGE = 200
"""How much of a list is asked for at a time."""


@dataclass(frozen=True)
class Call:
    """One call. `path` has the ids that stand in the route's path, `revision` is what If-Match says.

    `files`, each with its name, are sent as multipart, with `body` before them as fields; None: a body of JSON.
    """

    operation: str
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    revision: int | None = None
    files: Sequence[tuple[Path, str]] | None = None


class Backend(ABC):
    """Who answers calls: a hub over HTTP, or the library in this process."""

    @abstractmethod
    def ask(self, call: Call) -> Any:
        """The answer as JSON has it; None where there is none.

        Raises:
            Problem: the answer is one.
        """

    @abstractmethod
    def bytes_of(self, artifact_id: str) -> Iterator[bytes]:
        """The bytes of an artifact, piece by piece.

        Raises:
            Problem: they are not to be had, also in the middle.
        """

    def artifact(self, body: Mapping[str, Any]) -> Artifact:
        """An artifact from JSON."""
        return Artifact.from_json(body)

    @abstractmethod
    def close(self) -> None:
        """Give everything back."""


class Asking:
    """What the parts of the interface have in common."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def _ask(
        self,
        operation: str,
        *,
        path: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Any:
        return self._backend.ask(Call(operation, path or {}, query or {}, checked(body or {}), **more))

    def _artifact(self, operation: str, **call: Any) -> Artifact:
        return self._backend.artifact(self._ask(operation, **call))

    def _pages(self, operation: str, make: Callable[[Mapping[str, Any]], R], **call: Any) -> Iterator[R]:
        """Every item of a list, whose pages are asked for as they are needed."""
        query = {"limit": PAGE, **given(**call.pop("query", {}))}
        while True:
            page = self._ask(operation, query=query, **call)
            yield from map(make, page["items"])
            if page["next_cursor"] is None:
                return
            query = {**query, "cursor": page["next_cursor"]}

    def list_servers(self) -> Iterator[Server]:
        """The ComfyUI servers that are registered, by name."""
        return self._pages("list_servers", Server.from_json)

    def _server_name(self, server: str) -> str:
        """A server's name: the URL of a registered one is as good as its name, and no other URL is."""
        if "://" not in server:
            return server
        registered = {one.name: one.url for one in self.list_servers()}
        with suppress(BadConfiguration):
            url = configuration.Server.parse_url(server)
            for name, known in registered.items():
                if known == url:
                    return name
        detail = f"no server with this URL is registered (registered: {', '.join(registered) or 'none'})"
        wrong = {"field": "server", "message": detail}
        raise problems.told("unknown_server", detail, status=422, errors=[wrong], servers=list(registered))


def given(**values: Any) -> dict[str, Any]:
    """Those that say something."""
    return {name: value for name, value in values.items() if value is not None and value is not False}


def checked(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body that is sure to be JSON.

    Raises:
        Invalid: it is not.
    """
    try:
        return dict(json.loads(json.dumps(dict(body), allow_nan=False)))
    except (TypeError, ValueError) as error:
        wrong = {"field": "body", "message": str(error)}
        raise problems.told("invalid", f"it is not JSON: {error}", status=422, errors=[wrong]) from error
