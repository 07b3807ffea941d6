"""`artifact-db import`: take in a bundle that another hub exported, or adopt a folder of outputs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import Invalid
from ..library import importing
from . import adopting, shells
from .bars import Bars, following


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "import",
        help="adopt a folder of outputs, or take in a bundle that another hub exported",
        description="Adopts the files of a folder, such as ComfyUI's output folder, with the graphs that they carry, "
        "as workflows of their own; it copies them and changes nothing there. Or takes in what `artifact-db export "
        "CHAIN --to FILE.zip` wrote, with ids, versions, times, decisions and history kept. A second import of the "
        "same adds nothing; one that was interrupted goes on.",
    )
    parser.add_argument("source", metavar="FOLDER|FILE.zip", type=Path, help="the folder, or the bundle")
    adopting.add(parser)
    shells.add_actor(parser)
    parser.set_defaults(run=take_in)


def take_in(options: argparse.Namespace, folder: Path | None) -> int:
    """Import; 1 when a file of the folder cannot be taken in.

    Raises:
        Invalid: nothing is there, or the options are not for it. BadBundle: the bundle is refused.
        ArtifactDBError: it cannot be done; the message says why, and nothing was changed.
    """
    path: Path = options.source.expanduser()
    if path.is_dir():
        return adopting.adopt(options, folder, path)
    if not path.is_file():
        raise Invalid(f"{path.name} is no file or folder that is there", field="source")
    if options.dry_run or options.tag or options.json:
        raise Invalid("--dry-run, --tag and --json are for folders; a bundle is one thing", field="source")
    with shells.opened(folder) as library, Bars() as bars:
        done = importing.import_bundle(library, path, by=shells.actor(options), progress=following(bars, "import"))
    what = f"{done.root.kind} {done.root.name!r} ({done.root.id})"
    if not done.added:
        shells.say(f"{what} is here already; nothing was added")
        return 0
    counts = done.counts
    shells.say(f"{what}: {counts.get('artifacts', 0)} artifacts, {counts.get('files', 0)} files added")
    return 0
