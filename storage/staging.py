"""Owns the staging folders: one for each process, under a lock that is held as long as the process lives.

Whoever sees a folder can tell by its lock whether its owner lives; those of processes that are gone are taken over.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import StoreFailed
from .files import remove, store_errors, sync_folder
from .identities import identity

STAGING = "staging"
ALONE_SUFFIX = ".alone"


class Staging:
    """The staging folder of this process in one store."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._store_id: str | None = None
        self._folder: Path | None = None
        self._lock: FileLock | None = None
        self._coming_back = threading.Lock()

    def open(self) -> None:
        """Make the folder. Its lock comes first: a folder without one is taken for one that was left behind."""
        folder = self._root / STAGING / uuid.uuid4().hex
        self._lock = FileLock(f"{folder}.lock", thread_local=False)
        self._lock.acquire(timeout=0)
        folder.mkdir()
        sync_folder(folder.parent)
        self._folder = folder

    def close(self) -> None:
        """Give the folder back. What is unfinished stays for the next process to complete."""
        if self._folder is None:
            return
        folder, self._folder = self._folder, None
        empty = not any(folder.iterdir()) if folder.exists() else True
        if empty and folder.exists():
            folder.rmdir()
        self._release(remove_it=empty)

    def is_known_as(self, store_id: str) -> None:
        """The database says which store this is in: one that vanishes is known by it when it comes back."""
        self._store_id = store_id

    @property
    def folder(self) -> Path:
        """Where this process stages.

        Raises:
            StoreFailed: the store is closed; or it has vanished, and nothing is made in what is in its place.
        """
        if self._folder is None:
            raise StoreFailed("the store is closed")
        if not self._folder.is_dir():
            self._come_back()
        return self._folder

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Whether nobody else, in this process or another, is in a block of this name; then it is ours until its end.

        Raises:
            StoreFailed: as `folder`.
        """
        lock = FileLock(self.folder.parent / f"{name}{ALONE_SUFFIX}", thread_local=False)
        with store_errors("taking a lock"), suppress(Timeout):
            lock.acquire(timeout=0)
        try:
            yield lock.is_locked
        finally:
            if lock.is_locked:
                if os.name != "nt":
                    remove(Path(lock.lock_file))
                lock.release()

    def is_own(self, folder: Path) -> bool:
        return folder == self._folder

    def _come_back(self) -> None:
        """The folder is gone: the store has vanished, or has come back without it."""
        with self._coming_back:
            if self._folder is None or self._folder.is_dir():
                return
            if self._store_id is None or identity(self._root) != self._store_id:
                raise StoreFailed(
                    "the store has vanished: its folder has nothing of it, nothing can be kept. Is its disk mounted? "
                    "Once it is, it goes on by itself"
                )
            with store_errors("coming back"):
                self._release(remove_it=True)
                self.open()

    def _release(self, *, remove_it: bool) -> None:
        if self._lock is not None:
            self._lock.release()
            if remove_it:
                remove(Path(self._lock.lock_file))


@contextmanager
def abandoned(root: Path, own: Staging, intent_suffix: str) -> Iterator[list[Path]]:
    """The staging folders of processes that are gone, held under their locks so that nobody else takes them.

    At the end of the block, those in which no intent is left are removed with their unfinished parts.
    """
    _tidy(root)
    taken: list[tuple[Path, FileLock]] = []
    with store_errors("looking for interrupted records"):
        folders = sorted((root / STAGING).iterdir())
    for folder in folders:
        if not folder.is_dir() or own.is_own(folder):
            continue
        lock = FileLock(f"{folder}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        taken.append((folder, lock))
    try:
        yield [folder for folder, _ in taken]
        for folder, lock in taken:
            with suppress(OSError):  # What cannot be removed now is removed by the next who looks.
                if folder.exists() and not any(folder.glob(f"*{intent_suffix}")):
                    _remove(folder, Path(lock.lock_file))
    finally:
        for _, lock in taken:
            lock.release()


def _tidy(root: Path) -> None:
    """Remove the locks that processes left behind which died while they were alone with something."""
    if os.name == "nt":
        return
    with store_errors("looking for locks that nobody holds"):
        for lock_file in (root / STAGING).glob(f"*{ALONE_SUFFIX}"):
            with suppress(Timeout), FileLock(lock_file, timeout=0):
                remove(lock_file)


def _remove(folder: Path, lock_file: Path) -> None:
    for part in folder.iterdir():
        # A part without an intent was never promised to anybody.
        remove(part)
    folder.rmdir()
    if os.name != "nt":  # Windows refuses to delete an open file; an empty lock file is in nobody's way.
        remove(lock_file)
