"""Migrations: up, down and up again with every row, after a backup, by one process at a time."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import processes
import pytest
import tables
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.db import migrating
from comfyui_artifact_db.db.connections import Database
from comfyui_artifact_db.db.migrating import migrate, revert, schema_version
from comfyui_artifact_db.errors import TooNew, Unavailable
from filelock import FileLock
from original_rows import adding

ALL = sorted(file.stem for file in migrating.MIGRATIONS.glob("[0-9]*.py"))


def filled(local_path: str = "p") -> str:
    """A row in each table of the original design."""
    return (
        adding("chains", "c", chain_definition='{"a":1}')
        + adding("workflows", "w", chain_id="c", step_id="a")
        + adding("artifacts", "a", workflow_id="w", local_path=local_path, metadata='{"width":8}')
        + "UPDATE workflows SET latest_artifact_id = 'a';"
        + adding("artifact_transfers", "t", artifact_id="a", source_workflow_id="w")
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "artifacts.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


def sql(path: Path, statement: str) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def rows(path: Path) -> dict[str, list[Any]]:
    """What the four tables of the original design hold, in its columns."""
    names = {name: ", ".join(table.columns) for name, table in DESIGN.items()}
    return {name: sql(path, f"SELECT {columns} FROM {name}") for name, columns in names.items()}


DESIGN = tables.described(":memory:", (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8"))


def test_the_first_migrations_are_the_design_and_the_rules() -> None:
    assert ALL[:2] == ["0001_original_design", "0002_rules"]


def test_a_new_database_gets_every_migration_and_no_backup(database: Database, path: Path) -> None:
    assert migrate(database) == ALL
    assert schema_version(database) == ALL[-1]
    assert migrate(database) == []
    assert [file.name for file in path.parent.glob("*.bak")] == []


def test_the_folder_of_the_database_is_made(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'deep' / 'down' / 'artifacts.db'}")
    assert migrate(database) == ALL
    database.close()


def test_up_down_and_up_again_keeps_every_row(database: Database, path: Path) -> None:
    migrate(database, target=ALL[0])
    database.close()
    tables.described(path, filled())
    before = rows(path)
    assert all(before.values())
    for _ in range(2):
        assert migrate(database) == ALL[1:]
        assert rows(path) == before
        after = tables.described(path)
        assert revert(database, target=ALL[1]) == ALL[:0:-1]
        assert schema_version(database) == ALL[0]
        assert rows(path) == before
        assert {name: table for name, table in tables.described(path).items() if name in DESIGN} == DESIGN
    migrate(database)
    assert tables.described(path) == after
    assert sql(path, "PRAGMA foreign_key_check") == sql(path, "PRAGMA integrity_check")[1:] == []


def test_down_to_nothing_leaves_no_table(database: Database, path: Path) -> None:
    migrate(database)
    assert revert(database, target=ALL[0]) == ALL[::-1]
    database.close()
    assert set(tables.described(path)) == {"schema_migration"}
    assert migrate(database) == ALL


def test_a_used_database_is_backed_up_before_it_is_migrated_and_the_backup_can_be_read(
    database: Database, path: Path
) -> None:
    migrate(database, target=ALL[0])
    database.close()
    tables.described(path, filled())
    before = rows(path)
    migrate(database)
    backup = path.with_name("artifacts.db.before-0002_rules.bak")
    assert rows(backup) == before
    assert tables.described(backup).keys() == {*DESIGN, "schema_migration"}
    assert sql(backup, "PRAGMA integrity_check") == [("ok",)]
    # It is a database as any other: restoring it is copying it back.
    database.close()
    for file in path.parent.glob("artifacts.db*"):
        if file != backup:
            file.unlink()
    shutil.copyfile(backup, path)
    assert migrate(database) == ALL[1:]
    assert rows(path) == before


def test_the_backup_has_what_is_still_in_the_write_ahead_log(database: Database, path: Path) -> None:
    migrate(database, target=ALL[0])
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = wal")
    writer.executescript(filled())
    assert path.with_name("artifacts.db-wal").stat().st_size > 0
    migrate(database)
    writer.close()
    assert rows(path.with_name("artifacts.db.before-0002_rules.bak")) == rows(path)


def test_a_database_of_a_newer_release_is_refused_with_a_message_and_nothing_changes(
    database: Database, path: Path
) -> None:
    migrate(database)
    database.close()
    tables.described(path, "INSERT INTO schema_migration (name, applied) VALUES ('9999_future', '2030-01-01')")
    before = path.read_bytes()
    with pytest.raises(TooNew, match=r"newer release.*9999_future.*update the extension"):
        migrate(database)
    database.close()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.glob("*.bak")] == []


def test_a_database_of_a_newer_release_that_lacks_one_of_ours_is_refused_too(database: Database, path: Path) -> None:
    migrate(database, target=ALL[0])
    database.close()
    tables.described(path, "INSERT INTO schema_migration (name, applied) VALUES ('9999_future', '2030-01-01')")
    with pytest.raises(TooNew):
        migrate(database)
    assert "attempts" not in tables.described(path)


def test_of_several_processes_that_migrate_at_once_one_does_and_the_others_wait(tmp_path: Path) -> None:
    database = Database(load_config(tmp_path, {}).database)
    with (
        processes.started("migrating", tmp_path) as one,
        processes.started("migrating", tmp_path) as two,
        processes.started("migrating", tmp_path) as three,
    ):
        for process in (one, two, three):
            assert process.stdin is not None
            process.stdin.write("go on\n")
            process.stdin.flush()
        applied = [processes.go_on(process) for process in (one, two, three)]
    assert sorted(applied) == [[""], [""], [" ".join(ALL)]]
    assert schema_version(database) == ALL[-1]
    database.close()


def test_a_process_that_keeps_the_lock_is_not_waited_for_without_end(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT", 0.05)
    with FileLock(f"{path}.lock"), pytest.raises(Unavailable, match="another process is migrating"):
        migrate(database)
    assert migrate(database) == ALL


def test_a_migration_that_fails_leaves_nothing_of_itself(
    database: Database, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database)
    database.close()
    tables.described(path, filled("p2"))
    folder = tmp_path / "migrations"
    shutil.copytree(migrating.MIGRATIONS, folder)
    monkeypatch.setattr(migrating, "MIGRATIONS", folder)
    (folder / "9000_broken.py").write_text(
        "def up(migrator, db):\n"
        "    db.execute_sql('CREATE TABLE half (id INTEGER)')\n"
        "    db.execute_sql('DELETE FROM artifact_transfers')\n"
        "    db.execute_sql('this is no sql')\n"
    )
    before, kept = tables.described(path), rows(path)
    with pytest.raises(Unavailable, match="syntax error"):
        migrate(database)
    assert tables.described(path) == before
    assert rows(path) == kept
    assert rows(path.with_name("artifacts.db.before-9000_broken.bak")) == kept
    (folder / "9000_broken.py").unlink()
    assert migrate(database) == []


def test_reverting_what_is_not_there_says_so(database: Database) -> None:
    migrate(database)
    with pytest.raises(Exception, match="not an applied migration"):
        revert(database, target="9999_future")


@pytest.mark.parametrize("damage", ["folder", "garbage", "locked"])
def test_a_database_that_cannot_be_migrated_is_unavailable(
    path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from comfyui_artifact_db.db import connections

    monkeypatch.setattr(connections, "BUSY_TIMEOUT", 0.05)
    database = Database(f"sqlite:///{path}")
    other = None
    if damage == "folder":
        path.mkdir()
    elif damage == "garbage":
        path.write_bytes(b"garbage" * 1000)
    else:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
    words = {"folder": "cannot be opened", "garbage": "damaged; restore a backup", "locked": "another program"}
    with pytest.raises(Unavailable, match=words[damage]) as refused:
        migrate(database)
    assert str(path) not in str(refused.value)
    if other is not None:
        other.close()
        assert migrate(database) == ALL
    database.close()
