"""Owns what is known of a picture without decoding it: its size and mode, from its header alone."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 16384 * 16384
"""A picture of more pixels than this is never decoded by us."""


def describe(path: Path) -> dict[str, Any]:
    """Width and height in pixels, Pillow's mode and the number of frames; a `note` in place of what cannot be read."""
    try:
        with warnings.catch_warnings():
            # Opening reads the header only; the warning is about decoding, which does not happen here.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
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
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, OverflowError) as error:
        # What Pillow's header readers raise for files that are cut off or malformed.
        return {"note": f"its header cannot be read ({type(error).__name__})"}
