"""Owns small pictures of pictures: 512 pixels a side at most, upright, of the first frame, without any metadata.

Files come from anywhere: their pixels are counted before any is decoded, and only the format that their bytes showed is
tried, so that none of Pillow's readers that start other programs is ever asked.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from .images import MALFORMED

MAX_SIDE = 512
MAX_PIXELS = 64 * 1024 * 1024
"""A picture of more pixels than this is not decoded: 256 MiB, at four bytes for each."""

QUALITY = 80
_BAND = 4 * 1024 * 1024
"""Pixels that are converted at a time; only the decoded picture itself is in memory as a whole."""

_MAX_PROFILE = 32 * 1024
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_READERS = {
    **{"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "gif": "GIF", "avif": "AVIF", "bmp": "BMP", "tiff": "TIFF"},
}


class CannotBeShown(Exception):
    """There can be no small picture of a file, whoever asks and whenever; its text says why, in a few words."""


def has_reader(file_format: str | None) -> bool:
    """Whether files of this format are pictures that `make` reads."""
    return file_format in _READERS


def make(source: Path, file_format: str) -> bytes:
    """A small WebP of a picture.

    Args:
        file_format: what `kinds` told by its bytes.
    Raises:
        CannotBeShown: it is too large, or not a picture that can be read.
        OSError: the operating system refuses to read it.
    """
    Image.init()
    reader = _READERS.get(file_format)
    if reader not in Image.OPEN:
        raise CannotBeShown("cannot be read")
    try:
        with Image.open(source, formats=[reader]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise CannotBeShown("too large to be shown")
            return _encoded(_small(image), _profile(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise CannotBeShown("too large to be shown") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise CannotBeShown("cannot be read") from error
    except MALFORMED as error:
        raise CannotBeShown("cannot be read") from error


def _small(image: Image.Image) -> Image.Image:
    # A JPEG can be decoded at a half, a quarter or an eighth of its size at once; for other formats this does nothing.
    image.draft(None, (2 * MAX_SIDE, 2 * MAX_SIDE))
    image.load()
    # A box filter down to twice the size, then a good filter for the rest: what the eye cannot tell from a good filter
    # all the way, at a fraction of its time.
    factor = max(1, max(image.size) // (2 * MAX_SIDE))
    reduced = image if factor == 1 else _reduced(image, factor)
    plain = _eight_bits(_plain(reduced), of_sixteen=image.mode.startswith("I;16") or image.format == "PNG")
    scale = min(1.0, MAX_SIDE / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    small = plain if plain.size == size else plain.resize(size, Image.Resampling.LANCZOS)
    turn = _UPRIGHT.get(_orientation(image))
    return small if turn is None else small.transpose(turn)


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """A picture divided by `factor` on each side, band by band."""
    width, height = image.size
    rows = factor * max(1, _BAND // (width * factor))
    bands = []
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(height, top + rows)))
        bands.append(_plain(band).reduce(factor))
    whole = Image.new(bands[0].mode, (bands[0].width, sum(band.height for band in bands)))
    top = 0
    for band in bands:
        whole.paste(band, (0, top))
        top += band.height
    return whole


def _plain(image: Image.Image) -> Image.Image:
    """The same in a mode whose values can be mixed: L, LA, RGB, RGBA, or I and F for more than eight bits."""
    mode = image.mode
    if mode in ("LA", "RGBA", "I", "F"):
        return image
    if mode.startswith("I;16"):
        return image.convert("I")
    if image.has_transparency_data:
        return image.convert("RGBA")
    if mode == "1":
        return image.convert("L")
    return image if mode in ("L", "RGB") else image.convert("RGB")


def _eight_bits(image: Image.Image, *, of_sixteen: bool) -> Image.Image:
    """The same in eight bits: sixteen are divided, of other numbers the least becomes black and the greatest white."""
    if image.mode not in ("I", "F"):
        return image
    if of_sixteen:
        low, high = 0.0, 65535.0
    else:
        low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]
        if not -1e30 < low <= high < 1e30:
            raise CannotBeShown("cannot be read")
    scale = 255 / (high - low) if high > low else 0.0
    return image.point(lambda value: value * scale - low * scale).convert("L")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (OSError, *MALFORMED):
        return 1  # a camera's notes that cannot be read do not spoil the picture


def _profile(image: Image.Image) -> bytes:
    """The colour profile that its numbers count in, unless that is larger than a thumbnail itself."""
    profile = image.info.get("icc_profile")
    if isinstance(profile, bytes) and image.mode in ("RGB", "RGBA") and len(profile) <= _MAX_PROFILE:
        return profile
    return b""


def _encoded(image: Image.Image, profile: bytes) -> bytes:
    file = io.BytesIO()
    image.convert("RGBA" if image.mode in ("LA", "RGBA") else "RGB").save(
        file, "WEBP", quality=QUALITY, method=2, icc_profile=profile
    )
    return file.getvalue()
