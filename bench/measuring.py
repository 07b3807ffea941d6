"""Owns what all benches share: figures in turns, and the checkout as an importable package."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from loading import ROOT  # noqa: F401  its import makes the checkout importable

Figure = dict[str, Any]


def in_turns(ours: Callable[[], float], rival: Callable[[], float], *, runs: int) -> tuple[float, float]:
    """The medians of `runs` measurements of each, taken in turns after one of each that is not counted."""
    ours(), rival()
    taken = [(ours(), rival()) if turn % 2 else tuple(reversed((rival(), ours()))) for turn in range(runs)]
    return statistics.median(pair[0] for pair in taken), statistics.median(pair[1] for pair in taken)


def figure(name: str, ours: float, rival: float, *, goal: float, unit: str, rival_name: str) -> Figure:
    """One line of the table: `ratio` is ours ÷ rival, `goal` is the most that it may be."""
    return {
        "name": name,
        "ours": ours,
        "rival": rival,
        "ratio": ours / rival,
        "goal": goal,
        "unit": unit,
        "rival_name": rival_name,
    }
