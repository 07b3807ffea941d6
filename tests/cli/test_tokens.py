"""Pins `artifact-db token`: a token alone on the standard output, everything else beside it, and refusals in a line."""

from __future__ import annotations

import json
import re

import pytest
import requests
from commanding import Shell

TOKEN = re.compile(r"adb_[A-Za-z0-9]{43}\n")


def create(shell: Shell, *arguments: str) -> str:
    done = shell.run("token", "create", *arguments)
    assert (done.returncode, bool(TOKEN.fullmatch(done.stdout))) == (0, True), done
    assert done.stdout.strip() not in done.stderr
    return done.stdout.strip()


def test_a_token_is_printed_alone_and_hints_go_beside_it(shell: Shell) -> None:
    done = shell.run("token", "create", "ada", "--role", "review", "--expires", "90d")
    assert TOKEN.fullmatch(done.stdout)
    assert "ada may view, review until 20" in done.stderr
    assert "Authorization: Bearer" in done.stderr
    assert "`hosts`" in done.stderr
    (shell.data / "artifact-db.toml").write_text('hosts = ["studio.example"]')
    assert "`hosts`" not in shell.run("token", "create", "bob", "--role", "view").stderr


def test_tokens_are_listed_with_how_they_stand_and_without_their_secrets(shell: Shell) -> None:
    nothing = shell.run("token", "list")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "There are no tokens" in nothing.stderr
    tokens = [
        create(shell, "ada", "--role", "review", "--expires", "90d", "--by", "eve"),
        create(shell, "bob", "--role", "admin"),
        create(shell, "gone", "--role", "view"),
    ]
    assert shell.run("token", "revoke", "gone").returncode == 0
    listed = shell.run("token", "list")
    rows = [line.split("\t") for line in listed.stdout.splitlines()]
    assert [(row[0], row[1], row[4].split()[0]) for row in rows] == [
        *(("ada", "review", "living"), ("bob", "admin", "living"), ("gone", "view", "revoked"))
    ]
    assert (rows[0][3], rows[0][4].startswith("living until 20"), rows[1][4]) == ("eve", True, "living")
    as_json = shell.run("token", "list", "--json")
    found = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert [(row["name"], row["living"], row["revoked_at"] is None) for row in found] == [
        *(("ada", True, True), ("bob", True, True), ("gone", False, False))
    ]
    for token in tokens:
        assert token not in listed.stdout + listed.stderr + as_json.stdout + as_json.stderr


def test_a_token_opens_a_running_hub_at_once_and_is_closed_at_once(shell: Shell) -> None:
    with shell.serving(ARTIFACT_DB_LOCAL_TRUST="false") as hub:

        def ask(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return requests.get(f"{hub.url}/artifacts", headers=headers, timeout=20).status_code

        assert hub.get("/artifacts").status_code == 401
        token = create(shell, "ada", "--role", "view")
        assert ask(token) == 200
        assert hub.get("/artifacts").status_code == 401
        done = shell.run("token", "revoke", "ada")
        assert (done.returncode, done.stdout) == (0, "")
        assert "ada is not let in any more" in done.stderr
        assert ask(token) == 401


def test_what_cannot_be_done_is_told_in_a_line_and_nothing_is_printed(shell: Shell) -> None:
    token = create(shell, "ada", "--role", "view")
    for arguments, code, word in (
        (("create", "ada", "--role", "view"), 1, "a living token is called 'ada'"),
        (("create", "local", "--role", "view"), 2, "not one for a token"),
        (("create", "a/b", "--role", "view"), 2, "not a path"),
        (("create", "x", "--role", "view", "--expires", "9999w"), 2, "3660 days"),
        (("revoke", "bob"), 1, "no living token 'bob'"),
        (("revoke", token), 1, "not the token"),
        (("create", token, "--role", "view"), 2, "not one for a token"),
    ):
        done = shell.run("token", *arguments)
        assert (done.returncode, done.stdout) == (code, ""), arguments
        line = done.stderr.splitlines()[-1]
        assert line.startswith("artifact-db: ")
        assert word in line
        assert token not in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "create|revoke|list"),
        (("create", "ada"), "--role"),
        (("create", "ada", "--role", "boss"), "boss"),
        (("create", "ada", "--role", "view", "--expires", "soon"), "90d"),
        (("create", "ada", "--role", "view", "--expires", "0d"), "90d"),
        (("create", "ada", "--role", "view", "--expires", "-1d"), "--expires"),
        (("revoke",), "NAME"),
    ],
)
def test_unusable_arguments_are_told_with_what_is_accepted(shell: Shell, arguments: tuple[str, ...], word: str) -> None:
    done = shell.run("token", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert word in done.stderr
    assert list(shell.home.iterdir()) == []
