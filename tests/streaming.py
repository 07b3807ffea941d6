"""Reads Server-Sent Events as a browser does, and holds each against the contract."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import contract
from aiohttp import ClientResponse
from hubs import Hub

PATIENCE = 20.0
"""Seconds after which what does not come is taken not to come at all."""


class Stream:
    """An open stream. `comments` are the lines that keep it alive."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self.comments: list[str] = []
        self.last_id: str | None = None

    async def next(self) -> dict[str, Any] | None:
        """The next event; None when the stream has ended."""
        message: dict[str, str] = {}
        while line := await asyncio.wait_for(self.response.content.readline(), PATIENCE):
            text = line.decode().rstrip("\n")
            if text.startswith(":"):
                self.comments.append(text)
            elif text:
                name, _, value = text.partition(": ")
                assert name not in message, "one line for each field"
                message[name] = value
            elif message:
                return self._event(message)
        return None

    async def take(self, count: int) -> list[dict[str, Any]]:
        """The next events, as many as asked for."""
        taken = []
        for _ in range(count):
            event = await self.next()
            assert event is not None, "the stream has ended"
            taken.append(event)
        return taken

    async def until_comment(self) -> None:
        """Wait for a comment; no event may come before it."""
        seen = len(self.comments)
        while len(self.comments) == seen:
            line = await asyncio.wait_for(self.response.content.readline(), PATIENCE)
            if line.startswith(b":"):
                self.comments.append(line.decode().rstrip("\n"))
            assert line in (b"\n", self.comments[-1].encode() + b"\n"), line

    def _event(self, message: dict[str, str]) -> dict[str, Any]:
        assert message.keys() == {"id", "event", "data"}
        event: dict[str, Any] = json.loads(message["data"])
        contract.validate(event, "components", "schemas", "Event")
        assert message["id"] == str(event["seq"])
        assert message["event"] == event["action"]
        self.last_id = message["id"]
        return event


@asynccontextmanager
async def streaming(hub: Hub, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    """Follow a hub's events; `Last_Event_ID="3"` is a header."""
    sent = {"Accept": "text/event-stream", **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with hub.session.get(f"{hub.url}/artifact-db/events{query}", headers=sent) as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert "no-cache" in response.headers["Cache-Control"]
        contract.SEEN.add(("list_events", "200"))
        yield Stream(response)
