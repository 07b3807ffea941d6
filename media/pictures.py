"""Owns small pictures of pictures: upright, of the first frame, of no colours but their own.

Files come from anywhere: their pixels are counted before any is decoded, and only the format that their bytes showed is
tried, so that none of Pillow's readers that start other programs is ever asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from . import frames
from .images import MALFORMED
from .limits import MAX_PIXELS, STANDS_STILL, TOO_LARGE, UNREADABLE, CannotBeShown, Patience

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


def has_reader(file_format: str | None) -> bool:
    """Whether files of this format are pictures."""
    return file_format in _READERS


def small(source: Path, file_format: str, side: int) -> tuple[Image.Image, bytes]:
    """A picture in the mode RGB, RGBA, L or LA, and the colour profile that its numbers count in, which may be none.

    Args:
        side: the most pixels of its longer side; nothing is enlarged.
    Raises:
        CannotBeShown: it is too large, or not a picture that can be read.
        OSError: the operating system refuses to read it.
    """
    with _opened(source, file_format) as image:
        # A JPEG can be decoded at a half, a quarter or an eighth of its size at once; of others this changes nothing.
        image.draft(None, (2 * side, 2 * side))
        return _small(image, side), _profile(image)


def few(source: Path, file_format: str) -> list[Image.Image]:
    """A few frames of a picture that moves, evenly spread over those that were decoded before patience ended.

    Raises:
        CannotBeShown: there is no second frame, or as `small`. OSError: as `small`.
    """
    patience = Patience()
    spread = frames.Spread()
    with _opened(source, file_format) as image:
        if not getattr(image, "is_animated", False):
            raise CannotBeShown(STANDS_STILL)
        try:
            while not patience.is_over:
                # A copy: what is small already would be the same picture, which goes on to its next frame.
                spread.offer(lambda: _small(image, frames.SIDE).copy())
                image.seek(image.tell() + 1)
        except (OSError, *MALFORMED):
            pass  # The last one, or the last one that is whole.
    if not spread.frames:
        raise CannotBeShown(UNREADABLE)
    return spread.frames


@contextmanager
def _opened(source: Path, file_format: str) -> Iterator[Image.Image]:
    """A picture whose pixels are counted, and are not yet decoded; what Pillow says of broken ones is said as ours."""
    Image.init()
    reader = _READERS.get(file_format)
    if reader not in Image.OPEN:
        raise CannotBeShown(UNREADABLE)
    try:
        with Image.open(source, formats=[reader]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise CannotBeShown(TOO_LARGE)
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise CannotBeShown(TOO_LARGE) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise CannotBeShown(UNREADABLE) from error
    except MALFORMED as error:
        raise CannotBeShown(UNREADABLE) from error


def _small(image: Image.Image, side: int) -> Image.Image:
    image.load()
    # A box filter down to twice the size, then a good filter for the rest: what the eye cannot tell from a good filter
    # all the way, at a fraction of its time.
    factor = max(1, max(image.size) // (2 * side))
    reduced = image if factor == 1 else _reduced(image, factor)
    plain = _eight_bits(_plain(reduced), of_sixteen=image.mode.startswith("I;16") or image.format == "PNG")
    size = frames.fitted(image.size, side)
    made = plain if plain.size == size else plain.resize(size, Image.Resampling.LANCZOS)
    turn = _UPRIGHT.get(_orientation(image))
    return made if turn is None else made.transpose(turn)


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
            raise CannotBeShown(UNREADABLE)
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
