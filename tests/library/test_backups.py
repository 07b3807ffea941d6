"""Pins backups of a database in use: consistent, whole or not there, and good for a library that is all right."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path

import invariants
import locking
import processes
import pytest
from comfyui_artifact_db.config import Config, load_config
from comfyui_artifact_db.db import copying
from comfyui_artifact_db.db.connections import Database
from comfyui_artifact_db.db.migrating import migrate
from comfyui_artifact_db.errors import Conflict, StoreFailed, TooNew, Unavailable
from comfyui_artifact_db.library import events, upkeep, verifying
from comfyui_artifact_db.library.opening import Library, open_library
from making import Pictures
from verifying_runs import everything


def restored(config: Config, copy: Path, folder: Path) -> Library:
    """What somebody does who restores: the copied database, and the store's folder as it is now, beside it."""
    folder.mkdir()
    shutil.copy(copy, folder / "artifacts.db")
    shutil.copytree(config.store, folder / "store", ignore=_gone)
    return open_library(load_config(folder, {}))


def _gone(folder: str, names: list[str]) -> list[str]:
    """What is in nobody's way is not copied: intents and parts come and go while the copy is made."""
    return names if Path(folder).name == "staging" else []


def test_a_backup_while_others_write_is_restored_and_everything_is_proven(
    config: Config, library: Library, pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PAGES", 3)
    everything(library, pictures)
    with processes.started("recording_many", config.folder, "1500") as other:
        assert other.stdin is not None
        other.stdin.write("go on\n")
        other.stdin.flush()
        meanwhile = 0
        for number in range(6):
            copied = upkeep.back_up(config, tmp_path / f"{number}.db")
            again = restored(config, copied.path, tmp_path / f"restored-{number}")
            assert [finding.line for finding in verifying.check(again)] == []
            invariants.check(again)
            assert events.last_seq(again) == copied.last_seq
            again.close()
            meanwhile += other.poll() is None and events.last_seq(library) > copied.last_seq
        assert meanwhile > 0, "it was still writing"


def test_a_backup_holds_all_that_is_committed_and_says_how_much(
    config: Config, library: Library, pictures: Pictures, tmp_path: Path
) -> None:
    pictures.one()
    heard: list[tuple[int, int]] = []
    copied = upkeep.back_up(config, tmp_path / "copy.db", progress=lambda done, total: heard.append((done, total)))
    assert copied.last_seq == events.last_seq(library)
    assert copied.size == copied.path.stat().st_size
    assert heard[-1] == (copied.size, copied.size)
    with closing(sqlite3.connect(copied.path)) as copy, closing(sqlite3.connect(library.database.path)) as source:
        assert list(copy.iterdump()) == list(source.iterdump())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_nobody_else_may_read_a_backup(config: Config, library: Library, tmp_path: Path) -> None:
    library.prepare()
    copied = upkeep.back_up(config, tmp_path / "copy.db")
    assert stat.S_IMODE(copied.path.stat().st_mode) == 0o600


def test_what_is_there_is_replaced_only_when_asked_for(config: Config, library: Library, tmp_path: Path) -> None:
    library.prepare()
    target = tmp_path / "copy.db"
    target.write_text("something else")
    with pytest.raises(Conflict, match="--force"):
        upkeep.back_up(config, target)
    assert target.read_text() == "something else"
    upkeep.back_up(config, target, force=True)
    assert target.read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", ".lock"])
def test_the_database_itself_is_never_replaced(
    config: Config, library: Library, pictures: Pictures, suffix: str, tmp_path: Path
) -> None:
    pictures.one()
    (tmp_path / "link.db").symlink_to(f"{library.database.path}{suffix}")
    for target in (Path(f"{library.database.path}{suffix}"), tmp_path / "link.db"):
        with pytest.raises(Conflict, match="itself"):
            upkeep.back_up(config, target, force=True)
    assert verifying.check(library) == []


def test_a_backup_that_cannot_be_written_leaves_nothing(config: Config, library: Library, tmp_path: Path) -> None:
    library.prepare()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StoreFailed, match="No such file"):
        upkeep.back_up(config, tmp_path / "nowhere" / "copy.db")
    with pytest.raises(Conflict, match="folder"):
        upkeep.back_up(config, tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def test_a_damaged_database_is_not_taken_for_a_backup(
    config: Config, library: Library, pictures: Pictures, tmp_path: Path
) -> None:
    pictures.one()
    library.close()
    data = bytearray(library.database.path.read_bytes())
    data[8192:24576] = bytes(16384)
    library.database.path.write_bytes(data)
    with pytest.raises(Unavailable, match="damaged"):
        upkeep.back_up(config, tmp_path / "copy.db")
    assert not list(tmp_path.glob("*copy*"))
    assert not list(tmp_path.glob(".artifact-db*"))


def test_there_is_nothing_to_back_up_before_anything_was_recorded(config: Config, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no database yet"):
        upkeep.back_up(config, tmp_path / "copy.db")
    assert not Path(config.database.removeprefix("sqlite:///")).exists()


def test_a_writer_that_holds_the_lock_is_not_waited_for(
    config: Config, library: Library, pictures: Pictures, tmp_path: Path
) -> None:
    pictures.one()
    last = events.last_seq(library)
    with locking.locked(library.database.path):
        assert upkeep.back_up(config, tmp_path / "copy.db").last_seq == last


def test_an_upgrade_is_planned_and_done_with_its_backup(config: Config) -> None:
    database = Database(config.database)
    assert upkeep.plan(config).before == ""
    assert not database.path.exists()
    migrate(database, target="0002_rules")
    planned = upkeep.plan(config)
    assert (planned.before, planned.steps[0], planned.backup) == ("0002_rules", "0003_search", None)
    assert planned.after == planned.steps[-1]
    assert upkeep.plan(config) == planned, "looking changes nothing"
    done = upkeep.upgrade(config)
    assert (done.before, done.after, done.steps) == (planned.before, planned.after, planned.steps)
    assert done.backup is not None
    assert done.backup.is_file()
    assert upkeep.upgrade(config).steps == ()
    database.close()


def test_a_newer_database_is_refused(config: Config, library: Library) -> None:
    library.prepare()
    with closing(sqlite3.connect(library.database.path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO schema_migration (name, applied) VALUES ('9999_later', '2026-11-22')")
    for call in (upkeep.plan, upkeep.upgrade):
        with pytest.raises(TooNew, match="9999_later"):
            call(config)
