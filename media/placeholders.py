"""Owns what is shown where there is no picture: the kind of the file and why, drawn by us, with nothing of the file."""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

SIDE = 320
_BACK, _STRONG, _PLAIN = (58, 61, 69), (236, 237, 241), (184, 187, 197)


@lru_cache(maxsize=256)
def draw(label: str, note: str) -> bytes:
    """A WebP with a short label, such as a file format, and under it a note of a few words.

    Of the label only letters and digits are drawn: it may be what a database has been made to say.
    """
    label = "".join(filter(str.isalnum, label))[:12]
    image = Image.new("RGB", (SIDE, SIDE), _BACK)
    canvas = ImageDraw.Draw(image)
    for text, size, middle, colour in ((label, 76, 138, _STRONG), (note, 32, 212, _PLAIN)):
        font = _fitting(canvas, text, size)
        canvas.text((SIDE // 2, middle), text, fill=colour, font=font, anchor="mm")
    file = io.BytesIO()
    image.save(file, "WEBP", quality=90, method=2)
    return file.getvalue()


def _fitting(canvas: ImageDraw.ImageDraw, text: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, as large as asked or as fits."""
    width = canvas.textlength(text, font=ImageFont.load_default(size))
    room = SIDE - 32
    return ImageFont.load_default(size if width <= room else max(8, int(size * room / width)))
