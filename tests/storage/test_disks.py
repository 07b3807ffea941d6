"""Pins when a disk is nearly full: little is left, or a small part of it that is not plenty."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_artifact_db.storage.disks import Disk, disk_of
from small_disks import resize

GB = 1000**3


@pytest.mark.parametrize(
    ("total", "free", "nearly_full"),
    [
        (100 * GB, 5 * GB, False),
        (100 * GB, 5 * GB - 1, True),
        (10_000 * GB, 10 * GB, False),
        (10_000 * GB, 10 * GB - 1, True),
        (10 * GB, 1 * GB, False),
        (10 * GB, 1 * GB - 1, True),
        (1 * GB // 2, 1 * GB // 2, True),
    ],
)
def test_a_disk_is_nearly_full_by_what_is_left_and_by_its_part(total: int, free: int, nearly_full: bool) -> None:
    assert Disk(total, free, "").nearly_full is nearly_full


def test_a_disk_is_asked_as_it_is_now_also_for_a_folder_that_is_not_there_yet(disk: Path) -> None:
    for folder in (disk, disk / "not" / "there"):
        resize(disk, "64m")
        small = disk_of(folder)
        resize(disk, "4g")
        large = disk_of(folder)
        assert small is not None
        assert large is not None
        assert (small.total, small.kind, small.nearly_full) == (64 * 1024**2, "tmpfs", True)
        assert (large.total, large.nearly_full) == (4 * 1024**3, False)
