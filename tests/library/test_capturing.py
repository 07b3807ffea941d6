"""What a prompt leaves in ComfyUI's output folder is recorded once, from nowhere else, and whatever is in the way."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.comfyui_client import History
from comfyui_artifact_db.errors import StoreFailed
from comfyui_artifact_db.library import (
    artifacts,
    attempts,
    capturing,
    pages,
    recovery,
    runs,
    trash,
    witnessing,
    workflows,
)
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.library.views import Artifact, Workflow
from comfyui_artifact_db.storage import sources
from comfyui_artifact_db.storage.files import Part
from comfyui_artifact_db.storage.sources import SourceChanged, SourceFailed
from locking import locked
from making import Pictures, png

RUN = runs.Run("gpu-a", "p1", "a prompt", requested_by="anna")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """ComfyUI's output folder, in which a prompt has left three pictures."""
    folder = tmp_path / "output"
    (folder / "day one").mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.png").write_bytes(png(number))
    (folder / "day one" / "3.png").write_bytes(png(3))
    (tmp_path / "secret.png").write_bytes(png(9))
    return folder


def file(name: str, subfolder: str = "", folder: str = "output") -> dict[str, str]:
    return {"filename": name, "subfolder": subfolder, "type": folder}


def history(outputs: dict[str, Any], status: str = "success", cached: tuple[str, ...] = ()) -> History:
    messages = [["execution_cached", {"nodes": list(cached)}]]
    return History.of({"outputs": outputs, "status": {"status_str": status, "messages": messages}})


PICTURES = {"9": {"images": [file("0.png"), file("1.png"), file("3.png", "day one")]}}


def all_workflows(library: Library) -> list[Workflow]:
    return list(workflows.list_workflows(library, pages.Ask()).items)


def all_artifacts(library: Library) -> list[Artifact]:
    return list(artifacts.list_artifacts(library, pages.Ask()).items)


def in_staging(library: Library) -> list[str]:
    return sorted(os.listdir(library.store.staging))


def test_a_prompts_files_are_one_workflow_whose_first_file_is_current(library: Library, output: Path) -> None:
    told = history({"1": {"text": ["a text"]}, **PICTURES})
    assert capturing.capture(library, RUN, told, output) == 4
    (workflow,) = all_workflows(library)
    assert (workflow.workflow_name, workflow.status, workflow.prompt_id) == ("a prompt", "completed", "p1")
    found = {item.output_key: item for item in all_artifacts(library)}
    assert sorted(found) == ["1:text:0", "9:images:0", "9:images:1", "9:images:2"]
    assert workflow.latest_artifact_id == found["9:images:0"].id
    assert found["9:images:2"].subfolder == "day one"
    invariants.check(library)


def test_a_second_time_adds_nothing_and_brings_what_came_since(library: Library, output: Path) -> None:
    capturing.capture(library, RUN, history({"9": {"images": [file("0.png")]}}), output)
    (output / "0.png").write_bytes(b"overwritten since")
    assert capturing.capture(library, RUN, history(PICTURES), output) == 2
    assert capturing.capture(library, RUN, history(PICTURES), output) == 0
    assert [item.version for item in all_artifacts(library)] == [1, 1, 1]
    assert len(all_workflows(library)) == 1
    invariants.check(library)


def test_what_nodes_recorded_is_joined_also_where_it_is_in_the_trash(library: Library, output: Path) -> None:
    ours = Pictures(library).one(run=RUN, keys=("9:images:0",))
    trash.delete(library, ours.id, by="ann")
    assert capturing.capture(library, RUN, history(PICTURES), output) == 2
    (workflow,) = all_workflows(library)
    assert workflow.id == ours.workflow_id


def test_what_is_cached_is_new_only_where_its_bytes_are_not_recorded(library: Library, output: Path) -> None:
    texts = {"1": {"text": ["a text"]}}
    capturing.capture(library, RUN, history({"9": {"images": [file("0.png")]}, **texts}), output)
    later = runs.Run("gpu-a", "p2", "a prompt")
    assert capturing.capture(library, later, history({**PICTURES, **texts}, cached=("9", "1")), output) == 2
    again = runs.Run("gpu-a", "p3", "a prompt")
    assert capturing.capture(library, again, history({**PICTURES, **texts}, cached=("9", "1")), output) == 0
    assert {workflow.prompt_id for workflow in all_workflows(library)} == {"p1", "p2"}
    assert capturing.capture(library, again, history(PICTURES), output) == 3, "a node that ran has made something"


@pytest.mark.parametrize(
    "outputs",
    [
        {},
        {"1": {"images": [file("0.png", folder="temp"), file("0.png", folder="input")]}},
        {"1": {"text": [""]}},
        {"1": {"images": [file("0.png")], "artifact_ids": ["kept by our own node"]}},
    ],
    ids=["nothing", "other folders", "an empty text", "kept"],
)
def test_what_is_no_result_leaves_no_row(library: Library, output: Path, outputs: dict[str, Any]) -> None:
    assert capturing.capture(library, RUN, history(outputs), output, for_good=True) == 0
    assert all_workflows(library) == []
    assert in_staging(library) == []


@pytest.mark.parametrize(
    "where",
    [
        file("../secret.png"),
        file("secret.png", ".."),
        file("secret.png", "day one/../.."),
        file("{tmp}/secret.png"),
        file("secret.png", "{tmp}"),
        file("0.png\0"),
        file("."),
        file("day one"),
        file("x" * 5000),
    ],
    ids=lambda where: f"{where['subfolder'][:12]} {where['filename'][:12]}",
)
def test_nothing_but_files_of_the_output_folder_is_taken_in(
    library: Library, output: Path, tmp_path: Path, where: dict[str, str]
) -> None:
    where = {name: value.replace("{tmp}", str(tmp_path)) for name, value in where.items()}
    told = history({"1": {"images": [where, file("0.png")]}})
    with pytest.raises(SourceFailed) as refused:
        capturing.capture(library, RUN, told, output)
    assert str(tmp_path) not in str(refused.value)
    assert capturing.capture(library, RUN, told, output, for_good=True) == 1
    (item,) = all_artifacts(library)
    assert item.filename == "0.png"


def test_a_folder_of_the_output_folder_may_be_a_link_of_the_operators(
    library: Library, output: Path, tmp_path: Path
) -> None:
    (tmp_path / "large disk").mkdir()
    (tmp_path / "large disk" / "a.png").write_bytes(png(5))
    (output / "large").symlink_to(tmp_path / "large disk")
    assert capturing.capture(library, RUN, history({"1": {"images": [file("a.png", "large")]}}), output) == 1


def test_a_missing_file_is_asked_for_again_and_then_named(library: Library, output: Path) -> None:
    (output / "1.png").unlink()
    with pytest.raises(SourceFailed, match="it is not there"):
        capturing.capture(library, RUN, history(PICTURES), output)
    assert all_workflows(library) == []
    assert in_staging(library) == [], "what had been taken in is given up"
    assert capturing.capture(library, RUN, history(PICTURES), output, for_good=True) == 2
    (workflow,) = all_workflows(library)
    assert workflow.status == "failed"
    assert workflow.error_message == (
        "1 output is missing: 9:images:1 (1.png): the file cannot be taken in: it is not there"
    )


def test_a_prompt_of_which_no_file_is_left_says_so(library: Library, output: Path) -> None:
    told = history({"9": {"images": [file("gone.png")]}})
    assert capturing.capture(library, RUN, told, output, for_good=True) == 0
    (workflow,) = all_workflows(library)
    assert (workflow.status, workflow.latest_artifact_id) == ("failed", None)
    assert "gone.png" in (workflow.error_message or "")


def test_a_file_that_is_being_written_is_asked_for_again(
    library: Library, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled = sources._settled

    def written_to_after_that(descriptor: int) -> os.stat_result:
        state = settled(descriptor)
        with (output / "1.png").open("ab") as growing:
            growing.write(b"x" * 100)
        return state

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(sources, "_settled", written_to_after_that)
        with pytest.raises(SourceChanged):
            capturing.capture(library, RUN, history(PICTURES), output)
    assert in_staging(library) == []
    assert capturing.capture(library, RUN, history(PICTURES), output) == 3


def test_a_full_disk_is_not_taken_for_a_missing_file(
    library: Library, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(part: Part, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Part, "write", full)
    with pytest.raises(StoreFailed, match="disk is full") as refused:
        capturing.capture(library, RUN, history(PICTURES), output, for_good=True)
    assert not isinstance(refused.value, SourceFailed)
    assert all_workflows(library) == []
    assert in_staging(library) == []
    monkeypatch.undo()
    assert capturing.capture(library, RUN, history(PICTURES), output) == 3


@pytest.mark.parametrize(
    ("status", "ends"), [("error", "failed"), ("success", "completed"), ("odd", "outcome_unknown")]
)
def test_how_the_prompt_ended_is_recorded_with_its_outputs(
    library: Library, output: Path, status: str, ends: str
) -> None:
    capturing.capture(library, RUN, history(PICTURES, status), output)
    (workflow,) = all_workflows(library)
    (attempt,) = attempts.list_attempts(library, workflow.id)
    assert (workflow.status, attempt.status) == (ends, ends)


def test_while_the_database_is_away_the_files_are_safe_and_the_record_follows(
    library: Library, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "RETRY_SECONDS", (0.02,))
    all_workflows(library)
    with locked(Path(library.config.database.removeprefix("sqlite:///"))):
        assert capturing.capture(library, RUN, history(PICTURES), output) == 3
        for path in output.rglob("*.png"):
            path.write_bytes(b"overwritten while it waits")
    while len(library.deferred):
        time.sleep(0.02)
    found = all_artifacts(library)
    assert sorted(item.file_size for item in found) == sorted(len(png(number)) for number in (0, 1, 3))
    assert all(item.usable for item in found)
    (workflow,) = all_workflows(library)
    assert workflow.status == "completed"
    invariants.check(library)


def lost(library: Library, *, ended: bool = False) -> Library:
    """The next process, after one that had written down a prompt is gone; `ended`: its record was complete."""
    intent = witnessing.witness(library, RUN)
    if ended:
        with library.writing("anna") as tx:
            runs.begin(tx, RUN, "01a214de-a058-7db6-a919-1af15b975164")
        attempts.finish(library, server_address="gpu-a", prompt_id="p1", status="failed", error="x", actor="anna")
    library.close()  # What is unfinished stays, as it does when a process dies.
    assert intent.path.exists()
    return open_library(library.config)


def test_a_prompt_whose_process_died_is_marked_and_its_files_are_pointed_to(library: Library) -> None:
    after = lost(library)
    (workflow,) = all_workflows(after)
    assert (workflow.status, workflow.workflow_name, workflow.prompt_id) == ("outcome_unknown", "a prompt", "p1")
    assert "`artifact-db import`" in (workflow.error_message or "")
    assert list((after.store.root / "staging").rglob("*.intent.json")) == []
    invariants.check(after)
    after.close()


def test_a_prompt_whose_end_is_recorded_is_not_marked(library: Library) -> None:
    after = lost(library, ended=True)
    (workflow,) = all_workflows(after)
    assert (workflow.status, workflow.error_message) == ("failed", "x")
    after.close()
