"""Owns what is known of a picture without decoding it: its size, mode, depth and frames, from its header alone.

Headers are walked by hand: Pillow's readers take whole files, or all that a header points at, into memory.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from . import boxes, chunks, counting

MAX_PIXELS = 16384 * 16384
"""A picture of more pixels than this is never decoded by us."""

MALFORMED = (
    *(SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, AttributeError, AssertionError),
    *(MemoryError, RuntimeError, struct.error, zlib.error),
)
"""What readers raise, beside OSError, for files that are cut off, malformed or made to break them."""

_PNG_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG behind which its size stands."""

Facts = dict[str, Any]


def describe(path: Path, file_format: str) -> Facts:
    """What the header of a picture says, read as the format that its bytes showed.

    Returns:
        `width` and `height` (pixels), `mode` (in Pillow's words), `bit_depth` (of one channel), `animated`, `frames`,
        and of what moves `duration` (seconds) and `fps`; a `note` in place of what cannot be read or is too much.
    """
    reader = _READERS.get(file_format)
    if reader is None:
        return {"note": "not a picture that can be read"}
    try:
        with path.open("rb") as file:
            found = reader(file, path.stat().st_size)
    except (OSError, *MALFORMED) as error:
        return {"note": f"its header cannot be read ({type(error).__name__})"}
    if not (found.get("width") and found.get("height")):
        return {"note": "its header cannot be read"}
    if found["width"] * found["height"] > MAX_PIXELS:
        found["note"] = "too large to be shown"
    return found


def _png(file: BinaryIO, _: int) -> Facts:
    found: Facts = {}
    walk = chunks.of_png(file)
    header = next(walk, None)
    if header is None or header.kind != b"IHDR":
        return found
    width, height, depth, colours = struct.unpack(">IIBB", header.read(file, 10))
    mode = _PNG_MODES.get(colours, "RGB")
    if mode == "L" and depth in (1, 16):
        mode = "1" if depth == 1 else "I;16"
    moves = counting.of_png(file, walk)
    return {"width": width, "height": height, "mode": mode, "bit_depth": depth, **moves}


def _jpeg(file: BinaryIO, _: int) -> Facts:
    for segment in chunks.of_jpeg(file):
        if segment.kind[0] in _SIZES:
            depth, height, width, parts = struct.unpack(">BHHB", segment.read(file, 6))
            mode = _JPEG_MODES.get(parts, "RGB")
            return {"width": width, "height": height, "mode": mode, "bit_depth": depth, **counting.STILL}
    return {}


def _webp(file: BinaryIO, _: int) -> Facts:
    first = next(chunks.of_riff(file), None)
    if first is None:
        return {}
    head = first.read(file, 10)
    if len(head) < 10:
        return {}
    if first.kind == b"VP8X":
        width, height = (int.from_bytes(head[place : place + 3], "little") + 1 for place in (4, 7))
        alpha, moving = head[0] & 0x10, head[0] & 0x02
    elif first.kind == b"VP8L" and head[:1] == b"\x2f":
        bits = int.from_bytes(head[1:5], "little")
        width, height, alpha, moving = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bits >> 28 & 1, 0
    elif first.kind == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
        width, height = (size & 0x3FFF for size in struct.unpack("<HH", head[6:10]))
        alpha = moving = 0
    else:
        return {}
    moves = counting.of_webp(file) if moving else counting.STILL
    return {"width": width, "height": height, "mode": "RGBA" if alpha else "RGB", "bit_depth": 8, **moves}


def _gif(file: BinaryIO, size: int) -> Facts:
    width, height = struct.unpack("<6xHH", file.read(10))
    return {"width": width, "height": height, "mode": "P", "bit_depth": 8, **counting.of_gif(file, size)}


def _bmp(file: BinaryIO, _: int) -> Facts:
    (length,) = struct.unpack("<14xI", file.read(18))
    if length == 12:
        width, height, _, bits = struct.unpack("<HHHH", file.read(8))
    else:
        width, height, _, bits = struct.unpack("<iiHH", file.read(12))
    # Only longer headers say which of four channels is for transparency.
    mode = {1: "1", 32: "RGBA" if length >= 56 else "RGB"}.get(bits, "P" if bits <= 8 else "RGB")
    depth = bits if bits <= 8 else 8
    return {"width": abs(width), "height": abs(height), "mode": mode, "bit_depth": depth, **counting.STILL}


def _tiff(file: BinaryIO, _: int) -> Facts:
    return counting.of_tiff(file)


def _iso(file: BinaryIO, size: int) -> Facts:
    still = boxes.still(file, size)
    if still.size is None:
        return {}
    found: Facts = {"width": still.size[0], "height": still.size[1], "mode": "RGB"}
    if still.bit_depth:
        found["bit_depth"] = still.bit_depth
    return {**found, **counting.of_iso(file, size)}


_READERS: dict[str, Callable[[BinaryIO, int], Facts]] = {
    **{"png": _png, "jpg": _jpeg, "webp": _webp, "gif": _gif, "bmp": _bmp, "tiff": _tiff, "avif": _iso, "heic": _iso},
}
