"""Owns the connections: one pool for each database, and the only two ways to speak to it.

`reading()` sees one snapshot, `writing()` is BEGIN IMMEDIATE; neither nests, and a model used outside of both
raises. Errors of the database are mapped here, once.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from peewee import BooleanField, DatabaseError, DatabaseProxy, Field, IntegrityError, ProgrammingError
from playhouse.pool import MaxConnectionsExceeded, PooledSqliteDatabase

from ..errors import BadConfiguration, Unavailable
from .turns import Turns
from .whereabouts import FileId, Moved, Whereabouts

BUSY_TIMEOUT = 5.0
"""Seconds that a transaction waits for another one to finish before it is `Unavailable`; of those that wait in one
process, each has them anew whenever the one before it is done."""

_thread = threading.local()


class CurrentDatabase(DatabaseProxy):
    """Stands for the database whose `reading()` or `writing()` this thread is in."""

    @property
    def obj(self) -> Any:
        return getattr(_thread, "database", None)

    @obj.setter
    def obj(self, value: None) -> None:
        """Peewee's Proxy sets it to None when it is made; nobody else does."""

    def __getattr__(self, name: str) -> Any:
        if self.obj is None:
            raise RuntimeError("a query outside of reading() and writing()")
        return getattr(self.obj, name)


CURRENT = CurrentDatabase()


class TimestampField(Field):
    """UTC, ISO 8601 with milliseconds and a Z, as text: it sorts as it reads."""

    field_type = "TIMESTAMP"


class BooleanColumn(BooleanField):
    """Declared as the schema declares it (Peewee's own would be INTEGER on SQLite)."""

    field_type = "BOOLEAN"


class JSONColumn(Field):
    """JSON text, compact, in and out. (Peewee's own picks its dialect when the model is made; ours has none then.)"""

    field_type = "JSON"

    def db_value(self, value: Any) -> Any:
        return value if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def python_value(self, value: Any) -> Any:
        return value if value is None else json.loads(value)


class _Engine(PooledSqliteDatabase):
    """A pool whose connections all have one file open."""

    where: Whereabouts

    def _add_conn_hooks(self, conn: Any) -> None:
        self.where.opened()
        super()._add_conn_hooks(conn)


class Database:
    """A SQLite database and its pool of connections.

    Args:
        url: `sqlite:///` and the file's path.
    Raises:
        BadConfiguration: the URL is of no engine that this release speaks.
    """

    def __init__(self, url: str) -> None:
        scheme, separator, path = url.partition(":///")
        if scheme != "sqlite" or not separator or not path:
            # The url is not quoted: that of another engine may hold a password.
            raise BadConfiguration("database: this release speaks sqlite:///PATH")
        self.path = Path(path)
        self._turns = Turns(BUSY_TIMEOUT)
        self._where = Whereabouts(self.path)
        self._sessions = 0
        self._ended = threading.Condition()
        self.engine = _Engine(
            str(self.path),
            max_connections=64,
            timeout=30,
            check_same_thread=False,
            autoconnect=False,
            pragmas={
                "busy_timeout": int(BUSY_TIMEOUT * 1000),
                "journal_mode": "wal",
                "synchronous": "full",
                # Of macOS alone, whose fsync leaves a commit in the drive's cache.
                "fullfsync": 1,
                "checkpoint_fullfsync": 1,
                "foreign_keys": 1,
                "temp_store": "memory",
            },
        )
        self.engine.where = self._where

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One snapshot of the database, for queries only."""
        with self._session("DEFERRED", nullcontext(lambda: None)):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction that holds the writer's lock from its first statement; committed at the end, durably.

        Raises:
            Unavailable: `data["outcome_unknown"]` tells whether it was the commit itself that failed.
        """
        with self._session("IMMEDIATE", self._turns.taken()):
            yield

    def close(self) -> None:
        """Close every connection; the next `reading()` opens a new one."""
        self.engine.close_all()
        self._where.closed()

    def is_in_place(self, wanted: FileId | None = None) -> bool:
        """Whether the file that is open is still the one in the database's place; also before any is.

        Args:
            wanted: what `file_id` gave before: only this one will do.
        """
        return self._where.is_in_place(wanted)

    def file_id(self) -> FileId | None:
        """What tells the file that is in the database's place from every other one; None where there is none."""
        return self._where.present()

    def require_file(self) -> None:
        """Refuse to begin anew where there was a database.

        Raises:
            Unavailable: its file is gone.
        """
        self._where.require()

    def leave(self) -> None:
        """Close a file that is no longer in the database's place, with all that was written to it in it.

        The next connection opens the file that is there now.

        Raises:
            Unavailable: somebody is still at work in the old one.
        """
        try:
            with FileLock(f"{self.path}.lock", timeout=BUSY_TIMEOUT), self._ended:
                if not self._ended.wait_for(lambda: not self._sessions, timeout=BUSY_TIMEOUT):
                    raise unavailable(Moved())
                self._write_log_back()
                self.engine.close_all()
                self._where.forget()
        except Timeout as error:
            raise unavailable(Moved()) from error

    def _write_log_back(self) -> None:
        """A log that stayed behind would be taken for that of the next file."""
        try:
            with self.engine.connection_context():
                busy = self.engine.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except Moved:
            return  # None was open any more.
        except (DatabaseError, sqlite3.DatabaseError) as error:
            raise unavailable(error) from error
        if busy:
            raise Unavailable("the database's file was replaced, and another program still uses the old one: end it")

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """Within the block nobody changes the file that is spoken to."""
        with self._ended:
            self._sessions += 1
        try:
            if not self.is_in_place():
                raise Moved
            yield
        finally:
            with self._ended:
                self._sessions -= 1
                self._ended.notify_all()

    @contextmanager
    def _session(self, lock: str, turn: AbstractContextManager[Callable[[], None]]) -> Iterator[None]:
        if getattr(_thread, "database", None) is not None:
            raise RuntimeError("transactions do not nest: call the function that takes part in yours")
        committing = False
        try:
            with self._entered(), turn as begin, self.engine.connection_context():
                _thread.database = self.engine
                try:
                    with self.engine.transaction(lock):
                        begin()
                        yield
                        committing = True
                finally:
                    _thread.database = None
                self._where.used()
        except (IntegrityError, ProgrammingError):
            raise
        except (DatabaseError, sqlite3.DatabaseError, MaxConnectionsExceeded) as error:
            raise unavailable(error, outcome_unknown=committing) from error


def unavailable(error: Exception, **data: Any) -> Unavailable:
    """What an error of the database or of its folder means to a caller."""
    return Unavailable(f"the database is not available: {_reason(error)}", **data)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"its folder cannot be used ({error.strerror})"
    text = str(error)
    if "no transaction is active" in text and isinstance(error.__context__, Exception):
        # On a full disk SQLite has rolled back by itself; why it did so is the error before this one.
        return _reason(error.__context__)
    if "locked" in text or "busy" in text:
        return "another program is writing to it; try again"
    if "malformed" in text or "not a database" in text:
        return "its file is damaged; restore a backup, the files in the store are untouched"
    if "disk is full" in text or "disk I/O" in text:
        return "its disk is full or failing; free some space, then it goes on by itself"
    if "unable to open" in text:
        return "its file cannot be opened; is the folder there and writable?"
    if "readonly" in text:
        return "its file is read-only"
    return text
