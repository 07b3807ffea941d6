"""`artifact-db import FOLDER` as a person at a shell, or a script, runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from commanding import Shell
from output_folders import GOOD, LONG_AGO, every_kind, picture, text


@pytest.fixture
def outputs(shell: Shell) -> Path:
    return every_kind(shell.home / "output")


def listed(shell: Shell) -> list[str]:
    return shell.run("list").stdout.splitlines()


def test_a_folder_is_adopted_and_a_second_run_adds_nothing(shell: Shell, outputs: Path) -> None:
    done = shell.run("import", "output", "--tag", "old", "--tag", "2020", "--by", "ann")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{len(GOOD)} added, 0 here already\n"
    rows = listed(shell)
    assert len(rows) == len(GOOD)
    again = shell.run("import", "output")
    assert (again.returncode, again.stdout) == (0, f"0 added, {len(GOOD)} here already\n")
    assert listed(shell) == rows


def test_a_changed_file_is_told_of_as_a_version(shell: Shell, outputs: Path) -> None:
    shell.run("import", "output")
    picture(outputs / "a.png", 99, at=LONG_AGO + 1)
    done = shell.run("import", "output")
    assert done.stdout == f"0 added, 1 new versions of changed files, {len(GOOD) - 1} here already\n"


def test_a_dry_run_says_what_would_come_and_does_nothing(shell: Shell, outputs: Path) -> None:
    text(outputs / ".hidden")
    done = shell.run("import", "output", "--dry-run")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{len(GOOD)} files (")
    assert lines[0].endswith(" would be read")
    assert lines[-1] == "left out: 1 hidden"
    assert listed(shell) == []
    told = json.loads(shell.run("import", "output", "--dry-run", "--json").stdout)
    assert (told["waiting"], told["new"], told["dry_run"]) == (len(GOOD), 0, True)


def test_the_summary_as_json_is_one_line(shell: Shell, outputs: Path) -> None:
    done = shell.run("import", "output", "--json")
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert (told["new"], told["failed"], told["stopped"]) == (len(GOOD), [], False)
    assert told["bytes"] == told["bytes_done"] == sum((outputs / name).stat().st_size for name in GOOD)


def test_what_could_not_be_taken_in_is_listed_and_the_exit_code_is_1(shell: Shell, outputs: Path) -> None:
    (outputs / "line\nbreak.txt").write_text("x")
    done = shell.run("import", "output")
    assert done.returncode == 1
    assert done.stdout == f"{len(GOOD)} added, 0 here already\n"
    assert done.stderr.splitlines()[0] == "artifact-db: 1 could not be taken in:"
    assert "control characters" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("place", "says"), [("config/artifact-db", "this hub's own files are in this folder"), (".", "own files")]
)
def test_a_folder_with_the_hubs_own_files_is_refused(shell: Shell, place: str, says: str) -> None:
    shell.run("list")
    done = shell.run("import", place)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_options_of_a_folder_are_refused_for_a_bundle(shell: Shell) -> None:
    (shell.home / "a.zip").write_bytes(b"PK")
    done = shell.run("import", "a.zip", "--dry-run")
    assert done.returncode == 2
    assert "are for folders" in done.stderr


@pytest.mark.parametrize("also", [(), ("--dry-run",)])
def test_a_wrong_tag_is_said_in_one_line_before_the_folder_is_looked_at(
    shell: Shell, outputs: Path, also: tuple[str, ...]
) -> None:
    done = shell.run("import", "output", "--tag", "a,b", *also)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "artifact-db: tag: a tag has no commas and no line breaks\n"
    assert not shell.data.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_it_cleanly_and_the_same_command_goes_on(shell: Shell) -> None:
    outputs = shell.home / "output"
    for number in range(400):
        picture(outputs / f"{number:04}.png", number)
    process = subprocess.Popen(
        shell.command("import", "output", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=shell.home,
        env=shell.environment(),
    )
    files = shell.data / "store" / "files"
    while not any(files.rglob("*.png")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    told = json.loads(out)
    assert process.returncode == 1
    assert err == "artifact-db: interrupted; the same command goes on from there\n"
    assert told["stopped"]
    assert 0 < told["new"] < 400
    again = json.loads(shell.run("import", "output", "--json").stdout)
    assert again["new"] + told["new"] == 400
    assert shell.run("verify").returncode == 0
