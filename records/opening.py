"""Owns the one recorder of a process, opened when it is first needed: here, or at the hub that is configured."""

from __future__ import annotations

import threading

from ..library.opening import SHARED, SharedLibrary
from .here import LocalRecorder
from .interface import Recorder


class SharedRecorder:
    """What the nodes hold."""

    def __init__(self, shared: SharedLibrary) -> None:
        self._shared = shared
        self._lock = threading.Lock()
        self._recorder: Recorder | None = None

    def get(self) -> Recorder:
        """The open recorder. A failed opening is tried again at the next call.

        Raises:
            BadConfiguration, StoreFailed: as `open_library`.
        """
        if self._recorder is None:
            with self._lock:
                if self._recorder is None:
                    self._recorder = self._open()
        return self._recorder

    def _open(self) -> Recorder:
        config = self._shared.config()
        if config.hub is None:
            return LocalRecorder(self._shared.get())
        from .hub import HubRecorder  # It brings requests, which a ComfyUI without a hub need not wait for.

        return HubRecorder(config)


RECORDER = SharedRecorder(SHARED)
