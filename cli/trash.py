"""`artifact-db trash`: what was deleted, taking it out, and emptying it for good once somebody has said yes."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from ..library import artifacts, chains, emptying, prefixes, trash
from ..library.opening import Library
from . import shells

COLUMNS = ("KIND", "ID", "DELETED", "NAME")
MOST = 1000
"""Rows of each kind that `list` prints; --json has all."""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("trash", help="what was deleted: list it, take it out, empty it for good")
    actions = parser.add_subparsers(required=True, metavar="list|undelete|empty")
    listing = actions.add_parser("list", help="chains and artifacts in the trash, what was deleted last first")
    listing.add_argument("--json", action="store_true", help="print JSON objects, one a line, all of them")
    listing.set_defaults(run=list_trash)
    undelete = actions.add_parser("undelete", help="take a chain or an artifact out of the trash")
    undelete.add_argument("id", metavar="ID", help="its id, or at least its first 8 characters")
    shells.add_actor(undelete)
    undelete.set_defaults(run=undelete_one)
    empty = actions.add_parser("empty", help="remove what is in the trash for good; events stay")
    empty.add_argument("id", metavar="ID", nargs="*", help="only these chains and artifacts")
    empty.add_argument(
        "--older-than", metavar="30d", type=shells.lasting, help="only what was deleted longer ago: 12h, 30d, 8w"
    )
    empty.add_argument("--yes", action="store_true", help="do not ask")
    empty.add_argument("--json", action="store_true", help="print one JSON object")
    shells.add_actor(empty)
    empty.set_defaults(run=empty_trash)


def list_trash(options: argparse.Namespace, folder: Path | None) -> int:
    """Print a line for each chain and each artifact."""
    most = sys.maxsize if options.json else MOST
    with shells.opened(folder) as library:
        found = [*_chains(library, most), *_artifacts(library, most)]
    if options.json:
        for kind, entity_id, deleted_at, name in found:
            shells.say_json({"kind": kind, "id": entity_id, "deleted_at": deleted_at, "name": name})
    elif found:
        shells.say_table(COLUMNS, found)
    else:
        print("The trash is empty.", file=sys.stderr)
    return 0


def undelete_one(options: argparse.Namespace, folder: Path | None) -> int:
    """Take one out of the trash."""
    by = shells.actor(options)
    with shells.opened(folder) as library:
        kind, entity_id = _find(library, options.id)
        if kind == "chain":
            chains.undelete_chain(library, entity_id, actor=by)
        else:
            trash.undelete(library, entity_id, by=by)
    shells.say(f"{kind} {entity_id} is back")
    return 0


def empty_trash(options: argparse.Namespace, folder: Path | None) -> int:
    """Remove for good, once somebody has said yes."""
    by = shells.actor(options)
    with shells.opened(folder) as library:
        ids = [_find(library, each)[1] for each in options.id] or None
        if not options.yes and not _confirmed(ids, options.older_than):
            return 1
        emptied = emptying.empty(library, by=by, older_than=options.older_than, ids=ids)
    if options.json:
        shells.say_json(asdict(emptied))
    else:
        gone = f"{emptied.artifacts} artifact(s), {shells.size(emptied.bytes)}"
        shells.say(f"gone for good: {gone}{f', {emptied.chains} chain(s) among them' if emptied.chains else ''}")
    return 0


def _confirmed(ids: list[str] | None, older_than: timedelta | None) -> bool:
    if not sys.stdin.isatty():
        print("artifact-db: it cannot be undone, and there is no terminal to ask on; say --yes", file=sys.stderr)
        return False
    what = f"{len(ids)} thing(s) in the trash" if ids else "everything in the trash"
    since = f" that was deleted more than {older_than} ago" if older_than else ""
    print(f"Remove {what}{since} for good? It cannot be undone. [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _find(library: Library, text: str) -> tuple[str, str]:
    return prefixes.find(library, text, ("artifact", "chain"), trash=True)


def _chains(library: Library, most: int) -> list[tuple[str, str, str | None, str]]:
    found = shells.listed(most, lambda ask: chains.list_chains(library, ask, trash=True))
    return [("chain", one.id, one.deleted_at, one.name) for one in found]


def _artifacts(library: Library, most: int) -> list[tuple[str, str, str | None, str]]:
    found = shells.listed(most, lambda ask: artifacts.list_artifacts(library, ask, trash=True))
    return [("artifact", one.id, one.deleted_at, f"{one.filename} v{one.version}") for one in found]
