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
from ..media.limits import OPEN_IT, STANDS_STILL, CannotBeShown
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

SIZES = tuple(media.SIDES)
STRIP = "strip"
"""Frames of a film beside each other, in place of one of the `SIZES`."""

CHANGED = "its bytes have changed"


@dataclass(frozen=True)
class Thumbnail:
    """The `path` of a WebP. None where there is none, and then `note` says why in a few words."""

    path: Path | None
    note: str | None = None


def thumbnail(library: Library, artifact_id: str, size: str = "medium") -> Thumbnail:
    """The thumbnail of an artifact, also of one in the trash; made now, where it is not there yet.

    Raises:
        NotFound: there is no artifact with this id. StoreFailed: the disk refuses to read or to write.
    """
    return begin(library, artifact_id, size)[1].result()


def begin(library: Library, artifact_id: str, size: str = "medium") -> tuple[Artifact, Future[Thumbnail]]:
    """The same for those who cannot wait for it here. Others may wait for the same future: it is not to be cancelled.

    Args:
        size: one of `SIZES`, or `STRIP`.
    Raises:
        NotFound: there is no artifact with this id.
    """
    artifact = artifacts.get_artifact(library, artifact_id)
    note = _why_none(library, artifact, size)
    return artifact, library.thumbnails.make(artifact, size) if note is None else _ready(Thumbnail(None, note))


def _why_none(library: Library, artifact: Artifact, size: str) -> str | None:
    if artifact.bytes_removed_at is not None:
        return "its bytes were removed"
    if not artifacts.has_its_bytes(library, artifact):
        there = library.store.state(library.store.relative(artifact.local_path))
        return "its file is gone" if there is None else CHANGED
    if size == STRIP and not media.has_strip(artifact.file_format):
        return STANDS_STILL
    if not media.has_reader(artifact.file_format):
        return OPEN_IT if artifact.file_type == "text" else "no preview"
    return None


class Workshop:
    """Makes and keeps the thumbnails of one store, in a small pool; one at a time of the same bytes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept = Thumbnails(store)
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="artifact-db-thumbnails")
        self._lock = threading.Lock()
        self._making: dict[tuple[str, str], Future[Thumbnail]] = {}
        self._notes: dict[tuple[str, bool], str] = {}

    def make(self, artifact: Artifact, size: str) -> Future[Thumbnail]:
        """The thumbnail of an artifact whose format has one: at once where it is kept, else when it is made."""
        sha256 = artifact.sha256
        if (note := self._notes.get((sha256, size == STRIP))) is not None:
            return _ready(Thumbnail(None, note))
        if (path := self._kept.find(sha256, size)) is not None:
            return _ready(Thumbnail(path))
        key = sha256, size
        with self._lock:
            making = self._making.get(key)
            if making is None:
                making = self._making[key] = self._pool.submit(self._make, artifact, size)
                making.add_done_callback(lambda _: self._making.pop(key, None))
            return making

    def forget(self, sha256: str) -> None:
        """Remove thumbnails whose bytes are deleted for good; where others have the same bytes they are made again.

        Raises:
            StoreFailed: the disk refuses.
        """
        self._kept.forget(sha256)

    def close(self) -> None:
        """End the pool; what nobody has begun is not made."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _make(self, artifact: Artifact, size: str) -> Thumbnail:
        # Whoever asked between our first look and our place in the queue has it made already.
        if (path := self._kept.find(artifact.sha256, size)) is not None:
            return Thumbnail(path)
        local_path = self._store.relative(artifact.local_path)
        # It is kept under the hash and shared by it: what is shown has to be these bytes, whatever `stat` says.
        if self._store.digest(local_path) != artifact.sha256:
            return Thumbnail(None, CHANGED)
        try:
            with store_errors("reading what is to be shown"):
                made = self._made(artifact, size, self._store.path(local_path))
        except CannotBeShown as error:
            logger.debug("no thumbnail of artifact %s: %s", artifact.id, error.__cause__ or error)
            if len(self._notes) >= MAX_REMEMBERED:
                self._notes.clear()
            self._notes[artifact.sha256, size == STRIP] = str(error)
            return Thumbnail(None, str(error))
        paths = {name: self._kept.keep(artifact.sha256, name, data) for name, data in made.items()}
        return Thumbnail(paths[size])

    def _made(self, artifact: Artifact, size: str, source: Path) -> dict[str, bytes]:
        """The size that is asked for, and those that come with it for little: decoding is what takes long."""
        file_format = artifact.file_format or ""
        if size == STRIP:
            return {STRIP: media.make_strip(source, file_format)}
        also = [name for name in SIZES if name != "large" and self._kept.find(artifact.sha256, name) is None]
        return media.make(source, file_format, {size, *also})


def _ready(thumbnail: Thumbnail) -> Future[Thumbnail]:
    future: Future[Thumbnail] = Future()
    future.set_result(thumbnail)
    return future
