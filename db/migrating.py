"""Owns the way from the tables that are there to those that this release needs. Nothing is dropped to get there."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from peewee import PeeweeException
from playhouse.migrations import Runner

from ..errors import TooNew, Unavailable
from .connections import Database, unavailable

logger = logging.getLogger("artifact_db.db")

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
LOCK_TIMEOUT = 120.0
"""Seconds to wait for another process that is migrating the same database."""


def migrate(database: Database, *, target: str | None = None) -> list[str]:
    """Bring the tables up to date, under a lock, after a backup of a database that is already in use.

    Args:
        target: the name of the last migration to apply; None applies all.
    Returns:
        The names of the migrations that were applied; empty when there was nothing to do.
    Raises:
        TooNew: the database holds migrations that this release does not know.
        Unavailable: it cannot be opened, or another process keeps the lock.
    """
    try:
        database.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{database.path}.lock", timeout=LOCK_TIMEOUT):
            return _migrate(database, target)
    except Timeout as error:
        raise Unavailable("another process is migrating the database; try again when it has finished") from error
    except OSError as error:
        raise unavailable(error) from error


def revert(database: Database, *, target: str) -> list[str]:
    """Undo every migration back through `target`, newest first; returns their names. For tests and downgrades."""
    with FileLock(f"{database.path}.lock", timeout=LOCK_TIMEOUT), _connected(database):
        return list(_runner(database).down(target))


def schema_version(database: Database) -> str:
    """The name of the newest migration that the database holds."""
    with _connected(database):
        applied = sorted(_runner(database).applied())
    return applied[-1] if applied else ""


def _migrate(database: Database, target: str | None) -> list[str]:
    with _connected(database):
        runner = _runner(database)
        status = runner.status()
        unknown = [m.name for m in status if m.path is None]
        if unknown:
            raise TooNew(
                f"the database was written by a newer release (it has {', '.join(unknown)}): "
                "update the extension, or restore the backup beside the database"
            )
        pending = [m.name for m in status if not m.applied]
        if not pending:
            return []
        if len(pending) < len(status):
            _back_up(database.path, pending[0])
        applied = list(runner.up(target))
    logger.info("database %s: applied %s", database.path.name, ", ".join(applied))
    return applied


def _runner(database: Database) -> Runner:
    return Runner(database.engine, str(MIGRATIONS))


@contextmanager
def _connected(database: Database) -> Iterator[None]:
    """A connection for the migration runner, which makes its own transactions."""
    try:
        database.engine.connect()
        try:
            yield
        finally:
            database.engine.close()
    except (PeeweeException, sqlite3.Error) as error:
        raise unavailable(error) from error


def _back_up(path: Path, before: str) -> None:
    target = path.with_name(f"{path.name}.before-{before}.bak")
    source = sqlite3.connect(path)
    copy = sqlite3.connect(target)
    try:
        source.backup(copy)
    finally:
        copy.close()
        source.close()
    logger.info("backed the database up to %s before %s", target.name, before)
