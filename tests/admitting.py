"""Makes those who ask a hub from elsewhere: tokens and sessions of every role, and such that are over."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass
from datetime import timedelta

from comfyui_artifact_db.library import access
from comfyui_artifact_db.library.opening import Library
from hubs import Hub

LONG_AGO = "2020-01-01T00:00:00.000Z"


def token(library: Library, name: str = "ada", role: str = "review", days: float | None = None) -> str:
    """A living token."""
    lasting = None if days is None else timedelta(days=days)
    return access.create_token(library, name, role=role, by="tester", lasting=lasting)[1]


def session(library: Library, token: str) -> str:
    """What a browser's cookie holds that signed in."""
    return access.open_session(library, token)[1]


def bearer(token: str) -> dict[str, str]:
    """The header of a program."""
    return {"Authorization": f"Bearer {token}"}


def cookie(hub: Hub, session: str) -> dict[str, str]:
    """The headers of the hub's own page in a browser that signed in."""
    return {"Cookie": f"other=1; artifact_db_session={session}", "Origin": hub.url, "Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True)
class Nobody:
    """Somebody who is not let in, and what the refusal says of why."""

    headers: dict[str, str]
    why: str


def nobodies(hub: Hub) -> dict[str, Nobody]:
    """Everybody who is not let in."""
    library = hub.library
    revoked, expired, cut = (token(library, name, "admin", 1) for name in ("revoked", "expired", "cut"))
    out = session(library, revoked)
    late, over, ended = session(library, expired), session(library, cut), session(library, cut)
    access.revoke_token(library, "revoked", by="tester")
    access.close_session(library, ended)
    hub.change("UPDATE tokens SET expires_at = ? WHERE name = 'expired'", LONG_AGO)
    digest = hashlib.sha256(over.encode()).hexdigest()
    hub.change("UPDATE sessions SET expires_at = ? WHERE hash = ?", LONG_AGO, digest)
    wrong = "adb_" + "x" * 43
    return {
        "without a token": Nobody({}, "artifact-db token create"),
        "with a wrong token": Nobody(bearer(wrong), "not a token of this hub"),
        "with no token at all": Nobody(bearer(""), "not a token of this hub"),
        "with nonsense": Nobody(bearer("../../etc/passwd"), "not a token of this hub"),
        "with two tokens": Nobody({"Authorization": f"Bearer {cut}, Bearer {cut}"}, "not a token of this hub"),
        "with a password": Nobody({"Authorization": "Basic YWRhOmFkYQ=="}, "artifact-db token create"),
        "with a token as password": Nobody({"Authorization": f"Basic {cut}"}, "artifact-db token create"),
        "with a revoked token": Nobody(bearer(revoked), "'revoked' was revoked on"),
        "with an expired token": Nobody(bearer(expired), "'expired' expired on 2020-01-01"),
        "with a session as token": Nobody(bearer(over), "not a token of this hub"),
        "with a token as session": Nobody(cookie(hub, cut), "not signed in"),
        "with a wrong session": Nobody(cookie(hub, "x" * 43), "not signed in"),
        "with an empty session": Nobody(cookie(hub, ""), "not signed in"),
        "with a session of a revoked token": Nobody(cookie(hub, out), "'revoked' was revoked on"),
        "with a session of an expired token": Nobody(cookie(hub, late), "'expired' expired on"),
        "with an expired session": Nobody(cookie(hub, over), "signed in until 2020-01-01"),
        "with a session that was closed": Nobody(cookie(hub, ended), "not signed in"),
    }


def own_address() -> str | None:
    """An address of this machine that is not its loopback; None when it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address.startswith("127.") else address
