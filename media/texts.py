"""Owns how long a text is, counted as it streams by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

COUNTED = 64 * 1024 * 1024
"""Bytes; a longer text is not counted."""

_PIECE = 1024 * 1024
_INSIDE_A_LETTER = bytes(range(0x80, 0xC0))
_BOM = b"\xef\xbb\xbf"


def describe(path: Path) -> dict[str, Any]:
    """`characters` and `lines` of a text in UTF-8; a `note` where it is too long to be counted."""
    characters = lines = 0
    last = b"\n"
    try:
        with path.open("rb") as file:
            if path.stat().st_size > COUNTED:
                return {"note": "too long to be counted"}
            if file.read(len(_BOM)) != _BOM:
                file.seek(0)
            while piece := file.read(_PIECE):
                characters += len(piece.translate(None, _INSIDE_A_LETTER))
                lines += piece.count(b"\n")
                last = piece[-1:]
    except OSError as error:
        return {"note": f"it cannot be read ({type(error).__name__})"}
    return {"characters": characters, "lines": lines + (last != b"\n")}
