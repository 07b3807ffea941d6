"""Owns files that leave the store: hashed while they are copied, under a passing name, never over what is there."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from ..errors import StoreFailed
from .files import CHUNK, digest, flush, remove

PASSING_SUFFIX = ".part"


class TargetFailed(StoreFailed):
    """It is not the store that failed but the place that is written to."""


class Writes(Protocol):
    """What bytes are copied to."""

    def write(self, data: bytes, /) -> int: ...


@contextmanager
def target_errors() -> Iterator[None]:
    """Turn the refusals of the folder that is written to into one that says what to do."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: "its disk is full; free some space and try again",
            errno.EDQUOT: "its disk quota is used up; free some space and try again",
            errno.EROFS: "its file system is read-only",
            errno.EFBIG: "its file system takes no file as large as this",
        }
        reason = reasons.get(error.errno or 0, error.strerror or str(error))
        raise TargetFailed(f"the export cannot be written: {reason}") from error


def copy(source: BinaryIO, target: Writes, told: Callable[[int], None]) -> tuple[str, int]:
    """Copy what is left of a file in pieces of 1 MiB; `told` hears the size of each.

    Returns:
        The SHA-256 of what was copied, and its size in bytes.
    """
    result, size = hashlib.sha256(), 0
    while data := source.read(CHUNK):
        result.update(data)
        with target_errors():
            target.write(data)
        size += len(data)
        told(len(data))
    return result.hexdigest(), size


@contextmanager
def passing(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file under a passing name in a folder; what is left of it at the end of the block is removed."""
    path = folder / f".artifact-db-{uuid.uuid4().hex}{PASSING_SUFFIX}"
    file = path.open("xb")
    try:
        yield path, file
    finally:
        with suppress(OSError):  # What a full disk did not take is still in the buffer, and closing tries again.
            file.close()
        remove(path)


def settle(file: BinaryIO) -> None:
    """Put the bytes of a file on the disk and close it."""
    file.flush()
    flush(file.fileno())
    file.close()


def give_name(path: Path, target: Path) -> None:
    """Give a finished file its name, in the same folder.

    Raises:
        FileExistsError: the name is taken, by whatever it is; nothing is overwritten.
    """
    try:
        os.link(path, target)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links: take the name first, then put the bytes under it.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        os.replace(path, target)


def holds(path: Path, sha256: str, size: int) -> bool:
    """Whether a plain file with exactly these bytes has this name."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size != size:
        return False
    return digest(path) == sha256


def is_below(folder: Path, root: Path) -> bool:
    """Whether a folder is the root or below it once every link on the way is followed."""
    real, top = os.path.realpath(folder), os.path.realpath(root)
    return real == top or real.startswith(top.rstrip(os.sep) + os.sep)
