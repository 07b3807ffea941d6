"""Owns the texts in an EXIF block: what cameras say in it, and what ComfyUI and its extensions put there instead.

Its tags may all point at the same bytes; only so many of them are copied, however often they are pointed at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAX_BLOCK = 8 * 1024 * 1024
"""Bytes of a block that is read at all."""

USER_COMMENT = 0x9286

_EXIF_FOLDER = 0x8769
_MOST_TAGS = 256
_BYTE, _ASCII, _UNDEFINED = 1, 2, 7
_PREFIX = b"Exif\0\0"
_CHARSETS = {b"ASCII\0\0\0": "utf-8", b"UNICODE\0": "utf-16", b"\0" * 8: "utf-8"}


def texts(block: bytes) -> Iterator[tuple[int, str]]:
    """The tags of a block whose content is text, each with its number."""
    block = block.removeprefix(_PREFIX)
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return
    budget = 2 * MAX_BLOCK
    for tag, kind, start, length in _tags(block, order):
        if kind in (_BYTE, _ASCII, _UNDEFINED) and start + length <= len(block) and length <= budget:
            budget -= length
            yield tag, _decoded(tag, block[start : start + length], order)


def _tags(block: bytes, order: str) -> Iterator[tuple[int, int, int, int]]:
    """Of the first folder and of the EXIF folder: number, type, and where its bytes lie."""
    (place,) = struct.unpack_from(f"{order}I", block, 4)
    folders, seen = [place], 0
    while folders:
        place = folders.pop()
        if place + 2 > len(block):
            continue
        (count,) = struct.unpack_from(f"{order}H", block, place)
        for entry in range(place + 2, min(place + 2 + 12 * count, len(block) - 11), 12):
            seen += 1
            if seen > _MOST_TAGS:
                return
            tag, kind, length, value = struct.unpack_from(f"{order}HHII", block, entry)
            if tag == _EXIF_FOLDER:
                folders.append(value)
            else:
                yield tag, kind, value if length > 4 else entry + 8, length


def _decoded(tag: int, data: bytes, order: str) -> str:
    if tag == USER_COMMENT and (charset := _CHARSETS.get(data[:8])):
        data = data[8:]
        if charset == "utf-16":
            return _utf16(data, order)
    try:
        return data.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        return data.rstrip(b"\0").decode("latin-1")


def _utf16(data: bytes, order: str) -> str:
    """Writers disagree on whether the block's byte order is also that of its texts: a letter's high byte is 0."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    even, odd = data[0:512:2].count(0), data[1:512:2].count(0)
    if even == odd:
        even, odd = (0, 1) if order == "<" else (1, 0)
    return data.decode("utf-16-be" if even > odd else "utf-16-le", "replace").rstrip("\0")
