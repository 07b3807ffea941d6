"""Owns how many frames a picture has and how long they are shown, counted without decoding any.

Each is bounded in how much it looks at; where it stops before the end, the number is not told.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from . import boxes, chunks

MAX_GIF = 256 * 1024 * 1024
"""Bytes of a GIF that is walked: its parts say no more than where the next 255 bytes end."""

MAX_FOLDERS = 1000
"""Pictures in a TIFF that are counted."""

STILL = {"animated": False, "frames": 1}

_TIFF_TYPES = {1: "B", 3: "H", 4: "I"}
_WIDTH, _HEIGHT, _BITS, _LIGHT, _CHANNELS, _EXTRA = 256, 257, 258, 262, 277, 338

Facts = dict[str, Any]


def moving(count: int, seconds: float | None) -> Facts:
    """The facts of so many frames, shown for so long altogether."""
    if count < 2:
        return dict(STILL)
    found: Facts = {"animated": True, "frames": count}
    if seconds is not None and 0 < seconds < 10_000_000:
        found |= {"duration": round(seconds, 3), "fps": round(count / seconds, 3)}
    return found


def of_png(file: BinaryIO, walk: Iterable[chunks.Part]) -> Facts:
    """By its animation chunks, from the chunk on that `walk` is at."""
    count, seconds, pixels = 0, 0.0, False
    for chunk in walk:
        if chunk.kind == b"acTL" and not pixels:
            (count,) = struct.unpack(">I", chunk.read(file, 4))
        elif chunk.kind == b"IDAT":
            pixels = True
            if not count:
                break
        elif chunk.kind == b"fcTL" and chunk.length == 26:
            delay, unit = struct.unpack(">20xHH", chunk.read(file, 24))
            seconds += delay / (unit or 100)
    return moving(count, seconds)


def of_webp(file: BinaryIO) -> Facts:
    """By its frame chunks."""
    count, milliseconds = 0, 0
    for chunk in chunks.of_riff(file):
        if chunk.kind == b"ANMF":
            count += 1
            milliseconds += int.from_bytes(chunk.read(file, 15)[12:15], "little")
    return moving(count, milliseconds / 1000)


def of_gif(file: BinaryIO, size: int) -> Facts:
    """By its blocks."""
    if size > MAX_GIF:
        return {"note": "too large to count its frames"}
    count, hundredths = 0, 0
    for kind, delay in _gif_blocks(file):
        if kind == 0x2C:
            count += 1
        hundredths += delay
    return moving(count, hundredths / 100)


def _gif_blocks(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """The blocks of a GIF, and for how long the next frame is shown, in hundredths of a second."""
    file.seek(10)
    flags = file.read(3)[0]
    file.seek(13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0))
    while (kind := file.read(1)) in (b"\x2c", b"\x21"):
        delay = 0
        if kind == b"\x2c":
            flags = file.read(9)[8]
            file.seek(3 << (flags & 7) + 1 if flags & 0x80 else 0, 1)
            file.read(1)
        elif file.read(1) == b"\xf9":
            block = file.read(file.read(1)[0])
            delay = int.from_bytes(block[1:3], "little")
        while (length := file.read(1)) not in (b"", b"\0"):
            file.seek(length[0], 1)
        yield kind[0], delay


def of_tiff(file: BinaryIO) -> Facts:
    """Size, mode and depth of the first of its pictures, and how many there are."""
    head = file.read(8)
    order = "<" if head[:2] == b"II" else ">"
    (place,) = struct.unpack(f"{order}I", head[4:])
    seen: set[int] = set()
    found: Facts = {}
    while place and place not in seen and len(seen) <= MAX_FOLDERS:
        seen.add(place)
        file.seek(place)
        (count,) = struct.unpack(f"{order}H", file.read(2))
        entries = file.read(12 * count + 4)
        if len(seen) == 1:
            found = _tiff_picture(entries[:-4], order)
        if len(entries) < 12 * count + 4:
            break
        (place,) = struct.unpack(f"{order}I", entries[-4:])
    return {**found, **(moving(len(seen), None) if len(seen) <= MAX_FOLDERS else {"animated": True})}


def _tiff_picture(entries: bytes, order: str) -> Facts:
    tags: dict[int, int] = {}
    for start in range(0, len(entries) - 11, 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", entries, start)
        # Of several depths, one for each channel, only the place is here; they are the same in all that we know.
        if kind in _TIFF_TYPES and (count == 1 or (tag == _BITS and kind == 3 and count == 2)):
            (tags[tag],) = struct.unpack_from(f"{order}{_TIFF_TYPES[kind]}", entries, start + 8)
    channels = tags.get(_CHANNELS, 1)
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "CMYK" if tags.get(_LIGHT) == 5 else "RGBA"}.get(channels, str(channels))
    depth = tags.get(_BITS, 8 if channels > 1 else 1)
    if channels == 1:
        mode = "P" if tags.get(_LIGHT) == 3 else {1: "1", 16: "I;16", 32: "I"}.get(depth, "L")
    return {"width": tags.get(_WIDTH), "height": tags.get(_HEIGHT), "mode": mode, "bit_depth": depth}


def of_iso(file: BinaryIO, size: int) -> Facts:
    """By the table of the track that holds an image sequence."""
    movie = boxes.first(file, 0, size, b"moov")
    track = movie and boxes.first(file, movie.start, movie.end, b"trak")
    media = track and boxes.first(file, track.start, track.end, b"mdia")
    if not media:
        return dict(STILL)
    seconds = None
    if (times := boxes.first(file, media.start, media.end, b"mdhd")) is not None:
        file.seek(times.start)
        head = file.read(32)
        unit, length = struct.unpack(">20xIQ" if head[0] else ">12xII", head[: 32 if head[0] else 20])
        seconds = length / unit if unit else None
    place: boxes.Box | None = media
    for kind in (b"minf", b"stbl", b"stsz"):
        place = place and boxes.first(file, place.start, place.end, kind)
    if place is None:
        return dict(STILL)
    file.seek(place.start + 8)
    return moving(int.from_bytes(file.read(4), "big"), seconds)
