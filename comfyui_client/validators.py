"""Owns what files of servers were when they were read last, so that one that has not changed need not be read again.

A server names the state of a file by a strong validator (RFC 9110, 8.8.1: it changes whenever the bytes do; ComfyUI's
is made of the file's size and its time in ns). Asked for the file unless it is that one still, it answers 304.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

File = tuple[str, ...]
"""What a file is asked for by: the server's address, and what stands in the request."""

MOST = 10_000
"""Files that are remembered, those that were asked for last."""


class Validators:
    """The hash of each file by the validator that came with it. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[File, tuple[str, str]] = OrderedDict()

    def of(self, file: File) -> tuple[str, str] | None:
        """The validator of a file, and the sha256 that it stands for; None where there is none."""
        with self._lock:
            if file in self._known:
                self._known.move_to_end(file)
            return self._known.get(file)

    def remember(self, file: File, validator: str, sha256: str) -> None:
        """A file was read whole. A weak validator, or none, tells nothing of its bytes: then it is read again."""
        with self._lock:
            self._known.pop(file, None)
            if len(validator) > 2 and validator.startswith('"'):
                self._known[file] = (validator, sha256)
            while len(self._known) > MOST:
                self._known.popitem(last=False)
