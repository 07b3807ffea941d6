"""A short torture, and proofs that it would have told: each way to break the program is found."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from torture import power
from torture.sabotage import WAYS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

HERE = Path(__file__).resolve().parent

TOLD: dict[str, tuple[str, ...]] = {
    "intent_removed_before_the_commit": ("no row names the file", "has no file"),
    "file_placed_after_the_commit": ("has no file",),
    "acknowledged_before_the_commit": ("was acknowledged and is not there",),
    "nobody_recovers": ("staging folders for",),
    "living_processes_are_recovered_too": ("",),  # whichever of the two trips over the other first
    "decision_without_its_event": ("has 0 events artifact.approved",),
    "event_written_twice": ("events artifact.recorded",),
    # The late pointer may also meet an artifact that is gone by then: the call fails, and its events are there.
    "pointer_moved_after_the_commit": ("the pointer and the flag agree", "was refused and has events"),
    "key_forgotten": ("events workflow.created",),
    "nothing_synced": ("has no file", "are not those that were recorded", "no row names the file"),
    "folders_not_synced": ("has no file",),
}
"""What a run says of each way to break the program: one of these."""


def torture(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(HERE), "--folder", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def left(folder: Path) -> list[str]:
    """The processes of a run that still live, where this system tells of them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # It has ended meanwhile.
            found.append(path.read_bytes().decode())
    return [command for command in found if f"{HERE}\0" in command and f"{folder}\0" in command]


def test_nothing_is_lost_whoever_is_killed_and_when(tmp_path: Path) -> None:
    done = torture(tmp_path, "--kills", "90", "--seed", "11")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 11" in done.stdout
    assert list(tmp_path.iterdir()) == left(tmp_path) == [], "it leaves nothing behind"


@pytest.mark.parametrize("way", [way for way in WAYS if power.IS_KNOWN or "synced" not in way])
def test_what_is_broken_is_found(tmp_path: Path, way: str) -> None:
    done = torture(tmp_path, "--kills", "150", "--seed", "2", "--broken", way)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "VIOLATION" in done.stdout
    assert "seed 2" in done.stdout
    assert any(words in done.stdout for words in TOLD[way]), done.stdout
    assert left(tmp_path) == [], "nobody who worked in it lives on"
    (kept,) = tmp_path.iterdir()
    assert str(kept) in done.stdout, "the world in which it happened is kept"
