"""Owns going through a folder of somebody else's: which of its files are meant to be kept. It reads no file.

Left out, and counted, is what is hidden, unfinished, empty, a link, not a plain file, or the operating system's own.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .files import kept_time

UNFINISHED = (".tmp", ".part", ".partial", ".crdownload")
SYSTEM = ("thumbs.db", "desktop.ini")
_HIDDEN = getattr(stat, "FILE_ATTRIBUTE_HIDDEN", 2)


@dataclass(frozen=True)
class Found:
    """A file as `stat` tells of it: bytes, and nanoseconds since 1970, as far as a database holds them."""

    name: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, name: str, state: os.stat_result) -> Found:
        return cls(name, state.st_size, kept_time(state.st_mtime_ns))


@dataclass
class Folder:
    """One folder: `subfolder` is relative to where the walk began, with forward slashes, empty there.

    `files` are sorted by name. `left_out` counts what was, by why; `failed` are names, with what the system said.
    """

    path: Path
    subfolder: str
    files: list[Found] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[str, str]] = field(default_factory=list)


def walk(root: Path) -> Iterator[Folder]:
    """A folder and all below it, each with the files that are meant to be kept; sorted, so that two walks agree.

    Links are not followed, so that nothing outside is reached and no walk is endless.
    """
    waiting = [(root, "")]
    while waiting:
        path, subfolder = waiting.pop()
        folder = Folder(path, subfolder)
        below: list[str] = []
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    _sort_in(folder, entry, below)
        except OSError as error:
            folder.failed.append(("", error.strerror or str(error)))
        folder.files.sort(key=lambda found: found.name)
        yield folder
        waiting += [(path / name, f"{subfolder}/{name}".lstrip("/")) for name in sorted(below, reverse=True)]


def look(path: Path) -> Found:
    """One file as `walk` would tell of it.

    Raises:
        OSError: it is not there.
    """
    return Found.of(path.name, os.lstat(path))


def _sort_in(folder: Folder, entry: os.DirEntry[str], below: list[str]) -> None:
    try:
        state = entry.stat(follow_symlinks=False)
    except OSError as error:
        folder.failed.append((entry.name, error.strerror or str(error)))
        return
    why = _why_not(entry.name, state)
    if why is not None:
        folder.left_out[why] += 1
    elif not _is_text(entry.name):
        folder.failed.append((entry.name, "its name is not UTF-8; rename it"))
    elif stat.S_ISDIR(state.st_mode):
        below.append(entry.name)
    else:
        folder.files.append(Found.of(entry.name, state))


def _why_not(name: str, state: os.stat_result) -> str | None:
    if name.startswith(".") or getattr(state, "st_file_attributes", 0) & _HIDDEN:
        return "hidden"
    if stat.S_ISLNK(state.st_mode):
        return "link"
    if stat.S_ISDIR(state.st_mode):
        return None
    if not stat.S_ISREG(state.st_mode):
        return "special"
    if name.lower().endswith(UNFINISHED):
        return "unfinished"
    if name.lower() in SYSTEM:
        return "system"
    return "empty" if state.st_size == 0 else None


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
