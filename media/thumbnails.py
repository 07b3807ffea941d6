"""Owns the small pictures of a file: which kinds have any, in which sizes, and how they are written, without metadata.

What each kind shows is its own module's: `pictures`, `films`, `waveforms`, `pages`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from . import frames, pages, pictures
from .limits import STANDS_STILL, CannotBeShown

SIDES = {"small": 256, "medium": 512, "large": 1024}
"""The most pixels of the longer side, by the name of the size."""

QUALITY = 80
STRIP_QUALITY = 70

FILMS = frozenset({"mp4", "webm", "mkv", "mov"})
SOUNDS = frozenset({"flac", "mp3", "wav", "ogg", "m4a"})
MOVING = frozenset({"gif", "webp", "png"})
"""Formats of pictures that may have many frames, which each has in a header of its own."""


def has_reader(file_format: str | None) -> bool:
    """Whether there are thumbnails of files of this format; svg and html have none, whatever they would look like."""
    return pictures.has_reader(file_format) or file_format in (FILMS | SOUNDS | pages.FORMATS)


def has_strip(file_format: str | None) -> bool:
    """Whether files of this format may move."""
    return file_format in (FILMS | MOVING)


def make(source: Path, file_format: str, sizes: Iterable[str] = ("medium",)) -> dict[str, bytes]:
    """Thumbnails in several sizes, as WebP, from one look at the file.

    Args:
        file_format: what `kinds` told by its bytes.
        sizes: keys of `SIDES`.
    Raises:
        CannotBeShown: it is too large, or not a file that can be read.
        OSError: the operating system refuses to read it.
    """
    wanted = sorted(sizes, key=SIDES.__getitem__, reverse=True)
    if file_format in pages.FORMATS:
        return {size: _encoded(image) for size, image in zip(wanted, pages.draw(source, _sides(wanted)), strict=True)}
    if file_format in SOUNDS:
        from . import waveforms

        drawn = waveforms.draw(source, file_format, _sides(wanted))
        return {size: _encoded(image) for size, image in zip(wanted, drawn, strict=True)}
    image, profile = _picture(source, file_format, SIDES[wanted[0]])
    made = {}
    for size in wanted:
        image = _scaled(image, SIDES[size])
        made[size] = _encoded(image, profile)
    return made


def make_strip(source: Path, file_format: str) -> bytes:
    """A WebP of `frames.COUNT` frames beside each other, evenly spread over what moves.

    Raises:
        CannotBeShown, OSError: as `make`.
    """
    if file_format in FILMS:
        from . import films

        few = films.few(source, file_format)
    elif file_format in MOVING:
        few = pictures.few(source, file_format)
    else:
        raise CannotBeShown(STANDS_STILL)
    return _encoded(frames.strip(few), quality=STRIP_QUALITY)


def _picture(source: Path, file_format: str, side: int) -> tuple[Image.Image, bytes]:
    if file_format in FILMS:
        from . import films  # FFmpeg takes a quarter of a second to load, which nobody waits for who shows no film.

        return films.poster(source, file_format, side), b""
    return pictures.small(source, file_format, side)


def _sides(sizes: list[str]) -> list[int]:
    return [SIDES[size] for size in sizes]


def _scaled(image: Image.Image, side: int) -> Image.Image:
    size = frames.fitted(image.size, side)
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def _encoded(image: Image.Image, profile: bytes = b"", *, quality: int = QUALITY) -> bytes:
    file = io.BytesIO()
    image.convert("RGBA" if image.mode in ("LA", "RGBA") else "RGB").save(
        file, "WEBP", quality=quality, method=2, icc_profile=profile
    )
    return file.getvalue()
