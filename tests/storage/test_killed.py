"""kill -9 before every step of recording, editing, restoring and deleting: what was acknowledged is there after it."""

from __future__ import annotations

import os
from pathlib import Path

import invariants
import processes
import pytest
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.db import models
from comfyui_artifact_db.library.opening import Library, open_library

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One folder for each step before which a process was killed; the last one lived."""
    root = tmp_path_factory.mktemp("killed")
    return processes.killed("dying", root)


def acknowledged(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "acknowledged").read_text().splitlines()]


def rows(library: Library) -> dict[str, str]:
    with library.reading():
        return dict(models.Artifact.select(models.Artifact.id, models.Artifact.local_path).tuples())


def test_there_are_steps_before_which_to_be_killed(folders: list[Path]) -> None:
    assert len(folders) > 40
    assert acknowledged(folders[0]) == []
    assert acknowledged(folders[-1])[-1] == ["deleted"]


def test_after_each_death_everything_acknowledged_is_there_and_nothing_is_half_there(folders: list[Path]) -> None:
    for folder in folders:
        library = open_library(load_config(folder, {}))
        try:
            _check(library, acknowledged(folder))
        except Exception as error:
            raise AssertionError(f"killed before step {folder.name}") from error
        finally:
            library.close()
        # The empty lock file of a process that was killed between its last two steps is in nobody's way.
        left = [path for path in (library.store.root / "staging").iterdir() if path.suffix != ".lock"]
        assert left == [], f"killed before step {folder.name}"


def _check(library: Library, told: list[list[str]]) -> None:
    there = rows(library)
    invariants.check(library)
    words = [line[0] for line in told]
    recorded = {artifact_id for line in told if line[0] == "recorded" for artifact_id in line[1:]}
    kept = {artifact_id for line in told if line[0] == "kept" for artifact_id in line[1:]}
    assert kept <= set(there)
    if "deleting" in words:
        assert set(there) == kept | recorded, "in the trash it is all there too"
    else:
        assert recorded <= set(there)
        assert len(there) <= len(recorded | kept) + 2, "at most the record that was under way"
    root = library.store.root
    found = {path.relative_to(root).as_posix() for path in (root / "files").rglob("*") if path.is_file()}
    assert found == set(there.values())
    # An intent that was cut off in the middle of a word had promised nothing.
    assert [path.name for path in (root / "quarantine").iterdir() if not path.name.endswith(".intent.json")] == []
