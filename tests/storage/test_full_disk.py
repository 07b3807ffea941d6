"""A disk that is full or read-only: a clear refusal, nothing half there, and it goes on when there is room again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import invariants
import pytest
from comfyui_artifact_db.config import Config
from comfyui_artifact_db.errors import StoreFailed, Unavailable
from comfyui_artifact_db.library import adopting, artifacts, edits, identities, pages, recording, recovery
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.storage.identities import ID_FILE
from making import Pictures, png
from reviewing import edit
from small_disks import filled, read_only

KIB = 1024


@pytest.fixture
def library(tmp_path: Path, disk: Path) -> Iterator[Library]:
    """A library whose store is on the small disk, and its database elsewhere."""
    library = open_library(Config(tmp_path, None, f"sqlite:///{tmp_path / 'artifacts.db'}", disk / "store"))
    yield library
    library.close()


def everything(library: Library) -> set[str]:
    root = library.store.root
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file() and path.name != ID_FILE}


@pytest.mark.parametrize("size", [100, 4 * KIB, 64 * KIB, 600 * KIB, 3000 * KIB])
def test_a_file_for_which_there_is_no_room_is_refused_and_leaves_nothing(
    library: Library, disk: Path, size: int
) -> None:
    first = Pictures(library).one()
    before = everything(library)
    with filled(disk):
        with pytest.raises(StoreFailed, match="disk is full; free some space"):
            Pictures(library).one(data=b"x" * size)
        assert everything(library) == before
        assert artifacts.list_artifacts(library, pages.Ask()).items == [first]
    assert Pictures(library).one(data=b"x" * min(size, 600 * KIB)).usable
    invariants.check(library)


@pytest.mark.parametrize("leave", [4 * KIB, 8 * KIB])
def test_room_for_the_file_but_not_for_its_intent_is_refused_and_leaves_nothing(
    library: Library, disk: Path, leave: int
) -> None:
    pictures = Pictures(library)
    pictures.one()
    before = everything(library)
    with filled(disk, leave):
        with pytest.raises(StoreFailed, match="full"):
            pictures.one(data=b"x" * leave)
        assert everything(library) == before
    invariants.check(library)


def test_an_edit_and_a_restored_version_for_which_there_is_no_room_leave_nothing(library: Library, disk: Path) -> None:
    first = Pictures(library).one()
    second = edit(library, first.id)
    before = everything(library)
    with filled(disk):
        with pytest.raises(StoreFailed, match="full"):
            edit(library, first.id)
        with pytest.raises(StoreFailed, match="full"):
            edits.restore(library, second.id, first.id, by="ann")
        assert everything(library) == before
    assert edits.restore(library, second.id, first.id, by="ann").version == 3
    invariants.check(library)


def test_a_read_only_store_is_refused_in_words_and_still_read(library: Library, disk: Path) -> None:
    pictures = Pictures(library)
    first = pictures.one()
    before = everything(library)
    with read_only(disk):
        with pytest.raises(StoreFailed, match="read-only"):
            pictures.one()
        seen = artifacts.get_artifact(library, first.id)
        assert artifacts.require_usable(library, seen) == seen
        assert everything(library) == before
        with pytest.raises(StoreFailed, match="read-only"):
            open_library(library.config)
    assert pictures.one().usable
    invariants.check(library)


def test_an_import_ends_where_the_disk_is_full_and_goes_on_when_there_is_room(
    library: Library, disk: Path, tmp_path: Path
) -> None:
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    for number in range(30):
        (outputs / f"{number:02}.bin").write_bytes(bytes([number]) * 40 * KIB)
    plan = adopting.look_through(library, outputs)
    with filled(disk, leave=600 * KIB), pytest.raises(StoreFailed, match="full"):
        adopting.adopt(library, plan, by="ann")
    first = plan.tally.new
    rows = {artifact.local_path for artifact in artifacts.list_artifacts(library, pages.Ask(500)).items}
    assert {str(library.store.root / name) for name in everything(library) if not name.endswith(".lock")} == rows
    rest = adopting.adopt(library, adopting.look_through(library, outputs), by="ann")
    assert (rest.new, rest.unchanged) == (30 - first, first)
    invariants.check(library)


def test_a_database_whose_disk_is_full_is_unavailable_until_there_is_room_and_no_file_is_without_a_row(
    tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "RETRY_SECONDS", (0.02,))
    config = Config(tmp_path, None, f"sqlite:///{disk / 'artifacts.db'}", tmp_path / "store")
    library = open_library(config)
    pictures = Pictures(library)
    first = pictures.one()
    with filled(disk):
        with pytest.raises(Unavailable, match="disk is full"):  # noqa: PT012
            for _ in range(50):
                pictures.one(workflow_id=first.workflow_id, metadata={"prompt": "x" * 20 * KIB})
        assert artifacts.get_artifact(library, first.id).sha256 == first.sha256
    # Where it was the commit that failed, nobody knows its outcome until it is tried again.
    deadline = time.monotonic() + 20
    while len(library.deferred):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert pictures.one().usable
    invariants.check(library)
    rows = {artifact.local_path for artifact in artifacts.list_artifacts(library, pages.Ask(500)).items}
    library.close()
    assert {str(library.store.root / name) for name in everything(library)} == rows


def test_a_database_on_a_disk_that_became_read_only_is_waited_for(
    tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "RETRY_SECONDS", (0.02,))
    library = open_library(Config(tmp_path, None, f"sqlite:///{disk / 'artifacts.db'}", tmp_path / "store"))
    first = Pictures(library).one()
    before = everything(library)
    # What is open goes on by the mount that it was opened through.
    library.database.close()
    with read_only(disk):
        with pytest.raises(Unavailable, match=r"read-only|cannot be opened"):
            Pictures(library).one(workflow_id=first.workflow_id)
        assert everything(library) == before
        artifact_id = identities.new_id()
        with library.store.receiving() as part:
            part.write(png(7))
            placement = library.store.finish(part, artifact_id=artifact_id, extension="png", day="2026-11-22")
        new = recording.NewArtifact(artifact_id, first.output_key, "a.png", "image", "png")
        kept = recording.record(
            library, [(new, placement)], actor="node", workflow_id=first.workflow_id, keep_when_unavailable=True
        )
        assert kept.deferred is not None
        library.database.close()
    deadline = time.monotonic() + 20
    while len(library.deferred):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert artifacts.get_artifact(library, artifact_id).version == 2
    invariants.check(library)
    library.close()
