"""Owns the open library: one database, one store, and the transactions that every rule runs in."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ..comfyui_client.connections import Connections
from ..config import Config, load_config
from ..db.connections import Database
from ..db.migrating import migrate
from ..db.whereabouts import FileId
from ..errors import ArtifactDBError, BadConfiguration
from ..storage.local import Store
from . import (
    adoptions,
    disks,
    events,
    identities,
    names,
    previewing,
    recovery,
    repeats,
    reports,
    stores,
    thumbnails,
    underway,
)

logger = logging.getLogger("artifact_db.library")

Subscriber = Callable[[int, str], None]


class Transaction:
    """What takes part in one `writing()`: who asks, one time for all of its rows, and its events."""

    def __init__(self, library: Library, actor: str) -> None:
        self.library = library
        self.actor = actor
        self.at = identities.now()
        self._last: tuple[int, str] | None = None
        self._chains: dict[str, str | None] = {}

    def log(self, action: str, entity_type: str, entity_id: str, **row: Any) -> None:
        """Add an event; `row` may have `workflow_id`, whose chain's event it is too, or `chain_id`, `before`, `after`.

        Raises:
            Repeated: the request that changes are made by was done already.
        """
        if self._last is None:
            repeats.claim(self, entity_type, entity_id)
        row = {"chain_id": None, "workflow_id": None, "before": None, "after": None, **row}
        if (workflow_id := row["workflow_id"]) is not None:
            if workflow_id not in self._chains:
                self._chains[workflow_id] = events.chain_of(workflow_id)
            row["chain_id"] = self._chains[workflow_id]
        self._last = events.append(
            self._last,
            at=self.at,
            actor=self.actor,
            action=action,
            entity_type=entity_type,
            entity_id=entity_id,
            **row,
        )

    def log_all(self, told: Sequence[events.Told]) -> None:
        """Add many events whose texts were made before.

        Raises:
            Repeated: as `log`.
        """
        if not told:
            return
        if self._last is None:
            repeats.claim(self, told[0].entity_type, told[0].entity_id)
        self._last = events.append_all(self._last, self.at, self.actor, told)

    @property
    def last_seq(self) -> int | None:
        """The number of the newest event of this transaction; None when it has none."""
        return self._last[0] if self._last else None


class Library:
    """A store with its database. Every function of this package takes one as its first argument.

    The store is there from the start; the database is migrated when it is first needed, and asked again as long as it
    is away, so that a picture can be kept before its row can be written.
    """

    def __init__(self, config: Config, database: Database, store: Store) -> None:
        self.config = config
        self.database = database
        self.store = store
        self.deferred = recovery.Deferred()
        self.disks = disks.Disks(store.root, database.path)
        self.thumbnails = thumbnails.Workshop(store)
        self.ahead = previewing.Ahead()
        self.collections = underway.Underway()
        self.deliveries = underway.Underway()
        self.adoptions = adoptions.Adoptions()
        self.connections = Connections()
        self.reports = reports.Reports()
        self._subscribers: list[Subscriber] = []
        self._preparing = threading.RLock()  # Recovery, which is a part of it, asks again.
        self._prepared: FileId | None = None
        self._was_prepared = False

    def prepare(self) -> None:
        """Migrate the database and complete what interrupted processes left behind; done once for each file.

        Raises:
            TooNew, Unavailable: the database cannot be used, or its file is gone; the next call tries again.
            StoreFailed: it speaks of another store than the one that is open.
        """
        if self._is_prepared():
            return
        with self._preparing:
            if self._was_prepared:
                self.database.require_file()
            if not self.database.is_in_place():
                logger.warning("the database's file is another one than before: it is opened anew")
                self.database.leave()
            if not self._is_prepared():
                try:
                    migrate(self.database)
                except ArtifactDBError:
                    if not self._was_prepared:
                        self.database.close()  # Of a file that never was a database, nobody holds on to anything.
                    raise
                stores.settle(self)
                self._prepared, self._was_prepared = self.database.file_id(), True
                recovery.recover_abandoned(self)

    def _is_prepared(self) -> bool:
        return self._prepared is not None and self.database.is_in_place(self._prepared)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One snapshot of the rows."""
        self.prepare()
        with self.database.reading():
            yield

    @contextmanager
    def writing(self, actor: str) -> Iterator[Transaction]:
        """One durable transaction; those who subscribed hear of its events once they are committed.

        Raises:
            Invalid: there is nobody to name as the actor. TooNew, Unavailable: the database cannot be used.
        """
        actor = names.checked_text(actor, "actor")
        self.prepare()
        with self.database.writing():
            # Its time is taken under the writer's lock, so that times and event numbers grow together.
            transaction = Transaction(self, actor)
            yield transaction
        self.deferred.database_is_back()
        if transaction.last_seq is not None:
            for subscriber in tuple(self._subscribers):
                with suppress(RuntimeError):  # Its event loop is closed: there is nobody left to tell.
                    subscriber(transaction.last_seq, actor)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` after each commit of this process, in the writer's thread.

        It is given the number of the newest event, and whose they are.

        Returns:
            What ends the subscription.
        """
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def close(self) -> None:
        """Give everything back; a library that is closed is not used again."""
        self.adoptions.close()
        self.connections.close()
        self.deferred.stop()
        self.ahead.stop()
        self.thumbnails.close()
        self.database.close()
        self.store.close()


def open_library(config: Config) -> Library:
    """Open the store that the configuration names; the database follows when it is first needed.

    Raises:
        BadConfiguration: the database's URL is of no engine that this release speaks; or a hub has the database.
        StoreFailed: the store's folder cannot be made or written, or is not the one that the database speaks of.
    """
    database = database_of(config)
    store = Store(config.store)
    stores.require_own(store.root, database)
    store.open()
    logger.info("open: database %s, store %s", database.path, store.root)
    return Library(config, database, store)


def database_of(config: Config) -> Database:
    """The database that the configuration names; nothing is opened yet.

    Raises:
        BadConfiguration: its URL is of no engine that this release speaks; or a hub has the database.
    """
    if config.hub is not None:
        raise BadConfiguration(
            f"no database is kept here: everything is recorded into the hub {config.hub.url} (`hub` in the "
            "configuration); ask there, in its panel, over REST, or with this program on its machine"
        )
    return Database(config.database)


class SharedLibrary:
    """The one library of a process, opened when it is first needed; nodes and routes hold this, not the library."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._library: Library | None = None
        self._load: Callable[[], Config] = load_config
        self._config: Config | None = None

    def configure(self, load: Callable[[], Config]) -> None:
        """Say how the configuration is found; nothing is read or opened yet."""
        self._load = load

    def config(self) -> Config:
        """The configuration, read once it is right: a wrong one is read again, so that mending it needs no restart."""
        if self._config is None:
            self._config = self._load()
        return self._config

    def get(self) -> Library:
        """The open library. A failed opening is tried again at the next call.

        Raises:
            BadConfiguration, StoreFailed: as `open_library`.
        """
        if self._library is None:
            with self._lock:
                if self._library is None:
                    self._library = open_library(self.config())
        return self._library

    def close(self) -> None:
        """Close the library, when one is open."""
        with self._lock:
            if self._library is not None:
                self._library.close()
            self._library = None


SHARED = SharedLibrary()
