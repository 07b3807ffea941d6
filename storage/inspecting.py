"""Owns looking at a store without changing it: what lies where, and which processes live.

Only `set_aside` moves anything, and nothing here deletes.
"""

from __future__ import annotations

import json
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .files import store_errors, sync_folder
from .local import FILES, INTENT_SUFFIX, QUARANTINE
from .staging import STAGING

BATCH = 500


@dataclass(frozen=True)
class Staging:
    """What a process has under way, or had: whether it lives, and how many parts and intents lie in its folder."""

    name: str
    lives: bool
    parts: int
    intents: int


def stored_files(root: Path) -> Iterator[list[tuple[str, int]]]:
    """Every file that lies where artifacts lie, in batches: its `local_path` and its size in bytes."""
    batch: list[tuple[str, int]] = []
    for folder, folders, names in os.walk(root / FILES):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            with suppress(FileNotFoundError):
                batch.append((path.relative_to(root).as_posix(), path.lstat().st_size))
            if len(batch) >= BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def is_file(root: Path, local_path: str) -> bool:
    """Whether a stored file is there; a link counts as not there."""
    try:
        return stat.S_ISREG(os.lstat(root / local_path).st_mode)
    except (OSError, ValueError):
        return False


def age(root: Path, local_path: str, now: float) -> float | None:
    """Seconds since a file was written, named or moved, whichever came last; None when it is not there."""
    try:
        state = os.lstat(root / local_path)
    except OSError:
        return None
    return now - max(state.st_mtime, state.st_ctime)


def promised(root: Path) -> set[str]:
    """Every place that an intent names, of living processes and of those that are gone."""
    places: set[str] = set()
    for _, body in intents(root):
        with suppress(KeyError, TypeError):
            places.update(placement["local_path"] for placement in body["placements"])
            places.update(body["record"].get("files", ()))
    return places


def intents(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every intent of every process, with what it says."""
    for path in sorted((root / STAGING).glob(f"*/*{INTENT_SUFFIX}")):
        # One that is being written, or is fulfilled at this moment, has nothing in its place yet or any more.
        with suppress(OSError, ValueError, TypeError):
            yield path, dict(json.loads(path.read_bytes()))


def staging(root: Path) -> list[Staging]:
    """The staging folders of all processes."""
    found = []
    for folder in sorted(path for path in (root / STAGING).glob("*") if path.is_dir()):
        with suppress(FileNotFoundError):
            names = os.listdir(folder)
            intents = sum(name.endswith(INTENT_SUFFIX) for name in names)
            found.append(Staging(folder.name, _lives(folder), len(names) - intents, intents))
    return found


def quarantine(root: Path) -> list[tuple[str, int]]:
    """What was set aside: names and sizes in bytes."""
    folder = root / QUARANTINE
    found = []
    for path in sorted(folder.glob("*")):
        with suppress(OSError):
            found.append((path.name, path.lstat().st_size))
    return found


def set_aside(root: Path, local_path: str) -> str:
    """Move a stored file into the quarantine; returns its name there.

    Raises:
        StoreFailed: it cannot be moved.
    """
    name = f"{uuid.uuid4().hex}-{Path(local_path).name}"
    with store_errors("setting a file aside"):
        (root / QUARANTINE).mkdir(exist_ok=True)
        os.rename(root / local_path, root / QUARANTINE / name)
        sync_folder(root / QUARANTINE)
        sync_folder((root / local_path).parent)
    return name


def writable(path: Path) -> bool:
    """Whether this process may make files in a folder."""
    return os.access(path, os.W_OK | os.X_OK)


def _lives(folder: Path) -> bool:
    lock_file = Path(f"{folder}.lock")
    if not lock_file.exists():
        return False
    lock = FileLock(lock_file, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False
