"""kill -9 before every step of an import: there is nothing of it, or all of it, and the import can be repeated."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import deleting
import invariants
import processes
import pytest
from bundling import Studio
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.errors import StoreFailed
from comfyui_artifact_db.library import chains, events, importing, pages, verifying
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.storage.local import Intent
from invariants import named_files, stored_files
from making import Pictures

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("studio")
    library = open_library(load_config(root, {}))
    file = Studio(library, Pictures(library)).export(root / "film.zip")
    library.close()
    return file


@pytest.fixture(scope="module")
def folders(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One folder for each step before which a process was killed; the last one lived."""
    root = tmp_path_factory.mktemp("killed")
    return processes.killed("dying_imports", root, str(bundle))


def check(folder: Path, bundle: Path) -> str:
    """What was left, after the next process has opened it; and whether the same import ends well then."""
    acknowledged = (folder / "acknowledged").read_text().split()
    library = open_library(load_config(folder, {}))
    try:
        library.prepare()
        rows = named_files(library)
        assert len(rows) in (0, 6), "nothing half done is seen"
        assert stored_files(library) == rows, "no file without its row, no row without its file"
        assert rows or not acknowledged, "what was acknowledged is there"
        invariants.check(library)
        left = [path.name for path in (library.store.root / "staging").iterdir() if path.is_dir()]
        assert [name for name in left if name != library.store.staging.name] == []
        # An intent that was cut off in the middle of a word had promised nothing.
        quarantined = [path.name for path in (library.store.root / "quarantine").iterdir()]
        assert [name for name in quarantined if not name.endswith(".intent.json")] == []
        assert importing.import_bundle(library, bundle, by="importer").added == (not rows)
        assert len(named_files(library)) == 6
        assert stored_files(library) == named_files(library)
        actions = [event.action for event in events.list_events(library, limit=500)]
        assert actions.count("chain.imported") == 1
        assert verifying.check(library) == []
    finally:
        library.close()
    if acknowledged:
        return "acknowledged"
    return "completed" if rows else "nothing"


def test_after_each_death_there_is_nothing_or_all_of_it(folders: list[Path], bundle: Path) -> None:
    outcomes = []
    for folder in folders:
        try:
            outcomes.append(check(folder, bundle))
        except Exception as error:
            raise AssertionError(f"killed before step {folder.name} of {len(folders)}") from error
    assert outcomes == sorted(outcomes, key=["nothing", "completed", "acknowledged"].index)
    assert {outcome: outcomes.count(outcome) > 2 for outcome in set(outcomes)} == dict.fromkeys(
        ("nothing", "completed", "acknowledged"), True
    )


def test_an_import_that_was_deleted_since_does_not_come_back_with_its_intent(
    bundle: Path, library: Library, reopened: Callable[[], Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:  # right after the commit
        killed.setattr(library.store, "fulfilled", lambda intent: None)
        killed.setattr(importing, "remove", lambda path: None)
        imported = importing.import_bundle(library, bundle, by="ann")
    deleting.for_good(library, imported.root.id, by="ann")
    library.close()

    again = reopened()
    again.prepare()
    assert chains.list_chains(again, pages.Ask()).items == []
    assert stored_files(again) == set()
    assert list((again.store.root / "quarantine").iterdir()) == []
    invariants.check(again)
    assert importing.import_bundle(again, bundle, by="ann").added


def test_what_was_committed_keeps_its_files_where_the_disk_refuses_to_tidy_up(
    bundle: Path, library: Library, reopened: Callable[[], Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(intent: Intent) -> None:
        raise StoreFailed("the disk refuses")

    with monkeypatch.context() as refused:
        refused.setattr(library.store, "fulfilled", refuse)
        assert importing.import_bundle(library, bundle, by="ann").added
        assert len(library.deferred) == 1
    assert len(stored_files(library)) == 6
    library.close()

    again = reopened()
    again.prepare()
    assert stored_files(again) == named_files(again)
    invariants.check(again)
    assert not importing.import_bundle(again, bundle, by="ann").added
