"""Owns the store on a local disk. It refuses names from outside: every name in it is generated.

files/2026-11-22/<generated>.png     the artifacts, read-only, one folder a day
staging/<process>/                   parts being written and intents not yet completed, one folder a process
staging/<process>.lock               held as long as that process lives
staging/<name>.alone                 held by whoever is alone with something, such as a delivery
quarantine/                          what recovery could not complete; never deleted by itself
store-id                             see `storage.identities`
thumbnails/                          see `storage.thumbnails`; all of it can be made again
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TypeVar

from ..errors import StoreFailed
from .files import CHUNK, FileState, Part, Written, digest, remove, store_errors, sync_folder, write_durably
from .sources import take_in
from .staging import STAGING, Staging, abandoned

_P = TypeVar("_P", Part, Written)

FILES, QUARANTINE = "files", "quarantine"
INTENT_SUFFIX, PART_SUFFIX = ".intent.json", ".part"

MAX_PROOFS = 100_000
"""How many hashes of files with another `stat` than was recorded are remembered."""

_EXTENSION = re.compile(r"[a-z0-9]{1,8}\Z")


@dataclass(frozen=True)
class Placement:
    """A finished part and the place it is promised: `local_path` is relative to the store, with forward slashes."""

    part: str
    local_path: str
    sha256: str
    size: int
    mtime_ns: int
    inode: int

    @property
    def local_filename(self) -> str:
        return PurePosixPath(self.local_path).name


@dataclass(frozen=True)
class Intent:
    """A promise on disk: these parts belong in these places, and `record` is what the database is to say of them."""

    path: Path
    kind: str
    placements: tuple[Placement, ...]
    record: dict[str, Any]


class Store:
    """A folder that holds artifacts. One process may have several; each has a staging folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._staging = Staging(root)
        self._proofs: dict[str, tuple[FileState, str]] = {}
        self._inside = os.path.realpath(root) + os.sep

    def open(self) -> None:
        """Make the folders, and this process's own staging folder under its lock.

        Raises:
            StoreFailed: the folder cannot be made or written.
        """
        with store_errors("opening"):
            for name in (FILES, STAGING, QUARANTINE):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            sync_folder(self.root)
            self._staging.open()

    def is_known_as(self, store_id: str) -> None:
        """The database says which store this is: one that vanishes is known by it when it comes back."""
        self._staging.is_known_as(store_id)

    def is_there(self) -> bool:
        """Whether the store is in its folder, and not only the folder that its disk is mounted on."""
        return (self.root / STAGING).is_dir()

    def close(self) -> None:
        """Give the staging folder back. What is unfinished stays for the next process to complete."""
        self._staging.close()

    def alone(self, name: str) -> AbstractContextManager[bool]:
        """Whether nobody else, in any process, is in a block of this name; see `Staging.alone`."""
        return self._staging.alone(name)

    @property
    def staging(self) -> Path:
        """This process's staging folder.

        Raises:
            StoreFailed: the store has vanished; nothing is made in what is in its place.
        """
        return self._staging.folder

    def path(self, local_path: str) -> Path:
        """The absolute path of a stored file.

        Raises:
            StoreFailed: `local_path` leads out of the store, also through a link inside it.
        """
        path = self.root / local_path
        real = os.path.realpath(path)
        if not real.startswith(self._inside):
            self._inside = os.path.realpath(self.root) + os.sep  # What the root leads to may be another folder by now.
            if not real.startswith(self._inside):
                raise StoreFailed("this file is not inside the store")
        return path

    def state(self, local_path: str) -> FileState | None:
        """What `stat` says of a stored file; None when it is not there. A link counts as not there."""
        try:
            result = os.lstat(self.path(local_path))
        except (OSError, ValueError, StoreFailed):
            return None
        return FileState.of(result) if stat.S_ISREG(result.st_mode) else None

    def relative(self, path: str) -> str:
        """The `local_path` of an absolute path that this store gave."""
        return Path(path).relative_to(self.root).as_posix()

    def unchanged(self, local_path: str, recorded: FileState, sha256: str) -> bool:
        """Whether a stored file is as it was recorded. Only where `stat` differs are its bytes read, once.

        A store that was copied to another disk has other inodes and times, and still the same bytes.
        """
        state = self.state(local_path)
        if state is None or state == recorded:
            return state is not None
        if state.size != recorded.size:
            return False
        if self._proofs.get(local_path, (None, ""))[0] != state:
            if len(self._proofs) >= MAX_PROOFS:
                self._proofs.clear()
            try:
                self._proofs[local_path] = (state, self.digest(local_path) or "")
            except StoreFailed:
                return False
        return self._proofs[local_path][1] == sha256

    def digest(self, local_path: str) -> str | None:
        """The SHA-256 of a stored file's bytes, read anew; None when it is not there.

        Raises:
            StoreFailed: it is there and cannot be read.
        """
        if self.state(local_path) is None:
            return None
        with store_errors("reading a file"):
            return digest(self.path(local_path))

    @contextmanager
    def reading(self, local_path: str) -> Iterator[BinaryIO]:
        """A stored file, open for reading.

        Raises:
            StoreFailed: it is not there or cannot be read.
        """
        with store_errors("reading a file"), self.path(local_path).open("rb") as file:
            yield file

    @contextmanager
    def receiving(self) -> Iterator[Part]:
        """A new part to write to; it is gone again when the block raises."""
        with self._taking(Part) as part:
            yield part

    @contextmanager
    def copying(self, source: Path) -> Iterator[Part]:
        """A new part that holds the bytes of a file which somebody else may write; gone when the block raises.

        Cloned where the file system can, else copied, never linked. Links are followed: whether `source` may be read
        is the caller's to know.

        Raises:
            SourceChanged: it was written meanwhile; try again. SourceFailed: it is gone, no plain file, not readable.
            StoreFailed: the store's disk refuses.
        """
        with self._taking(lambda path: take_in(source, path)) as part:
            yield part

    @contextmanager
    def encoding(self, extension: str) -> Iterator[Written]:
        """A path that an encoder may write to as it likes; what it wrote is gone again when the block raises."""
        with self._taking(Written, f".{extension}") as written:
            yield written

    @contextmanager
    def _taking(self, begin: Callable[[Path], _P], suffix: str = "") -> Iterator[_P]:
        with store_errors("taking a file"):
            part = begin(self.staging / f"{uuid.uuid4().hex}{PART_SUFFIX}{suffix}")
            try:
                yield part
            except BaseException:
                part.discard()
                raise

    def same_bytes(self, local_path: str, sha256: str, size: int, *, artifact_id: str, day: str) -> Placement:
        """A placement that shares the bytes of a stored file: a hard link inside the store, else a copy."""
        extension = PurePosixPath(local_path).suffix.removeprefix(".")
        with store_errors("sharing a stored file"):
            target = self.staging / f"{uuid.uuid4().hex}{PART_SUFFIX}"
            try:
                os.link(self.path(local_path), target)
            except OSError:
                with self.receiving() as part, self.path(local_path).open("rb") as source:
                    shutil.copyfileobj(source, part, CHUNK)
                    return self.finish(part, artifact_id=artifact_id, extension=extension, day=day)
            return self._placement(target, artifact_id, extension, day, sha256, size, FileState.of(target.stat()))

    def finish(self, part: Part | Written, *, artifact_id: str, extension: str, day: str) -> Placement:
        """Make a part durable and name its place: `day` is the date part of its time, `extension` without a dot."""
        with store_errors("finishing a file"):
            state = part.finish()
        return self._placement(part.path, artifact_id, extension, day, part.sha256, part.size, state)

    def promise(self, kind: str, placements: Sequence[Placement], record: dict[str, Any]) -> Intent:
        """Write the intent, durably: from here on a crash completes the record instead of losing it.

        Raises:
            StoreFailed: the disk refuses; the parts are gone, as nothing was promised.
        """
        intent = Intent(self.staging / f"{uuid.uuid4().hex}{INTENT_SUFFIX}", kind, tuple(placements), record)
        body = {"kind": kind, "placements": [asdict(p) for p in placements], "record": record}
        with store_errors("writing down what it is about to do"):
            try:
                write_durably(intent.path, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
                sync_folder(intent.path.parent)
            except OSError:
                self.withdraw(intent)
                raise
        return intent

    def place(self, intent: Intent) -> None:
        """Rename the parts of an intent into their places, durably. A part that is in its place already stays there.

        Raises:
            StoreFailed: a part is neither here nor there, or the disk refuses.
        """
        with store_errors("putting a file into its place"):
            folders = set()
            for placement in intent.placements:
                part = intent.path.parent / placement.part
                target = self.root / placement.local_path
                if not target.parent.exists():
                    # Without its parents: where they are gone the store has vanished.
                    target.parent.mkdir(exist_ok=True)
                    sync_folder(target.parent.parent)
                if not target.exists():
                    os.rename(part, target)
                folders.add(target.parent)
            for folder in folders:
                sync_folder(folder)

    def missing(self, intent: Intent) -> bool:
        """Whether a file of an intent is neither staged nor in its place."""
        return any(
            not (intent.path.parent / placement.part).exists() and not (self.root / placement.local_path).exists()
            for placement in intent.placements
        )

    def fulfilled(self, intent: Intent, *unneeded: str) -> None:
        """The rows are committed: the intent has done its work, and those of its files that no row names go first."""
        self.delete(*unneeded)
        with store_errors("tidying up"):
            remove(intent.path)

    def withdraw(self, intent: Intent, *, keep: Collection[str] = ()) -> None:
        """Undo a promise that no transaction took up and nobody was told of: its files go, then the intent.

        Args:
            keep: places of files that stay, since rows name them.
        """
        with store_errors("tidying up"):
            placed = [self.root / p.local_path for p in intent.placements if p.local_path not in keep]
            placed = [path for path in placed if path.exists()]
            for placement in intent.placements:
                remove(intent.path.parent / placement.part)
            for path in placed:
                remove(path)
            self._sync_folders(placed)
            remove(intent.path)

    def quarantine(self, intent: Intent) -> None:
        """Keep what cannot be recorded where `doctor` finds it, and out of the way."""
        folder = self.root / QUARANTINE
        with store_errors("setting a file aside"):
            for placement in intent.placements:
                for path in (intent.path.parent / placement.part, self.root / placement.local_path):
                    if path.exists():
                        os.rename(path, folder / f"{uuid.uuid4().hex}-{placement.local_filename}")
            if intent.path.exists():
                os.rename(intent.path, folder / intent.path.name)

    def delete(self, *local_paths: str) -> None:
        """Remove stored files for good, durably, once no row names them."""
        with store_errors("deleting a file"):
            paths = [self.path(local_path) for local_path in local_paths]
            for path in paths:
                remove(path)
            # Before the intent goes that says so, or a power cut brings back files of which nobody knows any more.
            self._sync_folders(paths)

    def _sync_folders(self, paths: Sequence[Path]) -> None:
        for folder in {path.parent for path in paths}:
            if folder.exists():
                sync_folder(folder)

    @contextmanager
    def abandoned(self) -> Iterator[list[Intent]]:
        """The intents of processes that are gone, held under their locks so that nobody else takes them.

        At the end of the block, the staging folders in which none is left are removed with their unfinished parts.
        """
        with abandoned(self.root, self._staging, INTENT_SUFFIX) as folders:
            yield [intent for folder in folders for intent in self._intents(folder)]

    def intent(self, path: Path) -> Intent | None:
        """The intent that was written at a path; None when none is there, or it is torn: nothing was promised yet.

        Raises:
            StoreFailed: it cannot be read.
        """
        with store_errors("reading an interrupted record"):
            try:
                body = json.loads(path.read_bytes())
                placements = tuple(Placement(**placement) for placement in body["placements"])
                return Intent(path, body["kind"], placements, body["record"])
            except FileNotFoundError:
                if not self.is_there():
                    raise
                return None
            except (ValueError, KeyError, TypeError):
                return None

    def _intents(self, folder: Path) -> list[Intent]:
        found = []
        with store_errors("looking for interrupted records"):
            for path in sorted(folder.glob(f"*{INTENT_SUFFIX}"), key=lambda p: (p.stat().st_mtime_ns, p.name)):
                if (intent := self.intent(path)) is not None:
                    found.append(intent)
                elif path.exists():
                    # Torn by a crash before its fsync returned.
                    os.rename(path, self.root / QUARANTINE / path.name)
        return found

    def _placement(
        self, part: Path, artifact_id: str, extension: str, day: str, sha256: str, size: int, state: FileState
    ) -> Placement:
        suffix = f".{extension}" if _EXTENSION.match(extension) else ""
        # A client may choose the id, and choose the same one again: that must not meet the file of the first time.
        local_path = f"{FILES}/{day}/{artifact_id}-{part.stem[:8]}{suffix}"
        return Placement(part.name, local_path, sha256, size, state.mtime_ns, state.inode)
