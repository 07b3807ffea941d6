"""Owns what is said of a definition that cannot run: everything that is wrong with it, each with its place."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from ..errors import Invalid
from .files import Path, Place

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where in the definition, where in its file, and what."""

    path: str
    message: str
    place: Place | None = None

    def __str__(self) -> str:
        line = f"line {self.place.line}: " if self.place else ""
        return f"{line}{self.path}: {self.message}" if self.path else f"{line}{self.message}"


class ChainInvalid(Invalid):
    """A definition cannot run. `problems` are all that is wrong with it, in the order of the file."""

    def __init__(self, problems: Collection[Problem]) -> None:
        self.problems = sorted(problems, key=lambda one: (one.place.line, one.place.column) if one.place else (0, 0))
        count = len(self.problems)
        what = "1 thing is wrong with it" if count == 1 else f"{count} things are wrong with it"
        super().__init__(
            f"the chain cannot run: {what}\n" + "\n".join(map(str, self.problems)),
            field="chain",
            errors=[{"field": one.path or "chain", "message": one.message} for one in self.problems],
        )


def written(path: Path) -> str:
    """A path as people write it: steps[1].parameters["7.text"]."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif IDENTIFIER.match(part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text
