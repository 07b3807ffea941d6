"""Pins `artifact-db doctor`: exit codes, what it prints, and that no secret is in it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import identities, runs
from comfyui_artifact_db.library.opening import open_library
from comfyui_artifact_db.library.recording import KIND, NewArtifact, promised
from commanding import Shell
from making import Pictures, png


def test_a_fresh_installation_is_well_and_stays_fresh(shell: Shell) -> None:
    done = shell.run("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "nothing is wrong"
    for word in ("configuration", "database", "store", "servers", "versions", "peewee"):
        assert word in done.stdout
    assert list(shell.home.iterdir()) == []


def test_it_looks_at_a_hub_that_is_at_work(shell: Shell) -> None:
    with shell.serving():
        done = shell.run("doctor", "--json")
    assert done.returncode == 0
    checks = [json.loads(line) for line in done.stdout.splitlines()]
    assert [c["data"] for c in checks if c["about"] == "staging"] == [{"living": 1}]
    assert {c["level"] for c in checks} <= {"ok", "note"}


def test_what_is_wrong_is_named_and_the_exit_code_says_so(shell: Shell) -> None:
    shell.data.mkdir(parents=True)
    library = open_library(load_config(shell.data, {}))
    picture = Pictures(library).one()
    library.close()
    os.unlink(picture.local_path)
    (shell.data / "artifact-db.toml").write_text(
        '[servers.gpu-a]\nurl = "http://127.0.0.1:1"\ntoken_env = "GPU_TOKEN"\n'
    )
    done = shell.run("doctor", GPU_TOKEN="hush-hush")
    assert done.returncode == 1
    assert "WRONG  files: the file of 1 artifact(s) is missing" in done.stdout
    assert f"{picture.id} ({picture.filename})" in done.stdout
    assert "WRONG  servers: gpu-a" in done.stdout
    assert done.stdout.splitlines()[-1] == "2 thing(s) are wrong"
    assert "hush-hush" not in done.stdout + done.stderr


@pytest.mark.parametrize("data", [b"", b"this is no database" * 1000], ids=["empty", "no database"])
def test_a_database_that_is_none_is_told_without_a_traceback(shell: Shell, data: bytes) -> None:
    shell.data.mkdir(parents=True)
    database = shell.data / "artifacts.db"
    database.write_bytes(data)
    done = shell.run("doctor")
    assert done.stderr == ""
    assert done.returncode == (1 if data else 0)
    assert database.read_bytes() == data
    assert [path.name for path in Path(shell.data).iterdir()] == ["artifacts.db"]


def at_a_hub(shell: Shell, url: str) -> None:
    """Make it a machine whose records are at a hub."""
    shell.data.mkdir(parents=True, exist_ok=True)
    (shell.data / "artifact-db.toml").write_text(f'hub = "{url}"\nhub_token_env = "HUB_TOKEN"\n')


def test_a_machine_with_a_hub_is_told_whether_it_takes_its_records(shell: Shell, tmp_path: Path) -> None:
    hub = Shell(tmp_path / "hub")
    hub.home.mkdir()
    secrets = {}
    for role in ("record", "view"):
        made = hub.run("token", "create", f"gpu {role}", "--role", role)
        secrets[role] = made.stdout.strip()
    with hub.serving() as served:
        at_a_hub(shell, served.url)
        done = shell.run("doctor", HUB_TOKEN=secrets["record"])
        assert (done.returncode, done.stderr) == (0, "")
        assert "takes records from 'gpu record', role 'record'" in done.stdout
        done = shell.run("doctor", HUB_TOKEN=secrets["view"])
        assert done.returncode == 1
        assert "whose role 'view' may not record" in done.stdout
        done = shell.run("doctor", HUB_TOKEN="adb_" + "x" * 43)
        assert done.returncode == 1
        assert "does not know this machine's token" in done.stdout
        assert "adb_x" not in done.stdout + done.stderr
    done = shell.run("doctor", "--json", HUB_TOKEN=secrets["record"])
    (told,) = [check for check in map(json.loads, done.stdout.splitlines()) if check["about"] == "hub"]
    assert (told["level"], "is away" in told["text"]) == ("wrong", True)
    assert sorted(path.name for path in shell.data.iterdir()) == ["artifact-db.toml"]


def test_what_waits_for_a_hub_is_named(shell: Shell) -> None:
    at_a_hub(shell, "http://127.0.0.1:1")
    library = open_library(replace(load_config(shell.data, {}), hub=None))
    with library.store.receiving() as part:
        part.write(png(1))
        placement = library.store.finish(part, artifact_id="left", extension="png", day="2026-11-22")
    new = NewArtifact(identities.new_id(), "9:images:0", "shot.png", "image", "png")
    run = runs.Run("gpu-a", "prompt-7", "picture")
    intent = library.store.promise(KIND, [placement], promised([new], "anna", identities.new_id(), run))
    os.utime(intent.path, (1, 1))
    library.close()
    done = shell.run("doctor", HUB_TOKEN="t")
    assert done.returncode == 1
    assert "WRONG  outbox: 1 record(s) with 1 artifact(s) wait for the hub, or were refused by it" in done.stdout
    assert f"{intent.path.name}: shot.png, of prompt prompt-7 (picture)" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        *(("list",), ("show", "0"), ("verify",), ("serve", "--port", "0"), ("token", "list"), ("backup", "x.db")),
        *(("migrate",), ("trash", "list"), ("chain", "status", "film"), ("export", "film", "--to", "x")),
    ],
    ids=" ".join,
)
def test_what_needs_a_database_says_in_one_line_where_it_is(shell: Shell, arguments: tuple[str, ...]) -> None:
    at_a_hub(shell, "http://127.0.0.1:1")
    done = shell.run(*arguments, HUB_TOKEN="t")
    assert done.returncode == 2, (done.stdout, done.stderr)
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "artifact-db: no database is kept here: everything is recorded into the hub http://127.0.0.1:1"
    )
    assert sorted(path.name for path in shell.data.iterdir()) == ["artifact-db.toml"]
