"""`artifact-db backup` and `artifact-db migrate`: copies of the database, and its tables brought up to date."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..config import Config, load_config
from ..library import upkeep
from . import shells
from .bars import Bars, following


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    backup = commands.add_parser(
        "backup",
        help="copy the database while it is in use",
        description="Writes a consistent copy of the database to FILE, also while others write. The files of the "
        "store are not in it: copy the store's folder AFTER the database. Stored files never change, so that the "
        "later copy holds every file that the earlier one names; delete no chain in between.",
    )
    backup.add_argument("file", metavar="FILE", type=Path, help="where to")
    backup.add_argument("--force", action="store_true", help="replace a file that is there")
    backup.set_defaults(run=back_up)
    migrate = commands.add_parser(
        "migrate",
        help="bring the database up to this release",
        description="Brings the tables up to date, after a backup beside the database. Every command and ComfyUI do "
        "so by themselves; this says what is done.",
    )
    migrate.add_argument("--check", action="store_true", help="only say what would be done; exit code 1 if anything")
    migrate.add_argument(
        "--adopt-store",
        action="store_true",
        help="make the configured folder the store of this database, after a restore or a move: nothing is copied, and "
        "what is not in it is missing",
    )
    shells.add_actor(migrate)
    migrate.set_defaults(run=bring_up_to_date)


def back_up(options: argparse.Namespace, folder: Path | None) -> int:
    """Copy the database.

    Raises:
        BadConfiguration, Conflict, Unavailable, StoreFailed: there is no copy; the message says why.
    """
    config = load_config(folder)
    with Bars() as bars:
        progress = following(bars, "backup")
        done = upkeep.back_up(config, options.file.expanduser(), force=options.force, progress=progress)
    shells.say(f"{done.path}: {shells.size(done.size)}, up to event {done.last_seq}")
    shells.say(f"now copy {config.store} beside it: files never change, so a later copy has all that this one names")
    return 0


def bring_up_to_date(options: argparse.Namespace, folder: Path | None) -> int:
    """Migrate, or say what would be done.

    Raises:
        BadConfiguration, TooNew, Unavailable, StoreFailed: nothing was done; the message says why.
    """
    config = load_config(folder)
    if options.adopt_store and not options.check:
        return _adopt_store(config, shells.actor(options))
    done = upkeep.plan(config) if options.check else upkeep.upgrade(config)
    if not done.steps:
        shells.say(f"up to date: {done.after}")
        return 0
    shells.say(f"from {done.before or 'nothing'} to {done.after}: {', '.join(done.steps)}")
    if done.backup is not None:
        shells.say(f"backup: {done.backup}")
    return 1 if options.check else 0


def _adopt_store(config: Config, by: str) -> int:
    done = upkeep.adopt_store(config, by=by)
    was = "as before" if done.before == done.after else f"before: {done.before or 'none'}"
    shells.say(f"{config.store} is the store of this database ({done.after}; {was})")
    if done.looked_for:
        shells.say(
            f"it has {done.seen} of {done.looked_for} files that were looked for; `artifact-db verify` proves all"
        )
    return 0
