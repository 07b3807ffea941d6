"""Pins `artifact-db verify`: exit codes, one line for each finding, quiet in a pipe, and going on after a kill."""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import verifying_runs
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.db import models
from comfyui_artifact_db.library import decisions, verifying
from comfyui_artifact_db.library.opening import Library, open_library
from commanding import Shell
from making import Pictures, png
from tampering import kept, tamper

if sys.platform != "win32":
    import fcntl
    import termios

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither such signals nor such terminals")


@pytest.fixture
def library(shell: Shell) -> Iterator[Library]:
    shell.data.mkdir(parents=True)
    library = open_library(load_config(shell.data, {}))
    yield library
    library.close()


def test_a_library_that_is_well_is_one_line(shell: Shell, library: Library, pictures: Pictures) -> None:
    pictures.one()
    done = shell.run("verify")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert line.startswith("all is well: ")
    assert "1 artifacts" in line


def test_an_empty_library_is_well(shell: Shell) -> None:
    assert shell.run("verify").returncode == 0


def test_a_flipped_bit_is_a_line_with_its_artifact_and_its_decisions(
    shell: Shell, library: Library, pictures: Pictures
) -> None:
    pictures.one()
    picture = decisions.approve(library, pictures.one(status="pending").id, by="ann")
    data = bytearray(kept(picture))
    data[40] ^= 1
    tamper(picture, bytes(data), unseen=True)
    done = shell.run("verify")
    assert (done.returncode, done.stderr) == (1, "")
    line, last = done.stdout.splitlines()
    assert picture.id in line
    assert f"approved by ann on {picture.decided_at}" in line
    assert picture.filename in line
    assert last == "1 finding(s)"


def test_json_is_an_object_a_line(shell: Shell, library: Library, pictures: Pictures) -> None:
    picture = pictures.one()
    os.unlink(picture.local_path)
    done = shell.run("verify", "--json")
    assert done.returncode == 1
    found, last = map(json.loads, done.stdout.splitlines())
    assert (found["finding"]["kind"], found["finding"]["artifact_id"]) == ("file_missing", picture.id)
    assert last == {"ok": False, "findings": 1}


def test_wrong_pointers_are_mended_when_asked_for(shell: Shell, library: Library, pictures: Pictures) -> None:
    picture = pictures.one()
    verifying_runs.forge(library, "UPDATE workflows SET latest_artifact_id = NULL")
    assert shell.run("verify").returncode == 1
    done = shell.run("verify", "--fix-pointers", "--by", "admin")
    assert done.returncode == 0
    assert "mended 1 pointer(s) of 1 workflow(s)" in done.stdout
    assert shell.run("verify").returncode == 0
    assert verifying_runs.pointers(library, picture.workflow_id)[0] == picture.id


def test_mending_pointers_leaves_other_findings_wrong(shell: Shell, library: Library, pictures: Pictures) -> None:
    os.unlink(pictures.one().local_path)
    verifying_runs.forge(library, "UPDATE workflows SET latest_artifact_id = NULL")
    done = shell.run("verify", "--fix-pointers")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "1 finding(s)"


def test_what_a_row_holds_does_not_move_the_cursor(shell: Shell, library: Library, pictures: Pictures) -> None:
    pictures.one()
    verifying_runs.forge(library, "UPDATE artifacts SET filename = ?", "a\n\x1b[2Jb")
    done = shell.run("verify")
    assert len(done.stdout.splitlines()) == 2
    assert "\x1b" not in done.stdout


@posix
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_it_goes_on_where_it_was_after(
    shell: Shell, library: Library, pictures: Pictures, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = 100 << 20
    data = png(1)
    digest = hashlib.sha256(data + bytes(zeros - len(data))).hexdigest()
    for _ in range(30):
        # Sparse, so that hashing takes a while and the disk does not; each as large as a page.
        picture = pictures.one(data=data)
        verifying_runs.forge(library, "UPDATE artifacts SET file_size = ?, sha256 = ?", 1 << 30, digest)
        path = Path(picture.local_path)
        path.chmod(0o600)
        os.truncate(path, zeros)
    state = Path(f"{library.database.path}.verify.json")
    process = subprocess.Popen(
        shell.command("verify"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=shell.home,
        env=shell.environment(),
    )  # fmt: skip
    for _ in range(3000):
        if state.exists() and "files" in json.loads(state.read_text())["run"]["cursors"]:
            break
        time.sleep(0.01)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    proven = json.loads(state.read_text())["run"]
    assert "files" in proven["cursors"]
    assert "events" in proven["done"]
    if how == signal.SIGINT:
        assert process.returncode == 1
        assert err == "artifact-db: interrupted; the same command goes on where it was, --restart begins anew\n"
    assert not proven["again"].get("files")
    with library.reading():
        rows = list(models.Artifact.select().order_by(models.Artifact.id).dicts())
    (place,) = [place for place, row in enumerate(rows) if row["id"] == proven["cursors"]["files"]]
    seen: list[str] = []
    monkeypatch.setattr(library.store, "digest", lambda path: seen.append(path) or digest)
    for _ in zip(verifying.verify(library), range(31), strict=False):
        assert not seen, "the rows that were found to differ are found again first"
    assert seen == [row["local_path"] for row in rows[place + 1 :]]


@posix
def test_a_terminal_has_a_bar_and_a_pipe_has_none(shell: Shell, library: Library, pictures: Pictures) -> None:
    for _ in range(4):
        path = Path(pictures.one().local_path)
        path.chmod(0o600)
        os.truncate(path, 300 << 20)
    master, slave = os.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        shell.command("verify"), stdout=subprocess.PIPE, stderr=slave, cwd=shell.home, env=shell.environment()
    )
    os.close(slave)
    drawn = b""
    while select.select([master], [], [], 30)[0]:
        try:
            drawn += os.read(master, 65536)
        except OSError:
            break
    out, _ = process.communicate(timeout=60)
    os.close(master)
    assert process.returncode == 1
    assert b"files" in drawn
    assert b"\x1b" not in out
    assert len(out.splitlines()) == 5
    assert shell.run("verify").stderr == ""
