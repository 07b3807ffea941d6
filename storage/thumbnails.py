"""Owns where thumbnails lie: thumbnails/<first two hex digits>/<sha256>.<size>.webp, by the hash of what they show.

Equal bytes share them. Nothing is made durable: what a crash takes, or leaves torn, is made again.
"""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

from .files import remove, store_errors
from .local import PART_SUFFIX, Store

THUMBNAILS = "thumbnails"
SIZES = ("small", "medium", "large", "strip")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class Thumbnails:
    """The thumbnails of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, sha256: str, size: str) -> Path | None:
        """The thumbnail of these bytes in a size; None when there is none, or a torn one."""
        path = self._path(sha256, size)
        try:
            with path.open("rb") as file:
                head = file.read(12)
                length = os.fstat(file.fileno()).st_size
        except OSError:
            return None
        whole = head[:4] == b"RIFF" and head[8:] == b"WEBP" and int.from_bytes(head[4:8], "little") + 8 == length
        return path if whole else None

    def keep(self, sha256: str, size: str, data: bytes) -> Path:
        """Put a thumbnail into its place, where it appears as a whole.

        Raises:
            StoreFailed: the disk refuses.
        """
        path = self._path(sha256, size)
        part = self._store.staging / f"{uuid.uuid4().hex}{PART_SUFFIX}"
        with store_errors("keeping a thumbnail"):
            try:
                part.write_bytes(data)
                path.parent.mkdir(parents=True, exist_ok=True)
                os.replace(part, path)
            except PermissionError:
                # Windows refuses to replace what somebody reads just now: that is the same thumbnail.
                if self.find(sha256, size) is None:
                    raise
            finally:
                remove(part)
        return path

    def forget(self, sha256: str) -> None:
        """Remove all sizes, for example because what they show was deleted for good."""
        with store_errors("removing a thumbnail"):
            for size in SIZES:
                remove(self._path(sha256, size))

    def _path(self, sha256: str, size: str) -> Path:
        if not _SHA256.match(sha256) or size not in SIZES:
            raise ValueError("a thumbnail is kept under a SHA-256 and a size")
        # The first release had one size, without a name.
        name = f"{sha256}.webp" if size == "medium" else f"{sha256}.{size}.webp"
        return self._store.root / THUMBNAILS / sha256[:2] / name
