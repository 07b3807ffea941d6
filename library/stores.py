"""Owns the question whether the folder of the configuration is the store that the database speaks of.

A disk that is not mounted leaves an empty folder in the store's place: nothing is begun in it while the rows speak of
files that are elsewhere. The store has an id as a file, and the database the same as a row. A hub of an earlier release
is given one as soon as a file of its rows is seen.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..db import models
from ..db.connections import Database
from ..db.inspecting import Inspection
from ..db.querying import insert
from ..errors import StoreFailed, Unavailable
from ..storage import inspecting
from ..storage.identities import identify, identity, is_bare
from . import identities

if TYPE_CHECKING:
    from .opening import Library, Transaction

logger = logging.getLogger("artifact_db.library")

SEEN = 100
"""How many of the oldest and of the newest files are looked for, where there is no id to go by."""

_WHAT_TO_DO = (
    "Nothing was written. When the right folder is there it goes on by itself; `artifact-db doctor` says which one is "
    "configured, and `artifact-db migrate --adopt-store` makes it the store from now on"
)


def require_own(root: Path, database: Database) -> None:
    """Before a process makes anything in a folder: refuse one that is not the store of this database.

    A folder with an id is compared later, by `settle`: the database need not be there for it.

    Raises:
        StoreFailed: it is not, or there is neither a store nor a database that could say whether there was one.
    """
    if identity(root) is not None:
        return
    inspection = Inspection(database)
    try:
        if not inspection.exists():
            return
        _refuse_another(root, inspection)
    except (Unavailable, OSError) as error:
        if not is_bare(root):
            return
        raise StoreFailed(f"the store's folder is empty, and whether it may be cannot be asked: {error}") from error


def settle(library: Library) -> None:
    """See that store and database have the same id; give them one where neither has.

    The file comes first: a process that dies before the row leaves an id that the next one takes over.

    Raises:
        StoreFailed: the folder is not the store of this database. Unavailable.
    """
    root, inspection = library.store.root, Inspection(library.database)
    with library.database.reading():
        expected = _known()
    if expected is None or identity(root) != expected:
        _refuse_another(root, inspection)
    if expected is None:
        # Under the writer's lock: of several processes that begin at once, one gives the id.
        with library.database.writing():
            _refuse_another(root, inspection)
            expected = _known()
            if expected is None:
                expected = identify(root, identities.new_id())
                insert(models.StoreIdentity, {"place": 1, "id": expected, "since": identities.now()})
                logger.info("the store is %s from now on", expected)
    library.store.is_known_as(expected)


def id_of(library: Library) -> str:
    """The id of a library's store, which no other library has.

    Raises:
        StoreFailed, TooNew, Unavailable: it cannot be told now.
    """
    with library.reading():
        found = _known()
    assert found is not None  # `settle` has seen to it.
    return found


def adopt(tx: Transaction) -> tuple[str | None, str]:
    """Make the folder that is there the store of this database, whatever it holds; its id before and from now on.

    Raises:
        StoreFailed: it has no id yet and the disk refuses one.
    """
    before, after = _known(), identify(tx.library.store.root, identities.new_id())
    if before != after:
        models.StoreIdentity.delete().execute()
        insert(models.StoreIdentity, {"place": 1, "id": after, "since": tx.at})
        tx.log("store.adopted", "store", after, before={"store_id": before}, after={"store_id": after})
    return before, after


def reason_against(root: Path, inspection: Inspection) -> str | None:
    """Why a folder is not the store of a database; None where it is, or where neither knows of the other yet.

    Raises:
        StoreFailed: the folder's id cannot be read. Unavailable: the database cannot.
    """
    expected, found = inspection.store_id(), identity(root)
    if expected is not None and found is None:
        return "the store is not there: its folder has nothing of it (is its disk mounted?)"
    if expected is not None and found != expected:
        return "the store's folder holds another store, not the one that the database speaks of"
    if expected is None and (files := inspection.some_files(SEEN)) and not seen(root, files):
        return "the store is not there: its folder has none of the files that the database names (is its disk mounted?)"
    return None


def _refuse_another(root: Path, inspection: Inspection) -> None:
    if (reason := reason_against(root, inspection)) is not None:
        raise StoreFailed(f"{reason}. {_WHAT_TO_DO}")


def seen(root: Path, files: Sequence[str]) -> int:
    """How many of some places in the store have a file."""
    return sum(inspecting.is_file(root, path) for path in files)


def _known() -> str | None:
    found: str | None = models.StoreIdentity.select(models.StoreIdentity.id).scalar()
    return found
