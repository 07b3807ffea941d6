"""The package's own Python files, parsed; tests, benches and developers' tools are not among them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = {"tests", "bench", "devtools", "examples", "example_workflows", "build", "dist", "web", "dev.py"}


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package by its path, such as `library/runs.py`."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(ROOT.rglob("*.py"))
        if not (first := path.relative_to(ROOT).parts[0]).startswith(".") and first not in OUTSIDE
    }


def package_of(path: str) -> str:
    """The first folder of a module, or its own name where it lies at the root."""
    first = path.split("/")[0]
    return first.removesuffix(".py")


def imports(path: str, tree: ast.Module) -> Iterator[tuple[str, int, ast.stmt]]:
    """Everything a module imports, at the top or within: (dotted name, level, statement); level 0 is absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, 0, node
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level, node


def imported_packages(path: str, tree: ast.Module) -> set[str]:
    """Which packages of ours a module imports: `from ..db import models` is db, `from . import x` its own."""
    found = set()
    folders = path.split("/")[:-1]
    for name, level, node in imports(path, tree):
        if level == 0:
            continue
        above = folders[: len(folders) - level + 1]
        if above:
            found.add(above[0])
        elif name:
            found.add(name.split(".")[0])
        else:
            assert isinstance(node, ast.ImportFrom)
            found |= {alias.name for alias in node.names}
    return found
