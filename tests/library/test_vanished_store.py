"""A disk that is not mounted: its empty folder is never taken for the store, and all goes on once the disk is back."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import acting
import first_release
import invariants
import processes
import pytest
from comfyui_artifact_db.config import Config, load_config
from comfyui_artifact_db.errors import NotUsable, StoreFailed
from comfyui_artifact_db.library import artifacts, edits, events, examining, pages, recovery, stores, upkeep
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.storage.identities import ID_FILE, identity
from making import Pictures
from reviewing import edit
from small_disks import Removable
from waiting import until

Open = Callable[[], Library]


@pytest.fixture(params=["store", "."])
def config(request: pytest.FixtureRequest, tmp_path: Path, removable: Removable) -> Config:
    """A store in a folder of a disk, and one that is the disk itself."""
    return Config(tmp_path, None, f"sqlite:///{tmp_path / 'artifacts.db'}", removable.folder / request.param)


@pytest.fixture
def opened(config: Config) -> Iterator[Open]:
    opened: list[Library] = []

    def start() -> Library:
        opened.append(open_library(config))
        return opened[-1]

    yield start
    for library in opened:
        library.close()


def missing_ids(config: Config) -> list[str]:
    return [check.text for check in examining.examine(config) if check.about == "store" and check.level == "wrong"]


def test_a_hub_that_starts_without_its_disk_is_refused_and_makes_nothing(
    opened: Open, config: Config, removable: Removable
) -> None:
    library = opened()
    picture = Pictures(library).one()
    library.close()
    with removable.away():
        for _ in range(2):
            with pytest.raises(StoreFailed, match="s its disk mounted"):
                opened()
        assert list(removable.folder.iterdir()) == []
        (said,) = missing_ids(config)
        assert str(config.store) in said
        assert "--adopt-store" in said
        assert list(removable.folder.iterdir()) == []
    assert missing_ids(config) == []
    again = opened()
    assert artifacts.get_artifact(again, picture.id).usable
    assert Pictures(again).one().usable
    invariants.check(again)


def test_a_hub_at_work_that_loses_its_disk_says_so_writes_nothing_and_goes_on_when_it_is_back(
    opened: Open, config: Config, removable: Removable
) -> None:
    library = opened()
    pictures = Pictures(library)
    first = pictures.one()
    second = edit(library, first.id)
    with removable.away():
        for change in (
            pictures.one,
            lambda: edit(library, second.id),
            lambda: edits.restore(library, second.id, first.id, by="ann"),
        ):
            with pytest.raises((StoreFailed, NotUsable)):
                change()
        with pytest.raises(StoreFailed, match="vanished"):
            pictures.one()
        with pytest.raises(StoreFailed, match="s its disk mounted"):
            opened()
        assert [a.usable for a in artifacts.list_artifacts(library, pages.Ask()).items] == [False, False]
        assert list(removable.folder.iterdir()) == []
    assert [a.usable for a in artifacts.list_artifacts(library, pages.Ask()).items] == [True, True]
    assert pictures.one().usable
    assert edits.restore(library, second.id, first.id, by="ann").version == 3
    invariants.check(library)


def test_a_store_that_comes_back_without_the_folder_of_this_process_is_used_again(opened: Open, config: Config) -> None:
    library = opened()
    Pictures(library).one()
    shutil.rmtree(library.store.staging)
    assert Pictures(library).one().usable
    invariants.check(library)
    library.close()
    assert list((config.store / "staging").iterdir()) == []


def test_what_waits_for_the_database_is_not_forgotten_while_the_store_is_away_too(
    opened: Open, removable: Removable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "RETRY_SECONDS", (0.02,))
    tries: list[Path] = []
    complete = recovery._complete_at

    def counted(library: Library, path: Path) -> object:
        tries.append(path)
        return complete(library, path)

    monkeypatch.setattr(recovery, "_complete_at", counted)
    library = opened()
    first = Pictures(library).one()
    intent = acting.promise(library, first.workflow_id)
    with removable.away():
        library.deferred.add(library, intent, "the database is away")
        until(lambda: len(tries) > 3)
        assert len(library.deferred) == 1
    until(lambda: not len(library.deferred))
    assert len(artifacts.list_versions(library, first.id, pages.Ask()).items) == 2
    invariants.check(library)


def test_another_store_in_its_place_is_refused_until_it_is_adopted(opened: Open, config: Config) -> None:
    library = opened()
    Pictures(library).one()
    library.close()
    other = replace(config, database=f"sqlite:///{config.folder / 'other.db'}", store=config.folder / "other")
    elsewhere = open_library(other)
    theirs = Pictures(elsewhere).one()
    elsewhere.close()
    mixed = open_library(replace(config, store=other.store))
    with pytest.raises(StoreFailed, match="another store"):
        mixed.prepare()
    with pytest.raises(StoreFailed, match="another store"):
        Pictures(mixed).one()
    mixed.close()
    assert [path.name for path in (other.store / "files").rglob("*.png")] == [theirs.local_filename]
    assert "another store" in missing_ids(mixed.config)[0]

    adopted = upkeep.adopt_store(mixed.config, by="ann")
    assert (adopted.before, adopted.after) == (identity(config.store), identity(other.store))
    assert (adopted.looked_for, adopted.seen) == (1, 0)
    again = open_library(mixed.config)
    assert Pictures(again).one().usable
    event = next(event for event in events.list_events(again) if event.action == "store.adopted")
    assert (event.actor, event.before, event.after) == (
        "ann",
        {"store_id": adopted.before},
        {"store_id": adopted.after},
    )
    again.close()
    with pytest.raises(StoreFailed, match="another store"):
        opened().prepare()


def test_adopting_what_is_the_store_already_changes_nothing(opened: Open, config: Config) -> None:
    library = opened()
    Pictures(library).one()
    last = events.last_seq(library)
    adopted = upkeep.adopt_store(config, by="ann")
    assert adopted.before == adopted.after == identity(config.store)
    assert adopted.seen == adopted.looked_for
    assert events.last_seq(library) == last


def test_a_store_whose_id_file_is_damaged_is_refused_and_kept(opened: Open, config: Config) -> None:
    library = opened()
    Pictures(library).one()
    library.close()
    (config.store / ID_FILE).chmod(0o644)
    (config.store / ID_FILE).write_text("who knows\n")
    with pytest.raises(StoreFailed, match="store-id is damaged"):
        opened()
    assert missing_ids(config)
    assert (config.store / ID_FILE).read_text() == "who knows\n"


def test_an_empty_folder_beside_a_database_that_cannot_be_read_is_refused(
    opened: Open, config: Config, removable: Removable
) -> None:
    library = opened()
    Pictures(library).one()
    library.close()
    kept = library.database.path.rename(config.folder / "kept.db")
    library.database.path.write_bytes(b"this is no database" * 1000)
    with removable.away():
        with pytest.raises(StoreFailed, match="damaged"):
            opened()
        assert list(removable.folder.iterdir()) == []
    opened()  # With its disk the store can keep what comes until the database is mended.
    library.database.path.unlink()
    kept.rename(library.database.path)


def old_hub(folder: Path) -> Config:
    first_release.make(folder)
    return load_config(folder, {})


def known(config: Config) -> str | None:
    with closing(sqlite3.connect(config.database.removeprefix("sqlite:///"))) as connection:
        return next((name for (name,) in connection.execute("SELECT id FROM store_identity")), None)


def test_a_hub_of_an_earlier_release_is_given_its_id_at_its_first_start(tmp_path: Path) -> None:
    config = old_hub(tmp_path / "hub")
    library = open_library(config)
    library.prepare()
    assert known(config) == identity(config.store) is not None
    invariants.check(library)
    library.close()


def test_a_hub_of_an_earlier_release_whose_files_are_away_is_given_none(tmp_path: Path) -> None:
    config = old_hub(tmp_path / "hub")
    away = config.store.rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(StoreFailed, match="none of the files"):
            open_library(config)
        assert not config.store.exists()
        config.store.mkdir(exist_ok=True)
        with pytest.raises(StoreFailed, match="none of the files"):
            open_library(config)
        config.store.rmdir()
    away.rename(config.store)
    library = open_library(config)
    library.prepare()
    assert known(config) == identity(config.store)
    library.close()


@pytest.mark.parametrize("made", [True, False])
def test_a_first_start_that_dies_before_the_row_is_finished_by_the_next_one(
    opened: Open, config: Config, made: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = opened()
    step = "insert" if made else "identify"
    with monkeypatch.context() as dying:
        dying.setattr(stores, step, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            library.prepare()
    left = identity(config.store)
    assert (left is not None) is made
    assert known(config) is None
    library.close()
    again = opened()
    again.prepare()
    assert known(config) == identity(config.store)
    assert left in (None, known(config))


def test_processes_that_begin_at_once_agree_on_one_id(config: Config, tmp_path: Path) -> None:
    for turn in range(3):
        folder = tmp_path / f"hub {turn}"
        folder.mkdir()
        running = [processes.started("recording_many", folder, "3") for _ in range(4)]
        with running[0] as a, running[1] as b, running[2] as c, running[3] as d:
            for process in (a, b, c, d):
                assert process.stdin is not None
                process.stdin.write("go on\n")
                process.stdin.flush()
            made = [processes.go_on(process) for process in (a, b, c, d)]
        again = open_library(load_config(folder, {}))
        assert len(artifacts.list_artifacts(again, pages.Ask()).items) == sum(len(ids) for ids in made) == 12
        assert known(again.config) == identity(again.store.root)
        invariants.check(again)
        again.close()
        assert [path.name for path in again.store.root.glob(".*")] == []
