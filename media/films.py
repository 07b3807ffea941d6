"""Owns what stands for a film: a poster that is not black, and a few frames that are spread over all of it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from . import frames
from .decoding import decoded, opened, seconds, sought
from .limits import UNREADABLE, CannotBeShown, Patience

LOOKED_AT = 240
"""Frames from the beginning in which a poster is looked for; fades from black take a second or two."""

FURTHER = (0.1, 0.3, 0.5, 0.7)
"""Where it is looked for then, as shares of the film."""

SHORT = 900 * 1280 * 720
"""Pixels of a film that is decoded as a whole for its strip; of a longer one only frames that stand alone."""

_DARK = 48
_SEEN = 0.02
"""A frame is not black when this share of it is lighter than `_DARK` of 255."""


def poster(source: Path, file_format: str, side: int) -> Image.Image:
    """The first frame that is not black, or the lightest of those looked at, upright, in RGB.

    Raises:
        CannotBeShown: it has no frame that can be decoded. OSError: the operating system refuses to read it.
    """
    patience = Patience()
    with opened(source, file_format, "video", patience) as (container, stream):
        best: Image.Image | None = None
        most = -1.0
        for frame in _candidates(container, stream, patience):
            light = _light(frame)
            if light > most:
                most, best = light, _picture(frame, stream, side)
            if light >= _SEEN:
                break
        if best is None:
            raise CannotBeShown(UNREADABLE)
        return best


def few(source: Path, file_format: str) -> list[Image.Image]:
    """A few frames, in their order, evenly spread over the film, or over what patience is enough for.

    Raises:
        CannotBeShown, OSError: as `poster`.
    """
    patience = Patience()
    with opened(source, file_format, "video", patience) as (container, stream):
        found = [] if _is_short(container, stream) else _far_apart(container, stream, patience)
        if len({frame.tobytes() for frame in found}) < 2:
            # It is short, or says nothing of its length, or nothing in it stands alone but its first frame.
            sought(container, stream, 0)
            stream.codec_context.skip_frame = "NONREF"
            spread = frames.Spread()
            for frame in decoded(container, stream, patience):
                spread.offer(lambda: _picture(frame, stream, frames.SIDE))  # noqa: B023  it is called at once
            found = spread.frames or found
        if not found:
            raise CannotBeShown(UNREADABLE)
        return found


def _candidates(container: Any, stream: Any, patience: Patience) -> Iterator[Any]:
    for number, frame in enumerate(decoded(container, stream, patience)):
        if number % 4 == 0:
            yield frame
        if number >= LOOKED_AT:
            break
    for share in FURTHER:
        if sought(container, stream, share * seconds(container, stream)):
            yield from _next(container, stream, patience)


def _far_apart(container: Any, stream: Any, patience: Patience) -> list[Image.Image]:
    stream.codec_context.skip_frame = "NONKEY"
    length = seconds(container, stream)
    found = []
    for number in range(frames.COUNT):
        if sought(container, stream, length * (number + 0.5) / frames.COUNT):
            found += [_picture(frame, stream, frames.SIDE) for frame in _next(container, stream, patience)]
    return found


def _next(container: Any, stream: Any, patience: Patience) -> list[Any]:
    """The next frame, in a list that is empty when there is none."""
    frame = next(decoded(container, stream, patience), None)
    return [] if frame is None else [frame]


def _is_short(container: Any, stream: Any) -> bool:
    context = stream.codec_context
    count = stream.frames or seconds(container, stream) * float(stream.average_rate or 30)
    return float(count * context.width * context.height) <= SHORT


def _light(frame: Any) -> float:
    """The share of a frame that is not black."""
    grey: list[int] = frame.reformat(width=32, height=32, format="gray").to_image().convert("L").histogram()
    return sum(grey[_DARK:]) / sum(grey)


def _picture(frame: Any, stream: Any, side: int) -> Image.Image:
    """A frame as it is shown: with pixels that are squares, and upright."""
    ratio = Fraction(stream.sample_aspect_ratio or 1)
    if not Fraction(1, 16) <= ratio <= 16:
        ratio = Fraction(1)
    width, height = frames.fitted((max(1, round(frame.width * ratio)), frame.height), side)
    image: Image.Image = frame.to_image(width=width, height=height)
    turn = getattr(frame, "rotation", 0)  # what a camera that was turned says; PyAV 14.0 does not tell
    return image.rotate(turn, expand=True) if turn % 360 else image
