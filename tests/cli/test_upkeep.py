"""Pins `artifact-db backup` and `artifact-db migrate` at the shell."""

from __future__ import annotations

import shutil

from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.db.connections import Database
from comfyui_artifact_db.db.migrating import migrate
from comfyui_artifact_db.library import artifacts, events
from comfyui_artifact_db.library.opening import open_library
from commanding import Shell
from making import Pictures


def test_a_backup_of_a_hub_at_work_is_restored(shell: Shell) -> None:
    shell.data.mkdir(parents=True)
    library = open_library(load_config(shell.data, {}))
    picture = Pictures(library).one()
    target = shell.home / "copy.db"
    with shell.serving():
        done = shell.run("backup", str(target))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"up to event {events.last_seq(library)}" in done.stdout
    assert "now copy" in done.stdout
    assert str(shell.data / "store") in done.stdout
    library.close()
    other = Shell(shell.home / "other")
    other.data.mkdir(parents=True)
    shutil.copy(target, other.data / "artifacts.db")
    shutil.copytree(shell.data / "store", other.data / "store")
    assert other.run("verify").returncode == 0
    again = open_library(load_config(other.data, {}))
    assert artifacts.get_artifact(again, picture.id).usable
    again.close()


def test_a_file_that_is_there_is_kept_unless_force_is_given(shell: Shell) -> None:
    shell.data.mkdir(parents=True)
    library = open_library(load_config(shell.data, {}))
    library.prepare()
    library.close()
    target = shell.home / "copy.db"
    target.write_text("mine")
    done = shell.run("backup", str(target))
    assert (done.returncode, done.stdout) == (1, "")
    assert "--force" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert target.read_text() == "mine"
    assert shell.run("backup", str(target), "--force").returncode == 0
    assert target.stat().st_size > 4


def test_there_is_nothing_to_back_up_yet(shell: Shell) -> None:
    done = shell.run("backup", str(shell.home / "copy.db"))
    assert done.returncode == 1
    assert "no database yet" in done.stderr
    assert list(shell.home.iterdir()) == []


def test_migrate_says_from_what_to_what_and_check_only_says_it(shell: Shell) -> None:
    checked = shell.run("migrate", "--check")
    assert checked.returncode == 1
    assert "from nothing to " in checked.stdout
    assert list(shell.home.iterdir()) == []
    shell.data.mkdir(parents=True)
    database = Database(load_config(shell.data, {}).database)
    migrate(database, target="0001_original_design")
    database.close()
    checked = shell.run("migrate", "--check")
    assert checked.returncode == 1
    assert "from 0001_original_design to " in checked.stdout
    assert shell.run("migrate", "--check").returncode == 1
    done = shell.run("migrate")
    assert (done.returncode, done.stderr) == (0, "")
    assert "from 0001_original_design to " in done.stdout
    assert "backup: " in done.stdout
    assert (shell.data / "artifacts.db.before-0002_rules.bak").is_file()
    for arguments in (("migrate",), ("migrate", "--check")):
        done = shell.run(*arguments)
        assert done.returncode == 0
        assert done.stdout.startswith("up to date: ")
