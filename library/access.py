"""Owns who may what: roles and their permissions, the tokens that carry a role, and the browser sessions of a token.

Of a token only its SHA-256 is kept. It is 256 random bits and nobody's choice: there is nothing that a dictionary
could guess, and that is all that a slow hash would protect. No use of a token is written down, or a GET would change
the record; what was done with one is in the log, under its name.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_rows, first_row, insert
from ..errors import Conflict, Denied, Invalid, NotFound
from . import driving, identities, names
from .views import Token

if TYPE_CHECKING:
    from .opening import Library, Transaction

PERMISSIONS = ("view", "review", "record", "admin")
"""What a route may ask for."""

ROLES: Mapping[str, tuple[str, ...]] = {
    "view": ("view",),
    "review": ("view", "review"),
    "record": ("view", "record"),
    "admin": PERMISSIONS,
}
"""The one table of what each role may. A chain's runner records; deciding is for people, and for admins."""

PREFIX = "adb_"
SESSION = timedelta(days=30)
"""How long a browser stays signed in, unless its token ends before."""

LONGEST = timedelta(days=3660)

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 43
"""Characters of the 62: 256 bits."""

_SECRET = re.compile(rf"[A-Za-z0-9]{{{_LENGTH}}}\Z")
_TAKEN = ("local", "this machine")
"""What the log and the routes call whoever asks from this machine: no token speaks under these names."""


@dataclass(frozen=True)
class Identity:
    """Who asks. `via` is `machine`, `token` or `session`; `expires_at` is when it ends by itself."""

    name: str
    role: str
    via: str = "machine"
    expires_at: str | None = None
    token_id: str | None = None

    @property
    def permissions(self) -> tuple[str, ...]:
        """What its role may."""
        return ROLES[self.role]


THIS_MACHINE = Identity("this machine", "admin")


def roles_with(permission: str) -> list[str]:
    """The roles that have a permission."""
    return [role for role, permissions in ROLES.items() if permission in permissions]


def create_token(
    library: Library, name: str, *, role: str, by: str, lasting: timedelta | None = None
) -> tuple[Token, str]:
    """Make a token.

    Args:
        name: who it is for; the actor of all that is done with it.
        lasting: when it ends by itself, counted from now; None for never.
    Returns:
        The token's row, and the token itself, which is nowhere else and is never shown again.
    Raises:
        Invalid: a value is wrong. Conflict: a living token has this name.
    """
    name = _checked_name(name)
    if role not in ROLES:
        raise Invalid(f"role {role!r} is none; accepted: {', '.join(ROLES)}", field="role")
    if lasting is not None and not timedelta() < lasting <= LONGEST:
        raise Invalid(f"a token lasts up to {LONGEST.days} days, or without an end", field="expires")
    token = PREFIX + _new_secret()
    with library.writing(by) as tx:
        _make_room(tx, name)
        row: dict[str, Any] = {
            "id": identities.new_id(),
            "name": name,
            "role": role,
            "hash": _digest(token),
            "created_at": tx.at,
            "created_by": tx.actor,
            "expires_at": None if lasting is None else identities.later(tx.at, lasting.total_seconds()),
            "revoked_at": None,
        }
        insert(models.Token, row)
        after = {key: row[key] for key in ("name", "role", "expires_at")}
        tx.log("token.created", "token", row["id"], after=after)
        return Token.of(row), token


def revoke_token(library: Library, name: str, *, by: str) -> Token:
    """End a token and all of its sessions, at once and for good.

    Raises:
        NotFound: no living token has this name.
    """
    with library.writing(by) as tx:
        row = _living_of_name(name)
        if row is None:
            called = "with this name: a token's name is asked for, not the token" if _is_token(name) else repr(name)
            raise NotFound(f"no living token {called}; `artifact-db token list` shows all")
        _revoke(tx, row)
        return Token.of({**row, "revoked_at": tx.at})


def list_tokens(library: Library) -> list[Token]:
    """Every token, those that have ended too, in the order of their making. There are few."""
    with library.reading():
        return [Token.of(row) for row in all_rows(models.Token.select().order_by(models.Token.id))]


def who(library: Library, token: str) -> Identity:
    """Whose token this is.

    Raises:
        Denied: nobody's; or it was revoked, or has expired.
    """
    if not _is_token(token):
        raise Denied("this is not a token of this hub")
    digest = _digest(token)
    with library.reading():
        row = first_row(models.Token.select().where(models.Token.hash == digest))
    if row is None or not hmac.compare_digest(row["hash"], digest):
        raise Denied("this is not a token of this hub")
    _require_living(row, identities.now())
    return Identity(row["name"], row["role"], "token", row["expires_at"], row["id"])


def open_session(library: Library, token: str) -> tuple[Identity, str]:
    """Let a browser in for a token.

    Returns:
        Who it speaks for, and what its cookie is to hold, which is nowhere else.
    Raises:
        Denied: as `who`.
    """
    identity = who(library, token)
    session = _new_secret()
    with library.writing(identity.name) as tx:
        row = first_row(models.Token.select().where(models.Token.id == identity.token_id))
        if row is None:
            raise Denied("this is not a token of this hub")
        _require_living(row, tx.at)
        models.Session.delete().where(models.Session.expires_at <= tx.at).execute()
        expires_at = min(identities.later(tx.at, SESSION.total_seconds()), row["expires_at"] or "9999")
        insert(
            models.Session,
            {"hash": _digest(session), "token_id": row["id"], "created_at": tx.at, "expires_at": expires_at},
        )
        tx.log("token.session_opened", "token", row["id"], after={"name": row["name"], "expires_at": expires_at})
        return Identity(row["name"], row["role"], "session", expires_at, row["id"]), session


def close_session(library: Library, session: str) -> bool:
    """End a session; whether there was one."""
    with library.reading():
        known = _session(session)
    if known is None:
        return False
    with library.writing(known["name"]) as tx:
        gone = models.Session.delete().where(models.Session.hash == known["session_hash"]).execute()
        if gone:
            tx.log("token.session_closed", "token", known["id"], before={"name": known["name"]})
        return bool(gone)


def who_session(library: Library, session: str) -> Identity:
    """Whose session this is.

    Raises:
        Denied: nobody's; or it has expired, or its token has ended.
    """
    with library.reading():
        row = _session(session)
    if row is None:
        raise Denied("this browser is not signed in, or not any more")
    now = identities.now()
    _require_living(row, now)
    if row["session_expires_at"] <= now:
        raise Denied(f"this browser was signed in until {row['session_expires_at']}")
    return Identity(row["name"], row["role"], "session", row["session_expires_at"], row["id"])


def _checked_name(name: str) -> str:
    name = names.checked_name(name, "name")
    driving.checked_outsider(name, "name")
    if name.casefold() in _TAKEN or name.startswith(PREFIX):
        raise Invalid(f"name {name[:20]!r} is not one for a token; call it after who is to use it", field="name")
    return name


def _make_room(tx: Transaction, name: str) -> None:
    """A name is free again when its token has expired; one that still lives keeps it."""
    row = _living_of_name(name)
    if row is None:
        return
    if row["expires_at"] is None or row["expires_at"] > tx.at:
        raise Conflict(f"a living token is called {name!r}; revoke it first, or choose another name", id=row["id"])
    _revoke(tx, row)


def _revoke(tx: Transaction, row: dict[str, Any]) -> None:
    models.Token.update(revoked_at=tx.at).where(models.Token.id == row["id"]).execute()
    after = {"name": row["name"], "role": row["role"], "revoked_at": tx.at}
    tx.log("token.revoked", "token", row["id"], before={"revoked_at": None}, after=after)


def _living_of_name(name: str) -> dict[str, Any] | None:
    table = models.Token
    return first_row(table.select().where((table.name == name) & table.revoked_at.is_null()))


def _session(session: str) -> dict[str, Any] | None:
    """The token of a session with the session's own columns; None when it is nobody's."""
    if not _SECRET.match(session):
        return None
    digest = _digest(session)
    row = first_row(
        models.Session.select(
            models.Session.hash.alias("session_hash"),
            models.Session.expires_at.alias("session_expires_at"),
            *(getattr(models.Token, name) for name in ("id", "name", "role", "expires_at", "revoked_at")),
        )
        .join(models.Token, on=(models.Token.id == models.Session.token_id))
        .where(models.Session.hash == digest)
    )
    return row if row is not None and hmac.compare_digest(row["session_hash"], digest) else None


def _require_living(row: dict[str, Any], now: str) -> None:
    if row["revoked_at"] is not None:
        raise Denied(f"the token {row['name']!r} was revoked on {row['revoked_at']}")
    if row["expires_at"] is not None and row["expires_at"] <= now:
        raise Denied(f"the token {row['name']!r} expired on {row['expires_at']}")


def _is_token(text: str) -> bool:
    return text.startswith(PREFIX) and _SECRET.match(text[len(PREFIX) :]) is not None


def _new_secret() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
