"""Status values stand in one place, and the database refuses every other."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

import pytest
from comfyui_artifact_db.db import statuses
from comfyui_artifact_db.db.connections import Database
from comfyui_artifact_db.db.migrating import migrate

AT = "2026-11-22T10:30:00.000Z"
ROWS = {
    "chains": ("status", f"INSERT INTO chains (id, name, status, started_at) VALUES ('c2', 'n', ?, '{AT}')"),
    "workflows": (
        "status",
        "INSERT INTO workflows (id, workflow_name, server_address, prompt_id, status, queued_at) "
        f"VALUES ('w2', 'n', 's', 'p', ?, '{AT}')",
    ),
    "attempts": (
        "status",
        "INSERT INTO attempts (id, workflow_id, number, server_address, prompt_id, status, queued_at, created_at,"
        f" updated_at) VALUES ('t2', 'w1', 2, 's', 'p', ?, '{AT}', '{AT}', '{AT}')",
    ),
    "artifacts": (
        "approval_status",
        "INSERT INTO artifacts (id, workflow_id, filename, local_filename, local_path, file_type, is_latest,"
        " output_key, approval_status) VALUES ('a2', 'w1', 'f', 'l2', 'p2', 'image', FALSE, 'a2', ?)",
    ),
    "artifact_transfers": (
        "status",
        "INSERT INTO artifact_transfers (id, artifact_id, source_workflow_id, target_server, status) "
        "VALUES ('x2', 'a1', 'w1', 's', ?)",
    ),
}
ACCEPTED = {
    "chains": (*statuses.CHAIN_STATUSES, "executing_level_0", "executing_level_7", "executing_level_123456789"),
    "workflows": statuses.WORKFLOW_STATUSES,
    "attempts": statuses.WORKFLOW_STATUSES,
    "artifacts": statuses.APPROVAL_STATUSES,
    "artifact_transfers": statuses.TRANSFER_STATUSES,
}
EVERY = sorted({status for accepted in ACCEPTED.values() for status in accepted})
ODD = [
    *("", " ", "Pending", "COMPLETED", "pending ", "executing_level_", "executing_level_x", "executing_level_1x"),
    *("EXECUTING_LEVEL_1", "executing_level_-1", "executing_level_1 ", "executingXlevelX1", "x"),
]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("statuses") / "artifacts.db"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    database.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(ROWS["workflows"][1].replace("w2", "w1"), ("queued",))
    connection.execute(ROWS["artifacts"][1].replace("a2", "a1").replace("l2", "l1").replace("p2", "p1"), ("pending",))
    yield connection
    connection.close()


@pytest.fixture
def insert(connection: sqlite3.Connection) -> Iterator[Callable[[str, str | None], None]]:
    connection.execute("BEGIN")
    yield lambda table, status: connection.execute(ROWS[table][1], (status,)) and None
    connection.execute("ROLLBACK")


@pytest.mark.parametrize(("table", "status"), [(table, status) for table in ROWS for status in ACCEPTED[table]])
def test_the_database_takes_every_status_that_there_is(
    insert: Callable[[str, str], None], table: str, status: str
) -> None:
    insert(table, status)


@pytest.mark.parametrize(
    ("table", "status"),
    [(table, status) for table in ROWS for status in [*EVERY, *ODD] if status not in ACCEPTED[table]],
)
def test_the_database_refuses_every_other_status(insert: Callable[[str, str], None], table: str, status: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        insert(table, status)


@pytest.mark.parametrize("table", ROWS)
def test_a_status_cannot_be_changed_into_another_either(connection: sqlite3.Connection, table: str) -> None:
    column, _ = ROWS[table]
    connection.execute("BEGIN")
    connection.execute(ROWS[table][1], (ACCEPTED[table][0],))
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        connection.execute(f"UPDATE {table} SET {column} = 'whatever'")
    connection.execute("ROLLBACK")


def test_the_statuses_are_those_of_the_design() -> None:
    assert statuses.CHAIN_STATUSES == ("initializing", "awaiting_approval", "completed", "failed", "cancelled")
    assert (
        *("queued", "executing", "awaiting_approval", "completed", "failed", "skipped", "cancelled", "outcome_unknown"),
    ) == statuses.WORKFLOW_STATUSES
    assert statuses.APPROVAL_STATUSES == ("pending", "approved", "rejected", "auto_approved", "edited")
    assert statuses.TRANSFER_STATUSES == ("pending", "uploading", "completed", "failed")
    assert set(statuses.USABLE) == {"approved", "auto_approved", "edited"}


@pytest.mark.parametrize("status", ACCEPTED["chains"])
def test_a_chain_status_is_known(status: str) -> None:
    assert statuses.is_chain_status(status)


@pytest.mark.parametrize("status", [*ODD, "queued", "executing_level_01", "executing_level_1\n", "executing_level_²"])
def test_what_is_no_chain_status_is_not(status: str) -> None:
    assert not statuses.is_chain_status(status)
