"""Owns the upkeep of the database as a whole: copies of it, bringing it up to this release's tables, and which store
it is of."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..config import Config
from ..db.connections import Database
from ..db.copying import copy_database
from ..db.inspecting import Inspection, known_migrations
from ..db.migrating import migrate
from ..errors import Conflict, StoreFailed, TooNew, Unavailable
from ..storage.exports import give_name, passing, settle
from ..storage.files import sync_folder
from ..storage.local import Store
from . import names, stores
from .opening import Library, Transaction, database_of

__all__ = ["Adopted", "Copied", "Upgrade", "adopt_store", "back_up", "plan", "upgrade"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Copied:
    """A copy as it is: `size` in bytes, and the number of the last event in it (0 without one)."""

    path: Path
    size: int
    last_seq: int


@dataclass(frozen=True)
class Upgrade:
    """From which version to which, and the migrations between the two; `before` is empty for no database yet."""

    before: str
    after: str
    steps: tuple[str, ...]
    backup: Path | None = None


@dataclass(frozen=True)
class Adopted:
    """The id of the store before (None for none) and after, and of how many files that were looked for it has some."""

    before: str | None
    after: str
    looked_for: int
    seen: int


def back_up(config: Config, target: Path, *, force: bool = False, progress: Progress = lambda *_: None) -> Copied:
    """A consistent copy of the database while others write, read back before it gets its name.

    It holds no files. They never change, so that a copy of the store's folder made *after* it has all that it names.

    Raises:
        BadConfiguration. Conflict: the file is there already. Unavailable: the database cannot be read.
        StoreFailed: the copy cannot be written.
    """
    database = database_of(config)
    _refuse(database, target, force)
    try:
        with passing(target.parent) as (path, file):
            path.chmod(0o600)
            last_seq = copy_database(database, path, progress)
            settle(file)
            size = path.stat().st_size
            if force:
                os.replace(path, target)
            else:
                give_name(path, target)
        sync_folder(target.parent)
    except FileExistsError as error:
        raise _taken(target) from error
    except OSError as error:
        raise StoreFailed(f"the backup cannot be written to {target.parent}: {error.strerror}") from error
    return Copied(target, size, last_seq)


def plan(config: Config) -> Upgrade:
    """What `upgrade` would do. Nothing is made and nothing is changed.

    Raises:
        BadConfiguration. TooNew: a newer release wrote the database. Unavailable: it cannot be read.
    """
    inspection = Inspection(database_of(config))
    known = known_migrations()
    applied = inspection.applied() if inspection.exists() else []
    if unknown := [name for name in applied if name not in known]:
        raise TooNew(
            f"the database was written by a newer release (it has {', '.join(unknown)}): "
            "update the extension, or restore the backup beside the database"
        )
    steps = tuple(name for name in known if name not in applied)
    return Upgrade(applied[-1] if applied else "", known[-1], steps)


def upgrade(config: Config) -> Upgrade:
    """Bring the tables up to date, after a backup beside the database where it holds something.

    Raises:
        As `plan`; Unavailable also where another process is migrating.
    """
    database = database_of(config)
    planned = plan(config)
    try:
        steps = tuple(migrate(database))
    finally:
        database.close()
    backup = database.path.with_name(f"{database.path.name}.before-{steps[0]}.bak") if steps else None
    return Upgrade(planned.before, planned.after, steps, backup if planned.before and backup else None)


def adopt_store(config: Config, *, by: str) -> Adopted:
    """Make the configured folder the store of this database, after a restore or a move, whatever the folder holds.

    Raises:
        BadConfiguration. Unavailable: there is no database, or it cannot be written. TooNew. StoreFailed.
    """
    by = names.checked_text(by, "actor")
    database, store = database_of(config), Store(config.store)
    if not database.path.is_file():
        raise Unavailable("there is no database yet: the first start makes the store")
    migrate(database)
    store.open()
    library = Library(config, database, store)
    try:
        with database.writing():
            before, after = stores.adopt(Transaction(library, by))
    finally:
        library.close()
    files = Inspection(database).some_files(stores.SEEN)
    return Adopted(before, after, len(files), stores.seen(store.root, files))


def _refuse(database: Database, target: Path, force: bool) -> None:
    if not database.path.is_file():
        raise Unavailable("there is no database yet: nothing was recorded")
    own = [os.path.realpath(f"{database.path}{suffix}") for suffix in ("", "-wal", "-shm", ".lock")]
    if os.path.realpath(target) in own:
        raise Conflict("this is the database itself; name another file")
    if target.is_dir():
        raise Conflict(f"{target} is a folder; name a file in it")
    if os.path.lexists(target) and not force:
        raise _taken(target)


def _taken(target: Path) -> Conflict:
    return Conflict(f"{target} is there already; name another file, or replace it with --force")
