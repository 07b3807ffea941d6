"""Owns how PNG, RIFF (WebP) and JPEG files are divided: where each part lies and how long it is, without reading it.

A walk ends quietly where a file is cut off or stops making sense, and after `MOST` parts, however many there are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MOST = 200_000
"""Parts that are looked at; a PNG of 2 GB has 32,000 of the size that Pillow writes."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True)
class Part:
    """A part of a file: its content is the `length` bytes from `start`."""

    kind: bytes
    start: int
    length: int

    def read(self, file: BinaryIO, most: int) -> bytes:
        """Its first bytes, `most` at the most; fewer where the file is cut off."""
        file.seek(self.start)
        return file.read(min(self.length, most))


def of_png(file: BinaryIO) -> Iterator[Part]:
    """The chunks of a PNG, to its end."""
    if _at(file, 0, 8) != PNG_SIGNATURE:
        return
    place = 8
    for _ in range(MOST):
        head = _at(file, place, 8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        yield Part(kind, place + 8, length)
        if kind == b"IEND":
            return
        place += 12 + length


def of_riff(file: BinaryIO, place: int = 12) -> Iterator[Part]:
    """The chunks of a RIFF file, from `place` to its end."""
    for _ in range(MOST):
        head = _at(file, place, 8)
        if len(head) < 8:
            return
        kind, length = struct.unpack("<4sI", head)
        yield Part(kind, place + 8, length)
        place += 8 + length + length % 2


def of_jpeg(file: BinaryIO) -> Iterator[Part]:
    """The segments of a JPEG before its pixels; `kind` is the one byte of the marker."""
    if _at(file, 0, 2) != b"\xff\xd8":
        return
    place = 2
    for _ in range(MOST):
        head = _at(file, place, 4)
        if len(head) < 4 or head[0] != 0xFF:
            return
        marker = head[1]
        if marker == 0xFF:  # filling
            place += 1
        elif marker in _WITHOUT_LENGTH:
            place += 2
        elif marker in (_START_OF_SCAN, _END_OF_IMAGE):
            return
        else:
            length = int.from_bytes(head[2:4], "big")
            if length < 2:
                return
            yield Part(bytes([marker]), place + 4, length - 2)
            place += 2 + length


def _at(file: BinaryIO, place: int, length: int) -> bytes:
    file.seek(place)
    return file.read(length)
