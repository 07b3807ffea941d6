"""Owns clients that are kept for a while after their use, so that the next one need not connect again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..config import Server
from .servers import ComfyUIServer
from .validators import Validators

KEPT = 10.0
"""Seconds for which a client is kept; servers keep a connection for longer than that."""


class Connections:
    """Clients of servers, each lent to one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[tuple[float, float, float, ComfyUIServer]] = []
        self._validators = Validators()
        self._closed = False

    @contextmanager
    def client(self, server: Server, *, timeout: float, deadline: float) -> Iterator[ComfyUIServer]:
        """A client of this server, as a new one would be. After an error it is not lent again."""
        client = self._take(server, timeout, deadline) or ComfyUIServer(
            server, timeout=timeout, deadline=deadline, validators=self._validators
        )
        try:
            yield client
        except BaseException:
            client.close()
            raise
        with self._lock:
            if not self._closed:
                self._kept.append((time.monotonic(), timeout, deadline, client))
                return
        client.close()

    def close(self) -> None:
        """Give all connections back; those that are lent when they come back."""
        with self._lock:
            self._closed = True
            kept, self._kept = self._kept, []
        for *_, client in kept:
            client.close()

    def _take(self, server: Server, timeout: float, deadline: float) -> ComfyUIServer | None:
        """The client that was used last; those that were not used for long are closed."""
        oldest, found, old = time.monotonic() - KEPT, None, []
        with self._lock:
            for one in reversed(self._kept):
                since, *patience, client = one
                if since < oldest:
                    old.append(one)
                elif found is None and client.server == server and patience == [timeout, deadline]:
                    found = one
            self._kept = [one for one in self._kept if one is not found and one not in old]
        for *_, client in old:
            client.close()
        return found[-1] if found is not None else None
