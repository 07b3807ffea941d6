"""kill -9 before every step of emptying the trash: what is gone is gone with its files, and the rest can be had."""

from __future__ import annotations

import os
from pathlib import Path

import invariants
import processes
import pytest
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import artifacts, chains, emptying, pages, verifying
from comfyui_artifact_db.library.opening import open_library
from invariants import named_files, stored_files

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One folder for each step before which a process was killed; the last one lived."""
    root = tmp_path_factory.mktemp("emptying")
    return processes.killed("dying_emptyings", root)


def check(folder: Path) -> int:
    """How many rows are left."""
    library = open_library(load_config(folder, {}))
    try:
        library.prepare()
        assert stored_files(library) == named_files(library), "no file without its row, no row without its file"
        left = len(named_files(library))
        assert left in (1, 2, 5), "a chain goes as a whole"
        in_trash = chains.list_chains(library, pages.Ask(), trash=True).items
        assert len(in_trash) == (1 if left == 5 else 0)
        for chain in in_trash:
            chains.undelete_chain(library, chain.id, actor="bob")
            assert len(artifacts.list_artifacts(library, pages.Ask(), chain=chain.id).items) == 3
            chains.delete_chain(library, chain.id, actor="bob")
        invariants.check(library)
        invariants.check_log_tells_the_rows(library)
        assert verifying.check(library) == []
        emptying.empty(library, by="bob")
        assert len(named_files(library)) == 1
        assert stored_files(library) == named_files(library)
        assert [path.name for path in (library.store.root / "quarantine").glob("*.png")] == []
    finally:
        library.close()
    if (folder / "acknowledged").read_text():
        assert left == 1, "what was acknowledged is done"
    return left


def test_after_each_death_a_thing_is_there_or_gone_and_the_next_call_ends_it(folders: list[Path]) -> None:
    left = []
    for folder in folders:
        try:
            left.append(check(folder))
        except Exception as error:
            raise AssertionError(f"killed before step {folder.name} of {len(folders)}") from error
    assert left == sorted(left, reverse=True)
    assert set(left) == {1, 2, 5}
