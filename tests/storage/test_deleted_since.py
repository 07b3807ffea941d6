"""A promise that was kept, whose intent stayed, and whose chain was deleted since: nothing of it comes back."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import acting
import deleting
import invariants
import pytest
from comfyui_artifact_db.library import artifacts, chains, pages, recording, runs, workflows
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.storage.local import Intent

RUN = runs.Run("gpu-a", "p1", "picture", chain="film", step="a")


def committed(library: Library, pictures: Any) -> Intent:
    """The intent of a record whose process was killed right after the commit."""
    first = pictures.one(run=RUN)
    staged = acting.promise(library, first.workflow_id)
    library.store.fulfilled(staged)
    body = {**staged.record, "run": recording.asdict(RUN)}
    intent = library.store.promise(recording.KIND, staged.placements, body)
    library.store.place(intent)
    recording.complete(library, intent)
    return intent


def deleted(library: Library, workflow_id: str, patch: pytest.MonkeyPatch) -> Intent:
    """The intent of a chain's deletion whose process was killed right after the commit."""
    purges: list[Intent] = []
    promise = library.store.promise
    chain_id = workflows.get_workflow(library, workflow_id).chain_id
    assert chain_id is not None
    with patch.context() as stopped:
        stopped.setattr(library.store, "fulfilled", lambda intent: None)
        stopped.setattr(library.store, "promise", lambda *given: purges.append(promise(*given)) or purges[-1])
        stopped.setattr(library.store, "delete", lambda *paths: None)
        deleting.for_good(library, chain_id, by="ann")
    return purges[-1]


@pytest.mark.parametrize("order", ["the record first", "the deletion first"])
def test_what_was_deleted_does_not_come_back_with_the_intent_that_made_it(
    library: Library,
    pictures: Any,
    reopened: Callable[[], Library],
    monkeypatch: pytest.MonkeyPatch,
    order: str,
) -> None:
    record = committed(library, pictures)
    purge = deleted(library, record.record["workflow_id"], monkeypatch)
    older, newer = (record, purge) if order == "the record first" else (purge, record)
    os.utime(older.path, (1, 1))
    os.utime(newer.path, (2, 2))
    library.close()

    again = reopened()
    assert artifacts.list_artifacts(again, pages.Ask()).items == []
    assert chains.list_chains(again, pages.Ask()).items == []
    invariants.check(again)
    root = again.store.root
    assert [path for path in (root / "files").rglob("*") if path.is_file()] == []
    assert list(root.glob("quarantine/*")) == [], "there is nothing to look into"
    assert list(root.glob("staging/*/*")) == []
