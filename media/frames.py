"""Owns which frames stand for all of them: a few, spread evenly, of however many come by; and the strip they make."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

COUNT = 12
"""Frames that lie beside each other in a strip; where there are fewer, some of them twice."""

SIDE = 256
"""Pixels of a strip's frame on its longer side."""


class Spread:
    """Keeps at most `2 * COUNT` of the frames it is offered, evenly spread, without knowing how many will come."""

    def __init__(self) -> None:
        self._kept: list[Image.Image] = []
        self._every = 1
        self._offered = 0

    def offer(self, frame: Callable[[], Image.Image]) -> None:
        """The next frame; it is only made when it is kept."""
        if self._offered % self._every == 0:
            self._kept.append(frame())
            if len(self._kept) > 2 * COUNT:
                self._kept = self._kept[::2]
                self._every *= 2
        self._offered += 1

    @property
    def frames(self) -> list[Image.Image]:
        """What was kept."""
        return list(self._kept)


def strip(frames: list[Image.Image]) -> Image.Image:
    """`COUNT` frames beside each other, chosen evenly from at least one; all become as large as the first."""
    width, height = frames[0].size
    chosen = [frames[number * len(frames) // COUNT] for number in range(COUNT)]
    sheet = Image.new("RGBA" if any(frame.mode == "RGBA" for frame in chosen) else "RGB", (width * COUNT, height))
    for number, frame in enumerate(chosen):
        sheet.paste(frame if frame.size == (width, height) else frame.resize((width, height)), (number * width, 0))
    return sheet


def fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """A size with its longer side at most `side`, in the same proportions; never larger, and never nothing."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
