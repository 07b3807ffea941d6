"""Owns what may be spent on showing one file: its pixels, and the time. Files come from anywhere."""

from __future__ import annotations

import time

MAX_PIXELS = 64 * 1024 * 1024
"""A picture of more pixels than this is not decoded: 256 MiB, at four bytes for each."""

SECONDS = 4.0
"""After this long, what was decoded of a film, an animation or a sound until then has to do."""

TOO_LARGE = "too large to be shown"
STANDS_STILL = "it does not move"
OPEN_IT = "open it to read it"
UNREADABLE = "cannot be read"


class CannotBeShown(Exception):
    """There can be no small picture of a file, whoever asks and whenever; its text says why, in a few words."""


class Patience:
    """How long a file is worth waiting for, from now on."""

    def __init__(self, seconds: float | None = None) -> None:
        self._end = time.monotonic() + (SECONDS if seconds is None else seconds)

    @property
    def is_over(self) -> bool:
        """Whether what is there by now has to do."""
        return time.monotonic() >= self._end
