"""`artifact-db verify`: every file against its hash, every pointer, every row and the event chain."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from ..library import verifying
from ..library.findings import Finding
from ..library.opening import Library
from . import shells
from .bars import Bars

INTERRUPTED = "interrupted; the same command goes on where it was, --restart begins anew"


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "verify",
        help="prove every file, row, pointer and event",
        description="Proves every stored file against its hash, every row and pointer against the event log, and the "
        "log itself. It may run while others write, and goes on where it was when it is interrupted. "
        "Exit code 1 and a line for each finding when something is wrong.",
    )
    parser.add_argument("--fix-pointers", action="store_true", help="put wrong pointers back, with events")
    parser.add_argument("--restart", action="store_true", help="begin anew instead of going on; forget the last run")
    parser.add_argument("--json", action="store_true", help="print JSON objects, one a line")
    shells.add_actor(parser)
    parser.set_defaults(run=verify)


def verify(options: argparse.Namespace, folder: Path | None) -> int:
    """Run the check; 1 when something is wrong that was not mended.

    Raises:
        BadConfiguration, TooNew, Unavailable, StoreFailed: it cannot begin; the message says why.
    """
    with shells.opened(folder) as library:
        try:
            return _verify(options, library)
        except KeyboardInterrupt:
            print(f"artifact-db: {INTERRUPTED}", file=sys.stderr)
            return 1


def _verify(options: argparse.Namespace, library: Library) -> int:
    wrong, pointers = 0, set()
    with Bars() as bars, closing(verifying.verify(library, restart=options.restart, watcher=bars)) as findings:
        for finding in findings:
            _say(options, bars, finding)
            if options.fix_pointers and finding.kind == "pointers" and finding.workflow_id is not None:
                pointers.add(finding.workflow_id)
            else:
                wrong += 1
    if pointers:
        moved = verifying.fix_pointers(library, sorted(pointers), actor=shells.actor(options))
        _conclude(options, f"mended {moved} pointer(s) of {len(pointers)} workflow(s)", mended=moved)
    if wrong:
        _conclude(options, f"{wrong} finding(s)", ok=False, findings=wrong)
        return 1
    seen = {"events": 0, "artifacts": 0, "files": 0, **bars.counted}
    what = f"{seen['events']} events, {seen['artifacts']} artifacts, {shells.size(seen['files'])} of files"
    _conclude(options, f"all is well: {what}", ok=True, findings=0, **seen)
    return 0


def _say(options: argparse.Namespace, bars: Bars, finding: Finding) -> None:
    if options.json:
        shells.say_json({"finding": finding.plain()})
    else:
        bars.line(finding.line)


def _conclude(options: argparse.Namespace, text: str, **told: Any) -> None:
    if options.json:
        shells.say_json(told)
    else:
        shells.say(text)
