"""The models and the migrated tables say the same, column by column."""

from __future__ import annotations

from typing import Any

import pytest
import tables
from comfyui_artifact_db.db import models
from comfyui_artifact_db.db.connections import Database
from comfyui_artifact_db.db.migrating import migrate
from peewee import CompositeKey, ForeignKeyField

NOT_IN_THE_MODELS = {"workflows": {tables.ForeignKey("latest_artifact_id", "artifacts", "id", "SET NULL", "NO ACTION")}}
"""Peewee's deferred foreign keys make none on SQLite; the migration makes this one."""


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tables.Table]:
    path = tmp_path_factory.mktemp("models") / "artifacts.db"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    database.close()
    return tables.described(path)


def type_of(field: Any) -> str:
    """The type that a column of this field is declared with."""
    if isinstance(field, ForeignKeyField):
        return type_of(field.rel_field)
    return {"AUTO": "INTEGER", "INT": "INTEGER"}.get(field.field_type, field.field_type)


def primary_key(model: Any) -> list[str]:
    key = model._meta.primary_key
    return list(key.field_names) if isinstance(key, CompositeKey) else [key.column_name]


def test_there_is_a_model_for_every_table(migrated: dict[str, tables.Table]) -> None:
    assert {model._meta.table_name for model in models.TABLES} == set(migrated) - {"schema_migration"}
    assert len(models.TABLES) == len(set(models.TABLES))


@pytest.mark.parametrize("model", models.TABLES, ids=lambda model: model._meta.table_name)
def test_a_model_has_the_columns_of_its_table(migrated: dict[str, tables.Table], model: Any) -> None:
    fields = {field.column_name: field for field in model._meta.sorted_fields}
    columns = migrated[model._meta.table_name].columns
    assert list(fields) == list(columns)
    assert {name: type_of(field) for name, field in fields.items()} == {n: c.type for n, c in columns.items()}
    for name, field in fields.items():
        assert field.name == name, "a row as a dictionary has the names of its columns"
        not_null = columns[name].not_null or bool(columns[name].primary_key)
        assert field.null is not not_null, name


@pytest.mark.parametrize("model", models.TABLES, ids=lambda model: model._meta.table_name)
def test_a_model_has_the_primary_key_of_its_table(migrated: dict[str, tables.Table], model: Any) -> None:
    columns = migrated[model._meta.table_name].columns.values()
    keyed = sorted((column.primary_key, column.name) for column in columns if column.primary_key)
    assert primary_key(model) == [name for _, name in keyed]


@pytest.mark.parametrize("model", models.TABLES, ids=lambda model: model._meta.table_name)
def test_a_model_has_the_foreign_keys_of_its_table_with_their_actions(
    migrated: dict[str, tables.Table], model: Any
) -> None:
    name = model._meta.table_name
    declared = {
        tables.ForeignKey(
            field.column_name,
            field.rel_model._meta.table_name,
            field.rel_field.column_name,
            field.on_delete or "NO ACTION",
            field.on_update or "NO ACTION",
        )
        for field in model._meta.sorted_fields
        if isinstance(field, ForeignKeyField)
    }
    assert declared | NOT_IN_THE_MODELS.get(name, set()) == migrated[name].foreign_keys


@pytest.mark.parametrize("model", models.TABLES, ids=lambda model: model._meta.table_name)
def test_a_unique_column_of_a_model_is_unique_in_its_table(migrated: dict[str, tables.Table], model: Any) -> None:
    unique = {
        index.columns
        for index in migrated[model._meta.table_name].indexes.values()
        if index.unique and not index.partial and len(index.columns) == 1
    }
    declared = {(field.column_name,) for field in model._meta.sorted_fields if field.unique}
    keyed = {tuple(primary_key(model))} if len(primary_key(model)) == 1 else set()
    assert unique - keyed == declared
