"""An id may be chosen by the caller and sent again; it never costs an artifact its file, and never leaves one over."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.errors import Conflict, Invalid, NotFound, Unavailable
from comfyui_artifact_db.library import artifacts, events, identities, pages, recording, recovery, runs
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.storage import local
from committing import connecting
from locking import locked
from making import png
from waiting import until


def record(
    library: Library,
    artifact_id: str,
    workflow_id: str,
    data: bytes,
    *,
    key: str = "9:images:0",
    day: str = "2026-11-22",
) -> recording.Recorded:
    """Record some bytes under an id of our own choosing."""
    with library.store.receiving() as part:
        part.write(data)
        placement = library.store.finish(part, artifact_id=artifact_id, extension="png", day=day)
    new = recording.NewArtifact(artifact_id, key, "a.png", "image", "png")
    return recording.record(library, [(new, placement)], actor="tester", workflow_id=workflow_id)


def files(library: Library) -> set[str]:
    """Every file in the store, staging included."""
    root = library.store.root
    return {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file() and p.suffix != ".lock"}


@pytest.mark.parametrize("day", ["2026-11-22", "2026-11-23"])
def test_the_same_call_again_changes_nothing_and_leaves_nothing(library: Library, pictures: Any, day: str) -> None:
    first = pictures.one()
    before, seq = files(library), events.last_seq(library)
    data = Path(first.local_path).read_bytes()
    recorded = record(library, first.id, first.workflow_id, data, day=day)
    assert recorded.artifact_ids == (first.id,)
    assert artifacts.get_artifact(library, first.id) == first
    assert files(library) == before
    assert events.last_seq(library) == seq
    invariants.check(library)


def test_the_same_id_with_other_bytes_is_a_conflict_and_the_first_file_stays(library: Library, pictures: Any) -> None:
    first = pictures.one()
    before = files(library)
    with pytest.raises(Conflict, match="sha256"):
        record(library, first.id, first.workflow_id, png(999))
    assert files(library) == before
    assert artifacts.get_artifact(library, first.id).usable
    invariants.check(library)


def test_the_same_id_for_another_workflow_or_output_is_a_conflict(library: Library, pictures: Any) -> None:
    first, other = pictures.one(), pictures.one()
    data = Path(first.local_path).read_bytes()
    before = files(library)
    with pytest.raises(Conflict, match="workflow_id"):
        record(library, first.id, other.workflow_id, data)
    with pytest.raises(Conflict, match="output_key"):
        record(library, first.id, first.workflow_id, data, key="9:images:1")
    assert files(library) == before
    invariants.check(library)


@pytest.mark.usefixtures("impatient")
def test_the_same_call_again_while_the_database_is_locked_does_not_touch_the_first_file(
    library: Library, pictures: Any
) -> None:
    first = pictures.one()
    before = files(library)
    with locked(library.database.path), pytest.raises(Unavailable):
        record(library, first.id, first.workflow_id, Path(first.local_path).read_bytes())
    assert files(library) == before
    invariants.check(library)


def test_a_record_for_a_workflow_that_is_not_there_leaves_nothing(library: Library) -> None:
    library.prepare()
    before = files(library)
    with pytest.raises(NotFound):
        record(library, identities.new_id(), identities.new_id(), png(1))
    assert files(library) == before


def test_a_record_without_an_actor_leaves_nothing(library: Library, pictures: Any) -> None:
    with pytest.raises(Invalid):
        pictures.one(actor="")
    assert not [name for name in files(library) if name.startswith(("files/", "staging/"))]


def record_once(library: Library, *outputs: tuple[str, bytes]) -> recording.Recorded:
    """Record what one prompt has put out under some output keys; what is recorded of it already stands for itself."""
    made = []
    for key, data in outputs:
        artifact_id = identities.new_id()
        with library.store.receiving() as part:
            part.write(data)
            placement = library.store.finish(part, artifact_id=artifact_id, extension="png", day="2026-11-22")
        made.append((recording.NewArtifact(artifact_id, key, "a.png", "image", "png", once=True), placement))
    run = runs.Run("gpu-a", "p1", "picture")
    return recording.record(
        library, made, actor="tester", workflow_id=identities.new_id(), run=run, keep_when_unavailable=True
    )


def all_of(library: Library) -> dict[str, bytes]:
    found = artifacts.list_artifacts(library, pages.Ask()).items
    return {one.output_key: Path(one.local_path).read_bytes() for one in found}


def test_a_commit_that_fails_beside_what_is_recorded_already_loses_nothing_of_the_new(
    library: Library, reopened: Callable[[], Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail: list[bool] = []

    def before_commit() -> None:
        if fail:
            fail.clear()
            raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(recovery, "RETRY_SECONDS", (0.02,))
    monkeypatch.setattr(sqlite3, "connect", connecting(before_commit))
    hub = reopened()
    record_once(hub, ("9:images:0", png(1)))
    before = files(hub)
    fail.append(True)
    recorded = record_once(hub, ("9:images:0", png(1)), ("9:images:1", png(2)))
    assert recorded.deferred
    until(lambda: not len(hub.deferred))
    assert all_of(hub) == {"9:images:0": png(1), "9:images:1": png(2)}
    assert len(files(hub)) == len(before) + 1
    invariants.check(hub)


@pytest.mark.parametrize("kept", [".intent.json", ".png"])
def test_what_cannot_be_tidied_up_after_a_commit_fails_nobody_and_goes_later(
    library: Library, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    monkeypatch.setattr(recovery, "RETRY_SECONDS", (0.02,))
    record_once(library, ("9:images:0", png(1)))
    before = files(library)
    remove = local.remove

    def in_use(path: Path) -> None:
        if path.name.endswith(kept):
            raise PermissionError(13, "used by another process")
        remove(path)

    with monkeypatch.context() as patch:
        patch.setattr(local, "remove", in_use)
        assert record_once(library, ("9:images:0", png(1)), ("9:images:1", png(2))).deferred is None
        assert record_once(library, ("9:images:2", png(3))).deferred is None, "the database is not away"
        assert len(library.deferred) >= 1
    until(lambda: not len(library.deferred))
    assert all_of(library) == {f"9:images:{index}": png(index + 1) for index in range(3)}
    assert len(files(library)) == len(before) + 2
    invariants.check(library)
