"""Owns taking in a file that somebody else may write: cloned where the file system can, else copied.

Never by a hard link: a later write in place would change our bytes. A file that changes meanwhile is refused.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreFailed
from .cloning import clone
from .files import CHUNK, Part

GRAIN = 0.02
"""Seconds within which two writes may leave the same time on a file; more than a tick of any kernel."""


class SourceFailed(StoreFailed):
    """It is not the store that failed but the file that was to be taken in: gone, not a plain file, not readable."""


class SourceChanged(SourceFailed):
    """The file was written while it was taken in: nothing of it is kept. Try again when it is finished."""


def take_in(source: Path, target: Path) -> Part:
    """A new part at `target` that holds the bytes of a file, hashed. Links are followed.

    Raises:
        SourceFailed, SourceChanged. OSError: the disk of `target` refuses. Nothing is left at `target` then.
    """
    descriptor = _open(source)
    try:
        before = _settled(descriptor)
        cloned = clone(descriptor, target)
        part = Part(target, cloned=cloned)
        try:
            if cloned:
                part.read_back()
            else:
                _copy(descriptor, part, before.st_size)
            after = os.fstat(descriptor)
            if (part.size, after.st_size, after.st_mtime_ns) != (before.st_size, before.st_size, before.st_mtime_ns):
                raise SourceChanged("the file was written while it was taken in; try again when it is finished")
        except BaseException:
            part.discard()
            raise
        return part
    finally:
        os.close(descriptor)


def place(folder: Path, filename: str, subfolder: str) -> Path:
    """Where a file lies below somebody else's folder. Links are followed there, as ComfyUI's own /view does.

    Raises:
        SourceFailed: it would lie elsewhere.
    """
    try:
        root = os.path.abspath(folder)
        path = os.path.abspath(os.path.join(root, subfolder, filename))
        if os.path.commonpath((root, path)) == root and "\0" not in path:
            return Path(path)
    except ValueError:
        pass  # Another drive.
    raise SourceFailed("the file cannot be taken in: it does not lie in ComfyUI's folder")


def _open(source: Path) -> int:
    # Without O_NONBLOCK, opening a named pipe would wait for somebody to write into it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with _source_errors():
        descriptor = os.open(source, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceFailed("the file cannot be taken in: it is not a plain file")
    return descriptor


def _settled(descriptor: int) -> os.stat_result:
    """The file's `stat`, at a moment from which on every write shows in it."""
    state = os.fstat(descriptor)
    if abs(time.time_ns() - state.st_mtime_ns) < GRAIN * 1e9:
        time.sleep(GRAIN)
        state = os.fstat(descriptor)
    return state


def _copy(descriptor: int, part: Part, size: int) -> None:
    """Copy a file into a part, up to the first byte beyond `size`: one that grows and grows is not followed."""
    buffer = memoryview(bytearray(CHUNK))
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        while part.size <= size:
            with _source_errors():
                count = file.readinto(buffer)
            if not count:
                break
            part.write(buffer[:count])


@contextmanager
def _source_errors() -> Iterator[None]:
    """Turn the operating system's refusals into words, without a path of the host."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOENT: "it is not there",
            errno.EACCES: "this program may not read it",
            errno.EPERM: "this program may not read it",
        }
        reason = reasons.get(error.errno or 0, error.strerror or str(error))
        raise SourceFailed(f"the file cannot be taken in: {reason}") from error
