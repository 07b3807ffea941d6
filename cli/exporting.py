"""`artifact-db export`: a chain as files with readable names, or as one bundle that another hub imports."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..errors import Invalid
from ..library import bundles, exporting, templates
from ..library.findings import one_line
from ..library.opening import Library
from . import shells
from .bars import Bars, following


def add(commands: Any) -> None:
    """Add the command to the parser."""
    placeholders = " ".join(f"{{{name}}}" for name in templates.PLACEHOLDERS)
    parser = commands.add_parser(
        "export",
        help="a chain as files with readable names, or as a bundle for another hub",
        description="To a folder: the current and head versions that are usable, each hashed on the way, with a "
        "manifest.json; nothing is overwritten. To FILE.zip: everything, for `artifact-db import` elsewhere. "
        "Exit code 1 when a file is not what was recorded.",
    )
    parser.add_argument(
        "chain",
        metavar="CHAIN",
        help="a chain's name (the newest run), its id, or the beginning of it; or a workflow's id",
    )
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER|FILE.zip", help="where to")
    parser.add_argument(
        "--name", metavar="TEMPLATE", help=f"names in the folder (default: {templates.DEFAULT}); {placeholders}"
    )
    parser.add_argument("--all-versions", action="store_true", help="whatever its state, but for the trash")
    shells.add_actor(parser)
    parser.set_defaults(run=export)


def export(options: argparse.Namespace, folder: Path | None) -> int:
    """Export; 1 when a file was refused.

    Raises:
        Invalid: the arguments make no sense. ArtifactDBError: it cannot be done; the message says why.
    """
    target = options.to.expanduser()
    as_bundle = target.suffix.lower() == ".zip" and not target.is_dir()
    if as_bundle and (options.name is not None or options.all_versions):
        raise Invalid("--name and --all-versions are for folders; a bundle has everything", field="to")
    if not as_bundle and target.exists() and not target.is_dir():
        raise Invalid("--to is a file already; name a folder, or a new file that ends in .zip", field="to")
    template = options.name if options.name is not None else templates.DEFAULT
    templates.Template(template)
    with shells.opened(folder) as library:
        root = exporting.find_root(library, options.chain)
        if as_bundle:
            return _bundle(library, root, target, shells.actor(options))
        return _folder(library, root, target, template, options.all_versions)


def _folder(library: Library, root: exporting.Root, target: Path, template: str, all_versions: bool) -> int:
    with Bars() as bars:
        done = exporting.export_folder(
            library, root, target, template=template, all_versions=all_versions, progress=following(bars, "export")
        )
    for refused in done.refused:
        told = one_line(f"{refused.filename} ({refused.artifact_id}) was refused: {refused.reason}")
        print(f"artifact-db: {told}", file=sys.stderr)
    shells.say(
        f"{len(done.written)} written, {len(done.present)} there already, {len(done.refused)} refused; {done.manifest}"
    )
    return 1 if done.refused else 0


def _bundle(library: Library, root: exporting.Root, target: Path, by: str) -> int:
    with Bars() as bars:
        done = bundles.export_bundle(library, root, target, by=by, progress=following(bars, "export"))
    counts = done.counts
    shells.say(
        f"{root.kind} {root.name!r}: {counts.get('artifacts', 0)} artifacts, {counts.get('files', 0)} files, "
        f"{counts.get('events', 0)} events in {target.name}"
    )
    return 0
