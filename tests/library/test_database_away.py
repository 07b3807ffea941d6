"""Recording never fails a generation: with the database away bytes and intent are on disk, and the rows follow."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.config import Config
from comfyui_artifact_db.db import models
from comfyui_artifact_db.errors import ArtifactDBError, NotFound, StoreFailed, TooNew, Unavailable
from comfyui_artifact_db.library import artifacts, identities, recording, recovery, runs
from comfyui_artifact_db.library.opening import Library, open_library
from locking import locked
from making import png
from waiting import until

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits between two tries are short."""
    monkeypatch.setattr(recovery, "RETRY_SECONDS", (0.02,))


@contextmanager
def directory_in_its_place(database: Path) -> Iterator[None]:
    database.mkdir()
    yield
    database.rmdir()


@contextmanager
def file_in_place_of_its_folder(database: Path) -> Iterator[None]:
    database.parent.rmdir()
    database.parent.write_text("not a folder")
    yield
    database.parent.unlink()


@contextmanager
def damaged(database: Path) -> Iterator[None]:
    database.write_bytes(b"this is no database" * 500)
    yield
    database.unlink()


@contextmanager
def locked_by_another(database: Path) -> Iterator[None]:
    sqlite3.connect(database).close()
    with locked(database):
        yield


@contextmanager
def of_a_newer_release(database: Path) -> Iterator[None]:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE schema_migration (id INTEGER PRIMARY KEY, name TEXT, applied TEXT)")
    connection.execute("INSERT INTO schema_migration (name, applied) VALUES ('9999_future', '2030-01-01 00:00:00')")
    connection.commit()
    yield
    connection.execute("DELETE FROM schema_migration")
    connection.commit()
    connection.close()


AWAY = [directory_in_its_place, file_in_place_of_its_folder, damaged, locked_by_another, of_a_newer_release]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """A library that was never asked for a row yet, its database in a folder of its own."""
    (tmp_path / "db").mkdir()
    config = Config(tmp_path, None, f"sqlite:///{tmp_path / 'db' / 'artifacts.db'}", tmp_path / "store")
    library = open_library(config)
    yield library
    library.close()


def record(library: Library, run: runs.Run, key: str = "9:images:0", **how: Any) -> recording.Recorded:
    artifact_id = identities.new_id()
    with library.store.receiving() as part:
        part.write(png(len(key)))
        placement = library.store.finish(part, artifact_id=artifact_id, extension="png", day="2026-11-22")
    new = recording.NewArtifact(artifact_id, key, "a.png", "image", "png", tags=("nice",))
    return recording.record(library, [(new, placement)], actor="node", workflow_id=identities.new_id(), run=run, **how)


def wait_for(library: Library, artifact_id: str) -> Any:
    """The artifact, once its row is there."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return artifacts.get_artifact(library, artifact_id)
        except (NotFound, Unavailable):
            assert time.monotonic() < deadline, "it was not recorded by itself"
            time.sleep(0.02)


def left_over(library: Library) -> list[str]:
    """What is in the staging and quarantine folders, lock files aside."""
    root = library.store.root
    folders = (root / "staging", root / "quarantine")
    return [p.name for folder in folders for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock"]


RUN = runs.Run("gpu-a", "p1", "text-to-image", chain="film", step="a")


@pytest.mark.parametrize("away", AWAY)
def test_the_ids_are_given_and_file_and_intent_are_on_disk_until_the_database_is_back(
    library: Library, away: Callable[[Path], Any]
) -> None:
    with away(library.database.path):
        recorded = record(library, RUN, keep_when_unavailable=True)
        assert recorded.deferred
        (artifact_id,) = recorded.artifact_ids
        (file,) = (library.store.root / "files").rglob(f"{artifact_id}*")
        assert file.read_bytes() == png(len("9:images:0"))
        assert [name for name in left_over(library) if name.endswith(".intent.json")]
        with pytest.raises((Unavailable, TooNew)):
            artifacts.get_artifact(library, artifact_id)
    artifact = wait_for(library, artifact_id)
    assert Path(artifact.local_path) == file
    assert (artifact.tags, artifact.is_latest, artifact.usable) == (("nice",), True, True)
    assert artifact.workflow_id == recorded.workflow_id
    invariants.check(library)
    library.close()
    assert left_over(library) == []


@pytest.mark.parametrize("away", AWAY)
def test_a_restart_completes_what_was_deferred(library: Library, away: Callable[[Path], Any]) -> None:
    with away(library.database.path):
        recorded = record(library, RUN, keep_when_unavailable=True)
        library.close()
        # A second process that starts while the database is still away takes nothing and loses nothing.
        early = open_library(library.config)
        with pytest.raises(ArtifactDBError):
            artifacts.get_artifact(early, recorded.artifact_ids[0])
        early.close()
    again = open_library(library.config)
    artifact = artifacts.get_artifact(again, recorded.artifact_ids[0])
    assert artifact.usable
    invariants.check(again)
    again.close()
    assert left_over(again) == []


@pytest.mark.parametrize("away", AWAY)
def test_without_being_asked_to_keep_it_a_record_that_fails_leaves_nothing(
    library: Library, away: Callable[[Path], Any]
) -> None:
    with away(library.database.path):
        with pytest.raises((Unavailable, TooNew)) as refused:
            record(library, RUN)
        assert str(library.database.path) not in str(refused.value)
        assert left_over(library) == []
        assert not [path for path in (library.store.root / "files").rglob("*") if path.is_file()]
    with library.reading():
        assert models.Artifact.select().count() == 0


def test_what_was_deferred_is_recorded_in_its_order_and_shares_its_workflow(library: Library) -> None:
    with directory_in_its_place(library.database.path):
        recorded = [record(library, RUN, keep_when_unavailable=True) for _ in range(3)]
        other = record(library, RUN, "12:images:0", keep_when_unavailable=True)
    found = [wait_for(library, one.artifact_ids[0]) for one in (*recorded, other)]
    assert [artifact.version for artifact in found] == [1, 2, 3, 1]
    assert len({artifact.workflow_id for artifact in found}) == 1
    invariants.check(library)


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody tries to reach the database again by himself."""
    monkeypatch.setattr(recovery, "RETRY_SECONDS", (3600.0,))


@pytest.mark.usefixtures("never")
def test_while_one_record_waits_the_next_ones_are_deferred_without_asking_the_database(library: Library) -> None:
    with locked_by_another(library.database.path):
        first = record(library, RUN, keep_when_unavailable=True)
    # The database is back, and could be asked: that these are deferred shows that it was not.
    later = [record(library, RUN, keep_when_unavailable=True) for _ in range(3)]
    assert [one.deferred for one in later] == [first.deferred] * 3
    assert len(library.deferred) == 4


@pytest.mark.usefixtures("never")
def test_whoever_reaches_the_database_wakes_the_records_that_wait_and_their_order_is_kept(library: Library) -> None:
    with locked_by_another(library.database.path):
        waiting = [record(library, RUN, keep_when_unavailable=True) for _ in range(3)]
    asked = record(library, runs.Run("gpu-a", "another prompt", "upscale"))
    assert asked.deferred is None, "who does not keep it asks"
    found = [wait_for(library, one.artifact_ids[0]) for one in waiting]
    assert [artifact.version for artifact in found] == [1, 2, 3]
    assert artifacts.get_artifact(library, asked.artifact_ids[0]).version == 1
    invariants.check(library)


def test_records_that_come_while_the_waiting_ones_are_written_follow_them(library: Library) -> None:
    """From many threads, while the database comes and goes: none is lost, and each thread's stay in their order."""

    def save(key: str) -> list[str]:
        return [record(library, RUN, key, keep_when_unavailable=True).artifact_ids[0] for _ in range(20)]

    keys = [f"{node}:images:0" for node in range(4)]
    with library.reading():
        pass
    with ThreadPoolExecutor(len(keys)) as pool:
        saving = [pool.submit(save, key) for key in keys]
        while not all(future.done() for future in saving):
            with locked(library.database.path):
                time.sleep(0.1)
            time.sleep(0.05)
    for future in saving:
        found = [wait_for(library, artifact_id) for artifact_id in future.result()]
        assert [artifact.version for artifact in found] == list(range(1, 21))
    assert len({artifact.workflow_id for artifact in found}) == 1
    invariants.check(library)
    library.close()
    assert left_over(library) == []


@pytest.mark.usefixtures("never")
def test_what_waits_for_its_store_does_not_defer_what_the_database_could_take(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked_by_another(library.database.path):
        first = record(library, RUN, keep_when_unavailable=True)
    place = type(library.store).place

    def refuse(store: Any, intent: Any) -> None:
        if intent.record["outputs"][0]["artifact_id"] == first.artifact_ids[0]:
            raise StoreFailed("its folder is locked")
        place(store, intent)

    monkeypatch.setattr(type(library.store), "place", refuse)
    record(library, runs.Run("gpu-a", "another prompt", "upscale"))
    deadline = time.monotonic() + 20
    while record(library, RUN, keep_when_unavailable=True).deferred:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert len(library.deferred) >= 1


def test_a_database_that_goes_away_later_and_comes_back_is_waited_for(library: Library) -> None:
    first = record(library, RUN)
    with locked(library.database.path):
        later = record(library, RUN, keep_when_unavailable=True)
        assert later.deferred
        assert "another program is writing" in later.deferred
        assert artifacts.get_artifact(library, first.artifact_ids[0]).usable, "reading goes on"
    assert wait_for(library, later.artifact_ids[0]).version == 2
    until(lambda: not len(library.deferred))
    again = record(library, RUN, keep_when_unavailable=True)
    assert again.deferred is None
    invariants.check(library)


def test_the_retries_end_with_the_library_and_the_next_one_takes_over(library: Library, config: Config) -> None:
    with locked_by_another(library.database.path):
        recorded = record(library, RUN, keep_when_unavailable=True)
        thread = library.deferred._thread
        assert thread is not None
        library.close()
        assert not thread.is_alive()
        assert [name for name in left_over(library) if name.endswith(".intent.json")]
    again = open_library(library.config)
    assert artifacts.get_artifact(again, recorded.artifact_ids[0]).usable
    again.close()
