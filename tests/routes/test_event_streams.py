"""Pins the stream of events: nothing missed, nothing twice, whoever writes and however often the reader comes back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest
from comfyui_artifact_db.library import workflows
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.server_routes import events
from hubs import Hub
from streaming import streaming


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process writes is asked for often, and a silent stream speaks up often."""
    monkeypatch.setattr(events, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)


def write(library: Library, name: str = "w") -> None:
    """One event."""
    workflows.create_workflow(library, workflow_name=name, actor="writer")


def watchers() -> list[asyncio.Task[object]]:
    """The tasks that ask the database for news."""
    return [task for task in asyncio.all_tasks() if "News._watch" in repr(task.get_coro())]


async def test_a_stream_begins_with_the_next_event_to_happen(hub: Hub) -> None:
    write(hub.library)
    async with streaming(hub) as stream:
        await stream.until_comment()
        write(hub.library)
        assert [event["seq"] for event in await stream.take(1)] == [2]


async def test_a_stream_has_what_the_pages_have(hub: Hub) -> None:
    for n in range(events.BATCH * 2 + 7):
        write(hub.library, f"w{n}")
    listed = (await hub.get("/events?limit=500")).json["items"]
    assert len(listed) > 2 * events.BATCH
    async with streaming(hub, "?after=0") as stream:
        assert await stream.take(len(listed)) == listed
    for query, headers, first in (
        ("?after=5", {}, 6),
        ("?cursor=5", {}, 6),
        ("?after=1", {"Last_Event_ID": "7"}, 8),
        ("", {"Last_Event_ID": "0"}, 1),
    ):
        async with streaming(hub, query, **headers) as stream:
            assert await stream.take(2) == listed[first - 1 : first + 1]


@pytest.mark.parametrize("last", ["", "x", "-1", "1.5", "9" * 19, "\u0661"])
async def test_a_last_event_that_is_none_is_refused(hub: Hub, last: str) -> None:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": last}
    assert (await hub.get("/events", 400, headers=headers)).code == "malformed"


@pytest.mark.usefixtures("quick")
async def test_a_reader_that_comes_back_again_and_again_misses_nothing_and_has_nothing_twice(
    hub: Hub, reopened: Callable[[], Library]
) -> None:
    each, other = 60, reopened()
    write(hub.library)

    def write_all(library: Library) -> None:
        for _ in range(each):
            write(library)

    loop = asyncio.get_running_loop()
    writers = [loop.run_in_executor(None, write_all, library) for library in (hub.library, hub.library, other)]
    seen, last = [], "1"
    while len(seen) < 3 * each:
        async with streaming(hub, Last_Event_ID=last) as stream:
            seen += await stream.take(min(7, 3 * each - len(seen)))
            last = stream.last_id or last
    await asyncio.gather(*writers)
    assert [event["seq"] for event in seen] == list(range(2, 3 * each + 2))


@pytest.mark.usefixtures("quick")
async def test_what_another_process_writes_is_seen(hub: Hub, reopened: Callable[[], Library]) -> None:
    other = reopened()
    async with streaming(hub) as stream:
        await stream.until_comment()
        for name in ("first", "second"):
            write(other, name)
            (event,) = await stream.take(1)
            assert event["after"]["workflow_name"] == name


async def test_what_this_process_writes_is_seen_without_waiting_for_the_next_question(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "POLL_SECONDS", 3600.0)
    async with streaming(hub) as stream:
        await stream.until_comment()
        for _ in range(3):
            await hub.post("/chains", 201, json={"name": "c"})
            await stream.take(1)


@pytest.mark.usefixtures("quick")
async def test_a_silent_stream_says_that_it_lives(hub: Hub) -> None:
    async with streaming(hub) as stream:
        for _ in range(4):
            await stream.until_comment()
    assert stream.comments == [": connected", *[": still here"] * 3]


@pytest.mark.usefixtures("quick")
async def test_many_streams_have_one_watcher_and_none_is_left_when_they_have_gone(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    before = asyncio.all_tasks()
    opened = [streaming(hub) for _ in range(25)]
    streams = [await stream.__aenter__() for stream in opened]
    for stream in streams:
        await stream.until_comment()
    write(hub.library)
    assert {event["seq"] for stream in streams for event in await stream.take(1)} == {1}
    assert len(watchers()) == 1
    with caplog.at_level(logging.INFO):
        for stream in streams:
            stream.response.close()  # without a goodbye
        for _ in range(1000):
            await asyncio.sleep(0.01)
            if not {task for task in asyncio.all_tasks() - before if not task.done()}:
                break
    assert not watchers()
    assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.WARNING]
    for stream in opened:
        await stream.__aexit__(None, None, None)


async def test_a_hub_that_ends_ends_its_streams_at_once(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    async with streaming(hub) as one, streaming(hub, "?after=0") as other:
        for stream in (one, other):
            await stream.until_comment()
        await asyncio.wait_for(hub.server.close(), 10)  # aiohttp would wait for a minute
        assert await one.next() is None
        assert await other.next() is None
    assert not [record for record in caplog.records if record.exc_info]
