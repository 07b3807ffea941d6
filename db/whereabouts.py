"""Owns noticing that the file of an open database is no longer the one in its place.

Connections go on with the file that they opened, wherever it was moved to: what they write is then in a file that
nobody sees. A log (`-wal`) that stays behind would be taken for the new file's own; it is written into its file first.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ..errors import Unavailable

FileId = tuple[int, int]

BESIDE = ("-wal", "-shm")


class Moved(sqlite3.OperationalError):
    """The file in the database's place is another one, or none."""

    def __init__(self) -> None:
        super().__init__("its file was replaced or moved away while it was open; try again")


class Whereabouts:
    """Which file the connections have open, and which logs are its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileId | None = None
        self._beside: dict[Path, FileId] = {}

    def is_in_place(self, wanted: FileId | None = None) -> bool:
        """Whether the connections have the file open that is in the place; also before there are any.

        Args:
            wanted: only this file will do.
        """
        known = {one for one in (self._file, wanted) if one is not None}
        return not known or known == {_id(self._path)}

    def opened(self) -> None:
        """A connection was made just now.

        Raises:
            Moved: it has not the file open that the others have.
        """
        found = _id(self._path)
        if self._file is not None and self._file != found:
            raise Moved
        self._file = found

    def used(self) -> None:
        """A transaction has ended.

        Raises:
            Moved: it was one of a file that is no longer in its place.
        """
        if not self.is_in_place():
            raise Moved
        if not self._beside:
            beside = {path: _id(path) for path in (Path(f"{self._path}{suffix}") for suffix in BESIDE)}
            self._beside = {path: found for path, found in beside.items() if found is not None}

    def require(self) -> None:
        """Refuse to begin anew where there was a database.

        Raises:
            Unavailable: there is no file in the place, or nothing in it.
        """
        try:
            size = self._path.stat().st_size
        except OSError:
            size = 0
        if not size:
            raise Unavailable(
                "the database is not available: its file is gone; bring it back, or a backup of it. No new one is made "
                "while this program runs"
            )

    def closed(self) -> None:
        """No connection is open any more; the next one opens what is there then, and makes logs of its own."""
        self._file, self._beside = None, {}

    def forget(self) -> None:
        """No connection is open any more, and the logs of the old file, which are empty, are in nobody's way."""
        for path, known in self._beside.items():
            if _id(path) == known:
                path.unlink(missing_ok=True)
        self.closed()

    def present(self) -> FileId | None:
        """The file that is in the place now."""
        return _id(self._path)


def _id(path: Path) -> FileId | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
