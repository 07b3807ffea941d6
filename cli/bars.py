"""Progress on a terminal, by tqdm, which ComfyUI requires too; nothing at all in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from tqdm import tqdm


class Bars:
    """One bar on the standard error after the other. A context manager, so that none stays half drawn."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._drawn = sys.stderr.isatty()
        self._step = ""
        self.counted: dict[str, int] = {}
        """How many units of each step there were, bars or not."""

    def __enter__(self) -> Bars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def begin(self, step: str, total: int, unit: str) -> None:
        """Begin a bar of `total` units; `B` is bytes."""
        self._end()
        self._step = step
        if self._drawn:
            scaled = unit == "B"
            self._bar = tqdm(total=total or None, desc=step, unit=unit, unit_scale=scaled, leave=False, delay=0.5)

    def advance(self, count: int) -> None:
        """So many more are done."""
        self.counted[self._step] = self.counted.get(self._step, 0) + count
        if self._bar is not None:
            self._bar.update(count)

    def line(self, text: str) -> None:
        """A result while a bar is drawn."""
        if self._bar is not None and sys.stdout.isatty():
            self._bar.clear()
        print(text, flush=True)

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def following(bars: Bars, step: str) -> Callable[[int, int], None]:
    """What hears how many bytes are done, and of how many, and draws one bar of it."""
    told = 0

    def follow(done: int, total: int) -> None:
        nonlocal told
        if not told:
            bars.begin(step, total, "B")
        bars.advance(done - told)
        told = done

    return follow
