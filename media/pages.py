"""Owns what a text looks like when it is small: its first lines on a page, drawn by us.

Pillow's own font has the letters of English only, so others of this machine are tried. What none of them can write, or
what would have to be shaped and turned, such as Arabic, is not drawn as a page of boxes: it has a placeholder, and the
panel shows the text itself.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .limits import OPEN_IT, CannotBeShown

FORMATS = frozenset({"txt", "json"})
LINES = 11
HEAD = 8192
"""Bytes that are read; a page of `LINES` lines holds far fewer."""

MISSING = 0.1
"""The share of letters that a font may lack; they are left out."""

FONTS = (
    *("", "DejaVuSans.ttf", "NotoSans-Regular.ttf", "segoeui.ttf", "Arial Unicode.ttf", "Arial.ttf"),
    *("NotoSansCJK-Regular.ttc", "msyh.ttc", "PingFang.ttc", "malgun.ttf"),
)
"""Tried in this order, where the machine has them; the first is Pillow's own."""

_BACK, _INK = (58, 61, 69), (226, 228, 234)
_TAB = "  "
_UNSHAPED = frozenset({"R", "AL", "NSM"})
"""Letters that run from right to left, and marks that sit on others: they take more than one shape after the other."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw(source: Path, sides: list[int]) -> Iterator[Image.Image]:
    """Pages of these sides in pixels, each drawn in its own size.

    Raises:
        CannotBeShown: it is empty, or no font that there is can write most of it.
        OSError: the operating system refuses to read it.
    """
    with source.open("rb") as file:
        head = file.read(HEAD)
    # A letter may be cut in two where the head ends.
    text = head.decode("utf-8-sig", errors="ignore").replace("\t", _TAB)
    letters = [letter for letter in text if not letter.isspace() and letter.isprintable()]
    if not letters:
        raise CannotBeShown("it is empty")
    lacking = {name: sum(not _is_drawn(name, letter) for letter in letters) for name in FONTS if _font(name, 16)}
    name = min(lacking, key=lacking.__getitem__)
    if lacking[name] > MISSING * len(letters):
        raise CannotBeShown(OPEN_IT)
    written = "".join(letter for letter in text if letter.isspace() or _is_drawn(name, letter))
    for side in sides:
        yield _page(written, name, side)


def _page(text: str, name: str, side: int) -> Image.Image:
    image = Image.new("RGB", (side, side), _BACK)
    canvas = ImageDraw.Draw(image)
    # Above the lines there is room for what a list writes over a corner.
    margin, top = side / 16, side / 6
    pitch = (side - margin - top) / LINES
    font = _font(name, round(pitch * 0.78))
    assert font is not None
    room = side - 2 * margin
    for number, line in enumerate(_lines(text, font, room)):
        canvas.text((margin, top + (number + 0.5) * pitch), line, fill=_INK, font=font, anchor="lm")
    return image


def _lines(text: str, font: Font, room: float) -> Iterator[str]:
    """The first lines, broken where they are too long: between words where there are some, else anywhere."""
    given = 0
    for line in text.splitlines():
        rest = line.rstrip()
        while given < LINES:
            fits = _fitting(rest, font, room)
            if fits < len(rest) and (blank := rest.rfind(" ", 1, fits + 1)) > fits // 2:
                fits = blank
            yield rest[:fits]
            given += 1
            rest = rest[fits:].lstrip()
            if not rest:
                break


def _fitting(line: str, font: Font, room: float) -> int:
    """How many letters of a line there is room for, at least one."""
    low, high = 1, min(len(line), 200)
    while low < high:
        middle = (low + high + 1) // 2
        if font.getlength(line[:middle]) <= room:
            low = middle
        else:
            high = middle - 1
    return low


@lru_cache(maxsize=64)
def _font(name: str, size: int) -> Font | None:
    """A font in a size of pixels; None where this machine has none of that name."""
    try:
        return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except OSError:
        return None


@lru_cache(maxsize=8192)
def _is_drawn(name: str, letter: str) -> bool:
    """Whether a font has a shape for a letter, other than the one that stands for those it lacks."""
    font = _font(name, 16)
    if font is None or not letter.isprintable() or unicodedata.bidirectional(letter) in _UNSHAPED:
        return False
    return bytes(font.getmask(letter)) != bytes(font.getmask("\uffff"))
