"""Owns how ISO files (mp4, mov, AVIF, HEIC) are divided into boxes, and what the header of a still picture in one says.

Like `chunks`, a walk ends quietly where a file is cut off or stops making sense.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from .chunks import MOST

MAX_META = 1024 * 1024
"""Bytes of the header of a still picture; the pixels are not in it."""


@dataclass(frozen=True)
class Box:
    """A box: its content goes from `start` to `end`."""

    kind: bytes
    start: int
    end: int


@dataclass
class Still:
    """What the header of a still picture says. `exif`: where its EXIF block lies in the file, piece by piece."""

    size: tuple[int, int] | None = None
    bit_depth: int | None = None
    exif: list[tuple[int, int]] = field(default_factory=list)


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """The boxes from `start` to `end`, one behind the other."""
    for _ in range(MOST):
        if start + 8 > end:
            return
        file.seek(start)
        head = file.read(16)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head[:8])
        content = start + 8
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack(">Q", head[8:])
            content = start + 16
        elif length == 0:
            length = end - start
        if length < content - start:
            return
        yield Box(kind, content, min(start + length, end))
        start += length


def first(file: BinaryIO, start: int, end: int, kind: bytes) -> Box | None:
    """The first box of a kind."""
    return next((box for box in boxes(file, start, end) if box.kind == kind), None)


def still(file: BinaryIO, size: int) -> Still:
    """What a still picture says of itself; nothing where its header is missing or too large."""
    found = Still()
    meta = first(file, 0, size, b"meta")
    if meta is None or meta.end - meta.start > MAX_META:
        return found
    parts = {box.kind: box for box in boxes(file, meta.start + 4, meta.end)}
    read = {kind: _content(file, box) for kind, box in parts.items() if kind in (b"pitm", b"iloc", b"iinf")}
    try:
        primary = _primary(read.get(b"pitm", b""))
        if b"iprp" in parts:
            _properties(file, parts[b"iprp"], primary, found)
        if b"iloc" in read and b"iinf" in parts:
            found.exif = _extents(read[b"iloc"], _exif_item(file, parts[b"iinf"]))
    except (struct.error, IndexError):
        pass  # What was understood before stays.
    return found


def _content(file: BinaryIO, box: Box) -> bytes:
    file.seek(box.start)
    return file.read(box.end - box.start)


def _primary(data: bytes) -> int:
    (item,) = struct.unpack_from(">H" if data[:1] == b"\0" else ">I", data, 4)
    return int(item)


def _properties(file: BinaryIO, container: Box, primary: int, found: Still) -> None:
    """The size and the depth of the primary item, among the properties of all."""
    listed = first(file, container.start, container.end, b"ipco")
    linked = first(file, container.start, container.end, b"ipma")
    if listed is None or linked is None:
        return
    properties = list(boxes(file, listed.start, listed.end))
    for number in _associated(_content(file, linked), primary):
        if not 0 < number <= len(properties):
            continue
        data = _content(file, properties[number - 1])
        if properties[number - 1].kind == b"ispe":
            width, height = struct.unpack_from(">II", data, 4)
            found.size = (width, height)
        elif properties[number - 1].kind == b"pixi" and data[4:5] not in (b"", b"\0"):
            found.bit_depth = max(data[5 : 5 + data[4]], default=None)


def _associated(data: bytes, item: int) -> list[int]:
    """The numbers of an item's properties."""
    version, wide = data[0], data[3] & 1
    (count,) = struct.unpack_from(">I", data, 4)
    place = 8
    for _ in range(min(count, len(data))):
        (here,) = struct.unpack_from(">I" if version else ">H", data, place)
        place += 4 if version else 2
        length = data[place]
        place += 1
        numbers = [
            struct.unpack_from(">H", data, place + 2 * index)[0] & 0x7FFF if wide else data[place + index] & 0x7F
            for index in range(length)
        ]
        if here == item:
            return numbers
        place += length * (2 if wide else 1)
    return []


def _exif_item(file: BinaryIO, container: Box) -> int | None:
    file.seek(container.start)
    version = file.read(1)
    for box in boxes(file, container.start + (6 if version == b"\0" else 8), container.end):
        data = _content(file, box)
        if box.kind == b"infe" and data[:1] in (b"\2", b"\3"):
            item, kind = struct.unpack_from(">H2x4s" if data[0] == 2 else ">I2x4s", data, 4)
            if kind == b"Exif":
                return int(item)
    return None


def _extents(data: bytes, item: int | None) -> list[tuple[int, int]]:
    """Where an item lies in the file: places and lengths."""
    version = data[0]
    offsets, lengths, bases, indexes = data[4] >> 4, data[4] & 15, data[5] >> 4, data[5] & 15
    indexes = indexes if version else 0
    count, place = struct.unpack_from(">H" if version < 2 else ">I", data, 6)[0], 8 if version < 2 else 10

    def number(width: int) -> int:
        nonlocal place
        place += width
        if place > len(data):
            raise IndexError
        return int.from_bytes(data[place - width : place], "big")

    for _ in range(min(count, len(data))):
        here = number(2 if version < 2 else 4)
        method = number(2) & 15 if version else 0
        number(2)  # which file: this one
        base = number(bases)
        found = []
        for _ in range(number(2)):
            number(indexes)
            found.append((base + number(offsets), number(lengths)))
        if here == item:
            return found if method == 0 else []
    return []
