"""kill -9 before every step of an import of a folder; two at once; a database and a disk that are away for a while."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import invariants
import processes
import pytest
from comfyui_artifact_db.config import Config, load_config
from comfyui_artifact_db.errors import Unavailable
from comfyui_artifact_db.library import adopting, verifying
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.storage.local import Intent
from invariants import named_files, stored_files
from locking import locked
from output_folders import picture

COUNT = 3


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs")
    for number in range(COUNT):
        picture(folder / f"{number}.png", number)
    return folder


def whole(library: Library) -> None:
    """Every row has its file, every file its row, nothing is set aside, and the log tells of all of it."""
    assert stored_files(library) == named_files(library)
    invariants.check(library)
    invariants.check_log_tells_the_rows(library)
    assert [str(finding) for finding in verifying.check(library)] == []
    left = [path.name for path in (library.store.root / "staging").iterdir() if path.is_dir()]
    assert [name for name in left if name != library.store.staging.name] == []
    # An intent that was cut off in the middle of a word had promised nothing.
    quarantined = [path.name for path in (library.store.root / "quarantine").iterdir()]
    assert [name for name in quarantined if not name.endswith(".intent.json")] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_after_each_death_the_next_run_ends_it_and_has_nothing_twice(outputs: Path, tmp_path: Path) -> None:
    root = tmp_path / "killed"
    root.mkdir()
    outcomes = []
    for died in processes.killed("dying_adoptions", root, str(outputs)):
        try:
            outcomes.append(check(died, outputs))
        except Exception as error:
            raise AssertionError(f"killed before step {died.name}") from error
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {0, 2, COUNT}


def check(folder: Path, outputs: Path) -> int:
    """How many artifacts were left, after the next process has opened it; and whether the next run ends well."""
    library = open_library(load_config(folder, {}))
    try:
        library.prepare()
        whole(library)
        there = len(named_files(library))
        assert there in (0, 2, COUNT), "groups are there wholly or not at all"
        if "adopted" in (folder / "acknowledged").read_text():
            assert there == COUNT
        tally = adopting.adopt(library, adopting.look_through(library, outputs), by="ann")
        assert (tally.new, tally.unchanged) == (COUNT - there, there)
        whole(library)
        assert adopting.look_through(library, outputs).waiting == ()
        return there
    finally:
        library.close()


def test_two_imports_of_one_folder_at_once_have_each_file_once(
    config: Config, library: Library, tmp_path: Path
) -> None:
    folder = tmp_path / "outputs"
    for number in range(40):
        picture(folder / f"{number:02}.png", number)
    library.prepare()
    with ExitStack() as stack:
        both = [stack.enter_context(processes.started("adopting_one", config.folder, str(folder))) for _ in range(2)]
        for process in both:
            assert process.stdin is not None
            process.stdin.write("go on\n")
            process.stdin.flush()
        told = [process.communicate(timeout=60)[0].split() for process in both]
        assert [process.returncode for process in both] == [0, 0]
    assert sum(int(new) for new, _ in told) == 40
    assert len(named_files(library)) == 40
    whole(library)


def interrupted(library: Library, folder: Path, patch: pytest.MonkeyPatch, when: str) -> None:
    """An import that dies where a function of the group's end is called."""

    def die(*_: object) -> None:
        raise Killed

    patch.setattr(library.store, when, die)
    with pytest.raises(Killed):
        adopting.adopt(library, adopting.look_through(library, folder), by="ann")


def test_copies_that_were_not_needed_go_with_a_process_that_dies_as_it_removes_them(
    library: Library, reopened: Callable[[], Library], outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of a group were recorded by somebody else in the meantime; their copies are deleted after the commit."""
    plan = adopting.look_through(library, outputs)
    other = reopened()
    complete = adopting.complete

    def late(completing: Library, intent: Intent) -> object:
        with monkeypatch.context() as patch:
            patch.setattr(adopting, "complete", complete)
            others = adopting.look_through(other, outputs)
            first = adopting.Plan(others.label, others.waiting[:2], others.tally)
            first.tally.waiting = 2
            assert adopting.adopt(other, first, by="bob").new == 2
        return complete(completing, intent)

    with monkeypatch.context() as patch:
        patch.setattr(adopting, "complete", late)
        patch.setattr(library.store, "fulfilled", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            adopting.adopt(library, plan, by="ann")
    library.close()
    again = reopened()
    again.prepare()
    assert len(named_files(again)) == COUNT
    other.close()
    whole(again)


def test_what_was_committed_and_not_said_is_not_recorded_again(
    library: Library, reopened: Callable[[], Library], outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupted(library, outputs, patch, "fulfilled")
    library.close()
    again = reopened()
    again.prepare()
    assert len(named_files(again)) == COUNT
    whole(again)


@pytest.mark.usefixtures("impatient")
def test_a_database_that_is_locked_for_a_while_is_waited_for(
    reopened: Callable[[], Library], outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = reopened()
    library.prepare()
    plan = adopting.look_through(library, outputs)
    with ExitStack() as stack:
        stack.enter_context(locked(library.database.path))
        complete, tries = adopting.complete, []

        def counted(completing: Library, intent: Intent) -> object:
            tries.append(intent)
            if len(tries) == 3:
                stack.close()
            return complete(completing, intent)

        monkeypatch.setattr(adopting, "complete", counted)
        monkeypatch.setattr(adopting, "WAITS", (0.01,) * 5)
        assert adopting.adopt(library, plan, by="ann").new == COUNT
    assert len(tries) == 3
    whole(library)


@pytest.mark.usefixtures("impatient")
def test_a_database_that_stays_locked_ends_the_import_and_nothing_is_left_behind(
    reopened: Callable[[], Library], outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = reopened()
    plan = adopting.look_through(library, outputs)
    monkeypatch.setattr(adopting, "WAITS", (0.01, 0.01))
    with locked(library.database.path), pytest.raises(Unavailable, match="another program is writing"):
        adopting.adopt(library, plan, by="ann")
    assert not list(library.store.staging.iterdir())
    whole(library)
    assert adopting.adopt(library, adopting.look_through(library, outputs), by="ann").new == COUNT
