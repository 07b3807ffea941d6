"""kill -9 before each step of a delivery, also amid its bytes: the next process ends it with one receipt."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import invariants
import processes
import pytest
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import artifacts, events, pages, transfers
from comfyui_artifact_db.library.opening import open_library
from comfyui_servers_that import ComfyUI, serving

LEFT = ["nothing", "pending", "uploading", "completed"]


@pytest.fixture(scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    with serving(tmp_path_factory.mktemp("comfyui")) as server:
        yield server


@pytest.fixture(scope="module")
def folders(comfyui: ComfyUI, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One folder for each step before which a process was killed; the last one lived."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    return processes.killed("dying_deliveries", tmp_path_factory.mktemp("killed"), comfyui.url)


def check(folder: Path, comfyui: ComfyUI) -> str:
    """What was left, after the next process has gone on with it."""
    acknowledged = (folder / "acknowledged").read_text().split()
    library = open_library(load_config(folder, {}))
    try:
        (picture,) = artifacts.list_artifacts(library, pages.Ask()).items
        left = transfers.list_transfers(library, pages.Ask()).items
        assert left or not acknowledged, "what was acknowledged is there"
        if left and left[0].status == "completed":
            assert transfers.list_interrupted(library) == []
        elif left:
            assert "delivered" not in acknowledged
            (interrupted,) = transfers.list_interrupted(library)
            done = transfers.deliver(library, interrupted.id, by="runner")
            assert done.attempts == interrupted.attempts + 1
        if left:
            (transfer,) = transfers.list_transfers(library, pages.Ask()).items
            assert (transfer.status, transfer.receipt_sha256) == ("completed", picture.sha256)
            told = [event.after for event in events.list_events(library, limit=500) if event.entity_id == transfer.id]
            assert [after["status"] for after in told if after].count("completed") == 1
            (there,) = (comfyui.folder / "input").glob(f"{picture.sha256}*")
            assert there.name == transfer.target_filename
            assert there.read_bytes() == Path(picture.local_path).read_bytes()
        assert [path.name for path in library.store.root.glob("staging/*.alone")] == []
        invariants.check(library)
        invariants.check_log_tells_the_rows(library)
    finally:
        library.close()
    return left[0].status if left else "nothing"


def test_after_each_death_the_next_process_ends_the_delivery_with_one_receipt(
    folders: list[Path], comfyui: ComfyUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "BEGUN_WITHIN", 0.0)
    outcomes = []
    for folder in folders:
        try:
            outcomes.append(check(folder, comfyui))
        except Exception as error:
            raise AssertionError(f"killed before step {folder.name} of {len(folders)}") from error
    assert outcomes == sorted(outcomes, key=LEFT.index)
    assert set(outcomes) == set(LEFT)
    assert outcomes.count("uploading") > 8, "also in the middle of its bytes"
