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
from ..errors import BadConfiguration, Invalid, NotFound
from ..library import identities, names
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

    @property
    def parameters(self) -> dict[str, str]:
        """`query` as it stands in a URL."""
        return {name: "1" if value is True else str(value) for name, value in self.query.items()}

    @property
    def form(self) -> dict[str, str]:
        """`body` as it stands before the files."""
        return {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in self.body.items()
        }

    @property
    def if_match(self) -> str | None:
        """`revision` as it stands in the header."""
        return None if self.revision is None else f'"{self.revision}"'


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
        call = Call(operation, _checked_path(path or {}), query or {}, checked(body or {}), **more)
        for name, text in call.parameters.items():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise wrong(name, f"{name} has half a character, which no text has") from error
        return self._backend.ask(call)

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
        if not isinstance(server, str) or "://" not in server:
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


def _checked_path(path: Mapping[str, Any]) -> dict[str, str]:
    """What stands in a path, where an empty text or dots would lead elsewhere.

    Raises:
        NotFound: an id is none. Invalid: a tag is none.
    """
    try:
        return {
            name: names.checked_tag(value) if name == "tag" else identities.require_id(value, name.removesuffix("_id"))
            for name, value in path.items()
        }
    except Invalid as error:
        raise wrong(error.field, str(error)) from error
    except NotFound as error:
        raise problems.told(error.code, str(error), status=404) from error


def checked(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body that is sure to be JSON.

    Raises:
        Invalid: it is not.
    """
    try:
        text = json.dumps(dict(body), allow_nan=False, ensure_ascii=False)
        text.encode()  # Half a surrogate pair is no text.
        return dict(json.loads(text))
    except (TypeError, ValueError, RecursionError) as error:
        raise wrong("body", f"it is not JSON: {error}") from error


def wrong(field: str, message: str) -> problems.Problem:
    """What a call is refused with that is not sent."""
    return problems.told("invalid", message, status=422, errors=[{"field": field, "message": message}])
