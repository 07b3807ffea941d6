"""Owns what a power cut takes besides the process: names and bytes in the store that were not synced to the disk.

It is the worst that may happen to one who does not sync, and happens to all of it: unsynced renames, links, removals
and new files are undone, unsynced bytes are gone. What SQLite committed stays; it syncs by itself.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Undo = Callable[[], object]

IS_KNOWN = Path("/proc/self/fd").is_dir()
"""Whether this system tells which file is synced."""


class Power:
    """Remembers what this process did to the names and bytes of a store since they were last synced."""

    def __init__(self, store: Path, graveyard: Path) -> None:
        self._store = f"{store}{os.sep}"
        self._graveyard = graveyard
        self._names: list[tuple[str, Undo]] = []
        self._bytes: dict[str, None] = {}
        self._removed = 0
        self._lock = threading.RLock()

    def install(self) -> None:
        """Listen to the calls of this process."""
        self._graveyard.mkdir(exist_ok=True)
        rename, link, unlink, rmdir, mkdir = os.rename, os.link, os.unlink, os.rmdir, os.mkdir
        created, synced = os.open, os.fsync

        def opening(path: Any, flags: int, *more: Any, **named: Any) -> int:
            with self._lock:
                new = self._concerns(path) and flags & os.O_CREAT and not os.path.lexists(path)
                file = created(path, flags, *more, **named)
                if new:
                    self._did(path, lambda: unlink(path))
                    self._bytes[os.fspath(path)] = None
            return file

        def renaming(source: Any, target: Any, **named: Any) -> None:
            with self._lock:
                rename(source, target, **named)
                if self._concerns(target):
                    self._did(target, lambda: rename(target, source))
                    if os.fspath(source) in self._bytes:
                        self._bytes[os.fspath(target)] = self._bytes.pop(os.fspath(source))

        def linking(source: Any, target: Any, **named: Any) -> None:
            with self._lock:
                link(source, target, **named)
                if self._concerns(target):
                    self._did(target, lambda: unlink(target))

        def unlinking(path: Any, **named: Any) -> None:
            with self._lock:
                if self._concerns(path) and os.path.lexists(path):
                    self._removed += 1
                    kept = self._graveyard / f"{os.getpid()}-{self._removed}"
                    link(path, kept)
                    self._did(path, lambda: rename(kept, path))
                unlink(path, **named)

        def making(path: Any, *more: Any, **named: Any) -> None:
            with self._lock:
                mkdir(path, *more, **named)
                if self._concerns(path):
                    self._did(path, lambda: rmdir(path))

        def removing(path: Any, **named: Any) -> None:
            with self._lock:
                rmdir(path, **named)
                if self._concerns(path):
                    self._did(path, lambda: mkdir(path))

        def syncing(file: int) -> None:
            with self._lock:
                synced(file)
                path = os.readlink(f"/proc/self/fd/{file}")
                if stat.S_ISDIR(os.fstat(file).st_mode):
                    self._names = [(folder, undo) for folder, undo in self._names if folder != path]
                else:
                    self._bytes.pop(path, None)

        os.open, os.rename, os.link, os.unlink = opening, renaming, linking, unlinking  # type: ignore[assignment]
        os.mkdir, os.rmdir, os.fsync = making, removing, syncing  # type: ignore[assignment]

    def cut(self) -> None:
        """Take away what is not on the disk; nothing that this process does afterwards counts."""
        self._lock.acquire()  # for good: no other thread goes on
        for path in self._bytes:
            if os.path.exists(path):
                os.chmod(path, 0o600)
                os.truncate(path, 0)
                os.chmod(path, 0o444)
        for _, undo in reversed(self._names):
            try:
                undo()
            except OSError:
                continue  # Others have changed the same names since, as they may.

    def _concerns(self, path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self._store)

    def _did(self, path: Any, undo: Undo) -> None:
        self._names.append((os.path.dirname(os.fspath(path)), undo))
