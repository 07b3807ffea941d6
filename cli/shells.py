"""What the commands share: the open library, who is asking, and what results look like on a terminal and in a pipe."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..config import load_config
from ..errors import Invalid
from ..library import driving
from ..library.findings import one_line
from ..library.opening import Library, open_library

SIZES = ("B", "KB", "MB", "GB", "TB")


@contextmanager
def opened(folder: Path | None) -> Iterator[Library]:
    """The library of the configuration in a folder, for one command."""
    library = open_library(load_config(folder))
    try:
        yield library
    finally:
        library.close()


def add_actor(parser: argparse.ArgumentParser) -> None:
    """Add `--by`."""
    parser.add_argument("--by", metavar="NAME", help="who does it (default: the name you are logged in with)")


def actor(options: argparse.Namespace) -> str:
    """Who is asking: `--by`, else the login name.

    Raises:
        Invalid: the operating system knows no name, or it is what engines are called.
    """
    if options.by:
        return driving.checked_outsider(str(options.by), "by")
    try:
        return driving.checked_outsider(getpass.getuser(), "by")
    except (ImportError, KeyError, OSError) as error:
        raise Invalid("nobody is logged in here by a name; say who it is with --by NAME", field="by") from error


def say(text: str) -> None:
    """A result that is one line."""
    print(one_line(text))


def say_json(value: Any) -> None:
    """A result as one line of JSON."""
    print(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def say_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Rows in columns with a header on a terminal; in a pipe one line each, separated by tabs, without a header."""
    texts = [[one_line("" if cell is None else str(cell)) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in texts:
            print("\t".join(row))
        return
    widths = [max(len(row[column]) for row in [list(header), *texts]) for column in range(len(header))]
    for row in [list(header), *texts]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def size(count: int) -> str:
    """A number of bytes for people: 1.5 GB."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(SIZES) - 1:
        value, unit = value / 1000, unit + 1
    return f"{count} B" if unit == 0 else f"{value:.1f} {SIZES[unit]}"
