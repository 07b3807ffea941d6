"""The event log over HTTP: pages of JSON, or a stream of Server-Sent Events that misses nothing and repeats nothing."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

from ..answers import details, fields
from ..answers import rendering as told
from ..errors import ArtifactDBError
from ..library import events
from ..library.views import Event
from . import asking, guarding, rendering
from .problems import malformed

if TYPE_CHECKING:
    from .hub import Hub

logger = logging.getLogger("artifact_db.server_routes")

POLL_SECONDS = 0.5
"""How long a change by another process may go unseen; changes by this one are seen at once."""

HEARTBEAT_SECONDS = 15.0
"""A comment goes out this often, so that proxies and clients know that the stream lives."""

BATCH = 200


async def list_events(hub: Hub, request: web.Request) -> web.StreamResponse:
    if "text/event-stream" in request.headers.get("Accept", ""):
        return await _stream(hub, request)
    after, limit = fields.stretch(asking.query(request, fields.QUERIES["list_events"]))
    found = await hub.run(events.list_events, after=after, limit=limit + 1)
    return rendering.answer(told.events(found, limit))


async def list_artifact_events(hub: Hub, request: web.Request) -> web.Response:
    artifact_id = asking.path_id(request, "artifact")
    after, limit = fields.stretch(asking.query(request, fields.QUERIES["list_artifact_events"]))
    return rendering.answer(await hub.run(details.history, artifact_id, after, limit))


async def _stream(hub: Hub, request: web.Request) -> web.StreamResponse:
    asked = asking.query(request, fields.QUERIES["list_events"])
    start = asked.get("cursor", asked.get("after"))
    last_id = request.headers.get("Last-Event-ID")
    if last_id is not None:
        if not last_id.isascii() or not last_id.isdigit() or len(last_id) > 18:
            raise malformed("Last-Event-ID is the number of an event")
        start = int(last_id)
    after = start if start is not None else await hub.run(events.last_seq)
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream",
            "Cache-Control": "private, no-cache, no-transform",
            "X-Accel-Buffering": "no",
            "X-Content-Type-Options": "nosniff",
        }
    )
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    try:
        await _send(hub, request, response, after)
    except ConnectionError:
        logger.debug("a reader of the event stream has gone")
    except ArtifactDBError as error:
        # The answer has begun, so it can only end; the reader comes back with the last number that it has.
        logger.warning("an event stream ends: %s", error)
    return response


async def _send(hub: Hub, request: web.Request, response: web.StreamResponse, after: int) -> None:
    await response.write(b": connected\n\n")
    with hub.news.listening() as listener:
        while not hub.news.closed:
            found = await hub.run(events.list_events, after=after, limit=BATCH)
            # Asked once a batch and once a heartbeat. The end of a token is an event itself: it wakes its streams.
            if not await guarding.still_admitted(hub, request):
                return
            if found:
                await response.write(b"".join(_message(event) for event in found))
                after = found[-1].seq
            elif not await listener.wait(after, HEARTBEAT_SECONDS):
                await response.write(b": still here\n\n")


def _message(event: Event) -> bytes:
    data = json.dumps(rendering.plain(event), ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.seq}\nevent: {event.action}\ndata: {data}\n\n".encode()


class News:
    """Tells the streams of one hub that there are new events: at once for its own, by asking for those of others.

    One question serves all streams, however many they are.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self.closed = False

    def listening(self) -> Listener:
        """A listener for one stream, to be used as a context manager."""
        return Listener(self)

    def add(self, listener: Listener) -> None:
        self._listeners.add(listener)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._watch())

    def remove(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        if not self._listeners and self._task is not None:
            self._task.cancel()
            self._task = None

    def close(self) -> None:
        """End every stream."""
        self.closed = True
        for listener in self._listeners:
            listener.tell(1 << 62)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()
        library = await self._hub.off_loop(lambda: self._hub.library)

        def wake(_: int, __: str) -> None:
            loop.call_soon_threadsafe(woken.set)

        unsubscribe = library.subscribe(wake)
        try:
            while True:
                await self._ask()
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(woken.wait(), POLL_SECONDS)
                woken.clear()
        finally:
            unsubscribe()

    async def _ask(self) -> None:
        try:
            seq = await self._hub.run(events.last_seq)
        except ArtifactDBError as error:
            logger.debug("the database is away, asking again: %s", error)
            return
        for listener in self._listeners:
            listener.tell(seq)


class Listener:
    """One stream's ear."""

    def __init__(self, news: News) -> None:
        self._news = news
        self._seq = 0
        self._told = asyncio.Event()

    def __enter__(self) -> Listener:
        self._news.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._news.remove(self)

    def tell(self, seq: int) -> None:
        """The newest event has this number."""
        if seq > self._seq:
            self._seq = seq
            self._told.set()

    async def wait(self, after: int, timeout: float) -> bool:
        """Whether there is an event after a number, or will be within `timeout` seconds."""
        while self._seq <= after:
            self._told.clear()
            try:
                await asyncio.wait_for(self._told.wait(), timeout)
            except asyncio.TimeoutError:
                return False
        return True
