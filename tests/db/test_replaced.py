"""A database whose file is replaced or moved away under a running hub: nothing goes into a file that nobody sees."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import invariants
import pytest
from comfyui_artifact_db.config import Config
from comfyui_artifact_db.db import migrating, models
from comfyui_artifact_db.db.connections import Database
from comfyui_artifact_db.errors import NotFound, StoreFailed, Unavailable
from comfyui_artifact_db.library import artifacts
from comfyui_artifact_db.library.opening import Library, open_library
from making import Pictures


def ids(path: Path) -> set[str]:
    """The artifacts in a file, as another program reads it."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {artifact_id for (artifact_id,) in connection.execute("SELECT id FROM artifacts")}


def copied(library: Library, to: Path) -> Path:
    """A copy of the database as it is now."""
    with closing(sqlite3.connect(library.database.path)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
    return to


def test_what_comes_after_a_backup_was_put_in_place_is_in_it(library: Library, tmp_path: Path) -> None:
    first = Pictures(library).one()
    backup = copied(library, tmp_path / "backup.db")
    second = Pictures(library).one()
    old = tmp_path / "old.db"
    library.database.path.rename(old)
    backup.rename(library.database.path)
    third = Pictures(library).one()
    assert ids(library.database.path) == {first.id, third.id}
    with pytest.raises(NotFound):
        artifacts.get_artifact(library, second.id)
    assert ids(old) == {first.id, second.id}, "what was in the log of the old file is in the file"
    invariants.check_log_tells_the_rows(library)


def test_a_file_that_is_gone_is_waited_for_and_no_new_one_is_made(library: Library, tmp_path: Path) -> None:
    first = Pictures(library).one()
    path = library.database.path
    away = tmp_path / "away.db"
    path.rename(away)
    for _ in range(2):
        with pytest.raises(Unavailable, match="its file is gone; bring it back"):
            Pictures(library).one()
        with pytest.raises(Unavailable, match="its file is gone"):
            artifacts.get_artifact(library, first.id)
        assert not path.exists()
    path.touch()
    with pytest.raises(Unavailable, match="its file is gone"):
        artifacts.get_artifact(library, first.id)
    path.unlink()
    away.rename(path)
    assert artifacts.get_artifact(library, first.id) == first
    assert Pictures(library).one().usable
    invariants.check(library)


def test_a_change_whose_file_is_replaced_meanwhile_is_not_acknowledged(library: Library, tmp_path: Path) -> None:
    Pictures(library).one()
    backup = copied(library, tmp_path / "backup.db")
    with pytest.raises(Unavailable, match="replaced or moved away") as refused, library.writing("ann") as tx:  # noqa: PT012
        backup.replace(library.database.path)
        tx.log("recording.switched", "recording", "record", after={"record": "all"})
    assert refused.value.data["outcome_unknown"] is True
    Pictures(library).one()
    with library.reading():
        assert not models.Event.select().where(models.Event.action == "recording.switched").exists()
    invariants.check_log_tells_the_rows(library)


def test_the_file_that_comes_into_its_place_is_prepared_as_at_the_start(library: Library, tmp_path: Path) -> None:
    """An older one is migrated, and one of another store refused."""
    first = Pictures(library).one()
    older = Database(f"sqlite:///{copied(library, tmp_path / 'older.db')}")
    names = sorted(path.stem for path in migrating.MIGRATIONS.glob("[0-9]*.py"))
    migrating.revert(older, target=names[-1])
    older.close()
    older.path.replace(library.database.path)
    assert artifacts.get_artifact(library, first.id).id == first.id
    assert migrating.schema_version(library.database) == names[-1]

    (tmp_path / "other").mkdir()
    other = open_library(Config(tmp_path, None, f"sqlite:///{tmp_path / 'other.db'}", tmp_path / "other" / "store"))
    Pictures(other).one()
    other.close()
    other.database.path.replace(library.database.path)
    with pytest.raises(StoreFailed, match="another store"):
        Pictures(library).one()
