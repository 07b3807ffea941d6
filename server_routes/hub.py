"""Owns what the handlers share: the library, and the small pool of threads that every call to it runs in."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from ..chains.driver import Driver
from ..config import Config
from ..errors import ArtifactDBError
from ..library import identities, transfers
from ..library.opening import Library, SharedLibrary
from .events import News
from .servers import Checkups

logger = logging.getLogger("artifact_db.server_routes")

T = TypeVar("T")

WORKERS = 8


class Serving(ABC):
    """Whoever answers the routes: a hub, or the way to another one."""

    @property
    @abstractmethod
    def config(self) -> Config:
        """The configuration."""

    @property
    @abstractmethod
    def pool(self) -> ThreadPoolExecutor:
        """Where what blocks is run."""

    async def off_loop(self, work: Callable[[], T]) -> T:
        """Run what blocks in the pool, as part of the request that this is for."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self.pool, lambda: context.run(work))


class Hub(Serving):
    """The process that holds a database and serves the routes; nothing in it is opened before it is asked for."""

    def __init__(self, shared: SharedLibrary, version: str, *, drives: bool = True) -> None:
        self.shared = shared
        self.version = version
        self.started_at = identities.now()
        self.news = News(self)
        self.checkups = Checkups(self)
        self.answering: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # By their keys.
        # Deliveries wait for other machines: in a pool of their own they keep nobody else waiting.
        self._quick = ThreadPoolExecutor(WORKERS, thread_name_prefix="artifact-db")
        self._slow = ThreadPoolExecutor(WORKERS, thread_name_prefix="artifact-db-slow")
        self._drives = drives
        self._driver: Driver | None = None
        self._starting = threading.Lock()

    @property
    def library(self) -> Library:
        """The open library; opening it blocks, so only what runs in the pool may be the first to ask."""
        library = self.shared.get()
        library.ahead.start(library)
        self._drive(library)
        return library

    @property
    def config(self) -> Config:
        return self.shared.config()

    @property
    def pool(self) -> ThreadPoolExecutor:
        return self._quick

    def heard(self, chain_id: str) -> list[dict[str, Any]]:
        """How the prompts of a chain get on: as this process hears, or as workers elsewhere report."""
        heard = self._driver.heard(chain_id) if self._driver is not None else []
        return [*(one.plain() for one in heard), *self.library.reports.of(chain_id)]

    async def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call a library function, with the library as its first argument, off the event loop."""
        return await self.off_loop(lambda: function(self.library, *args, **kwargs))

    def begin(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> asyncio.Future[T]:
        """Start a library function that may take long; it goes on when nobody waits for it any more.

        It is part of the request that it is started in.
        """
        context = contextvars.copy_context()
        work = lambda: context.run(lambda: function(self.library, *args, **kwargs))
        return asyncio.get_running_loop().run_in_executor(self._slow, work)

    def open(self) -> None:
        """Open the library, complete what was interrupted, and drive chains where there are servers. Blocks.

        Raises:
            ArtifactDBError: it cannot be opened; the next request tries again.
        """
        self.library.prepare()

    def _drive(self, library: Library) -> None:
        """Drive chains from the moment on at which the library is open; the driver waits for its database by itself."""
        if self._driver is not None or not self._drives:
            return
        with self._starting:
            if self._driver is None and self._drives and self.config.servers:
                self._driver = Driver(library).start()
                self._slow.submit(self._go_on, library)

    def _go_on(self, library: Library) -> None:
        """Begin again with the deliveries that others were at when they died."""
        try:
            for transfer in transfers.list_interrupted(library):
                by = transfer.requested_by or "hub"
                self._slow.submit(transfers.deliver, library, transfer.id, by=by)  # refused where its process lives
        except ArtifactDBError as error:
            logger.warning("interrupted deliveries go on at the next start: %s", error)

    def close(self) -> None:
        """End the pools once what runs in them is done."""
        with self._starting:
            self._drives = False
            if self._driver is not None:
                self._driver.stop()
        self._quick.shutdown(wait=True)
        self._slow.shutdown(wait=True)
