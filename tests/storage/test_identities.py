"""Pins the file that names a store: written once, as a whole, by whoever is first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from comfyui_artifact_db.errors import StoreFailed
from comfyui_artifact_db.library.identities import new_id
from comfyui_artifact_db.storage.identities import ID_FILE, identify, identity, is_bare
from small_disks import filled, read_only


def test_of_many_at_once_one_names_the_store_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        told = set(pool.map(lambda _: identify(tmp_path, new_id()), range(64)))
    assert told == {identity(tmp_path)}
    assert [path.name for path in tmp_path.iterdir()] == [ID_FILE]


def test_a_folder_without_one_has_none_and_reading_it_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path, tmp_path / "not there", tmp_path / "file"):
        assert identity(folder) is None
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("text", ["", "7\n", "{ID}\n", "{id}", "\n{id}\n"])
def test_a_damaged_one_is_neither_another_store_nor_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ID_FILE).write_text(text.format(id=new_id(), ID=new_id().upper()))
    with pytest.raises(StoreFailed, match="damaged"):
        identity(tmp_path)
    with pytest.raises(StoreFailed, match="damaged"):
        identify(tmp_path, new_id())


def test_a_disk_that_takes_none_leaves_none(disk: Path) -> None:
    with filled(disk), pytest.raises(StoreFailed, match="full"):
        identify(disk, new_id())
    with read_only(disk), pytest.raises(StoreFailed, match="read-only"):
        identify(disk, new_id())
    assert list(disk.iterdir()) == []
    assert identify(disk, new_id()) == identity(disk)


def test_a_folder_is_bare_until_a_file_lies_in_it(tmp_path: Path) -> None:
    assert is_bare(tmp_path / "not there")
    (tmp_path / "files" / "2026-11-22").mkdir(parents=True)
    assert is_bare(tmp_path)
    (tmp_path / "files" / "2026-11-22" / "a.png").write_bytes(b"")
    assert not is_bare(tmp_path)
