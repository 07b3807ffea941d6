"""Pins tokens and sessions: what each role may, that secrets are kept as hashes only, and when they end."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable
from datetime import timedelta

import invariants
import pytest
from comfyui_artifact_db.errors import Conflict, Denied, Invalid, NotFound
from comfyui_artifact_db.library import access, events, identities
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Event
from peewee import IntegrityError

NEVER_A_TOKEN = [
    "",
    "adb_",
    "adb_" + "x" * 42,
    "adb_" + "x" * 44,
    "adb_" + "ü" * 43,
    "x" * 47,
    "\ud800",
    "adb_" + "٣" * 43,
]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the clock."""
    return lambda moment: monkeypatch.setattr(identities, "now", lambda: moment)


def make(library: Library, name: str = "ada", role: str = "review", days: float | None = None) -> str:
    lasting = None if days is None else timedelta(days=days)
    return access.create_token(library, name, role=role, by="admin", lasting=lasting)[1]


def written(library: Library) -> bytes:
    """All bytes of the database, what is still in its write-ahead log too."""
    files = library.database.path.parent.glob(f"{library.database.path.name}*")
    return b"".join(file.read_bytes() for file in files if file.is_file())


def test_each_role_may_what_the_design_says() -> None:
    assert {role: set(permissions) for role, permissions in access.ROLES.items()} == {
        "view": {"view"},
        "review": {"view", "review"},
        "record": {"view", "record"},
        "admin": {"view", "review", "record", "admin"},
    }
    assert access.roles_with("review") == ["review", "admin"]
    assert access.THIS_MACHINE.permissions == access.PERMISSIONS


@pytest.mark.parametrize("role", access.ROLES)
def test_a_token_says_whose_it_is(library: Library, role: str) -> None:
    made, token = access.create_token(library, "ada", role=role, by="admin")
    assert re.fullmatch(r"adb_[A-Za-z0-9]{43}", token)
    asks = access.who(library, token)
    assert (asks.name, asks.role, asks.via, asks.expires_at, asks.token_id) == ("ada", role, "token", None, made.id)
    assert asks.permissions == access.ROLES[role]
    assert access.list_tokens(library) == [made]


def test_no_two_tokens_are_alike_and_all_letters_are_used(library: Library) -> None:
    tokens = {make(library, f"t{number}") for number in range(60)}
    assert len(tokens) == 60
    assert len(set("".join(token.removeprefix("adb_") for token in tokens))) == 62


def test_only_hashes_are_kept(library: Library) -> None:
    token = make(library)
    _, session = access.open_session(library, token)
    kept = written(library)
    for secret in (token, session):
        assert secret.encode() not in kept
        assert secret.removeprefix("adb_").encode() not in kept
        assert hashlib.sha256(secret.encode()).hexdigest().encode() in kept
    told = repr([access.list_tokens(library), events.list_events(library), access.who(library, token)])
    for secret in (token, session):
        assert secret not in told
        assert hashlib.sha256(secret.encode()).hexdigest() not in told


@pytest.mark.parametrize("token", NEVER_A_TOKEN)
def test_what_is_no_token_is_nobodys(library: Library, token: str) -> None:
    make(library)
    for ask in (access.who, access.open_session, access.who_session):
        with pytest.raises(Denied):
            ask(library, token)
    assert access.close_session(library, token) is False


def test_a_token_that_differs_in_one_letter_is_nobodys(library: Library) -> None:
    token = make(library)
    for place in (4, 20, len(token) - 1):
        other = token[:place] + ("a" if token[place] != "a" else "b") + token[place + 1 :]
        with pytest.raises(Denied, match="not a token of this hub"):
            access.who(library, other)
    with pytest.raises(Denied):
        access.who(library, hashlib.sha256(token.encode()).hexdigest())


def test_a_revoked_token_and_its_sessions_are_over_at_once_and_for_good(library: Library) -> None:
    token, other = make(library), make(library, "bob")
    _, session = access.open_session(library, token)
    revoked = access.revoke_token(library, "ada", by="admin")
    assert revoked.revoked_at is not None
    for ask, secret in ((access.who, token), (access.open_session, token), (access.who_session, session)):
        with pytest.raises(Denied, match=r"'ada' was revoked on \d{4}-"):
            ask(library, secret)
    assert access.who(library, other).name == "bob"
    with pytest.raises(NotFound, match="no living token 'ada'"):
        access.revoke_token(library, "ada", by="admin")
    again = make(library)
    assert access.who(library, again).name == "ada"
    with pytest.raises(Denied):
        access.who(library, token)


def test_an_expired_token_and_its_sessions_are_over(library: Library, at: Callable[[str], None]) -> None:
    at("2026-11-22T10:00:00.000Z")
    token = make(library, days=1)
    identity, session = access.open_session(library, token)
    assert identity.expires_at == access.who(library, token).expires_at == "2026-11-23T10:00:00.000Z"
    at("2026-11-23T09:59:59.999Z")
    assert access.who(library, token).name == access.who_session(library, session).name == "ada"
    at("2026-11-23T10:00:00.000Z")
    for ask, secret in ((access.who, token), (access.open_session, token), (access.who_session, session)):
        with pytest.raises(Denied, match=r"'ada' expired on 2026-11-23T10:00:00\.000Z"):
            ask(library, secret)


def test_a_session_ends_after_thirty_days_and_before_that_when_it_is_closed(
    library: Library, at: Callable[[str], None]
) -> None:
    at("2026-11-01T00:00:00.000Z")
    token = make(library)
    (identity, first), (_, second) = access.open_session(library, token), access.open_session(library, token)
    assert identity.expires_at == "2026-12-01T00:00:00.000Z"
    assert (identity.via, identity.role) == ("session", "review")
    assert access.close_session(library, first) is True
    assert access.close_session(library, first) is False
    with pytest.raises(Denied, match="not signed in"):
        access.who_session(library, first)
    at("2026-11-30T23:59:59.999Z")
    assert access.who_session(library, second).name == "ada"
    at("2026-12-01T00:00:00.000Z")
    with pytest.raises(Denied, match="signed in until 2026-12-01"):
        access.who_session(library, second)
    assert access.who(library, token).name == "ada"


def test_sessions_that_are_over_do_not_pile_up(library: Library, at: Callable[[str], None]) -> None:
    at("2026-01-01T00:00:00.000Z")
    token = make(library)
    for _ in range(5):
        access.open_session(library, token)
    at("2026-06-01T00:00:00.000Z")
    access.open_session(library, token)
    connection = sqlite3.connect(library.database.path)
    assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (1,)
    connection.close()


def test_a_token_is_no_session_and_a_session_is_no_token(library: Library) -> None:
    token = make(library)
    _, session = access.open_session(library, token)
    for ask, secret in ((access.who, session), (access.who_session, token), (access.open_session, session)):
        with pytest.raises(Denied):
            ask(library, secret)
    with pytest.raises(Denied):
        access.who(library, "adb_" + session)
    with pytest.raises(Denied):
        access.who_session(library, token.removeprefix("adb_"))


def test_a_name_is_one_living_tokens(library: Library, at: Callable[[str], None]) -> None:
    at("2026-11-22T10:00:00.000Z")
    first = make(library, days=1)
    with pytest.raises(Conflict, match="a living token is called 'ada'"):
        make(library, role="admin")
    at("2026-11-24T10:00:00.000Z")
    second = make(library, role="view")
    assert access.who(library, second).role == "view"
    with pytest.raises(Denied):
        access.who(library, first)
    log = [event.action for event in events.list_events(library)]
    assert log == ["token.created", "token.revoked", "token.created"]


def test_two_living_tokens_of_one_name_are_refused_by_the_database_too(library: Library) -> None:
    make(library)
    connection = sqlite3.connect(library.database.path)
    columns = "name, role, hash, created_at, created_by"
    copy = f"INSERT INTO tokens (id, {columns}) SELECT 'x', name, role, 'h', created_at, created_by FROM tokens"
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        connection.execute(copy)
    with pytest.raises(sqlite3.IntegrityError, match="tokens_role"):
        connection.execute("UPDATE tokens SET role = 'god'")
    connection.close()


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "local",
        "LOCAL",
        "this machine",
        "chain",
        "chain (a)",
        "adb_" + "x" * 43,
        "a/b",
        "a\nb",
        "\x1b[31m",
        "x" * 256,
    ],
)
def test_a_name_that_would_mislead_is_refused(library: Library, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        make(library, name)
    assert refused.value.field == "name"
    assert "adb_" + "x" * 43 not in str(refused.value)
    assert access.list_tokens(library) == []


@pytest.mark.parametrize("days", [0, -1, 3661])
def test_a_token_that_would_end_before_it_begins_or_in_another_age_is_refused(library: Library, days: int) -> None:
    with pytest.raises(Invalid, match="lasts up to 3660 days"):
        make(library, days=days)


def test_a_role_that_is_none_is_refused(library: Library) -> None:
    with pytest.raises(Invalid, match="accepted: view, review, record, admin"):
        make(library, role="boss")


def test_whoever_gives_the_token_in_place_of_its_name_does_not_find_it_in_the_message(library: Library) -> None:
    token = make(library)
    with pytest.raises(NotFound, match="a token's name is asked for") as refused:
        access.revoke_token(library, token, by="admin")
    assert token not in str(refused.value)
    assert access.who(library, token).name == "ada"


def test_every_change_has_its_event_with_its_actor(library: Library) -> None:
    token = make(library, days=1)
    _, session = access.open_session(library, token)
    access.close_session(library, session)
    access.revoke_token(library, "ada", by="eve")
    log = events.list_events(library)
    assert [(event.action, event.actor) for event in log] == [
        ("token.created", "admin"),
        ("token.session_opened", "ada"),
        ("token.session_closed", "ada"),
        ("token.revoked", "eve"),
    ]
    (made,) = access.list_tokens(library)
    assert {(event.entity_type, event.entity_id) for event in log} == {("token", made.id)}
    assert log[0].after == {"name": "ada", "role": "review", "expires_at": made.expires_at}
    assert (log[3].before, (log[3].after or {})["revoked_at"]) == ({"revoked_at": None}, made.revoked_at)
    invariants.check(library)


CHANGES: dict[str, Callable[[Library, str, str], object]] = {
    "token.created": lambda library, token, session: make(library, "bob"),
    "token.revoked": lambda library, token, session: access.revoke_token(library, "ada", by="admin"),
    "token.session_opened": lambda library, token, session: access.open_session(library, token),
    "token.session_closed": lambda library, token, session: access.close_session(library, session),
}


@pytest.mark.parametrize("action", CHANGES)
def test_a_change_whose_event_cannot_be_written_is_not_made(library: Library, action: str) -> None:
    token = make(library)
    _, session = access.open_session(library, token)
    connection = sqlite3.connect(library.database.path)
    connection.execute(
        f"CREATE TRIGGER full BEFORE INSERT ON events WHEN new.action = '{action}' "
        "BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
    )
    connection.commit()
    before = list(connection.iterdump())
    with pytest.raises(IntegrityError, match="full"):
        CHANGES[action](library, token, session)
    assert list(connection.iterdump()) == before
    connection.close()


def test_asking_writes_nothing(library: Library) -> None:
    token = make(library)
    _, session = access.open_session(library, token)
    connection = sqlite3.connect(library.database.path)
    before = list(connection.iterdump())
    access.who(library, token)
    access.who_session(library, session)
    access.list_tokens(library)
    access.close_session(library, "x" * 43)
    assert list(connection.iterdump()) == before
    connection.close()


def test_what_another_process_does_counts_at_once(library: Library, reopened: Callable[[], Library]) -> None:
    other = reopened()
    token = make(other)
    assert access.who(library, token).name == "ada"
    access.revoke_token(other, "ada", by="admin")
    with pytest.raises(Denied):
        access.who(library, token)


def test_a_token_is_revoked_while_a_browser_signs_in_with_it(
    library: Library, reopened: Callable[[], Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    token, other, ask = make(library), reopened(), access.who

    def asked_before(library: Library, token: str) -> access.Identity:
        found = ask(library, token)
        access.revoke_token(other, "ada", by="admin")
        return found

    monkeypatch.setattr(access, "who", asked_before)
    with pytest.raises(Denied, match="revoked"):
        access.open_session(library, token)
    assert [event.action for event in seen(library)] == ["token.created", "token.revoked"]


def seen(library: Library) -> list[Event]:
    return events.list_events(library)
