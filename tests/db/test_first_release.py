"""A hub that the first release wrote: migrated with every row, and as good as one that was made today."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import first_release
import invariants
import processes
import pytest
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.db.connections import Database
from comfyui_artifact_db.db.migrating import migrate, revert
from comfyui_artifact_db.library import artifacts, chains, events, lineage, pages, verifying
from comfyui_artifact_db.library.opening import Library, open_library


def rows(path: Path, like: Path | None = None) -> dict[str, list[tuple[Any, ...]]]:
    """What the tables of a database hold; with `like` only the tables and columns of that other one."""
    found = {}
    with closing(sqlite3.connect(like or path)) as shape, closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in shape.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            if name.startswith("sqlite_") or name == "schema_migration":
                continue
            columns = ", ".join(f'"{column[1]}"' for column in shape.execute(f"PRAGMA table_info({name})"))
            found[name] = sorted(connection.execute(f"SELECT {columns} FROM {name}").fetchall(), key=repr)
    return found


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return first_release.make(tmp_path / "before")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    first_release.make(tmp_path / "hub")
    library = open_library(load_config(tmp_path / "hub", {}))
    library.prepare()
    yield library
    library.close()


def test_every_row_is_kept(library: Library, before: Path) -> None:
    kept = rows(library.database.path, like=before)
    assert kept == rows(before)
    assert {"chains", "workflows", "attempts", "artifacts", "artifact_transfers", "tags", "events"} <= set(kept)
    assert all(kept[name] for name in kept if name != "lineage"), "else the fixture shows nothing"
    assert [file.suffix for file in library.database.path.parent.glob("*.bak*")] != []


def test_it_is_as_sound_as_one_that_was_made_today(library: Library) -> None:
    invariants.check(library)
    assert verifying.check(library) == []


def test_everything_in_it_is_found(library: Library) -> None:
    found = lambda **filters: artifacts.list_artifacts(library, pages.Ask(50), **filters).items
    assert len(found()) == 7
    (hero,) = found(tag="hero")
    assert (hero.approval_status, hero.approved_by, hero.usable) == ("approved", "ben", True)
    assert hero.is_latest
    assert hashlib.sha256(Path(hero.local_path).read_bytes()).hexdigest() == hero.sha256
    (chain,) = chains.list_chains(library, pages.Ask(50)).items
    assert len(found(chain=chain.id)) == len(found(step="keyframes")) == len(found(tag="ridge")) == 4
    assert [one.filename for one in found(q="alone edited")] == ["alone_edited.png"]
    (rejected,) = found(status="rejected")
    assert rejected.rejection_reason == "too dark: “move the sun”"
    newest = max(found(q="alone"), key=lambda one: one.version)
    assert [one.version for one in lineage.get_version_history(library, newest.id)][-1] == 3
    assert "artifact.approved" in [event.action for event in events.history(library, hero.id)]


def test_it_goes_on_from_there(library: Library) -> None:
    from comfyui_artifact_db.library import decisions

    (hero,) = artifacts.list_artifacts(library, pages.Ask(50), tag="hero").items
    seq = events.last_seq(library)
    decisions.reject(library, hero.id, by="anna", reason="after all")
    assert [event.seq for event in events.list_events(library, after=seq)] == [seq + 1]
    assert verifying.check(library) == []


def test_up_and_down_and_up_again_keeps_every_row(before: Path) -> None:
    there = rows(before)
    shape = first_release.make(before.parent / "shape")
    database = Database(f"sqlite:///{before}")
    migrate(database)
    migrated = rows(before)
    revert(database, target="0003_search")
    assert rows(before) == there
    migrate(database)
    assert rows(before) == migrated
    assert rows(before, like=shape) == there
    database.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_migration_that_is_killed_anywhere_is_done_at_the_next_start(tmp_path: Path) -> None:
    (steps,) = processes.run("dying_migrations", tmp_path)
    assert int(steps) > 4, "a commit for each migration, and the one that lived"
    wanted = rows(first_release.make(tmp_path / "wanted"))
    for number in range(1, int(steps) + 1):
        home = tmp_path / str(number)
        library = open_library(load_config(home, {}))
        library.prepare()
        kept = rows(library.database.path, like=tmp_path / "wanted" / "artifacts.db")
        assert kept == wanted, f"killed before step {number}"
        assert verifying.check(library) == []
        library.close()
