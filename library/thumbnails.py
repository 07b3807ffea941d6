"""Owns what is shown of an artifact: its thumbnail, or in a few words why there is none.

Never an old picture of bytes that have changed; and neither a record nor any other request waits for one being made.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..media import thumbnails as media
from ..storage.files import store_errors
from ..storage.local import Store
from ..storage.thumbnails import Thumbnails
from . import artifacts
from .views import Artifact

if TYPE_CHECKING:
    from .opening import Library

logger = logging.getLogger("artifact_db.library")

WORKERS = 2
"""Thumbnails that are made at the same time; each may need the memory of a whole decoded picture."""

MAX_REMEMBERED = 10_000
"""How many files that cannot be shown are remembered as such."""

CHANGED = "its bytes have changed"


@dataclass(frozen=True)
class Thumbnail:
    """The `path` of a WebP. None where there is none, and then `note` says why in a few words."""

    path: Path | None
    note: str | None = None


def thumbnail(library: Library, artifact_id: str) -> Thumbnail:
    """The thumbnail of an artifact, also of one in the trash; made now, where it is not there yet.

    Raises:
        NotFound: there is no artifact with this id. StoreFailed: the disk refuses to read or to write.
    """
    return begin(library, artifact_id)[1].result()


def begin(library: Library, artifact_id: str) -> tuple[Artifact, Future[Thumbnail]]:
    """The same for those who cannot wait for it here. Others may wait for the same future: it is not to be cancelled.

    Raises:
        NotFound: there is no artifact with this id.
    """
    artifact = artifacts.get_artifact(library, artifact_id)
    note = _why_none(library, artifact)
    return artifact, library.thumbnails.make(artifact) if note is None else _ready(Thumbnail(None, note))


def _why_none(library: Library, artifact: Artifact) -> str | None:
    if artifact.bytes_removed_at is not None:
        return "its bytes were removed"
    if not artifacts.has_its_bytes(library, artifact):
        there = library.store.state(library.store.relative(artifact.local_path))
        return "its file is gone" if there is None else CHANGED
    if not media.has_reader(artifact.file_format):
        return "no preview"
    return None


class Workshop:
    """Makes and keeps the thumbnails of one store, in a small pool; one at a time of the same bytes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept = Thumbnails(store)
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="artifact-db-thumbnails")
        self._lock = threading.Lock()
        self._making: dict[str, Future[Thumbnail]] = {}
        self._notes: dict[str, str] = {}

    def make(self, artifact: Artifact) -> Future[Thumbnail]:
        """The thumbnail of an artifact whose format has a reader: at once where it is kept, else when it is made."""
        sha256 = artifact.sha256
        if (note := self._notes.get(sha256)) is not None:
            return _ready(Thumbnail(None, note))
        if (path := self._kept.find(sha256)) is not None:
            return _ready(Thumbnail(path))
        with self._lock:
            making = self._making.get(sha256)
            if making is None:
                making = self._making[sha256] = self._pool.submit(self._make, artifact)
                making.add_done_callback(lambda _: self._making.pop(sha256, None))
            return making

    def forget(self, sha256: str) -> None:
        """Remove a thumbnail whose bytes are deleted for good; where others have the same bytes it is made again.

        Raises:
            StoreFailed: the disk refuses.
        """
        self._kept.forget(sha256)

    def close(self) -> None:
        """End the pool; what nobody has begun is not made."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _make(self, artifact: Artifact) -> Thumbnail:
        # Whoever asked between our first look and our place in the queue has it made already.
        if (path := self._kept.find(artifact.sha256)) is not None:
            return Thumbnail(path)
        local_path = self._store.relative(artifact.local_path)
        # It is kept under the hash and shared by it: what is shown has to be these bytes, whatever `stat` says.
        if self._store.digest(local_path) != artifact.sha256:
            return Thumbnail(None, CHANGED)
        try:
            with store_errors("reading a picture"):
                data = media.make(self._store.path(local_path), artifact.file_format or "")
        except media.CannotBeShown as error:
            logger.debug("no thumbnail of artifact %s: %s", artifact.id, error.__cause__ or error)
            if len(self._notes) >= MAX_REMEMBERED:
                self._notes.clear()
            self._notes[artifact.sha256] = str(error)
            return Thumbnail(None, str(error))
        return Thumbnail(self._kept.keep(artifact.sha256, data))


def _ready(thumbnail: Thumbnail) -> Future[Thumbnail]:
    future: Future[Thumbnail] = Future()
    future.set_result(thumbnail)
    return future
