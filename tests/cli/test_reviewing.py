"""Pins `artifact-db list`, `show`, `approve`, `reject`, `edit` and `select` at the shell."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import artifacts, decisions, events, runs, workflows
from comfyui_artifact_db.library.opening import Library, open_library
from commanding import Shell
from making import Pictures, png


@pytest.fixture
def library(shell: Shell) -> Iterator[Library]:
    shell.data.mkdir(parents=True)
    library = open_library(load_config(shell.data, {}))
    yield library
    library.close()


def ids(shell: Shell, *arguments: str) -> list[str]:
    done = shell.run("list", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def test_a_list_in_a_pipe_is_separated_by_tabs(shell: Shell, library: Library, pictures: Pictures) -> None:
    first, second = pictures.one(), pictures.one(status="pending")
    done = shell.run("list")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == [second.id, first.id]
    assert rows[0][1:4] == ["pending", "v1", "current"]
    assert rows[0][-1] == second.filename


def test_a_list_on_a_terminal_has_a_header(shell: Shell, library: Library, pictures: Pictures) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no such terminals")
    picture = pictures.one()
    master, slave = os.openpty()
    subprocess.run(shell.command("list"), stdout=slave, check=True, timeout=60, cwd=shell.home, env=shell.environment())
    os.close(slave)
    header, row = os.read(master, 65536).decode().splitlines()
    os.close(master)
    assert header.split()[:3] == ["ID", "STATUS", "VERSION"]
    assert header.index("STATUS") == row.index(picture.approval_status)


def test_a_list_takes_the_filters_of_the_route(shell: Shell, library: Library, pictures: Pictures) -> None:
    one = pictures.one(run=runs.Run("gpu-a", "p1", "dragon", chain="film", step="frame"), tags=("hero",))
    two = pictures.one(run=runs.Run("gpu-a", "p2", "castle", chain="film", step="sky"), status="pending")
    three = pictures.one(status="pending")
    decisions.reject(library, three.id, by="ann", reason="no")
    chain = workflows.get_workflow(library, one.workflow_id).chain_id
    assert chain is not None
    assert ids(shell, "--status", "pending") == [two.id]
    for word in (chain, chain[:8], "film"):
        assert ids(shell, "--chain", word) == [two.id, one.id]
    assert ids(shell, "--step", "frame") == [one.id]
    assert ids(shell, "--tag", "hero") == [one.id]
    assert ids(shell, "--queue") == [two.id]
    assert ids(shell, "--q", "cast") == [two.id]
    assert ids(shell, "--limit", "2") == [three.id, two.id]
    assert ids(shell, "--status", "edited") == []
    (told,) = [json.loads(line) for line in shell.run("list", "--json", "--step", "frame").stdout.splitlines()]
    assert (told["id"], told["tags"], told["usable"]) == (one.id, ["hero"], True)
    assert not os.path.isabs(told["local_path"])


@pytest.mark.parametrize("arguments", [("--limit", "0"), ("--limit", "x"), ("--status", "nice")])
def test_a_wrong_filter_is_an_unusable_argument(shell: Shell, arguments: tuple[str, ...]) -> None:
    done = shell.run("list", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_had_enough_is_no_error(shell: Shell, library: Library, pictures: Pictures) -> None:
    pictures.record(keys=tuple(f"9:images:{number}" for number in range(600)))
    process = subprocess.Popen(
        shell.command("list", "--limit", "600", "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=shell.home, env=shell.environment(),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    process.wait(timeout=60)


def test_decisions_are_made_in_the_name_of_who_is_logged_in_or_named(
    shell: Shell, library: Library, pictures: Pictures
) -> None:
    one, two = pictures.one(status="pending"), pictures.one(status="pending")
    done = shell.run("approve", one.id)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\t")[:2] == [one.id, "approved"]
    assert artifacts.get_artifact(library, one.id).approved_by == getpass.getuser()
    assert shell.run("reject", two.id, "--reason", "too dark", "--by", "ann").returncode == 0
    rejected = artifacts.get_artifact(library, two.id)
    assert (rejected.decided_by, rejected.rejection_reason) == ("ann", "too dark")


def test_a_decision_that_somebody_has_made_is_refused_with_the_present_state(
    shell: Shell, library: Library, pictures: Pictures
) -> None:
    picture = decisions.approve(library, pictures.one(status="pending").id, by="bob")
    done = shell.run("approve", picture.id, "--by", "ann")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "artifact-db: bob has decided already: approved\n"


def test_a_rejection_has_a_reason(shell: Shell, library: Library, pictures: Pictures) -> None:
    picture = pictures.one(status="pending")
    assert shell.run("reject", picture.id).returncode == 2
    assert shell.run("reject", picture.id, "--reason", " ").returncode == 2
    assert artifacts.get_artifact(library, picture.id).approval_status == "pending"


def test_one_of_several_is_selected(shell: Shell, library: Library, pictures: Pictures) -> None:
    first, second = pictures.record(keys=("9:images:0", "9:images:1"))
    assert first.is_latest
    done = shell.run("select", second.id, "--json")
    assert (done.returncode, json.loads(done.stdout)["is_latest"]) == (0, True)
    assert artifacts.get_artifact(library, second.id).is_latest


def test_a_file_becomes_the_next_version(shell: Shell, library: Library, pictures: Pictures) -> None:
    picture = pictures.one()
    file = shell.home / "retouched.png"
    file.write_bytes(png(4711))
    done = shell.run("edit", picture.id, str(file), "--by", "ann", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    edited = artifacts.get_artifact(library, json.loads(done.stdout)["id"])
    assert (edited.version, edited.parent_artifact_id, edited.approved_by) == (2, picture.id, "ann")
    assert edited.filename == "retouched.png"
    assert (library.store.root / library.store.relative(edited.local_path)).read_bytes() == png(4711)


@pytest.mark.parametrize("data", [b"", b"plain text"], ids=["empty", "of another type"])
def test_a_file_that_is_no_edit_leaves_nothing(shell: Shell, library: Library, pictures: Pictures, data: bytes) -> None:
    picture = pictures.one()
    file = shell.home / "file.png"
    file.write_bytes(data)
    for path in (file, shell.home / "nowhere.png", shell.home):
        done = shell.run("edit", picture.id, str(path))
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1
    assert len([path for path in (shell.data / "store").rglob("*") if path.suffix in (".png", ".part")]) == 1


def test_show_has_the_facts_and_the_history(shell: Shell, library: Library, pictures: Pictures) -> None:
    run = runs.Run("gpu-a", "p1", "dragon", chain="film", step="frame")
    picture = pictures.one(run=run, status="pending")
    decisions.approve(library, picture.id, by="ann")
    workflow = workflows.get_workflow(library, picture.workflow_id)
    assert workflow.chain_id is not None
    done = shell.run("show", picture.id)
    assert (done.returncode, done.stderr) == (0, "")
    for word in (f"artifact {picture.id}", "approved_by: ann", "artifact.recorded by tester", "artifact.approved by"):
        assert word in done.stdout
    for kind, entity_id in (("workflow", workflow.id), ("chain", workflow.chain_id), ("artifact", picture.id)):
        told = json.loads(shell.run("show", entity_id, "--json").stdout)
        assert (told["kind"], told["id"]) == (kind, entity_id)
        assert [e["seq"] for e in told["history"]] == [e.seq for e in events.history(library, entity_id)]


def test_an_id_that_nobody_has_is_told(shell: Shell, library: Library) -> None:
    library.prepare()
    done = shell.run("show", "deadbeef")
    assert (done.returncode, done.stderr) == (1, "artifact-db: no artifact or workflow or chain deadbeef\n")
    assert shell.run("approve", "short").returncode == 2
