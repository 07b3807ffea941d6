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


def test_a_database_that_is_restored_beside_another_store_is_refused_until_the_store_is_adopted(shell: Shell) -> None:
    shell.data.mkdir(parents=True)
    library = open_library(load_config(shell.data, {}))
    picture = Pictures(library).one()
    library.close()
    (shell.data / "store").rename(shell.home / "away")
    for command in ("list", "verify"):
        refused = shell.run(command)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "is its disk mounted?" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    told = shell.run("doctor")
    assert told.returncode == 1
    assert f"WRONG  store: {shell.data / 'store'}: the store is not there" in told.stdout
    assert not (shell.data / "store").exists()

    adopted = shell.run("migrate", "--adopt-store", "--by", "ann")
    assert (adopted.returncode, adopted.stderr) == (0, "")
    assert f"{shell.data / 'store'} is the store of this database" in adopted.stdout
    assert "0 of 1 files that were looked for" in adopted.stdout
    assert shell.run("list").returncode == 0
    assert picture.id in shell.run("verify").stdout


def test_there_is_nothing_to_adopt_a_store_for_before_the_first_start(shell: Shell) -> None:
    refused = shell.run("migrate", "--adopt-store", "--by", "ann")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "there is no database yet" in refused.stderr
    assert not shell.data.exists() or list(shell.data.iterdir()) == []
