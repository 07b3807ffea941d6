"""Search rows that are written last are those that would have been written at once, and each is written once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.db import schemas
from comfyui_artifact_db.db.connections import CURRENT, Database
from comfyui_artifact_db.db.migrating import migrate
from comfyui_artifact_db.db.postponing import search_rows_last
from original_rows import adding

TAGS = ("hero", "nice", "wide")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[str], Database]]:
    made: list[Database] = []

    def make(name: str) -> Database:
        made.append(Database(f"sqlite:///{tmp_path / name}"))
        migrate(made[-1])
        with made[-1].writing():
            CURRENT.execute_sql(adding("workflows", "w", workflow_name="graph"))
            add("old")
        return made[-1]

    yield make
    for database in made:
        database.close()


def add(*names: str) -> None:
    """Artifacts, and then their tags, as an import has them."""
    for name in names:
        file = {"filename": f"{name}.png", "local_filename": name, "local_path": name, "is_latest": False}
        CURRENT.execute_sql(adding("artifacts", name, workflow_id="w", output_key=name, **file))
    for name in names:
        for tag in TAGS:
            CURRENT.execute_sql(
                "INSERT INTO tags (artifact_id, tag, created_at) VALUES (?, ?, '2026-11-22T10:30:00.000Z')", (name, tag)
            )


def written(database: Database, block: Callable[[], AbstractContextManager[None]]) -> int:
    """How many rows of the index of everything were written for two artifacts with three tags each."""
    told: list[str] = []
    with database.writing():
        CURRENT.connection().set_trace_callback(told.append)
        with block():
            add("one", "two")
        CURRENT.connection().set_trace_callback(None)
    return sum("INTO 'main'.'artifact_search_content'" in line for line in told)


def content(database: Database) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(database.path)) as connection:
        invariants.check_index(connection.execute)
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in ("artifact_search_content", "artifact_names_content", "artifact_search_rows", "tag_counts")
        }


def test_what_is_written_last_is_what_is_written_at_once(make: Callable[[str], Database]) -> None:
    at_once, last = make("at-once.db"), make("last.db")
    assert (written(at_once, nullcontext), written(last, search_rows_last)) == (8, 2)
    assert content(last) == content(at_once)
    assert schemas.missing_guards(last) == []
    with last.writing():
        add("later")
    assert len(content(last)["artifact_search_rows"]) == 4


def test_an_error_leaves_everything_as_it_was(make: Callable[[str], Database]) -> None:
    database = make("artifacts.db")
    before = content(database)
    with pytest.raises(ValueError, match="of ours"), database.writing(), search_rows_last():  # noqa: PT012
        add("one")
        raise ValueError("of ours")
    assert content(database) == before
    assert schemas.missing_guards(database) == []
    with database.writing(), search_rows_last():
        add("one")
    with database.writing(), search_rows_last():
        pass
    assert len(content(database)["artifact_search_rows"]) == 2
