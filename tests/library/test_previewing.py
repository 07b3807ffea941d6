"""Thumbnails before anybody asks: of what this process records, when it is quiet, and at nobody's cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db.errors import Unavailable
from comfyui_artifact_db.library import decisions, edits, previewing
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.media import thumbnails as media
from comfyui_artifact_db.media.limits import CannotBeShown
from making import png
from reviewing import edit


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is quiet after 50 ms."""
    monkeypatch.setattr(previewing, "QUIET_SECONDS", 0.05)


def kept(library: Library) -> set[str]:
    return {path.name.split(".")[0] for path in (library.store.root / "thumbnails").rglob("*.webp")}


def soon(condition: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def ahead_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "artifact-db-ahead"]


@pytest.mark.usefixtures("hasty")
def test_what_is_recorded_edited_and_restored_has_a_thumbnail_before_anybody_asks(
    library: Library, pictures: Any
) -> None:
    library.ahead.start(library)
    first = pictures.one()
    second = edit(library, first.id, png(2, (30, 30)))
    assert soon(lambda: kept(library) == {first.sha256, second.sha256})
    for path in (library.store.root / "thumbnails" / first.sha256[:2]).glob(f"{first.sha256}*"):
        path.unlink()
    edits.restore(library, second.id, first.id, by="ann")
    assert soon(lambda: kept(library) == {first.sha256, second.sha256})


@pytest.mark.usefixtures("hasty")
def test_what_was_recorded_before_the_start_is_made_up_for(library: Library, pictures: Any) -> None:
    before = pictures.one()
    library.ahead.start(library)
    time.sleep(0.2)
    assert kept(library) == set(), "nothing has happened yet"
    decisions.tag(library, before.id, "nice", by="ann")
    assert soon(lambda: kept(library) == {before.sha256})


def test_a_library_that_nobody_looks_at_makes_none(library: Library, pictures: Any) -> None:
    pictures.one()
    assert ahead_threads() == []
    assert kept(library) == set()


def test_nothing_is_made_while_something_is_being_written(
    library: Library, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previewing, "QUIET_SECONDS", 0.5)
    library.ahead.start(library)
    artifact = pictures.one()
    for number in range(10):
        time.sleep(0.1)
        decisions.tag(library, artifact.id, f"tag {number}", by="ann")
        assert kept(library) == set()
    assert soon(lambda: kept(library) == {artifact.sha256})


@pytest.mark.usefixtures("hasty")
def test_what_cannot_be_shown_stops_nothing(library: Library, pictures: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    library.ahead.start(library)
    good = pictures.one()
    pictures.one(data=b"no picture")
    lost = pictures.one()
    Path(lost.local_path).unlink()
    assert soon(lambda: kept(library) == {good.sha256})
    later = pictures.one()
    assert soon(lambda: later.sha256 in kept(library))
    assert len(ahead_threads()) == 1


@pytest.mark.usefixtures("hasty")
def test_a_database_that_is_away_is_asked_again_at_the_next_change(
    library: Library, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.ahead.start(library)
    asked = threading.Event()
    recorded = previewing._recorded

    def away(*_: Any) -> list[str]:
        asked.set()
        raise Unavailable("away")

    monkeypatch.setattr(previewing, "_recorded", away)
    first = pictures.one()
    assert asked.wait(20)
    monkeypatch.setattr(previewing, "_recorded", recorded)
    second = pictures.one()
    assert soon(lambda: kept(library) == {first.sha256, second.sha256})


@pytest.mark.usefixtures("hasty")
def test_only_the_newest_are_made(library: Library, pictures: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previewing, "NEWEST", 3)
    many = [pictures.one() for _ in range(6)]
    library.ahead.start(library)
    decisions.tag(library, many[0].id, "nice", by="ann")
    assert soon(lambda: len(kept(library)) == 3)
    time.sleep(0.2)
    assert kept(library) == {artifact.sha256 for artifact in many[3:]}


@pytest.mark.usefixtures("hasty")
def test_recording_does_not_wait_for_one_that_takes_long(
    library: Library, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_finish, began = threading.Event(), threading.Event()

    def slow(*_: Any) -> dict[str, bytes]:
        began.set()
        may_finish.wait(30)
        raise CannotBeShown("cannot be read")

    monkeypatch.setattr(media, "make", slow)
    library.ahead.start(library)
    pictures.one()
    assert began.wait(20)
    started = time.perf_counter()
    for _ in range(5):
        pictures.one()
    took = time.perf_counter() - started
    may_finish.set()
    assert took < 5


@pytest.mark.usefixtures("hasty")
def test_it_starts_once_and_ends_with_the_library(config: Any) -> None:
    from comfyui_artifact_db.library.opening import open_library
    from making import Pictures

    library = open_library(config)
    for _ in range(3):
        library.ahead.start(library)
    artifact = Pictures(library).one()
    assert soon(lambda: kept(library) == {artifact.sha256})
    assert len(ahead_threads()) == 1
    library.close()
    assert ahead_threads() == []
