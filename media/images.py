"""Owns what is known of a picture without decoding it: its size and mode, from its header alone."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 16384 * 16384
"""A picture of more pixels than this is never decoded by us."""

MALFORMED = (
    *(SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, AttributeError, AssertionError),
    *(MemoryError, RuntimeError, struct.error, zlib.error),
)
"""What Pillow's readers raise, beside OSError, for files that are cut off, malformed or made to break them."""


def describe(path: Path) -> dict[str, Any]:
    """Width and height in pixels, Pillow's mode and the number of frames; a `note` in place of what cannot be read."""
    try:
        with warnings.catch_warnings():
            # They are about decoding, which does not happen here, and about headers that are then noted.
            warnings.filterwarnings("ignore", module="PIL")
            with Image.open(path) as image:
                found: dict[str, Any] = {"width": image.width, "height": image.height, "mode": image.mode}
                found["animated"] = bool(getattr(image, "is_animated", False))
                if image.width * image.height > MAX_PIXELS:
                    found["note"] = "too large to be shown"
                return found
    except UnidentifiedImageError:
        return {"note": "not a picture that can be read"}
    except Image.DecompressionBombError:
        return {"note": "too large to be shown"}
    except (OSError, *MALFORMED) as error:
        return {"note": f"its header cannot be read ({type(error).__name__})"}
