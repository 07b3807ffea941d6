"""Owns how a bundle is opened: nothing in it is believed before it was measured, and no name in it names a file here.

Without compression a bundle cannot hold more than its own size. Only the members of the format are taken, each once.
"""

from __future__ import annotations

import json
import os
import re
import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import Invalid
from ..storage.files import CHUNK
from .bundles import EVENTS, FILES, FORMAT, HEADER, MAX_LINE, ROWS, VERSION

Row = dict[str, Any]

MAX_HEADER = 1024 * 1024
MAX_DIRECTORY = 256 * 1024 * 1024
"""Bytes of the list of members, which is read into memory: enough for a million files."""

_FILE = re.compile(rf"{FILES}[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class BadBundle(Invalid):
    """This file is no bundle that can be imported; nothing was changed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, field="file")


class Bundle:
    """An open bundle whose list of members is that of the format, and whose header was read and checked."""

    def __init__(self, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> None:
        self._archive, self._members = archive, members
        self.header = _checked_header(self._small(HEADER))
        if self.header["counts"].get("files") != len(self.files):
            raise BadBundle("it does not have as many files as it says")

    @property
    def files(self) -> dict[str, int]:
        """The artifacts whose bytes are here, with their sizes."""
        return {
            name.removeprefix(FILES): info.file_size for name, info in self._members.items() if name.startswith(FILES)
        }

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a member in pieces of 1 MiB; at the end it is known whether they are those that were written.

        Raises:
            BadBundle: they are not.
        """
        with _damage_told(), self._archive.open(self._members[name]) as member:
            while data := member.read(CHUNK):
                yield data

    def _small(self, name: str) -> bytes:
        if self._members[name].file_size > MAX_HEADER:
            raise BadBundle(f"its {name} is too large")
        return b"".join(self.pieces(name))


@contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """A bundle on disk.

    Raises:
        BadBundle: it is no bundle, or has members that a bundle has not; the message says which.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadBundle(f"{path.name} cannot be read: {error.strerror}") from error
    with file, _named(path.name):
        size = os.fstat(file.fileno()).st_size
        _check_directory(file, size)
        with _damage_told():
            archive = zipfile.ZipFile(file)
        with archive:
            yield Bundle(archive, _members(archive, size))


def parsed(line: bytes, what: str) -> Row:
    """One line or header as a JSON object.

    Raises:
        BadBundle: it is none, or has something that no database takes: halves of characters.
    """
    try:
        value = json.loads(line)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadBundle(f"{what} is not JSON that this program takes") from error
    if not isinstance(value, dict):
        raise BadBundle(f"{what} is not a JSON object")
    return value


def lines(file: BinaryIO, name: str) -> Iterator[tuple[int, Row]]:
    """Each line of a file of JSON lines with the place where it begins.

    Raises:
        BadBundle: a line is too long or not a JSON object.
    """
    place, number = 0, 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise BadBundle(f"{name}: line {number} is too long")
        yield place, parsed(line, f"{name}: line {number}")
        place += len(line)


def _check_directory(file: BinaryIO, size: int) -> None:
    """Look at how long the list of members is before Python reads it whole. A bundle ends with its plain end record."""
    end, locator, end64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sLQL"), struct.Struct("<4sQ2H2L4Q")
    file.seek(max(0, size - end.size - locator.size - end64.size))
    tail = file.read()
    if len(tail) < end.size or tail[-end.size :][:4] != b"PK\5\6":
        raise BadBundle("it is not a bundle: it is no ZIP file, or is cut off, or has something behind its end")
    lengths = [end.unpack(tail[-end.size :])[5]]
    if tail[-end.size - locator.size :][:4] == b"PK\6\7":
        # Where there is a second end record, for ZIP64, it is the one that counts.
        if len(tail) < end.size + locator.size + end64.size or tail[:4] != b"PK\6\6":
            raise BadBundle("its end is damaged")
        lengths.append(end64.unpack(tail[: end64.size])[8])
    if max(lengths) > min(size, MAX_DIRECTORY):
        raise BadBundle("its list of members is too long")
    file.seek(0)


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.orig_filename
        if name not in (HEADER, ROWS, EVENTS) and not _FILE.match(name):
            raise BadBundle(f"it has a member that a bundle has not: {name[:100]!r}")
        if name in members:
            raise BadBundle(f"it has {name} twice")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size or info.flag_bits & 1:
            raise BadBundle(f"{name} is compressed or encrypted; a bundle's members are neither")
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise BadBundle(f"{name} is not a plain file")
        members[name] = info
    missing = [name for name in (HEADER, ROWS, EVENTS) if name not in members]
    if missing:
        raise BadBundle(f"it is not a bundle: it has no {', '.join(missing)}")
    if sum(info.file_size for info in members.values()) > size:
        raise BadBundle("its members say that they are larger than the file they are in")
    return members


def _checked_header(data: bytes) -> Row:
    header = parsed(data, HEADER)
    if header.get("format") != FORMAT:
        raise BadBundle("it is not a bundle of this program")
    if header.get("version") != VERSION:
        raise BadBundle(f"it has format version {header.get('version')!r}; this release reads {VERSION}")
    root = header.get("root")
    if not isinstance(root, dict) or root.get("kind") not in ("chain", "workflow"):
        raise BadBundle(f"{HEADER} does not say what it holds")
    if not isinstance(header.get("counts"), dict):
        raise BadBundle(f"{HEADER} has no counts")
    for name in ("rows_sha256", "events_sha256"):
        if not isinstance(header.get(name), str) or not _SHA256.match(header[name]):
            raise BadBundle(f"{HEADER} has no {name}")
    return header


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Which file it is that something is wrong with, for whoever imports many."""
    try:
        yield
    except BadBundle as error:
        raise BadBundle(f"{name}: {error}") from error


@contextmanager
def _damage_told() -> Iterator[None]:
    # What zipfile raises is of many kinds, one for each way in which a file can be wrong.
    try:
        yield
    except (zipfile.BadZipFile, EOFError, OSError, struct.error, RuntimeError, ValueError) as error:
        raise BadBundle(f"it is damaged: {error}") from error
