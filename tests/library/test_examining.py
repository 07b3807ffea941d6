"""Pins `doctor`: what it finds, that it changes nothing, and that it never takes what a living process places."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import deleting
import processes
import pytest
from comfyui_artifact_db.config import Config, Temporal, load_config
from comfyui_artifact_db.library import chains, driving, examining, executing, identities, runs, workflows
from comfyui_artifact_db.library.examining import Check, examine
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.storage import inspecting
from comfyui_servers_that import ComfyUI, comfyui
from making import Pictures, png

__all__ = ["comfyui"]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour after everything that the test does."""
    now = time.time
    monkeypatch.setattr(examining.time, "time", lambda: now() + 3600)


@pytest.fixture
def quiet(config: Config) -> Config:
    """The configuration without servers, which nobody answers for."""
    (config.folder / "artifact-db.toml").write_text("")
    return load_config(config.folder, {})


def about(checks: list[Check], subject: str, level: str | None = None) -> list[Check]:
    return [check for check in checks if check.about == subject and level in (None, check.level)]


def wrong(config: Config) -> list[Check]:
    return [check for check in examine(config) if check.level == "wrong"]


def stray(library: Library, name: str = "stray.png") -> Path:
    path = library.store.root / "files" / "2026-11-22" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(7))
    return path


def test_temporal_is_looked_for_where_chains_wait_for_it(library: Library, quiet: Config) -> None:
    chain, _ = chains.create_chain(library, name="film", actor="anna")
    assert about(list(examine(quiet)), "temporal") == []
    driving.start(library, chain.id, engine="temporal", parameters={}, actor="anna")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        (found,) = about(list(examine(replace(quiet, temporal=Temporal(address)))), "temporal")
    assert (found.level, found.text) == ("ok", f"{address} answers, 1 chain is driven through it")
    (away,) = about(list(examine(replace(quiet, temporal=Temporal(f"{address}/studio")))), "temporal")
    assert away.level == "wrong"
    assert away.text.startswith(f"{address} does not answer (")
    executing.cancel(library, chain.id, by="anna")
    (configured,) = about(list(examine(replace(quiet, temporal=Temporal(address)))), "temporal")
    assert (configured.level, configured.data["chains"]) == ("wrong", 0)


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p.relative_to(folder)): (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")}


def test_nothing_is_wrong_with_a_library_in_use(quiet: Config, library: Library, pictures: Pictures) -> None:
    pictures.one()
    checks = list(examine(quiet))
    assert [check for check in checks if check.level == "wrong"] == []
    assert about(checks, "store")[-1].data == {"files": 1, "bytes": len(png(1))}
    assert about(checks, "staging")[0].data == {"living": 1}
    (told,) = [check for check in about(checks, "database") if "journal_mode" in check.data]
    assert (told.data["journal_mode"], told.data["engine"]) == ("wal", "sqlite")


def test_it_changes_nothing(quiet: Config, library: Library, pictures: Pictures) -> None:
    pictures.one()
    stray(library)
    library.close()
    (quiet.store / "staging" / "gone").mkdir()
    (quiet.store / "staging" / "gone.lock").touch()
    before = tree(quiet.folder)
    list(examine(quiet))
    assert tree(quiet.folder) == before


def test_it_makes_nothing_where_nothing_is(tmp_path: Path) -> None:
    config = load_config(tmp_path / "new", {})
    assert [check for check in examine(config) if check.level == "wrong"] == []
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_wrong_and_its_token_is_nowhere(config: Config) -> None:
    (config.folder / "artifact-db.toml").write_text(
        '[servers.gpu-a]\nurl = "http://127.0.0.1:1"\ntoken_env = "GPU_TOKEN"\n'
    )
    checks = wrong(load_config(config.folder, {"GPU_TOKEN": "hush-hush"}))
    assert [(check.about, check.data["name"], check.data["status"]) for check in checks] == [
        ("servers", "gpu-a", "away")
    ]
    assert "with a token" in checks[0].text
    assert "hush-hush" not in repr(checks)


def test_a_server_that_is_up_is_told_with_its_queue(config: Config, comfyui: ComfyUI) -> None:
    comfyui.queue["queue_running"] = [[0, "p", {}, {}, []]]
    (config.folder / "artifact-db.toml").write_text(f'[servers.gpu-a]\nurl = "{comfyui.url}"\n')
    (check,) = about(list(examine(load_config(config.folder, {}))), "servers", "ok")
    assert check.text == f"gpu-a ({comfyui.url}, without a token): ComfyUI 0.3.75, 1 prompt in its queue"


@pytest.mark.usefixtures("later")
def test_a_missing_file_and_an_orphan_are_named(quiet: Config, library: Library, pictures: Pictures) -> None:
    lost = pictures.one()
    pictures.one()
    os.unlink(lost.local_path)
    path = stray(library)
    found = {check.about: check for check in wrong(quiet)}
    assert set(found) == {"files", "orphans"}
    assert found["files"].items == (f"{lost.id} ({lost.filename})",)
    assert found["orphans"].items == ("2026-11-22/stray.png",)
    assert path.exists()


@pytest.mark.usefixtures("later")
def test_an_orphan_goes_into_the_quarantine_when_asked_for(quiet: Config, library: Library, pictures: Pictures) -> None:
    kept = pictures.one()
    path = stray(library)
    checks = list(examine(quiet, quarantine=True))
    assert about(checks, "orphans", "note")
    assert not path.exists()
    ((name, size),) = inspecting.quarantine(quiet.store)
    assert name.endswith("-stray.png")
    assert size == len(png(7))
    assert Path(kept.local_path).exists()
    assert wrong(quiet) == []
    assert about(list(examine(quiet)), "quarantine", "note")


@pytest.mark.usefixtures("later")
def test_the_store_of_another_database_is_not_moved(quiet: Config, library: Library) -> None:
    library.prepare()
    paths = [stray(library, f"{number}.png") for number in range(examining.MANY + 1)]
    (check,) = about(list(examine(quiet, quarantine=True)), "orphans")
    assert check.level == "wrong"
    assert "nothing was moved" in check.text
    assert all(path.exists() for path in paths)


def test_a_file_that_was_written_just_now_is_no_orphan(quiet: Config, library: Library, pictures: Pictures) -> None:
    pictures.one()
    stray(library)
    assert wrong(quiet) == []


@pytest.mark.usefixtures("later")
def test_what_a_process_has_placed_and_not_committed_is_nobodys_to_take(
    config: Config, quiet: Config, library: Library, pictures: Pictures
) -> None:
    picture = pictures.one()
    with processes.started("promising", config.folder, picture.workflow_id) as other:
        assert len([name for batch in inspecting.stored_files(quiet.store) for name in batch]) == 2
        checks = list(examine(quiet, quarantine=True))
        assert about(checks, "orphans") == []
        assert about(checks, "staging")[0].data == {"living": 2}
        assert len(processes.go_on(other)) == 1
    assert wrong(quiet) == []
    assert inspecting.quarantine(quiet.store) == []


@pytest.mark.usefixtures("later")
def test_what_a_dead_process_has_promised_waits_and_is_no_orphan(
    config: Config, quiet: Config, library: Library, pictures: Pictures
) -> None:
    picture = pictures.one()
    with processes.started("promising", config.folder, picture.workflow_id) as other:
        other.kill()
        other.wait()
    checks = list(examine(quiet, quarantine=True))
    assert about(checks, "orphans") == []
    assert about(checks, "staging", "note")[0].data == {"intents": 1}
    assert inspecting.quarantine(quiet.store) == []


@pytest.mark.usefixtures("later")
def test_a_file_that_gets_its_row_while_it_is_looked_at_is_no_orphan(
    quiet: Config, library: Library, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is not there at the first look, and its intent is gone at the second."""
    picture = pictures.one()
    path = stray(library)
    local_path = library.store.relative(str(path))
    promised = inspecting.promised

    def committing(root: Path) -> set[str]:
        with closing(sqlite3.connect(library.database.path, isolation_level=None)) as connection:
            connection.execute("UPDATE artifacts SET local_path = ? WHERE id = ?", (local_path, picture.id))
        return promised(root)

    os.unlink(picture.local_path)
    monkeypatch.setattr(inspecting, "promised", committing)
    assert about(list(examine(quiet, quarantine=True)), "orphans") == []
    assert path.exists()


@pytest.fixture
def writing(library: Library, pictures: Pictures) -> Iterator[list[str]]:
    """Somebody records and deletes chains all the while."""
    stop, made = threading.Event(), []

    def work() -> None:
        while not stop.is_set():
            run = runs.Run("gpu-a", identities.new_id(), "w", chain="c", step="a")
            picture = pictures.one(run=run)
            made.append(pictures.one(workflow_id=picture.workflow_id).id)
            chain_id = workflows.get_workflow(library, picture.workflow_id).chain_id
            assert chain_id is not None
            if len(made) % 2:
                deleting.for_good(library, chain_id, by="ann")
            else:
                chains.update_chain(library, chain_id, actor="ann", status="completed")

    worker = threading.Thread(target=work)
    worker.start()
    yield made
    stop.set()
    worker.join()


@pytest.mark.usefixtures("later")
def test_nothing_is_wrong_and_nothing_is_moved_while_others_write(quiet: Config, writing: list[str]) -> None:
    for _ in range(40):
        assert [c for c in examine(quiet, quarantine=True) if c.level == "wrong"] == []
    assert len(writing) > 5
    assert inspecting.quarantine(quiet.store) == []


def test_a_damaged_database_is_wrong(quiet: Config, library: Library, pictures: Pictures) -> None:
    pictures.one()
    library.close()
    database = library.database.path
    data = bytearray(database.read_bytes())
    data[5000:9000] = bytes(4000)
    database.write_bytes(data)
    assert about(wrong(quiet), "database")
    database.write_bytes(b"this is no database" * 1000)
    assert "damaged" in about(wrong(quiet), "database")[0].text


def test_a_database_of_a_newer_release_is_wrong(quiet: Config, library: Library) -> None:
    library.prepare()
    library.close()
    with closing(sqlite3.connect(library.database.path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO schema_migration (name, applied) VALUES ('9999_later', '2026-11-22')")
    (check,) = wrong(quiet)
    assert "9999_later" in check.text


def test_a_disk_that_is_nearly_full_is_said(quiet: Config, library: Library, disk: Path) -> None:
    library.prepare()
    library.close()
    shutil.copytree(library.store.root, disk / "store")
    said = {
        folder: [check.level for check in about(list(examine(replace(quiet, store=folder))), "store") if check.data]
        for folder in (library.store.root, disk / "store")
    }
    assert [levels[0] for levels in said.values()] == ["ok", "note"]
