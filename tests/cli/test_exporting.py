"""`artifact-db export` and `import` as a person at a shell, or a script, runs them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bundling import Studio
from comfyui_artifact_db.cli.bars import Bars, following
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import artifacts
from comfyui_artifact_db.library.opening import open_library
from commanding import Shell
from making import Pictures
from tampering import tamper


@pytest.fixture
def studio(shell: Shell) -> Iterator[Studio]:
    """A chain where the program finds it."""
    shell.data.mkdir(parents=True)
    library = open_library(load_config(shell.data, {}))
    yield Studio(library, Pictures(library))
    library.close()


@pytest.fixture
def other(tmp_path: Path) -> Shell:
    """Somebody else, with a hub of their own."""
    (tmp_path / "other").mkdir()
    return Shell(tmp_path / "other")


def test_a_chain_is_exported_to_a_folder(studio: Studio, shell: Shell) -> None:
    done = shell.run("export", "film", "--to", "out", "--by", "ann")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "2 written, 0 there already, 0 refused; manifest.json\n"
    assert (shell.home / "out" / "film" / "01-frame" / "edited v2.png").is_file()
    again = shell.run("export", studio.chain_id, "--to", "out")
    assert again.stdout == "0 written, 2 there already, 0 refused; manifest.json\n"


def test_a_changed_file_is_named_and_the_exit_code_is_1(studio: Studio, shell: Shell) -> None:
    tamper(artifacts.get_artifact(studio.library, studio.approved), b"something else")
    done = shell.run("export", "film", "--to", "out")
    assert done.returncode == 1
    assert f"({studio.approved}) was refused: its bytes are not those that were recorded" in done.stderr
    assert done.stdout.startswith("1 written, 0 there already, 1 refused")
    bundle = shell.run("export", "film", "--to", "film.zip")
    assert bundle.returncode == 1
    assert studio.approved in bundle.stderr
    assert not (shell.home / "film.zip").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--name", "{wrong}/{step}/{worse}"), "unknown: {worse}, {wrong}"),
        (("--name", "../{step}"), "no part may be"),
        (("--to", "film.zip", "--all-versions"), "are for folders"),
        (("--to", "film.zip", "--name", "{step}"), "are for folders"),
        (("--to", "a-file"), "--to is a file already"),
    ],
)
def test_arguments_that_make_no_sense_are_said_and_the_exit_code_is_2(
    studio: Studio, shell: Shell, arguments: tuple[str, ...], says: str
) -> None:
    (shell.home / "a-file").write_text("mine")
    to = () if "--to" in arguments else ("--to", "out")
    done = shell.run("export", "film", *to, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (shell.home / "out").exists()


def test_an_unknown_chain_is_said(studio: Studio, shell: Shell) -> None:
    done = shell.run("export", "nothing", "--to", "out")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "artifact-db: no chain is called 'nothing', and no id begins so"


def test_a_bundle_travels_to_another_hub_once(studio: Studio, shell: Shell, other: Shell) -> None:
    done = shell.run("export", "film", "--to", "film.zip", "--by", "ann")
    assert (done.returncode, done.stderr) == (0, "")
    assert "chain 'film': 6 artifacts, 6 files, " in done.stdout
    taken = other.run("import", "../film.zip", "--by", "bob")
    assert (taken.returncode, taken.stdout) == (0, f"chain 'film' ({studio.chain_id}): 6 artifacts, 6 files added\n")
    again = other.run("import", "../film.zip")
    assert again.returncode == 0
    assert "is here already; nothing was added" in again.stdout
    verified = other.run("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    library = open_library(load_config(other.data, {}))
    try:
        assert artifacts.get_artifact(library, studio.approved).usable
    finally:
        library.close()


def test_a_bundle_tells_nothing_of_the_machine_it_was_made_on(studio: Studio, shell: Shell) -> None:
    shell.run("export", "film", "--to", "film.zip", "--by", "ann")
    told = (shell.home / "film.zip").read_bytes()
    assert str(shell.home).encode() not in told
    with zipfile.ZipFile(shell.home / "film.zip") as archive:
        assert json.loads(archive.read("bundle.json"))["version"] == 1


def test_a_file_that_is_not_there_is_said_and_the_exit_code_is_2(shell: Shell) -> None:
    done = shell.run("import", "nothing.zip")
    assert (done.returncode, done.stderr) == (2, "artifact-db: nothing.zip is no file or folder that is there\n")


def test_what_is_no_bundle_is_refused_in_one_line(shell: Shell) -> None:
    (shell.home / "a.zip").write_bytes(b"PK" * 100)
    done = shell.run("import", "a.zip")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("artifact-db: a.zip: it is not a bundle")
    assert "Traceback" not in done.stderr


def test_a_bar_is_moved_by_what_was_done_since() -> None:
    told: list[tuple[object, ...]] = []

    class Told(Bars):
        def begin(self, *arguments: object) -> None:
            told.append(arguments)

        def advance(self, count: int) -> None:
            told.append((count,))

    follow = following(Told(), "export")
    for done in (3, 10, 10, 12):
        follow(done, 12)
    assert told == [("export", 12, "B"), (3,), (7,), (0,), (2,)]
