"""Transactions: one at a time in a thread, of one database, all or nothing, and Unavailable when they cannot be."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import processes
import pytest
from comfyui_artifact_db.db import connections, models
from comfyui_artifact_db.db.connections import Database
from comfyui_artifact_db.db.migrating import migrate
from comfyui_artifact_db.db.turns import Turns
from comfyui_artifact_db.errors import BadConfiguration, Unavailable
from committing import connecting
from locking import locked
from peewee import IntegrityError

AT = "2026-11-22T10:30:00.000Z"
Session = Callable[[Database], AbstractContextManager[None]]
SESSIONS: list[Session] = [Database.reading, Database.writing]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[str], Database]]:
    made: list[Database] = []

    def make(name: str) -> Database:
        made.append(Database(f"sqlite:///{tmp_path / name}"))
        migrate(made[-1])
        return made[-1]

    yield make
    for database in made:
        database.close()


@pytest.fixture
def database(make: Callable[[str], Database]) -> Database:
    return make("artifacts.db")


def add(chain_id: str, **columns: Any) -> None:
    columns = {"name": "film", "status": "initializing", "started_at": AT, "current_level": 0, **columns}
    models.Chain.insert(id=chain_id, **columns).execute()


def ids() -> list[str]:
    return [chain_id for (chain_id,) in models.Chain.select(models.Chain.id).order_by(models.Chain.id).tuples()]


@pytest.mark.parametrize("outer", SESSIONS)
@pytest.mark.parametrize("inner", SESSIONS)
@pytest.mark.parametrize("same", [True, False])
def test_transactions_do_not_nest(make: Callable[[str], Database], outer: Session, inner: Session, same: bool) -> None:
    one = make("one.db")
    two = one if same else make("two.db")
    with outer(one):
        with pytest.raises(RuntimeError, match="do not nest"), inner(two):
            pass
        assert ids() == []
    with inner(two):
        assert ids() == []


def test_a_query_outside_of_a_transaction_raises(database: Database) -> None:
    for query in (
        lambda: models.Chain.select().count(),
        lambda: list(models.Chain.select()),
        lambda: add("c"),
        lambda: models.Chain.delete().execute(),
        lambda: models.Event.select().first(),
    ):
        with pytest.raises(RuntimeError, match=r"outside of reading\(\) and writing\(\)"):
            query()
    with database.writing():
        add("c")
    with pytest.raises(RuntimeError, match="outside"):
        ids()


def test_a_transaction_of_one_thread_is_none_of_another(database: Database) -> None:
    raised: list[BaseException] = []

    def ask() -> None:
        try:
            ids()
        except RuntimeError as error:
            raised.append(error)

    with database.reading():
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert len(raised) == 1


def test_two_databases_that_are_open_at_once_do_not_mix(make: Callable[[str], Database]) -> None:
    databases = [make("one.db"), make("two.db")]
    together = threading.Barrier(2)
    found: dict[int, list[str]] = {}

    def work(number: int) -> None:
        for step in range(20):
            together.wait()
            with databases[number].writing():
                add(f"{number}-{step:02}")
                together.wait()
        with databases[number].reading():
            together.wait()
            found[number] = ids()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [f"{number}-{step:02}" for step in range(20)] for number in range(2)}


def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    for error in (ValueError("of ours"), KeyboardInterrupt(), IntegrityError("of the database")):
        with pytest.raises(type(error)), database.writing():  # noqa: PT012
            add("c")
            raise error
    with pytest.raises(IntegrityError), database.writing():  # noqa: PT012
        add("c")
        add("c")
    with database.reading():
        assert ids() == []


def test_reading_is_one_snapshot(database: Database) -> None:
    with database.writing():
        add("a")
    with database.reading():
        assert ids() == ["a"]
        other = sqlite3.connect(database.path)
        other.execute(f"INSERT INTO chains (id, name, status, started_at) VALUES ('b', 'n', 'failed', '{AT}')")
        other.commit()
        other.close()
        assert ids() == ["a"]
    with database.reading():
        assert ids() == ["a", "b"]


def test_every_connection_is_durable_and_keeps_foreign_keys(database: Database) -> None:
    def ask() -> None:
        with database.writing():
            pragmas = (
                *("journal_mode", "synchronous", "fullfsync", "checkpoint_fullfsync"),
                *("foreign_keys", "busy_timeout"),
            )
            found.append({name: database.engine.execute_sql(f"PRAGMA {name}").fetchone()[0] for name in pragmas})

    found: list[dict[str, Any]] = []
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    durable = {"journal_mode": "wal", "synchronous": 2, "fullfsync": 1, "checkpoint_fullfsync": 1}
    assert found == [{**durable, "foreign_keys": 1, "busy_timeout": 5000}] * 4


@pytest.mark.usefixtures("impatient")
def test_writing_holds_the_lock_from_its_first_statement_and_reading_never_waits(database: Database) -> None:
    with database.writing():
        other = sqlite3.connect(database.path, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        assert other.execute("SELECT COUNT(*) FROM chains").fetchone() == (0,)
        other.close()
    with locked(database.path), database.reading():
        assert ids() == []


@pytest.mark.usefixtures("impatient")
def test_a_database_that_another_process_has_locked_is_unavailable_until_it_lets_go(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'artifacts.db'}")
    migrate(database)
    with processes.started("locking", tmp_path) as process:
        with (
            pytest.raises(Unavailable, match="another program is writing to it; try again") as refused,
            database.writing(),
        ):
            add("c")
        assert refused.value.data["outcome_unknown"] is False
        assert processes.go_on(process) == []
    with database.writing():
        add("c")
    database.close()


def test_a_writer_waits_for_another_one_that_is_soon_done(database: Database) -> None:
    released = threading.Event()

    def hold() -> None:
        with locked(database.path):
            taken.set()
            released.wait()

    taken = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    threading.Timer(0.2, released.set).start()
    with database.writing():
        add("c")
    thread.join()


def test_eight_threads_with_fifty_changes_each_lose_nothing(database: Database) -> None:
    with database.writing():
        add("c")

    def work() -> None:
        for _ in range(50):
            with database.writing():
                level = models.Chain.select(models.Chain.current_level).where(models.Chain.id == "c").scalar()
                models.Chain.update(current_level=level + 1).where(models.Chain.id == "c").execute()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading():
        assert models.Chain.select(models.Chain.current_level).scalar() == 400


def test_the_threads_of_a_process_write_in_the_order_in_which_they_came(database: Database) -> None:
    def work(number: int) -> None:
        with database.writing():
            done.append(number)

    done: list[int] = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    with database.writing():
        for number, thread in enumerate(threads, 1):
            thread.start()
            while len(database._turns._waiting) < number:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert done == [0, 1, 2, 3, 4, 5]


@pytest.mark.usefixtures("impatient")
def test_those_who_wait_behind_one_in_vain_are_told_so_and_the_next_goes_on(make: Callable[[str], Database]) -> None:
    def work() -> None:
        try:
            with database.writing():
                add("c")
        except Unavailable as error:
            refused.append(error)

    database = make("impatient.db")
    refused: list[Unavailable] = []
    with locked(database.path):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [str(error) for error in refused] == [
        "the database is not available: another program is writing to it; try again"
    ] * 4
    assert [error.data for error in refused] == [{"outcome_unknown": False}] * 4
    work()
    with database.reading():
        assert ids() == ["c"]


@pytest.mark.usefixtures("impatient")
def test_nobody_is_refused_as_long_as_those_before_them_finish(make: Callable[[str], Database]) -> None:
    """The last one waits for all of the others, many times as long as SQLite would let it."""
    database = make("impatient.db")
    database._turns = Turns(60)  # A pause of this machine is not what is asked for.
    done: list[int] = []

    def work(number: int) -> None:
        with database.writing():
            done.append(number)
            time.sleep(0.06)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 8


def damaged_header(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)


def damaged_pages(path: Path) -> None:
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


@pytest.mark.parametrize("damage", [damaged_header, damaged_pages])
def test_a_damaged_file_is_unavailable_with_a_clear_message(database: Database, damage: Callable[[Path], None]) -> None:
    with database.writing():
        add("c")
    database.close()
    for name in ("artifacts.db-wal", "artifacts.db-shm"):
        assert not database.path.with_name(name).exists()
    damage(database.path)
    for session in SESSIONS:
        with pytest.raises(Unavailable, match="damaged; restore a backup") as refused, session(database):
            ids()
        assert str(database.path) not in str(refused.value)


def test_when_the_commit_itself_fails_its_outcome_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def before_commit() -> None:
        if fail:
            raise sqlite3.OperationalError("disk I/O error")

    fail: list[bool] = []
    monkeypatch.setattr(sqlite3, "connect", connecting(before_commit))
    database = Database(f"sqlite:///{tmp_path / 'artifacts.db'}")
    migrate(database)
    fail.append(True)
    with pytest.raises(Unavailable, match="full or failing") as refused, database.writing():
        add("c")
    assert refused.value.data["outcome_unknown"] is True
    fail.clear()
    with database.writing():
        add("d")
    database.close()


@pytest.mark.parametrize(
    "url", ["postgresql://ann:s3cret@c/d", "sqlite://artifacts.db", "sqlite:///", "artifacts.db", "", "mysql:///x"]
)
def test_an_engine_that_this_release_does_not_speak_is_refused(url: str) -> None:
    with pytest.raises(BadConfiguration, match="sqlite:///PATH") as refused:
        Database(url)
    assert "s3cret" not in str(refused.value)


def test_a_closed_database_opens_again_when_it_is_asked(database: Database) -> None:
    with database.writing():
        add("c")
    database.close()
    with database.reading():
        assert ids() == ["c"]


def test_values_come_back_as_they_went_in(database: Database) -> None:
    definition = {"ü": ["暗い", None, 1, 2.5, True, {"nested": []}], "": '"quoted"\n'}
    with database.writing():
        add("c", chain_definition=definition, description="NUL is \0 here")
        add("d", chain_definition=None)
        add("e", chain_definition={})
    with database.reading():
        rows = list(models.Chain.select().order_by(models.Chain.id).dicts())
    assert [row["chain_definition"] for row in rows] == [definition, None, {}]
    assert rows[0]["description"] == "NUL is \0 here"
    assert rows[0]["started_at"] == AT
    assert connections.JSONColumn().db_value({"ü": [1, 2]}) == '{"ü":[1,2]}'
