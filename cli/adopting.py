"""The part of `artifact-db import` that adopts a folder: what would come, how far it is, what came of it."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from ..errors import ArtifactDBError
from ..library import adopting, names
from ..library.adopting import Plan, Tally
from ..library.findings import one_line
from . import shells
from .bars import Bars, following

LONGEST_LIST = 50
"""How many files that could not be taken in are named; the JSON names all."""

AGAIN = "the same command goes on from there"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options that only a folder has."""
    parser.add_argument("--tag", metavar="NAME", action="append", default=[], help="of a folder: a tag for what is new")
    parser.add_argument(
        "--dry-run", action="store_true", help="of a folder: say what would be taken in, and do nothing"
    )
    parser.add_argument("--json", action="store_true", help="of a folder: print the summary as one line of JSON")


def adopt(options: argparse.Namespace, folder: Path | None, path: Path) -> int:
    """Adopt a folder; 1 when a file could not be taken in or it was interrupted.

    Raises:
        Invalid: a tag is wrong, or the folder is not to be imported.
        ArtifactDBError: it cannot go on; the message says why. What is recorded by then stays.
    """
    by, tags = shells.actor(options), [names.checked_tag(tag) for tag in options.tag]
    with shells.opened(folder) as library, _until_interrupted() as stop:
        plan = adopting.look_through(library, path)
        if options.dry_run:
            _say_plan(options, plan)
            return 1 if plan.tally.failed else 0
        try:
            with Bars() as bars:
                follow = following(bars, "import")
                adopting.adopt(library, plan, by=by, tags=tags, progress=follow, stop=stop)
        except ArtifactDBError as error:
            _say(options, plan.tally)
            print(f"artifact-db: {error}; {AGAIN}", file=sys.stderr)
            return 1
    _say(options, plan.tally)
    if plan.tally.stopped:
        print(f"artifact-db: interrupted; {AGAIN}", file=sys.stderr)
    return 1 if plan.tally.failed or plan.tally.stopped else 0


@contextmanager
def _until_interrupted() -> Iterator[threading.Event]:
    """The first Ctrl-C asks for a clean end, the second one does not wait for it."""
    stop = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _say_plan(options: argparse.Namespace, plan: Plan) -> None:
    tally = plan.tally
    if options.json:
        shells.say_json({**tally.plain(), "dry_run": True})
        return
    again = sum(1 for waiting in plan.waiting if waiting.artifact_id)
    changed = f", {again} of them changed since they were imported" if again else ""
    shells.say(f"{tally.waiting} files ({shells.size(tally.bytes)}) would be read{changed}")
    shells.say(f"{tally.unchanged} are as an earlier import saw them")
    if tally.waiting:
        shells.say("those that the hub has from elsewhere, by name and bytes, will add nothing")
    _say_left(tally)


def _say(options: argparse.Namespace, tally: Tally) -> None:
    if options.json:
        shells.say_json(tally.plain())
        return
    parts = [f"{tally.new} added"]
    parts += [f"{tally.versions} new versions of changed files"] if tally.versions else []
    parts += [f"{tally.found} of prompts that were lost"] if tally.found else []
    parts += [f"{tally.known + tally.unchanged} here already"]
    shells.say(", ".join(parts))
    _say_left(tally)


def _say_left(tally: Tally) -> None:
    if tally.left_out:
        shells.say("left out: " + ", ".join(f"{count} {why}" for why, count in sorted(tally.left_out.items())))
    if not tally.failed:
        return
    print(f"artifact-db: {len(tally.failed)} could not be taken in:", file=sys.stderr)
    for failure in tally.failed[:LONGEST_LIST]:
        print(f"  {one_line(str(failure))}", file=sys.stderr)
    if len(tally.failed) > LONGEST_LIST:
        print(f"  and {len(tally.failed) - LONGEST_LIST} more; --json names all", file=sys.stderr)
