"""Waiting for what comes to be by itself: by looking, never by sleeping for as long as it should take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SECONDS = 20.0
"""How long anything may take before a test gives up on it."""


def until(look: Callable[[], T], seconds: float = SECONDS) -> T:
    """Ask again and again until the answer is true; returns it."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.01)
    return found
