"""Owns whether FFmpeg may be let at a file: how much of it, or of what it promises, would come into memory.

A file of a few hundred bytes can promise hundreds of millions of frames, for each of which FFmpeg takes memory before
it looks whether they are there. Headers are walked here first, without believing them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from .boxes import Box, boxes
from .chunks import MOST, of_riff

MAX_HEADER = 64 * 1024 * 1024
"""Bytes of a header: tags, pictures of covers, tables of frames."""

MAX_SAMPLES = 4_000_000
"""Frames, and pieces of sound, of all streams: a day of film."""

_AROUND = (b"mdia", b"minf", b"stbl", b"traf")
_TABLES = (b"stsz", b"stz2", b"trun", b"stts", b"hdlr")
_CLUSTER, _SEGMENT = 0x1F43B675, 0x18538067


class TooHeavy(Exception):
    """A file is not to be opened; the text says why, in a few words."""


def weigh(path: Path, demuxer: str) -> None:
    """Look through the header of a file that is to be opened by this reader.

    Raises:
        TooHeavy: it is, or promises, too much. OSError.
    """
    with path.open("rb") as file:
        _BY_DEMUXER[demuxer](file, path.stat().st_size)


def _header(length: int) -> None:
    if length > MAX_HEADER:
        raise TooHeavy("its header is too large")


def _mov(file: BinaryIO, size: int) -> None:
    samples = 0
    for box in boxes(file, 0, size):
        if box.kind not in (b"mdat", b"free", b"skip", b"wide", b"uuid"):
            _header(box.end - box.start)
        for track in boxes(file, box.start, box.end) if box.kind in (b"moov", b"moof") else ():
            if track.kind in (b"trak", b"traf"):
                samples += _promised(file, track, size)
                if samples > MAX_SAMPLES:
                    raise TooHeavy("it promises too many frames")


def _promised(file: BinaryIO, track: Box, size: int) -> int:
    """How many frames a track promises."""
    counts, plain, handlers = 0, True, set[bytes]()
    for table in _tables(file, track):
        file.seek(table.start)
        head = file.read(16).ljust(16, b"\0")
        first, second, third = struct.unpack(">III", head[4:])
        if table.kind == b"hdlr":
            handlers.add(head[8:12])
        elif table.kind == b"stts":
            plain = plain and (first, third) == (1, 1)
        elif table.kind == b"stsz" and first:
            if first * second > size:
                raise TooHeavy("it promises more than the file holds")
            counts += second
        else:
            counts += first if table.kind == b"trun" else second
            plain = False
    # Sound that is not packed has a sample for each moment; FFmpeg takes those together.
    return 0 if plain and b"soun" in handlers <= {b"soun", b"url ", b"alis"} else counts


def _tables(file: BinaryIO, track: Box) -> Iterator[Box]:
    waiting = [track]
    for _ in range(MOST):
        if not waiting:
            return
        here = waiting.pop()
        for inner in boxes(file, here.start, here.end):
            if inner.kind in _AROUND:
                waiting.append(inner)
            elif inner.kind in _TABLES:
                yield inner


def _matroska(file: BinaryIO, size: int) -> None:
    place = 0
    for _ in range(MOST):
        if place >= size:
            return
        file.seek(place)
        head = file.read(12)
        kind, after = _number(head, 0, keep_marker=True)
        length, content = _number(head, after, keep_marker=False)
        if not content or kind == _CLUSTER:
            return
        place += content if kind == _SEGMENT else content + length
        _header(min(place, size))


def _number(data: bytes, place: int, *, keep_marker: bool) -> tuple[int, int]:
    """A number whose first byte says how long it is, and where it ends; ends at 0 where there is none."""
    if place >= len(data) or not data[place]:
        return 0, 0
    length = 9 - data[place].bit_length()
    if place + length > len(data):
        return 0, 0
    value = int.from_bytes(data[place : place + length], "big")
    return value if keep_marker else value & (1 << 7 * length) - 1, place + length


def _flac(file: BinaryIO, size: int) -> None:
    place = 4
    for _ in range(MOST):
        file.seek(place)
        head = file.read(4)
        if len(head) < 4:
            return
        place += 4 + int.from_bytes(head[1:], "big")
        _header(min(place, size))
        if head[0] & 0x80:
            return
    raise TooHeavy("its header is too large")


def _mp3(file: BinaryIO, size: int) -> None:
    head = file.read(10)
    if head[:3] == b"ID3" and len(head) == 10:
        _header(min(size, sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))))


def _wav(file: BinaryIO, size: int) -> None:
    for part in of_riff(file):
        if part.kind == b"data":
            return
        _header(min(part.start + part.length, size))


def _ogg(file: BinaryIO, size: int) -> None:
    place = 0
    for _ in range(MOST):
        file.seek(place)
        head = file.read(27)
        if len(head) < 27 or head[:4] != b"OggS" or head[6:14] not in (b"\0" * 8, b"\xff" * 8):
            return
        place += 27 + head[26] + sum(file.read(head[26]))
        _header(min(place, size))


_BY_DEMUXER: dict[str, Callable[[BinaryIO, int], None]] = {
    **{"mov": _mov, "matroska": _matroska, "flac": _flac, "mp3": _mp3, "wav": _wav, "ogg": _ogg},
}
