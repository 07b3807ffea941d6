"""Owns what stands for a sound: its waveform, in a colour that is seen on a dark and on a light ground."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageDraw

from .decoding import decoded, opened, seconds, sought
from .limits import UNREADABLE, CannotBeShown, Patience

BARS = 128
LONG = 300
"""Seconds up to which all of a sound is listened to; of a longer one a little at each bar."""

RATE = 16_000
STEP = 4
"""Of so many samples one is looked at: the loudest of them is hardly ever alone."""

_COLOUR = (74, 134, 216, 255)


def draw(source: Path, file_format: str, sides: list[int]) -> Iterator[Image.Image]:
    """Waveforms of these widths in pixels, half as high, on a clear ground.

    Raises:
        CannotBeShown: there is no sound in it that can be decoded. OSError: the operating system refuses to read it.
    """
    peaks = _peaks(source, file_format)
    for side in sides:
        yield _drawn(peaks, side)


def _peaks(source: Path, file_format: str) -> list[float]:
    """How loud it is in each of `BARS` parts, from 0 to 1, the loudest of them 1."""
    patience = Patience()
    with opened(source, file_format, "audio", patience) as (container, stream):
        length = seconds(container, stream)
        found = _here_and_there(container, stream, length, patience) if length > LONG else []
        if not any(found):
            sought(container, stream, 0)
            found = _everywhere(container, stream, patience)
    if not found:
        raise CannotBeShown(UNREADABLE)
    spread = [_loudest(found, number, BARS) for number in range(BARS)]
    loudest = max(spread)
    return [peak / loudest if loudest else 0.0 for peak in spread]


def _loudest(peaks: list[int] | list[float], number: int, parts: int) -> float:
    """The greatest in one of so many parts of a list, which may have fewer."""
    first, end = number * len(peaks) // parts, (number + 1) * len(peaks) // parts
    return float(max(peaks[first : max(end, first + 1)]))


def _everywhere(container: Any, stream: Any, patience: Patience) -> list[int]:
    """The loudest of each piece, in pieces of equal length, of which there are never too many."""
    found: list[int] = []
    each, waiting = 1, []
    for loud in _loudness(decoded(container, stream, patience)):
        waiting.append(loud)
        if len(waiting) < each:
            continue
        found.append(max(waiting))
        waiting.clear()
        if len(found) >= 8 * BARS:
            found = [max(found[at : at + 2]) for at in range(0, len(found), 2)]
            each *= 2
    return found + ([max(waiting)] if waiting else [])


def _here_and_there(container: Any, stream: Any, length: float, patience: Patience) -> list[int]:
    found = []
    for number in range(BARS):
        if patience.is_over or not sought(container, stream, length * (number + 0.5) / BARS):
            break
        near = decoded(container, stream, patience)
        # The first after a jump may be silent: what it is made of lies before it.
        found.append(max(_loudness(frame for _, frame in zip(range(4), near, strict=False)), default=0))
    return found


def _loudness(sounds: Iterator[Any]) -> Iterator[int]:
    """The loudest sample of each piece, from 0 to 32,768."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    for sound in sounds:
        sound.pts = None
        for plain in resampler.resample(sound):
            samples = memoryview(plain.planes[0]).cast("B")[: 2 * plain.samples].cast("h")[::STEP]
            if len(samples):
                low, high = min(samples), max(samples)
                yield max(high, -low)


def _drawn(peaks: list[float], side: int) -> Image.Image:
    """Bars with round ends. Drawn four times as large: Pillow's own edges are not smooth."""
    height = side // 2
    pitch = 8
    count = side // pitch - 2  # it keeps off the edges
    image = Image.new("L", (4 * side, 4 * height), 0)
    canvas = ImageDraw.Draw(image)
    for number in range(count):
        half = max(2.5, _loudest(peaks, number, count) * (height / 2 - 6))
        left, top = (number + 1) * pitch + 1.5, height / 2 - half
        box = (4 * left, 4 * top, 4 * (left + 5), 4 * (top + 2 * half))
        canvas.rounded_rectangle(box, 10, fill=255)
    shape = image.reduce(4)
    drawn = Image.new("RGBA", (side, height), (*_COLOUR[:3], 0))
    drawn.putalpha(shape)
    return drawn
