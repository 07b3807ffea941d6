"""The database itself keeps the log append-only and the pointers single."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from comfyui_artifact_db.db import models
from comfyui_artifact_db.library.opening import Library
from peewee import IntegrityError


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET actor = 'nobody'",
        "UPDATE events SET seq = seq + 100",
        "UPDATE OR IGNORE events SET hash = ''",
        "DELETE FROM events",
        "DELETE FROM events WHERE seq = 1",
        "DELETE FROM events WHERE seq = (SELECT MAX(seq) FROM events)",
    ],
)
def test_an_event_cannot_be_changed_or_removed(library: Library, pictures: Any, statement: str) -> None:
    pictures.one()
    connection = sqlite3.connect(library.database.path)
    before = connection.execute("SELECT * FROM events").fetchall()
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    assert connection.execute("SELECT * FROM events").fetchall() == before
    connection.close()


def test_an_event_cannot_be_put_in_the_place_of_another(library: Library, pictures: Any) -> None:
    pictures.one()
    connection = sqlite3.connect(library.database.path)
    row = connection.execute("SELECT * FROM events WHERE seq = 1").fetchone()
    marks = ", ".join("?" * len(row))
    connection.execute("PRAGMA recursive_triggers = OFF")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(f"INSERT OR REPLACE INTO events VALUES ({marks})", (1, *row[1:2], "nobody", *row[3:]))
    assert connection.execute("SELECT * FROM events WHERE seq = 1").fetchone() == row
    connection.close()


def test_peewee_cannot_either(library: Library, pictures: Any) -> None:
    pictures.one()
    for change in (models.Event.update(actor="nobody"), models.Event.delete()):
        with pytest.raises(IntegrityError, match="append-only"), library.writing("tester"):
            change.execute()


def test_a_second_current_artifact_or_head_is_refused_by_the_database(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id)
    for column in ("is_latest", "is_head"):
        with pytest.raises(IntegrityError, match="UNIQUE"), library.writing("tester"):
            models.Artifact.update(**{column: True}).where(models.Artifact.id == first.id).execute()
    with pytest.raises(IntegrityError, match="UNIQUE"), library.writing("tester"):
        models.Artifact.update(version=1).where(models.Artifact.id == second.id).execute()


def test_a_row_that_refers_to_nothing_is_refused(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    for column in ("workflow_id", "parent_artifact_id", "attempt_id", "source_artifact_id"):
        with pytest.raises(IntegrityError, match="FOREIGN KEY"), library.writing("tester"):
            models.Artifact.update(**{column: "nobody"}).where(models.Artifact.id == picture.id).execute()
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), library.writing("tester"):
        models.Workflow.update(latest_artifact_id="nobody").execute()
