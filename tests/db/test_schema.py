"""The tables of the original design are all there, as its schema says, and every reference can be followed quickly."""

from __future__ import annotations

from pathlib import Path

import pytest
import tables
from comfyui_artifact_db.db.connections import Database
from comfyui_artifact_db.db.migrating import migrate

SCHEMA = (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8")
DESIGNED = tables.described(":memory:", SCHEMA)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tables.Table]:
    path = tmp_path_factory.mktemp("schema") / "artifacts.db"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    database.close()
    return tables.described(path)


def test_the_schema_that_is_compared_with_is_the_whole_design() -> None:
    assert set(DESIGNED) == {"chains", "workflows", "artifacts", "artifact_transfers"}
    assert {name: len(table.columns) for name, table in DESIGNED.items()} == {
        **{"chains": 13, "workflows": 18, "artifacts": 21, "artifact_transfers": 10}
    }
    assert sum(len(table.foreign_keys) for table in DESIGNED.values()) == 7
    created = [index for table in DESIGNED.values() for index in table.indexes.values() if index.sql]
    assert len(created) == 16


@pytest.mark.parametrize("name", DESIGNED)
def test_every_designed_column_is_there_with_its_type_its_default_and_its_nullability(
    migrated: dict[str, tables.Table], name: str
) -> None:
    there = migrated[name].columns
    assert {column: there.get(column) for column in DESIGNED[name].columns} == DESIGNED[name].columns
    assert list(there)[: len(DESIGNED[name].columns)] == list(DESIGNED[name].columns)


@pytest.mark.parametrize("name", DESIGNED)
def test_every_designed_foreign_key_is_there_with_its_action(migrated: dict[str, tables.Table], name: str) -> None:
    assert DESIGNED[name].foreign_keys <= migrated[name].foreign_keys


@pytest.mark.parametrize("name", DESIGNED)
def test_every_designed_index_is_there_unique_and_partial_as_designed(
    migrated: dict[str, tables.Table], name: str
) -> None:
    there = migrated[name].indexes
    assert {index: there.get(index) for index in DESIGNED[name].indexes} == DESIGNED[name].indexes


def test_the_first_migration_is_the_design_and_nothing_else(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'artifacts.db'}")
    assert migrate(database, target="0001_original_design") == ["0001_original_design"]
    database.close()
    found = tables.described(tmp_path / "artifacts.db")
    assert found.pop("schema_migration")
    assert found == DESIGNED


def test_what_the_rules_need_is_there(migrated: dict[str, tables.Table]) -> None:
    assert set(migrated) >= {*DESIGNED, "attempts", "events", "tags", "lineage", "schema_migration"}
    needed = {
        *("output_key", "attempt_id", "is_head", "sha256", "decided_sha256", "source_artifact_id"),
        *("bytes_removed_at", "deleted_at", "revision"),
    }
    assert needed <= set(migrated["artifacts"].columns)
    assert {"requires_approval", "revision"} <= set(migrated["workflows"].columns)
    assert {"attempts", "target_filename", "receipt_sha256"} <= set(migrated["artifact_transfers"].columns)


def test_one_head_for_each_output_and_one_row_for_each_version_are_kept_by_the_database(
    migrated: dict[str, tables.Table],
) -> None:
    indexes = migrated["artifacts"].indexes
    head, version = indexes["idx_artifacts_one_head_per_output"], indexes["idx_artifacts_version"]
    assert (head.unique, head.partial, head.columns) == (True, True, ("workflow_id", "output_key"))
    assert (version.unique, version.partial, version.columns) == (True, False, ("workflow_id", "output_key", "version"))


def test_the_log_has_no_foreign_keys_so_that_it_outlives_what_it_speaks_of(migrated: dict[str, tables.Table]) -> None:
    assert migrated["events"].foreign_keys == set()
    assert not [key for table in migrated.values() for key in table.foreign_keys if key.table == "events"]


def test_every_foreign_key_has_an_index_so_that_a_deletion_need_not_read_the_table(
    migrated: dict[str, tables.Table],
) -> None:
    for name, table in migrated.items():
        first = {index.columns[0] for index in table.indexes.values()}
        assert {key.column for key in table.foreign_keys} <= first, name
