"""Owns what is said of a run: a line that grows on a terminal, and what happened in the end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .running import Tally

MOST_TOLD = 20


class Progress:
    """One line on a terminal; nothing in a pipe."""

    def __init__(self, kills: int) -> None:
        self._kills = kills
        self._began = time.monotonic()
        self._shown = sys.stderr.isatty()

    def show(self, tally: Tally) -> None:
        if self._shown:
            rate = tally.kills / (time.monotonic() - self._began)
            sys.stderr.write(f"\r{tally.kills} of {self._kills} kills, {rate:.1f} a second, world {tally.worlds} ")
            sys.stderr.flush()

    def end(self) -> None:
        if self._shown:
            sys.stderr.write("\r" + " " * 60 + "\r")


def summary(tally: Tally, seed: int) -> str:
    """What was killed where, and what was done in between."""
    rate = tally.kills / tally.seconds if tally.seconds else 0
    done = sum(count for name, count in tally.changes.items() if name.endswith(" done"))
    lines = [
        f"{tally.kills} kills in {tally.seconds:.0f} s ({rate:.1f} a second), {tally.worlds} worlds, seed {seed}",
        f"{tally.power_cuts} of them lost what they had not synced, as in a power cut",
        f"{done} changes acknowledged, {sum(tally.changes.values())} tried",
        "",
        *_table("killed at", tally.points),
        "",
        *_table("killed during", tally.ops),
        "",
        *_table("changes", tally.changes),
    ]
    return "\n".join(lines)


def verdict(tally: Tally, folder: Path, seed: int) -> str:
    """What is wrong, and where to look."""
    more = len(tally.violations) - MOST_TOLD
    return "\n".join(
        [
            "",
            f"VIOLATION after kill {tally.kills}, seed {seed}; everything is kept in {folder}",
            *(f"  {wrong}" for wrong in tally.violations[:MOST_TOLD]),
            *([f"  and {more} more"] if more > 0 else []),
        ]
    )


def _table(title: str, counts: Counter[str]) -> list[str]:
    return [
        title,
        *(f"  {count:6} {name}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
    ]
