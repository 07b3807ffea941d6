"""Owns the shapes of single values in a definition. What has another shape leaves a problem, and its default."""

from __future__ import annotations

import re
from typing import Any

from ..errors import Invalid
from ..library import names
from .files import Path, Tree
from .problems import Problem, written

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d|w)?\Z")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0, None: 1.0}
_LONGEST_WAIT = 10 * 365 * 86400.0


def seconds(value: Any) -> float | None:
    """A duration such as 90, "90s", "15m", "3d"; None where it is none."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if 0 <= value <= _LONGEST_WAIT else None
    matched = _DURATION.match(value) if isinstance(value, str) else None
    found = float(matched[1]) * _SECONDS[matched[2]] if matched else None
    return found if found is not None and found <= _LONGEST_WAIT else None


class Fields:
    """Reads the values of one tree; `problems` are what was wrong so far."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.problems: list[Problem] = []

    def wrong(self, path: Path, message: str) -> None:
        self.problems.append(Problem(written(path), message, self.tree.place(path)))

    def known(self, table: dict[str, Any], accepted: tuple[str, ...], path: Path) -> None:
        for key in table:
            if key not in accepted:
                self.wrong((*path, key), f"unknown key; accepted here: {', '.join(accepted)}")

    def named(self, table: dict[str, Any], key: str, path: Path) -> str | None:
        try:
            return names.checked_name(table.get(key), key)
        except Invalid as error:
            self.wrong((*path, key), str(error))
            return None

    def text(self, table: dict[str, Any], key: str, path: Path) -> str | None:
        value = table.get(key)
        if value is not None and not isinstance(value, str):
            self.wrong((*path, key), "a text; write it in quotes")
            return None
        return value

    def flag(self, table: dict[str, Any], key: str, path: Path) -> bool | None:
        value = table.get(key)
        if value is not None and not isinstance(value, bool):
            self.wrong((*path, key), "true or false")
            return None
        return value

    def one_of(self, table: dict[str, Any], key: str, accepted: tuple[str, ...], path: Path) -> str | None:
        value = table.get(key)
        if value is not None and value not in accepted:
            self.wrong((*path, key), " or ".join(accepted))
            return None
        return value

    def duration(self, table: dict[str, Any], key: str, path: Path) -> float | None:
        value = table.get(key)
        if value is None:
            return None
        if (found := seconds(value)) is None:
            self.wrong((*path, key), "a duration: a number of seconds, or such as 90s, 15m, 2h, 3d")
        return found
