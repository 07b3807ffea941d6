"""The full-text index: filled by its migration, kept by its triggers, gone without a trace when it is reverted."""

from __future__ import annotations

import json
import random
import runpy
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.db import fulltext, migrating
from comfyui_artifact_db.db.connections import Database
from comfyui_artifact_db.db.migrating import migrate, revert
from original_rows import adding

AT = "2026-11-22T10:30:0{}.000Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "artifacts.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


def sql(path: Path, statement: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        return connection.execute(statement, values).fetchall()


def fill(path: Path) -> None:
    """Two chains of a workflow each and a workflow alone, of two artifacts each; the older ones come last."""
    for chain, name in (("c1", "Drachenfilm"), ("c2", "poster")):
        sql(path, adding("chains", chain, name=name))
    for number, (chain_id, step) in enumerate((("c1", "extract_frame"), ("c2", "edit_frame"), (None, None)), 1):
        named = {"chain_id": chain_id, "step_id": step, "workflow_name": f"graph-{number}"}
        sql(path, adding("workflows", f"w{number}", **named))
        for nth in (1, 2):
            artifact(path, f"a{number}{nth}", f"w{number}", created=AT.format(9 - number - nth), latest=nth == 1)


def artifact(path: Path, name: str, workflow: str, *, created: str, latest: bool) -> None:
    file = {"filename": f"{name}_.png", "local_filename": name, "local_path": name, "version": int(name[1:])}
    sql(path, adding("artifacts", name, workflow_id=workflow, created_at=created, is_latest=latest, **file))


def found(path: Path, words: str) -> set[str]:
    statement = (
        "SELECT r.artifact_id FROM artifact_search AS s JOIN artifact_search_rows AS r ON r.search_row = s.rowid"
        " WHERE artifact_search MATCH ?"
    )
    return {artifact_id for (artifact_id,) in sql(path, statement, words)}


def assert_whole(path: Path) -> None:
    """The index says what the rows say, no more and no less, and is sound in itself."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        invariants.check_index(connection.execute)


def assert_names_whole(path: Path) -> None:
    """The same of the index of the first migration."""
    sql(path, "INSERT INTO artifact_search (artifact_search) VALUES ('integrity-check')")
    indexed = sql(
        path,
        "SELECT r.artifact_id, s.filename, s.workflow_name, s.step_id, s.chain_name FROM artifact_search AS s"
        " LEFT JOIN artifact_search_rows AS r ON r.search_row = s.rowid ORDER BY 1",
    )
    rows = sql(
        path,
        "SELECT a.id, a.filename, w.workflow_name, w.step_id, c.name FROM artifacts AS a"
        " JOIN workflows AS w ON w.id = a.workflow_id LEFT JOIN chains AS c ON c.id = w.chain_id ORDER BY 1",
    )
    assert indexed == rows
    assert sql(path, "SELECT COUNT(*) FROM artifact_search_rows") == [(len(rows),)]


def test_it_is_filled_with_what_is_there_the_oldest_first(database: Database, path: Path) -> None:
    migrate(database, target="0001_original_design")
    fill(path)
    assert "0003_search" in migrate(database)
    assert_whole(path)
    assert found(path, "drachen*") == {"a11", "a12"}
    in_order = sql(path, "SELECT artifact_id FROM artifact_search_rows ORDER BY search_row")
    by_time = sql(path, "SELECT id FROM artifacts ORDER BY created_at, id")
    assert in_order == by_time


def test_it_goes_without_a_trace_and_comes_again(database: Database, path: Path) -> None:
    migrate(database, target="0002_rules")
    before = sql(path, "SELECT name, sql FROM sqlite_master ORDER BY name")
    fill(path)
    kept = sql(path, "SELECT * FROM artifacts ORDER BY id")
    for _ in range(2):
        migrate(database, target="0003_search")
        assert_names_whole(path)
        revert(database, target="0003_search")
        assert sql(path, "SELECT name, sql FROM sqlite_master ORDER BY name") == before
        assert sql(path, "SELECT * FROM artifacts ORDER BY id") == kept


def test_rows_that_come_and_go_come_and_go_in_it(database: Database, path: Path) -> None:
    migrate(database)
    fill(path)
    assert_whole(path)
    assert found(path, "extract*") == {"a11", "a12"}
    assert found(path, "graph 2") == {"a21", "a22"}
    sql(path, "DELETE FROM artifacts WHERE id = 'a11'")
    assert_whole(path)
    assert found(path, "a11*") == set()
    artifact(path, "a13", "w1", created=AT.format(9), latest=False)
    assert_whole(path)
    assert found(path, "drachenfilm") == {"a12", "a13"}


@pytest.mark.parametrize("statement", ["DELETE FROM chains WHERE id = 'c1'", "DELETE FROM workflows WHERE id = 'w1'"])
def test_what_a_deletion_takes_along_goes_too(database: Database, path: Path, statement: str) -> None:
    migrate(database)
    fill(path)
    sql(path, statement)
    assert_whole(path)
    assert found(path, "extract* OR drachen*") == set()
    assert found(path, "png") == {"a21", "a22", "a31", "a32"}


def test_what_is_rolled_back_was_never_in_it(database: Database, path: Path) -> None:
    migrate(database)
    fill(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM artifacts WHERE id = 'a21'")
        connection.execute("ROLLBACK")
    assert_whole(path)
    assert found(path, "a21") == {"a21"}


def test_packing_the_file_anew_does_not_mix_it_up(database: Database, path: Path) -> None:
    migrate(database)
    fill(path)
    sql(path, "DELETE FROM artifacts WHERE id IN ('a11', 'a22')")
    sql(path, "VACUUM")
    assert_whole(path)
    artifact(path, "a41", "w1", created=AT.format(9), latest=False)
    assert_whole(path)
    assert found(path, "a41") == {"a41"}


BEFORE, THIS = "0008_store_identity", "0009_search"


def more(path: Path) -> None:
    """Tags, of one artifact in the trash too; a reason; and what was recorded of how they were made."""
    for artifact_id, tag in (("a11", "hero"), ("a11", "day 1"), ("a12", "hero"), ("a31", "hero")):
        sql(path, "INSERT INTO tags (artifact_id, tag, created_at) VALUES (?, ?, ?)", artifact_id, tag, AT)
    sql(path, "UPDATE artifacts SET deleted_at = ? WHERE id = 'a12'", AT)
    sql(path, "UPDATE artifacts SET rejection_reason = 'too dark', approval_status = 'rejected' WHERE id = 'a21'")
    for artifact_id, text in zip(("a11", "a12", "a21", "a22", "a31", "a32"), METADATA, strict=False):
        sql(path, "UPDATE artifacts SET metadata = ? WHERE id = ?", text, artifact_id)


def generation(**fields: Any) -> str:
    return json.dumps({"width": 8, "generation": {name: {"value": value} for name, value in fields.items()}})


METADATA = [
    generation(prompt="a dragon over the sea", negative_prompt="blurry", models=[{"name": "sdxl.safetensors"}]),
    generation(prompt="一条龙飞过大海, ドラゴン and a castle", loras=[{"name": "ink"}, {"name": "glow_v2"}]),
    generation(prompt="word " * 4000, negative_prompt="other " * 4000, models=[{"name": "x" * 999}] * 99),
    None,
    "{}",
    '{"generation": {"prompt": {"value": "torn',
    '{"generation": {"prompt": {"value": "no number", "seed": NaN}}}',
    '"text"',
    "[1, 2]",
    "",
    '{"generation": []}',
    '{"generation": {"prompt": "not where it belongs", "models": {"value": "sdxl"}, "loras": {"value": {}}}}',
    generation(
        prompt=7, negative_prompt=["a"], models=[1, None, "a", {"name": 3}, {"name": {"name": "y"}}, {"n": "z"}]
    ),
    generation(prompt='" OR * NEAR( -', models=[{"name": "'; DROP TABLE artifacts; --"}]),
    generation(prompt="龙" * 7000),
    generation(prompt="\u0e20\u0e32\u0e1e\u0e16\u0e48\u0e32\u0e22 \U00020000\U0001f409"),
]


def test_what_is_there_is_indexed_by_what_it_has_and_kept_when_the_index_goes(database: Database, path: Path) -> None:
    migrate(database, target=BEFORE)
    fill(path)
    more(path)
    before = sql(path, "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'artifact_search%' ORDER BY name")
    tables = ("chains", "workflows", "artifacts", "tags", "artifact_filters", "artifact_search_rows")
    kept = {table: sql(path, f"SELECT * FROM {table}") for table in tables}
    for _ in range(2):
        assert migrate(database, target=THIS)[-1] == THIS
        assert_whole(path)
        assert found(path, "dragon") == {"a11"}
        assert found(path, "dark") == {"a21"}
        assert found(path, "hero") == {"a11", "a12", "a31"}
        assert sql(path, "SELECT tag, count FROM tag_counts ORDER BY tag") == [("day 1", 1), ("hero", 2)]
        assert {table: sql(path, f"SELECT * FROM {table}") for table in tables} == kept
        for name in reversed(migrated_since(BEFORE, path)):
            revert(database, target=name)
        assert_names_whole(path)
        left = sql(path, "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'artifact_search%' ORDER BY name")
        assert left == before
        assert {table: sql(path, f"SELECT * FROM {table}") for table in tables} == kept


def migrated_since(name: str, path: Path) -> list[str]:
    rows = sql(path, "SELECT name FROM schema_migration WHERE name > ? ORDER BY name", name)
    return [row[0] for row in rows]


@pytest.mark.parametrize("text", METADATA)
def test_no_metadata_keeps_an_artifact_out_or_the_index_from_being_whole(
    database: Database, path: Path, text: str | None
) -> None:
    migrate(database)
    fill(path)
    columns = "id, workflow_id, filename, local_filename, local_path, file_type, version, is_latest, metadata"
    sql(
        path,
        f"INSERT INTO artifacts ({columns}) VALUES ('a99', 'w3', 'a99.png', 'l', 'l', 'image', 9, 0, ?)",
        text,
    )
    assert_whole(path)
    sql(path, "UPDATE artifacts SET metadata = ? WHERE id = 'a12'", text)
    assert_whole(path)
    assert found(path, "a99") == {"a99"}


def test_the_index_follows_every_change(database: Database, path: Path) -> None:
    migrate(database)
    fill(path)
    more(path)
    assert_whole(path)
    for statement in (
        "INSERT INTO tags (artifact_id, tag, created_at) VALUES ('a22', '龙 dragon', 'x')",
        "INSERT OR IGNORE INTO tags (artifact_id, tag, created_at) VALUES ('a22', 'hero', 'x')",
        "INSERT OR IGNORE INTO tags (artifact_id, tag, created_at) VALUES ('a22', 'hero', 'x')",
        "DELETE FROM tags WHERE artifact_id = 'a11' AND tag = 'hero'",
        "DELETE FROM tags WHERE artifact_id = 'a12'",
        "UPDATE artifacts SET deleted_at = 'x' WHERE id IN ('a22', 'a31')",
        "UPDATE artifacts SET deleted_at = 'y' WHERE id = 'a22'",
        "DELETE FROM tags WHERE artifact_id = 'a31'",
        "UPDATE artifacts SET deleted_at = NULL",
        "UPDATE artifacts SET chain_deleted_at = 'x' WHERE id IN ('a11', 'a12', 'a22')",
        "UPDATE artifacts SET deleted_at = 'x' WHERE id IN ('a11', 'a21')",
        "UPDATE artifacts SET chain_deleted_at = NULL",
        "UPDATE artifacts SET deleted_at = NULL",
        "UPDATE artifacts SET rejection_reason = NULL, approval_status = 'approved'",
        "UPDATE artifacts SET rejection_reason = 'blurred', approval_status = 'rejected' WHERE id = 'a11'",
        "UPDATE artifacts SET metadata = NULL WHERE id = 'a11'",
        "UPDATE artifacts SET revision = revision + 1",
        "INSERT INTO tags (artifact_id, tag, created_at) SELECT id, 'all', 'x' FROM artifacts",
        "UPDATE artifacts SET deleted_at = 'x' WHERE id = 'a21'",
        "DELETE FROM artifacts WHERE id IN ('a21', 'a22')",
        "DELETE FROM chains WHERE id = 'c1'",
        "DELETE FROM workflows",
    ):
        sql(path, statement)
        assert_whole(path)
    assert sql(path, "SELECT * FROM tag_counts") == []


def scatter(path: Path, count: int) -> dict[int, str]:
    """Texts of four words at rows that lie close together, far apart, and anywhere between."""
    luck = random.Random(count)
    numbers = {int(2 ** (luck.random() * 21)) for _ in range(count)} | set(range(70_000, 70_000 + count))
    texts = {row: " ".join(luck.choice("abcd") for _ in range(4)) for row in numbers}
    with closing(sqlite3.connect(path)) as connection:
        for row, text in texts.items():
            signs = " ".join(f"{chr(fulltext.SIGN + bits)}{row >> bits:x}" for bits in fulltext.WIDTHS)
            said = f"{signs} {chr(fulltext.SIGN)} {text}"
            connection.execute("INSERT INTO artifact_search (rowid, everything) VALUES (?, ?)", (row, said))
        connection.commit()
    return texts


WANTED = [
    *([['"a"']], [['"a"'], ['"b"']], [['"a" + "b"']], [['"a" + "b"', '"c"']], [['"a" + "b"'], ['"c" + "d"'], ['"d"']]),
    *([['"a"', '"b"'], ['"c" + "d"']], [['"z"'], ['"a"']], [['"a" + "z"']]),
]


def test_which_of_some_rows_have_what_is_wanted_is_told_in_every_way(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(database)
    texts = scatter(path, 60)
    everything, few = sorted(texts), random.Random(1).sample(sorted(texts), 20)
    with database.reading():
        for short, opening in ((4096, 500), (1 << 30, 500), (0, 500), (0, 0), (0, 1 << 30)):
            monkeypatch.setattr(fulltext, "SHORT", short)
            monkeypatch.setattr(fulltext, "OPENING", opening)
            for wanted in WANTED:
                plain = [[phrase.replace('"', "").replace(" + ", " ") for phrase in phrases] for phrases in wanted]
                having = {row for row, text in texts.items() if all(any(p in text for p in each) for each in plain)}
                assert fulltext.among(wanted, everything, narrow=False) == having
                assert fulltext.among(wanted, few) == having.intersection(few)
                assert fulltext.among(wanted, []) == set()


def test_what_must_be_written_the_same_twice_is(path: Path) -> None:
    migration = runpy.run_path(str(Path(migrating.__file__).parent / "migrations" / "0009_search.py"))
    for name in ("UNDIVIDED", "SIGN", "WIDTHS"):
        assert migration[name] == getattr(fulltext, name)
