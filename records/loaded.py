"""Owns the files that were loaded from a hub: kept by their hash, proven each time, the longest unused leave first."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..client import downloads
from ..client.records import Artifact
from ..storage.files import digest, remove, store_errors

FOLDER = "loaded"

MOST_BYTES = 20 * 1024**3
"""How much is kept; one file that is larger is kept while it is the last."""


class Loaded:
    """A folder of files by their hash."""

    def __init__(self, root: Path, most: int = MOST_BYTES) -> None:
        self._folder = root / FOLDER
        self._most = most
        self._lock = threading.Lock()

    def path(self, artifact: Artifact) -> Path:
        """Where the bytes of an artifact lie once they were taken. All of the name is told by the hub's contract."""
        known = artifact.sha256.isalnum() and len(artifact.sha256) == 64
        suffix = f".{artifact.file_format}" if (artifact.file_format or "").isalnum() else ""
        return self._folder / f"{artifact.sha256 if known else 'unknown'}{suffix}"

    def take(self, artifact: Artifact, pieces: Iterator[bytes]) -> Path:
        """The file with an artifact's bytes, proven; `pieces` brings them where they are not here.

        Raises:
            Problem: they are not to be had, or are not those that were recorded. StoreFailed: the disk refuses.
        """
        path = self.path(artifact)
        with self._lock, store_errors("keeping what was loaded"):
            if path.is_file() and digest(path) == artifact.sha256:
                os.utime(path)
                return path
            self._folder.mkdir(exist_ok=True)
            remove(path)
            downloads.write(pieces, path, artifact)
            path.chmod(0o444)
            self._make_room(path)
        return path

    def _make_room(self, newest: Path) -> None:
        files = [(file.stat(), file) for file in self._folder.iterdir() if file != newest]
        size = newest.stat().st_size + sum(state.st_size for state, _ in files)
        for state, file in sorted(files, key=lambda one: one[0].st_mtime_ns):
            if size <= self._most:
                return
            with suppress(OSError):  # Windows keeps what a graph still reads.
                remove(file)
                size -= state.st_size
