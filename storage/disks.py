"""Owns what is known of the disk that a folder lies on: how full it is, what kind it is, and when it is nearly full."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TEMPORARY = ("tmpfs", "ramfs")
REMOTE = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "afs")

LITTLE = 1000**3
"""Bytes that a few uploads may need: less than this is nearly full on any disk."""

PLENTY = 10 * 1000**3
"""Bytes with which no disk is nearly full, however large it is."""


@dataclass(frozen=True)
class Disk:
    """Sizes in bytes. `kind` is what the operating system calls the file system; empty where it does not say."""

    total: int
    free: int
    kind: str

    @property
    def nearly_full(self) -> bool:
        """Whether less than `LITTLE` is free, or less than both 5 % and `PLENTY`."""
        return self.free < LITTLE or (self.free < PLENTY and self.free < self.total / 20)


def disk_of(path: Path) -> Disk | None:
    """The disk that a folder, or the nearest one above it that is there, lies on; None where that cannot be told."""
    try:
        there = next((folder for folder in (path, *path.parents) if folder.exists()), None)
        if there is None:
            return None
        usage = shutil.disk_usage(there)
    except OSError:
        return None
    return Disk(usage.total, usage.free, _kind(there))


def _kind(path: Path) -> str:
    """The file system of a path, where the operating system lists its mounts as Linux does."""
    if sys.platform != "linux":
        return ""
    real, best, kind = os.path.realpath(path), "", ""
    with suppress(OSError), open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            _, place, name, *_ = line.split(" ")
            place = place.replace("\\040", " ")
            inside = real == place or real.startswith(place.rstrip("/") + "/")
            if inside and len(place) >= len(best):
                best, kind = place, name
    return kind
