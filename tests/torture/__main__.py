"""Tortures the library: `python3 dev.py torture --kills N --seed S`. Exit code 1 when a rule was broken."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[0] = str(HERE.parent)

import loading  # noqa: E402, F401  makes the checkout importable

from torture import reporting, running, sabotage  # noqa: E402


def main() -> int:
    """Run it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="torture", description="Kill processes at work, and look what is left.")
    parser.add_argument("--kills", type=int, default=500, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="chooses everything that is chosen (default: another each time)")
    parser.add_argument("--folder", type=Path, help="where to (default: a temporary folder)")
    parser.add_argument("--broken", choices=sabotage.WAYS, help="break the program, to see that it is found")
    options = parser.parse_args()
    if not hasattr(os, "fork"):
        parser.error("this system has no fork")
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    folder = Path(tempfile.mkdtemp(prefix="artifact-db-torture-", dir=options.folder))
    progress = reporting.Progress(options.kills)
    tally = running.Torture(folder, seed, options.broken, progress.show).run(options.kills)
    progress.end()
    print(reporting.summary(tally, seed))
    if tally.violations:
        print(reporting.verdict(tally, folder, seed))
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
