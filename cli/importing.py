"""`artifact-db import`: take in a bundle that another hub exported."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..library import importing
from . import shells
from .bars import Bars, following


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "import",
        help="take in a bundle that another hub exported",
        description="Takes in what `artifact-db export CHAIN --to FILE.zip` wrote, with ids, versions, times, "
        "decisions and history kept. A second import of the same bundle adds nothing.",
    )
    parser.add_argument("file", metavar="FILE.zip", type=Path, help="the bundle")
    shells.add_actor(parser)
    parser.set_defaults(run=take_in)


def take_in(options: argparse.Namespace, folder: Path | None) -> int:
    """Import; 1 when the bundle is refused, 2 when it is no file.

    Raises:
        ArtifactDBError: it cannot be done; the message says why, and nothing was changed.
    """
    path: Path = options.file.expanduser()
    if path.is_dir():
        print("artifact-db: adopting a folder comes in a later release; name a bundle, FILE.zip", file=sys.stderr)
        return 2
    if not path.is_file():
        print(f"artifact-db: {path.name} is no file that is there", file=sys.stderr)
        return 2
    with shells.opened(folder) as library, Bars() as bars:
        done = importing.import_bundle(library, path, by=shells.actor(options), progress=following(bars, "import"))
    what = f"{done.root.kind} {done.root.name!r} ({done.root.id})"
    if not done.added:
        shells.say(f"{what} is here already; nothing was added")
        return 0
    counts = done.counts
    shells.say(f"{what}: {counts.get('artifacts', 0)} artifacts, {counts.get('files', 0)} files added")
    return 0
