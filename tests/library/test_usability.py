"""Usable means: the state allows it, the file is there, and its bytes are those that were recorded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db.config import Config
from comfyui_artifact_db.db import models
from comfyui_artifact_db.errors import Gone, NotUsable
from comfyui_artifact_db.library import artifacts, decisions, pages, trash
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.library.views import Artifact


def again(library: Library, artifact: Artifact) -> Artifact:
    return artifacts.get_artifact(library, artifact.id)


def same_size_other_bytes(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def lost(path: Path) -> None:
    path.unlink()


def cut_off(path: Path) -> None:
    path.chmod(0o600)
    os.truncate(path, path.stat().st_size - 1)


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replaced_by_a_link_to_the_same_bytes(path: Path) -> None:
    copy = path.parent / "copy.png"
    shutil.move(path, copy)
    path.symlink_to(copy)


def moved_behind_a_link_out_of_the_store(path: Path) -> None:
    outside = path.parent.parent.parent.parent / "outside"
    shutil.move(path.parent, outside)
    path.parent.symlink_to(outside)


DAMAGES = [
    same_size_other_bytes,
    lost,
    cut_off,
    replaced_by_a_folder,
    replaced_by_a_link_to_the_same_bytes,
    moved_behind_a_link_out_of_the_store,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_not_as_it_was_recorded_is_not_usable_and_breaks_no_list(
    library: Library, pictures: Any, damage: Callable[[Path], None]
) -> None:
    picture = pictures.one()
    damage(Path(picture.local_path))
    seen = again(library, picture)
    assert not seen.usable
    assert artifacts.list_artifacts(library, pages.Ask()).items == [seen]
    with pytest.raises(NotUsable, match="bytes are not those that were recorded") as refused:
        artifacts.require_usable(library, seen)
    assert refused.value.data["artifact"] == seen
    assert str(library.store.root) not in str(refused.value)


def test_bytes_that_changed_behind_the_same_stat_are_found_by_the_proof(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    path = Path(picture.local_path)
    before = path.stat()
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    seen = again(library, picture)
    assert seen.usable, "a list believes stat"
    with pytest.raises(NotUsable, match="bytes"):
        artifacts.require_usable(library, seen)
    with pytest.raises(NotUsable):
        artifacts.last_approved(library, seen)


def test_a_file_of_one_page_that_became_a_folder_is_not_read(library: Library, pictures: Any) -> None:
    size = os.stat(library.store.root / "files").st_size
    picture = pictures.one(data=b"x" * size)
    replaced_by_a_folder(Path(picture.local_path))
    assert not again(library, picture).usable


def test_a_touched_file_with_its_bytes_stays_usable(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    os.utime(picture.local_path, (1, 1))
    assert again(library, picture).usable
    assert artifacts.require_usable(library, again(library, picture)).id == picture.id


def test_a_store_that_was_copied_to_another_disk_is_usable(
    library: Library, pictures: Any, config: Config, tmp_path: Path
) -> None:
    made = [pictures.one() for _ in range(3)]
    library.close()
    elsewhere = tmp_path / "elsewhere"
    # As `cp -r` does: other inodes, other times.
    shutil.copytree(config.folder / "store", elsewhere / "store", copy_function=shutil.copyfile)
    shutil.copyfile(config.folder / "artifacts.db", elsewhere / "artifacts.db")
    copied = open_library(Config(elsewhere, None, f"sqlite:///{elsewhere / 'artifacts.db'}", elsewhere / "store"))
    shutil.rmtree(config.folder / "store")
    for artifact in made:
        seen = artifacts.get_artifact(copied, artifact.id)
        assert seen.local_path.startswith(str(elsewhere))
        assert seen.usable
        assert artifacts.require_usable(copied, seen) == seen
    copied.close()


@pytest.mark.parametrize("state", ["pending", "rejected", "trash", "removed"])
def test_a_state_that_does_not_allow_it_is_told_in_words(library: Library, pictures: Any, state: str) -> None:
    picture = pictures.one(status="pending")
    words = {
        "pending": "waits for a decision",
        "rejected": "rejected .too dark.",
        "trash": "trash",
        "removed": "removed",
    }
    if state == "rejected":
        decisions.reject(library, picture.id, by="ann", reason="too dark")
    elif state == "trash":
        trash.delete(library, picture.id, by="ann")
    elif state == "removed":
        with library.writing("tester") as tx:
            models.Artifact.update(bytes_removed_at=tx.at).where(models.Artifact.id == picture.id).execute()
    seen = again(library, picture)
    assert not seen.usable
    with pytest.raises(Gone if state == "removed" else NotUsable, match=words[state]):
        artifacts.require_usable(library, seen)


def test_the_last_approved_version_is_the_newest_usable_one_of_the_same_output(library: Library, pictures: Any) -> None:
    first, other = pictures.record(keys=("9:images:0", "9:images:1"))
    second = pictures.one(workflow_id=first.workflow_id)
    third = pictures.one(workflow_id=first.workflow_id, status="pending")
    assert artifacts.last_approved(library, third) == again(library, second)
    same_size_other_bytes(Path(second.local_path))
    assert artifacts.last_approved(library, third) == again(library, first)
    trash.delete(library, first.id, by="ann")
    with pytest.raises(NotUsable, match="9:images:0"):
        artifacts.last_approved(library, third)
    assert artifacts.last_approved(library, other).id == other.id


def test_a_view_has_every_column_and_an_absolute_path(library: Library, pictures: Any) -> None:
    picture = pictures.one(metadata={"width": 8}, tags=("b", "a"))
    with library.reading():
        row = models.Artifact.select().dicts().get()
    for column, value in row.items():
        if column != "local_path":
            assert getattr(picture, column) == value
    assert Path(picture.local_path).is_absolute()
    assert Path(picture.local_path) == library.store.root / row["local_path"]
    assert (picture.metadata, picture.tags) == ({"width": 8}, ("a", "b"))
