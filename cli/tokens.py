"""`artifact-db token`: who may ask from other machines. A token is printed once, alone, so that a pipe can take it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..library import access, identities
from ..library.views import Token
from . import shells


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("token", help="let people and programs on other machines in")
    actions = parser.add_subparsers(required=True, metavar="create|revoke|list")
    create = actions.add_parser("create", help="make a token and print it; it is never shown again")
    create.add_argument("name", metavar="NAME", help="who it is for: the name that the log has for all they do")
    create.add_argument("--role", required=True, choices=tuple(access.ROLES), help="what they may do")
    create.add_argument(
        "--expires", metavar="90d", type=shells.lasting, help="when it ends: 12h, 90d, 8w (default: never)"
    )
    shells.add_actor(create)
    create.set_defaults(run=create_token)
    revoke = actions.add_parser("revoke", help="end a token and its sessions, at once")
    revoke.add_argument("name", metavar="NAME")
    shells.add_actor(revoke)
    revoke.set_defaults(run=revoke_token)
    listing = actions.add_parser("list", help="show all tokens, without their secrets")
    listing.add_argument("--json", action="store_true", help="print JSON objects, one a line")
    listing.set_defaults(run=list_tokens)


def create_token(options: argparse.Namespace, folder: Path | None) -> int:
    """Print a new token."""
    by = shells.actor(options)
    with shells.opened(folder) as library:
        made, token = access.create_token(library, options.name, role=options.role, by=by, lasting=options.expires)
        hosts = library.config.hosts
    print(token)
    until = f" until {made.expires_at}" if made.expires_at else ""
    _hint(f"{made.name} may {', '.join(access.ROLES[made.role])}{until}. The token is shown this once.")
    _hint("Programs send it as `Authorization: Bearer TOKEN`; the panel asks for it once.")
    if not hosts:
        _hint("Browsers on other machines need the name by which they reach the hub in `hosts` of artifact-db.toml.")
    return 0


def revoke_token(options: argparse.Namespace, folder: Path | None) -> int:
    """End a token."""
    by = shells.actor(options)
    with shells.opened(folder) as library:
        revoked = access.revoke_token(library, options.name, by=by)
    _hint(f"{revoked.name} is not let in any more.")
    return 0


def list_tokens(options: argparse.Namespace, folder: Path | None) -> int:
    """Print a line for each token: name, role, when it was made and by whom, how it stands."""
    with shells.opened(folder) as library:
        tokens = access.list_tokens(library)
    if not tokens:
        _hint(
            "There are no tokens: only this machine may ask. `artifact-db token create NAME --role review` makes one."
        )
    now = identities.now()
    if options.json:
        for token in tokens:
            names = ("id", "name", "role", "created_at", "created_by", "expires_at", "revoked_at")
            shells.say_json({**{name: getattr(token, name) for name in names}, "living": token.lives_at(now)})
    elif tokens:
        rows = [(t.name, t.role, t.created_at, t.created_by, _state(t, now)) for t in tokens]
        shells.say_table(("NAME", "ROLE", "CREATED", "BY", "STATE"), rows)
    return 0


def _state(token: Token, now: str) -> str:
    if token.revoked_at is not None:
        return f"revoked {token.revoked_at}"
    if token.expires_at is None:
        return "living"
    return f"{'living until' if token.lives_at(now) else 'expired'} {token.expires_at}"


def _hint(text: str) -> None:
    print(text, file=sys.stderr)
