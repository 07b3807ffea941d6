"""Owns what makes a file durable: fsync of files and folders, read-only bits, hashing while bytes go by."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import StoreFailed

CHUNK = 1024 * 1024
BUFFER = 256 * 1024
"""Bytes that gather before they are written; more than this at once goes by. Small enough to stay in the caches."""

if sys.platform == "darwin":
    import fcntl

    def flush(descriptor: int) -> None:
        # fsync on macOS leaves the bytes in the drive's cache; this does not.
        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError:
            os.fsync(descriptor)

else:
    flush = os.fsync


@dataclass(frozen=True)
class FileState:
    """What `stat` says of a file; while it stays the same the bytes are taken to be the same. `mtime_ns` in ns."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, result: os.stat_result) -> FileState:
        return cls(result.st_size, kept_time(result.st_mtime_ns), _signed(result.st_ino))


def kept_time(nanoseconds: int) -> int:
    """A file's time as SQLite keeps it: its integers end in the year 2262, and the times of file systems do not."""
    return max(-(1 << 63), min(nanoseconds, (1 << 63) - 1))


def _signed(inode: int) -> int:
    """An inode as SQLite keeps it: some file systems use all 64 bits, and its integers have a sign."""
    return inode - (1 << 64) if inode >= 1 << 63 else inode


@contextmanager
def store_errors(doing: str) -> Iterator[None]:
    """Turn the operating system's refusals into one that says what to do, without a path of the host."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: "its disk is full; free some space and try again",
            errno.EDQUOT: "its disk quota is used up; free some space and try again",
            errno.EROFS: "its file system is read-only",
            errno.EACCES: "this program may not write there",
            errno.EPERM: "this program may not write there",
            errno.ENOENT: "a file or folder of it is gone",
        }
        reason = reasons.get(error.errno or 0, error.strerror or str(error))
        raise StoreFailed(f"the store failed while {doing}: {reason}") from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Windows has no such call, and keeps names with its own journal."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        flush(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, data: bytes) -> None:
    """Write a new small file and its bytes to the disk; the caller syncs the folder."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        flush(file.fileno())


def remove(path: Path) -> None:
    """Delete a file, also a read-only one, also one that is not there."""
    try:
        path.unlink()
    except FileNotFoundError:
        pass
    except PermissionError:
        # Windows refuses to delete what is read-only.
        path.chmod(stat.S_IWRITE)
        path.unlink(missing_ok=True)


def digest(path: Path) -> str:
    """The SHA-256 of a file as 64 hex digits, read in pieces of 1 MiB."""
    result = hashlib.sha256()
    for piece in pieces(path):
        result.update(piece)
    return result.hexdigest()


def pieces(path: Path) -> Iterator[memoryview]:
    """A file's bytes in pieces of 1 MiB, each of them valid until the next is asked for."""
    buffer = memoryview(bytearray(CHUNK))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(buffer):
            yield buffer[:size]


class Part:
    """A new file on its way into the store: hashed while it is written, durable and read-only once `finish` returns.

    It has what Pillow asks of a file to write to (`write`, `flush`), and of what was written it gives the beginning.
    """

    def __init__(self, path: Path, *, cloned: bool = False) -> None:
        """Begin an empty one; `cloned`: take over the file that this process has just made there, then `read_back`."""
        self.path = path
        self.size = 0
        self._hash = hashlib.sha256()
        new = 0 if cloned else os.O_CREAT | os.O_EXCL
        descriptor = os.open(path, os.O_WRONLY | new | getattr(os, "O_BINARY", 0), 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=BUFFER)

    def read_back(self) -> None:
        """Hash what is in a clone; what is written after this follows it."""
        for piece in pieces(self.path):
            self._hash.update(piece)
            self.size += len(piece)
        self._file.seek(self.size)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        self._hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def beginning(self, size: int) -> bytes:
        """The first bytes of what has been written, `size` at most."""
        self._file.flush()
        with self.path.open("rb") as file:
            return file.read(size)

    def flush(self) -> None:
        """The bytes go out when the buffer is full, and in `finish`."""

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def finish(self) -> FileState:
        """Put the bytes on the disk and make the file read-only; nothing is written to it after this."""
        self._file.flush()
        if sys.platform != "win32":
            os.fchmod(self._file.fileno(), 0o444)
        flush(self._file.fileno())
        state = FileState.of(os.fstat(self._file.fileno()))
        self._file.close()
        if sys.platform == "win32":
            self.path.chmod(stat.S_IREAD)
            state = FileState.of(self.path.stat())
        return state

    def discard(self) -> None:
        """Forget it: nothing was promised to anybody."""
        with suppress(OSError):  # What a full disk did not take is still in the buffer, and closing tries again.
            self._file.close()
        remove(self.path)


class Written:
    """A new file that an encoder writes by its path, because it goes back in it: hashed once it is complete.

    For the store it is a `Part` like any other.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._hash: str | None = None

    def read(self, passing: Callable[[memoryview], object] | None = None) -> None:
        """Hash what was written, in pieces of 1 MiB; each also goes to `passing`. The file is complete by now."""
        result = hashlib.sha256()
        self.size = 0
        buffer = memoryview(bytearray(CHUNK))
        with self.path.open("rb", buffering=0) as file:
            while size := file.readinto(buffer):
                result.update(buffer[:size])
                self.size += size
                if passing is not None:
                    passing(buffer[:size])
        self._hash = result.hexdigest()

    @property
    def sha256(self) -> str:
        if self._hash is None:
            self.read()
        return str(self._hash)

    def finish(self) -> FileState:
        """Put the bytes on the disk and make the file read-only; nothing is written to it after this."""
        if self._hash is None:
            self.read()
        descriptor = os.open(self.path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        try:
            flush(descriptor)
        finally:
            os.close(descriptor)
        self.path.chmod(stat.S_IREAD if sys.platform == "win32" else 0o444)
        return FileState.of(self.path.stat())

    def discard(self) -> None:
        """Forget it: nothing was promised to anybody."""
        remove(self.path)
