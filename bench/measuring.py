"""Owns what all benches share: figures in turns, and the checkout as an importable package."""

from __future__ import annotations

import importlib.util
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

Figure = dict[str, Any]


def load(name: str, folder: Path) -> None:
    """Make a folder importable under a name, as installing it would."""
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


load("comfyui_artifact_db", ROOT)
load("devtools", ROOT / "devtools")


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
