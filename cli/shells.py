"""What the commands share: the open library, who is asking, and what results look like on a terminal and in a pipe."""

from __future__ import annotations

import argparse
import getpass
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from ..config import load_config
from ..errors import Invalid
from ..library import driving, names, pages
from ..library.findings import one_line
from ..library.opening import Library, open_library

T = TypeVar("T")

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}

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
        Invalid: it is no name, or what engines are called; or the operating system knows none.
    """
    if options.by:
        return driving.checked_outsider(names.checked_text(options.by, "by"), "by")
    try:
        return driving.checked_outsider(getpass.getuser(), "by")
    except (ImportError, KeyError, OSError) as error:
        raise Invalid("nobody is logged in here by a name; say who it is with --by NAME", field="by") from error


def lasting(text: str) -> timedelta:
    """The type of an argument that is a time: 12h, 90d, 8w."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"a time is a number with h, d or w, such as 90d, not {text!r}")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def listed(most: int, page_of: Callable[[pages.Ask], pages.Page[T]]) -> list[T]:
    """A list, page by page, until it ends or has that many."""
    found: list[T] = []
    cursor = None
    while len(found) < most:
        page = page_of(pages.Ask(min(most - len(found), pages.MAX_LIMIT), cursor))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


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
