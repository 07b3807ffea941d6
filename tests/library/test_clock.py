"""A clock that is set back: numbers, ids and pointers go by what happened, not by what the clock said."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.library import artifacts, decisions, events, identities, pages, trash, verifying
from comfyui_artifact_db.library.opening import Library
from reviewing import edit


class Clock:
    """Goes on by a second with each look; `set_back` by an hour."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 22, 10, tzinfo=timezone.utc)

    def now(self) -> str:
        self.moment += timedelta(seconds=1)
        return self.moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def time_ns(self) -> int:
        self.moment += timedelta(seconds=1)
        return int(self.moment.timestamp()) * 1_000_000_000

    def set_back(self) -> None:
        self.moment -= timedelta(hours=1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(identities, "now", clock.now)
    monkeypatch.setattr(identities.time, "time_ns", clock.time_ns)
    monkeypatch.setattr(identities, "_last", 0)
    return clock


def test_versions_pointers_and_the_log_keep_their_order(library: Library, pictures: Any, clock: Clock) -> None:
    first = pictures.one()
    clock.set_back()
    second = edit(library, first.id)
    clock.set_back()
    third = edit(library, second.id, status="pending")
    decided = decisions.approve(library, third.id, by="ann")
    assert second.created_at < first.created_at, "the clock was set back"
    assert third.created_at < second.created_at
    assert [a.version for a in artifacts.list_versions(library, first.id, pages.Ask()).items] == [3, 2, 1]
    assert [a.id for a in (first, second, third)] == sorted(a.id for a in (first, second, third))
    current = artifacts.get_latest_artifact(library, first.workflow_id)
    assert current is not None
    assert current.id == decided.id
    log = events.list_events(library, limit=500)
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    assert [event.at for event in log] != sorted(event.at for event in log)
    told = [event.entity_id for event in log if event.action in ("artifact.recorded", "artifact.edited")]
    assert told == [first.id, second.id, third.id]
    invariants.check(library)
    invariants.check_log_tells_the_rows(library)
    assert verifying.check(library) == []


def test_what_follows_a_deletion_is_the_newest_version_and_not_the_latest_time(
    library: Library, pictures: Any, clock: Clock
) -> None:
    first = pictures.one()
    clock.set_back()
    second = edit(library, first.id)
    third = edit(library, second.id)
    trash.delete(library, third.id, by="ann")
    current = artifacts.get_latest_artifact(library, first.workflow_id)
    assert current is not None
    assert current.id == second.id
    invariants.check(library)


def test_a_listing_misses_and_repeats_nothing(library: Library, pictures: Any, clock: Clock) -> None:
    made = []
    for _ in range(6):
        made.append(pictures.one().id)
        clock.set_back()
    found: list[str] = []
    cursor = None
    while True:
        page = artifacts.list_artifacts(library, pages.Ask(2, cursor))
        found += [artifact.id for artifact in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(found) == sorted(made)
