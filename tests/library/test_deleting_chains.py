"""Deleting a chain takes everything in it, but not its history; a crash in between is completed by the next process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.db import models
from comfyui_artifact_db.errors import NotFound
from comfyui_artifact_db.library import artifacts, chains, decisions, edits, events, pages, runs, trash, workflows
from comfyui_artifact_db.library.opening import Library
from reviewing import edit


def stored(library: Library) -> set[str]:
    return {path.name for path in (library.store.root / "files").rglob("*") if path.is_file()}


@pytest.fixture
def chain_id(library: Library, pictures: Any) -> str:
    """A chain of two steps with versions, an edit, tags and something in the trash."""
    first = pictures.one(run=runs.Run("gpu-a", "p1", "w", chain="film", step="a"))
    pictures.one(run=runs.Run("gpu-a", "p2", "w", chain="film", step="b", inputs=(first.id,)))
    second = edit(library, first.id)
    edits.restore(library, second.id, first.id, by="ann")
    decisions.tag(library, first.id, "nice", by="ann")
    trash.delete(library, pictures.one(workflow_id=first.workflow_id).id, by="ann")
    found = workflows.get_workflow(library, first.workflow_id).chain_id
    assert found is not None
    return found


def test_rows_and_files_go_and_what_is_outside_of_the_chain_stays(
    library: Library, pictures: Any, chain_id: str
) -> None:
    inside = artifacts.list_artifacts(library, pages.Ask(), chain=chain_id).items
    outside = pictures.one(run=runs.Run("gpu-b", "p3", "w", inputs=(inside[0].id,)))
    chains.delete_chain(library, chain_id, actor="ann")
    with pytest.raises(NotFound):
        chains.get_chain(library, chain_id)
    for artifact in inside:
        with pytest.raises(NotFound):
            artifacts.get_artifact(library, artifact.id)
    assert stored(library) == {outside.local_filename}
    with library.reading():
        left = {table._meta.table_name: table.select().count() for table in models.TABLES}
    assert left["artifacts"] == left["workflows"] == left["attempts"] == 1
    assert left["tags"] == left["lineage"] == left["chains"] == 0
    invariants.check(library)


def test_the_events_of_a_deleted_chain_stay_and_the_deletion_is_one_of_them(library: Library, chain_id: str) -> None:
    before = events.last_seq(library)
    chains.delete_chain(library, chain_id, actor="ann")
    history = events.history(library, chain_id)
    assert [event.action for event in history] == ["chain.created", "chain.deleted"]
    assert history[-1].seq == before + 1
    assert history[-1].before == {"name": "film", "status": "executing_level_0", "artifacts": 5}
    invariants.check(library)


def test_an_artifact_that_was_taken_over_from_the_chain_keeps_its_bytes(
    library: Library, pictures: Any, chain_id: str
) -> None:
    source = artifacts.list_artifacts(library, pages.Ask(), chain=chain_id).items[0]
    copy = pictures.one(data=Path(source.local_path).read_bytes())
    with library.writing("tester"):
        models.Artifact.update(source_artifact_id=source.id).where(models.Artifact.id == copy.id).execute()
    chains.delete_chain(library, chain_id, actor="ann")
    left = artifacts.get_artifact(library, copy.id)
    assert left.source_artifact_id is None
    assert artifacts.require_usable(library, left) == left


def test_a_crash_between_the_commit_and_the_files_is_completed_at_the_next_start(
    library: Library, chain_id: str, reopened: Callable[[], Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(path: Path) -> None:
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):  # noqa: PT012
        patch.setattr(type(library.store.root), "unlink", crash)
        chains.delete_chain(library, chain_id, actor="ann")
    assert len(stored(library)) == 5
    library.close()
    again = reopened()
    with pytest.raises(NotFound):
        chains.get_chain(again, chain_id)
    assert stored(again) == set()
    again.close()
    assert list((again.store.root / "staging").iterdir()) == []
    assert list((again.store.root / "quarantine").iterdir()) == []


def test_a_crash_before_the_commit_keeps_the_chain_and_its_files(
    library: Library, chain_id: str, reopened: Callable[[], Library]
) -> None:
    files = [f"files/2026-11-22/{name}" for name in stored(library)]
    library.store.promise(chains.PURGE, (), {"chain_id": chain_id, "files": files})
    before = stored(library)
    library.close()
    again = reopened()
    assert chains.get_chain(again, chain_id).name == "film"
    assert stored(again) == before
    invariants.check(again)
    again.close()
    assert list((again.store.root / "staging").iterdir()) == []
