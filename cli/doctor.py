"""`artifact-db doctor`: what is configured, reachable, missing, left over, and how full the disk is."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..config import Config, load_config
from ..library import examining
from ..library.findings import one_line
from . import shells
from .bars import Bars

MARKS = {"ok": "ok", "note": "NOTE", "wrong": "WRONG"}


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "doctor",
        help="look at configuration, database, store, disk and servers",
        description="Looks at everything and changes nothing, unless --quarantine is given. "
        "Exit code 1 when something is wrong.",
    )
    parser.add_argument(
        "--quarantine", action="store_true", help="move files that no row names into the quarantine; nothing is deleted"
    )
    parser.add_argument("--json", action="store_true", help="print JSON objects, one a line")
    parser.set_defaults(run=doctor)


def doctor(options: argparse.Namespace, folder: Path | None) -> int:
    """Print a line for each thing that was looked at; 1 when one of them is wrong.

    Raises:
        BadConfiguration: there is nothing to look at; the message says why.
    """
    config, wrong = load_config(folder), 0
    with Bars() as bars:
        bars.begin("looking at files", 0, "files")
        for check in _checks(config, options.quarantine, bars):
            wrong += check.level == "wrong"
            if options.json:
                shells.say_json(check.plain())
                continue
            bars.line(one_line(f"{MARKS[check.level]:5}  {check.about}: {check.text}"))
            for item in check.items:
                bars.line(one_line(f"         {item}"))
    if not options.json:
        shells.say(f"{wrong} thing(s) are wrong" if wrong else "nothing is wrong")
    return 1 if wrong else 0


def _checks(config: Config, quarantine: bool, bars: Bars) -> Iterator[examining.Check]:
    if config.hub is None:
        return examining.examine(config, quarantine=quarantine, advance=bars.advance)
    from ..records.examining import examine

    return examine(config)
