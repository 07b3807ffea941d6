"""Owns bringing one file of a folder into the staging folder: copied, hashed, durable, and looked into.

What it brings is promised to nobody yet. A file that cannot be had is an answer, not an error; a store that takes
nothing more is an error, which the next file would meet too.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Invalid
from ..media import embedded
from ..media.kinds import HEAD_SIZE, Kind, classify
from ..storage.files import digest, remove
from ..storage.folders import Found, look
from ..storage.local import Placement
from ..storage.sources import SourceChanged, SourceFailed
from . import adopting_rows, describing, identities, names
from .adopting_rows import Adopted

if TYPE_CHECKING:
    from .opening import Library

WAITS = (0.5, 2.0)
"""Seconds before a file that is being written is tried the second and the third time."""

FRESH = 2.0
"""Seconds. Of a file that was written so short a time ago, another write may leave the same time behind."""


@dataclass(frozen=True)
class Waiting:
    """A file that is to be taken in. `sha256` and `artifact_id` are what an earlier import saw of it."""

    folder: Path
    subfolder: str
    found: Found
    sha256: str = ""
    artifact_id: str = ""

    @property
    def path(self) -> Path:
        return self.folder / self.found.name

    @property
    def name(self) -> str:
        """Its path below what is imported, with forward slashes."""
        return f"{self.subfolder}/{self.found.name}".lstrip("/")


@dataclass(frozen=True)
class Taken:
    """Its bytes are in the staging folder."""

    file: Adopted
    placement: Placement


@dataclass(frozen=True)
class Known:
    """An artifact has its bytes already."""

    found: Found
    sha256: str
    artifact_id: str


@dataclass(frozen=True)
class Failed:
    """`name` is its path below what is imported."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class Taker:
    """Takes files in, several at once, each in its thread, until it is told that it is over."""

    def __init__(self, library: Library, lost: dict[str, list[dict[str, Any]]]) -> None:
        self._library = library
        self._lost = lost
        self.over = threading.Event()

    def take(self, waiting: Waiting, artifact_id: str) -> Taken | Known | Failed | None:
        """One file; None when it was over before it began.

        Raises:
            StoreFailed: the store's disk refuses. Unavailable, TooNew: the database is away.
        """
        for wait in (*WAITS, None):
            if self.over.is_set():
                return None
            try:
                return self._take(waiting, artifact_id)
            except SourceChanged:
                if wait is None or self.over.wait(wait):
                    return Failed(waiting.name, "it is being written; import again when it is finished")
            except SourceFailed as error:
                return Failed(waiting.name, str(error).removeprefix("the file cannot be taken in: "))
            except Invalid as error:
                return Failed(waiting.name, str(error))
            except OSError as error:
                return Failed(waiting.name, error.strerror or str(error))
        return None

    def _take(self, waiting: Waiting, artifact_id: str) -> Taken | Known:
        filename = names.checked_filename(waiting.found.name)
        _, subfolder = names.labels(filename, waiting.subfolder)
        before = look(waiting.path)
        if waiting.sha256 and digest(waiting.path) == waiting.sha256:
            return Known(_settled(waiting.path, before), waiting.sha256, waiting.artifact_id)
        with waiting.path.open("rb") as file:
            kind = classify(file.read(HEAD_SIZE), filename)
        with self._library.store.copying(waiting.path) as part:
            found = _settled(waiting.path, before)
            with self._library.reading():
                known = adopting_rows.known(part.sha256, filename, subfolder)
            if known is not None:
                part.discard()
                return Known(found, part.sha256, known)
            day = identities.now()[:10]
            placement = self._library.store.finish(part, artifact_id=artifact_id, extension=kind.file_format, day=day)
            made_at = identities.at(before.mtime_ns)
            metadata, prompt, extra = _inside(part.path, kind)
        file_adopted = Adopted(
            artifact_id=artifact_id,
            folder=str(waiting.folder),
            subfolder=subfolder,
            name=found.name,
            size=found.size,
            mtime_ns=found.mtime_ns,
            made_at=made_at,
            file_type=kind.file_type,
            file_format=kind.file_format,
            metadata=metadata,
            prompt=prompt,
            extra_pnginfo=extra,
            attempt_id=adopting_rows.maker(self._lost, prompt, made_at),
        )
        return Taken(file_adopted, placement)


def forget(library: Library, taken: Taken) -> None:
    """Discard what was taken in: nobody was promised it."""
    remove(library.store.staging / taken.placement.part)


def _settled(path: Path, before: Found) -> Found:
    """What is to be remembered of a file that was read since `before`.

    Raises:
        SourceChanged: it was written meanwhile.
    """
    after = look(path)
    if after != before:
        raise SourceChanged("the file was written while it was read")
    fresh = abs(time.time_ns() - after.mtime_ns) < FRESH * 1e9
    return Found(after.name, after.size, 0) if fresh else after


def _inside(path: Path, kind: Kind) -> tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any] | None]:
    """The metadata, the graph that made the file, and what else it carries of its making."""
    said = embedded.read(path, kind)
    metadata = describing.described(path, kind, embedded=said)
    extra = {"workflow": said.workflow, "parameters": said.parameters}
    kept = {name: value for name, value in extra.items() if value is not None}
    return metadata, said.prompt, kept or None
