"""Pins `artifact-db doctor`: exit codes, what it prints, and that no secret is in it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library.opening import open_library
from commanding import Shell
from making import Pictures


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
