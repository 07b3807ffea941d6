"""What is taken away stays away when the power goes: it is synced before the intent goes that speaks of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deleting
import pytest
from comfyui_artifact_db.errors import StaleRevision
from comfyui_artifact_db.library import artifacts, pages, runs, workflows
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.storage import files
from reviewing import edit
from torture import power

pytestmark = pytest.mark.skipif(not power.IS_KNOWN, reason="this system does not tell which file is synced")


@pytest.fixture
def cut(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[power.Power]:
    """A power supply that can be cut."""
    library.prepare()
    for name in ("open", "rename", "link", "unlink", "mkdir", "rmdir", "fsync"):
        monkeypatch.setattr(os, name, getattr(os, name))
    monkeypatch.setattr(files, "flush", lambda file: os.fsync(file))  # noqa: PLW0108  whichever it is then
    supply = power.Power(library.store.root, tmp_path / "graveyard")
    supply.install()
    yield supply
    monkeypatch.undo()


def stored(library: Library) -> set[Path]:
    return {path for path in (library.store.root / "files").rglob("*") if path.is_file()}


def named(library: Library) -> set[Path]:
    return {Path(artifact.local_path) for artifact in artifacts.list_artifacts(library, pages.Ask()).items}


def test_the_files_of_a_deleted_chain_stay_deleted(library: Library, pictures: Any, cut: power.Power) -> None:
    picture = pictures.one(run=runs.Run("gpu-a", "p1", "picture", chain="film", step="a"))
    chain_id = workflows.get_workflow(library, picture.workflow_id).chain_id
    assert chain_id is not None
    deleting.for_good(library, chain_id, by="ann")
    # Its promise syncs the folder of the intents: that of the deletion is gone for good.
    library.store.withdraw(library.store.promise("purge", (), {}))
    cut.cut()
    assert stored(library) == set()


def test_the_file_of_a_refused_edit_does_not_come_back(library: Library, pictures: Any, cut: power.Power) -> None:
    picture = pictures.one()
    with pytest.raises(StaleRevision):
        edit(library, picture.id, revision=picture.revision + 1)
    library.store.withdraw(library.store.promise("purge", (), {}))
    cut.cut()
    assert stored(library) == named(library)


def test_what_was_acknowledged_is_there(library: Library, pictures: Any, cut: power.Power) -> None:
    recorded = {Path(pictures.one().local_path) for _ in range(3)}
    cut.cut()
    assert stored(library) == named(library) == recorded
