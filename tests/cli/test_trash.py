"""Pins `artifact-db trash` at the shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import artifacts, chains, pages, runs, trash, workflows
from comfyui_artifact_db.library.opening import Library, open_library
from commanding import Shell
from making import Pictures


@pytest.fixture
def library(shell: Shell) -> Iterator[Library]:
    shell.data.mkdir(parents=True)
    library = open_library(load_config(shell.data, {}))
    yield library
    library.close()


@pytest.fixture
def chain_id(library: Library, pictures: Pictures) -> str:
    """A chain in the trash."""
    picture = pictures.one(run=runs.Run("gpu-a", "p1", "w", chain="film", step="a"))
    found = workflows.get_workflow(library, picture.workflow_id).chain_id
    assert found is not None
    chains.delete_chain(library, found, actor="ann")
    return found


def test_it_lists_takes_out_and_empties(shell: Shell, library: Library, pictures: Pictures, chain_id: str) -> None:
    kept, gone = pictures.one(), pictures.one()
    for one in (kept, gone):
        trash.delete(library, one.id, by="ann")
    rows = [line.split("\t") for line in shell.run("trash", "list").stdout.splitlines()]
    assert [row[:2] for row in rows] == [["chain", chain_id], ["artifact", gone.id], ["artifact", kept.id]]
    assert [json.loads(line)["id"] for line in shell.run("trash", "list", "--json").stdout.splitlines()] == [
        chain_id, gone.id, kept.id,
    ]  # fmt: skip
    done = shell.run("trash", "undelete", kept.id, "--by", "ada")
    assert (done.returncode, done.stdout) == (0, f"artifact {kept.id} is back\n")
    done = shell.run("trash", "empty", "--older-than", "30d", "--yes", "--json")
    assert json.loads(done.stdout) == {"artifacts": 0, "chains": 0, "bytes": 0}
    done = shell.run("trash", "empty", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("gone for good: 2 artifact(s), ")
    assert "1 chain(s)" in done.stdout
    assert [one.id for one in artifacts.list_artifacts(library, pages.Ask()).items] == [kept.id]
    assert "empty" in shell.run("trash", "list").stderr


def test_a_chain_is_taken_out_by_its_first_characters(shell: Shell, library: Library, chain_id: str) -> None:
    assert shell.run("trash", "undelete", chain_id).returncode == 0
    assert chains.get_chain(library, chain_id).deleted_at is None
    done = shell.run("trash", "undelete", chain_id)
    assert (done.returncode, done.stdout) == (1, "")
    assert chain_id in done.stderr


def test_without_a_terminal_it_does_not_empty_unasked(shell: Shell, library: Library, chain_id: str) -> None:
    done = shell.run("trash", "empty")
    assert done.returncode == 1
    assert "--yes" in done.stderr
    assert [chain.id for chain in chains.list_chains(library, pages.Ask(), trash=True).items] == [chain_id]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
@pytest.mark.parametrize(("said", "left"), [("n\n", 1), ("\n", 1), ("y\n", 0)])
def test_on_a_terminal_it_asks(shell: Shell, library: Library, chain_id: str, said: str, left: int) -> None:
    master, slave = os.openpty()
    os.write(master, said.encode())
    command = shell.command("trash", "empty")
    done = subprocess.run(
        command,
        stdin=slave,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=shell.home,
        env=shell.environment(),
    )
    os.close(slave)
    os.close(master)
    assert "[y/N]" in done.stderr
    assert done.returncode == left
    assert len(chains.list_chains(library, pages.Ask(), trash=True).items) == left


def test_a_time_or_an_id_that_is_none_is_refused(shell: Shell) -> None:
    assert shell.run("trash", "empty", "--older-than", "soon").returncode == 2
    assert shell.run("trash", "undelete", "xx").returncode == 2
