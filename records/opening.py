"""Owns the one set of records of a process, opened when it is first needed: here, or at the hub that is configured."""

from __future__ import annotations

import threading

from ..library.opening import SHARED, SharedLibrary
from .here import LocalRecords
from .interface import Records


class SharedRecords:
    """What the nodes hold."""

    def __init__(self, shared: SharedLibrary) -> None:
        self._shared = shared
        self._lock = threading.Lock()
        self._records: Records | None = None

    def get(self) -> Records:
        """The open records. A failed opening is tried again at the next call.

        Raises:
            BadConfiguration, StoreFailed: as `open_library`.
        """
        if self._records is None:
            with self._lock:
                if self._records is None:
                    self._records = self._open()
        return self._records

    def _open(self) -> Records:
        config = self._shared.config()
        if config.hub is None:
            return LocalRecords(self._shared.get())
        from .hub import HubRecords  # It brings requests, which a ComfyUI without a hub need not wait for.

        return HubRecords(config)


RECORDS = SharedRecords(SHARED)
