"""Pins the word in time: a disk that is nearly full is said while everything still goes well, and not too often."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from comfyui_artifact_db.library import disks
from comfyui_artifact_db.library.disks import KEPT_SECONDS, WARN_SECONDS, Disks
from making import Pictures
from small_disks import resize

Pass = Callable[[float], None]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Pass:
    """Lets seconds pass."""
    clock = [1000.0]
    monkeypatch.setattr(disks.time, "monotonic", lambda: clock[0])

    def go_on(seconds: float) -> None:
        clock[0] += seconds

    return go_on


def test_each_of_the_two_disks_is_said_by_its_name(disk: Path, tmp_path: Path) -> None:
    assert Disks(disk / "store", tmp_path / "artifacts.db").nearly_full() == ("store",)
    assert Disks(tmp_path / "store", disk / "artifacts.db").nearly_full() == ("database",)
    assert Disks(tmp_path / "store", tmp_path / "artifacts.db").nearly_full() == ()


def test_an_answer_is_kept_for_some_seconds_and_follows_the_disk(disk: Path, tmp_path: Path, passes: Pass) -> None:
    watch = Disks(disk, tmp_path / "artifacts.db")
    assert watch.nearly_full() == ("store",)
    resize(disk, "4g")
    passes(KEPT_SECONDS - 1)
    assert watch.nearly_full() == ("store",)
    passes(1)
    assert watch.nearly_full() == ()


def test_the_log_is_told_when_it_begins_and_then_now_and_then(
    disk: Path, tmp_path: Path, passes: Pass, caplog: pytest.LogCaptureFixture
) -> None:
    watch = Disks(disk, tmp_path / "artifacts.db")

    def told(seconds: float) -> int:
        caplog.clear()
        for _ in range(4):
            passes(seconds / 4)
            watch.nearly_full()
        return len(caplog.records)

    with caplog.at_level(logging.WARNING, "artifact_db.library"):
        assert told(60) == 1
        assert told(60) == 0
        assert told(WARN_SECONDS) == 1
        resize(disk, "4g")
        assert told(60) == 0
        resize(disk, "2m")
        assert told(60) == 1
        assert "0.0 GB left for the store" in caplog.text


def test_a_record_looks_at_the_disk(
    pictures: Pictures, disk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures.library.disks = Disks(disk, tmp_path / "artifacts.db")
    with caplog.at_level(logging.WARNING, "artifact_db.library"):
        assert pictures.one().usable
    assert "nearly full" in caplog.text
