"""Pins how the program says that it cannot start: an exit code, and one line that says what to do."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing

import pytest
from commanding import Shell

WRONG = {
    "an unknown key": ('databse = "x"', "unknown key 'databse'"),
    "a wrong value": ("max_upload_mb = 0", "max_upload_mb is 0"),
    "a wrong type": ('hosts = "studio.local"', "hosts is 'studio.local'"),
    "no TOML": ("= 1", "is not TOML"),
    "an unknown engine": ('database = "mysql://localhost/x"', "sqlite:///PATH"),
    "a server without an address": ("[servers.gpu-a]", "servers.gpu-a: url is missing"),
    "a server with a password": ('[servers.gpu-a]\nurl = "http://a:s3cret@b"', "user name or password"),
}


def assert_one_line(err: str, *words: str) -> None:
    """What a person is told: no traceback, and all of the words."""
    (line,) = err.splitlines()
    assert line.startswith("artifact-db: ")
    assert "Traceback" not in err
    for word in words:
        assert word in line
    assert "s3cret" not in err


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_configuration_is_told_in_a_line_and_nothing_is_made(shell: Shell, kind: str) -> None:
    text, word = WRONG[kind]
    shell.data.mkdir(parents=True)
    (shell.data / "artifact-db.toml").write_text(text)
    done = shell.run("serve", "--port", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert_one_line(done.stderr, word)
    assert [path.name for path in shell.data.iterdir()] == ["artifact-db.toml"]


def test_a_configuration_that_is_named_and_not_there_is_told(shell: Shell) -> None:
    done = shell.run("serve", ARTIFACT_DB_CONFIG=str(shell.home / "nowhere.toml"))
    assert done.returncode == 2
    assert_one_line(done.stderr, "ARTIFACT_DB_CONFIG", "nowhere.toml", "not there")


def test_a_wrong_variable_is_told(shell: Shell) -> None:
    done = shell.run("serve", ARTIFACT_DB_MAX_UPLOAD_MB="much")
    assert done.returncode == 2
    assert_one_line(done.stderr, "max_upload_mb is 'much'")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "COMMAND"),
        (("dance",), "dance"),
        (("serve", "--port", "x"), "0 to 65535"),
        (("serve", "--port", "65536"), "0 to 65535"),
        (("serve", "--colour"), "--colour"),
    ],
)
def test_unusable_arguments_are_told_with_what_is_accepted(shell: Shell, arguments: tuple[str, ...], word: str) -> None:
    done = shell.run(*arguments)
    assert done.returncode == 2
    assert word in done.stderr
    assert "usage: artifact-db" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(shell.home.iterdir()) == []


def test_a_comfyui_that_is_not_there_is_told(shell: Shell) -> None:
    done = shell.run("--comfyui", str(shell.home / "nowhere"), "serve")
    assert done.returncode == 2
    assert_one_line(done.stderr, "--comfyui", "user")


def test_a_port_that_is_in_use_is_told_and_nothing_is_left_in_staging(shell: Shell) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        done = shell.run("serve", "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_line(done.stderr.splitlines()[-1], f"127.0.0.1:{port}", "in use")
    assert "Traceback" not in done.stderr
    assert list((shell.data / "store" / "staging").iterdir()) == []


def test_a_host_that_is_not_ours_is_told(shell: Shell) -> None:
    done = shell.run("serve", "--port", "0", "--host", "192.0.2.77")
    assert done.returncode == 1
    assert_one_line(done.stderr.splitlines()[-1], "192.0.2.77")
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_made_is_told(shell: Shell) -> None:
    (shell.home / "file").write_text("in the way")
    done = shell.run("serve", ARTIFACT_DB_STORE=str(shell.home / "file" / "store"))
    assert done.returncode == 1
    assert_one_line(done.stderr, "store")


def test_a_database_of_a_newer_release_is_told_and_left_alone(shell: Shell) -> None:
    with shell.serving() as hub:
        hub.get("/health")
    database = shell.data / "artifacts.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        (table,) = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if "migration" in name
        ]
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        newest = connection.execute(f"SELECT * FROM {table} ORDER BY 1 DESC LIMIT 1").fetchone()
        row = ["9999_later" if isinstance(v, str) and v.startswith("0") else v for v in newest]
        row = [None if c == "id" else v for c, v in zip(columns, row, strict=True)]
        connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        before = list(connection.iterdump())
    done = shell.run("serve", "--port", "0")
    assert done.returncode == 1
    assert_one_line(done.stderr.splitlines()[-1], "newer release", "9999_later")
    with closing(sqlite3.connect(database)) as connection:
        assert list(connection.iterdump()) == before


def test_a_damaged_database_is_told(shell: Shell) -> None:
    shell.data.mkdir(parents=True)
    (shell.data / "artifacts.db").write_bytes(b"this is no database" * 1000)
    done = shell.run("serve", "--port", "0")
    assert done.returncode == 1
    assert_one_line(done.stderr.splitlines()[-1], "damaged", "backup")
    assert "Traceback" not in done.stderr
    assert not (shell.data / "store").exists(), "no store is made for a database that may have one elsewhere"
