"""A folder is adopted: each file once, as what it is, with the graph it carries and its own time."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import invariants
import pytest
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.db import models
from comfyui_artifact_db.errors import Invalid, StoreFailed
from comfyui_artifact_db.library import (
    adopting,
    adopting_files,
    artifacts,
    attempts,
    bundles,
    decisions,
    events,
    exporting,
    importing,
    pages,
    recording,
    runs,
    trash,
    verifying,
    workflows,
)
from comfyui_artifact_db.library.adopting import Tally
from comfyui_artifact_db.library.adopting_rows import Outcome
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.library.views import Artifact
from comfyui_artifact_db.storage.local import Intent
from making import Pictures, png
from output_folders import BROKEN, GOOD, LONG_AGO, broken, dated, editor, every_kind, graph, left_out, picture, text

MADE = "2020-09-13T12:26:40.000Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An output folder with nothing in it yet, away from the hub's own files."""
    folder = tmp_path / "comfyui" / "output"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(autouse=True)
def whole(library: Library) -> object:
    """Whatever a test did, the rules hold and the log tells of it."""
    yield
    invariants.check(library)
    invariants.check_log_tells_the_rows(library)
    assert verifying_finds(library) == []


def verifying_finds(library: Library) -> list[str]:
    return [str(finding) for finding in verifying.check(library)]


def adopt(library: Library, folder: Path, **how: object) -> Tally:
    return adopting.adopt(library, adopting.look_through(library, folder), by="ann", **how)  # type: ignore[arg-type]


def recorded(library: Library) -> dict[str, Artifact]:
    """What there is, by its path below the folder; of each output the newest version."""
    items = artifacts.list_artifacts(library, pages.Ask(500)).items
    items.sort(key=lambda artifact: artifact.version)
    return {f"{artifact.subfolder}/{artifact.filename}".lstrip("/"): artifact for artifact in items}


def log(library: Library) -> list[str]:
    return [event.action for event in events.list_events(library, limit=500)]


def data(library: Library, artifact: Artifact) -> bytes:
    return Path(artifact.local_path).read_bytes()


def test_every_file_becomes_an_output_of_a_standalone_workflow_with_its_own_time(
    library: Library, tmp_path: Path
) -> None:
    folder = every_kind(tmp_path / "output")
    tally = adopt(library, folder, tags=["old"])
    assert (tally.new, tally.added, tally.failed, tally.left_out) == (len(GOOD), len(GOOD), [], {})
    found = recorded(library)
    assert set(found) == set(GOOD)
    for name, artifact in found.items():
        assert data(library, artifact) == (folder / name).read_bytes()
        assert (artifact.created_at, artifact.version, artifact.approval_status) == (MADE, 1, "auto_approved")
        assert (artifact.comfy_folder_type, artifact.tags, artifact.is_latest) == ("output", ("old",), True)
        workflow = workflows.get_workflow(library, artifact.workflow_id)
        assert (workflow.chain_id, workflow.status, workflow.server_address) == (None, "completed", "import")
        assert workflow.created_at == MADE
    assert len({artifact.workflow_id for artifact in found.values()}) == len(GOOD)
    assert found["2024/ComfyUI_00002_.png"].subfolder == "2024"
    kinds = {name: (artifact.file_type, artifact.output_key) for name, artifact in found.items()}
    assert kinds["a.png"] == ("image", "import:images:0")
    assert kinds["d.mp4"] == ("video", "import:images:0")
    assert kinds["e.flac"] == ("audio", "import:audio:0")
    assert kinds["notes.txt"] == ("text", "import:text:0")
    assert {event.actor for event in events.list_events(library, limit=500)} == {"ann"}
    assert {event.at > "2026" for event in events.list_events(library, limit=500)} == {True}


def test_the_graph_that_a_file_carries_is_what_its_attempt_ran(library: Library, folder: Path) -> None:
    picture(folder / "dragon_00012_.png", 12)
    adopt(library, folder)
    artifact = recorded(library)["dragon_00012_.png"]
    workflow = workflows.get_workflow(library, artifact.workflow_id)
    (attempt,) = attempts.list_attempts(library, workflow.id)
    assert workflow.workflow_name == "dragon"
    assert workflow.workflow_definition == attempt.workflow_definition == graph(12)
    assert attempt.extra_pnginfo == {"workflow": editor(12)}
    assert (attempt.status, attempt.number, attempt.created_at) == ("completed", 1, MADE)
    assert workflow.prompt_id == attempt.prompt_id != ""


def test_graphs_are_read_from_every_kind_of_file_that_carries_one(library: Library, tmp_path: Path) -> None:
    adopt(library, every_kind(tmp_path / "output"))
    found = recorded(library)
    graphs = {
        name: workflows.get_workflow(library, artifact.workflow_id).workflow_definition
        for name, artifact in found.items()
    }
    seeds = {"a.png": 1, "2024/ComfyUI_00002_.png": 2, "b.webp": 3, "c.jpg": 4, "d.mp4": 5, "e.flac": 6}
    assert graphs == {"notes.txt": None, **{name: graph(seed) for name, seed in seeds.items()}}
    assert found["d.mp4"].metadata["generation"]["seed"]["value"] == 5


def test_a_second_run_adds_nothing_and_reads_nothing(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = every_kind(tmp_path / "output")
    adopt(library, folder)
    before = log(library)

    def unread(*_: object) -> None:
        raise AssertionError("a file was read")

    monkeypatch.setattr(adopting_files.Taker, "take", unread)
    tally = adopt(library, folder)
    assert (tally.unchanged, tally.waiting, tally.added) == (len(GOOD), 0, 0)
    assert log(library) == before


def test_a_file_with_a_time_that_no_database_holds_is_adopted_once(library: Library, folder: Path) -> None:
    dated(text(folder / "far.txt", "of the year 2286"), 1e10)
    text(folder / "near.txt")
    assert adopt(library, folder).new == 2
    assert (tally := adopt(library, folder)).unchanged == 2
    assert tally.added == 0
    assert recorded(library)["far.txt"].created_at < "2200"


def test_a_part_of_a_folder_and_then_all_of_it_has_no_file_twice(library: Library, tmp_path: Path) -> None:
    folder = every_kind(tmp_path / "output")
    assert adopt(library, folder / "2024").new == 1
    tally = adopt(library, folder)
    assert (tally.new, tally.unchanged) == (len(GOOD) - 1, 1)


def test_a_folder_that_was_moved_is_known_by_its_bytes(library: Library, tmp_path: Path) -> None:
    folder = every_kind(tmp_path / "output")
    adopt(library, folder)
    before = log(library)
    tally = adopt(library, folder.rename(tmp_path / "archive"))
    assert (tally.known, tally.added) == (len(GOOD), 0)
    assert log(library) == before
    assert adopt(library, tmp_path / "archive").unchanged == len(GOOD)


def test_a_file_that_was_touched_is_the_same_file(library: Library, folder: Path) -> None:
    picture(folder / "a.png")
    adopt(library, folder)
    before = log(library)
    dated(folder / "a.png", LONG_AGO + 99)
    tally = adopt(library, folder)
    assert (tally.known, tally.added, log(library)) == (1, 0, before)
    assert adopt(library, folder).unchanged == 1


def test_a_changed_file_is_the_next_version_and_the_earlier_one_stays(library: Library, folder: Path) -> None:
    picture(folder / "a.png", 1)
    picture(folder / "b.png", 2)
    adopt(library, folder)
    first = recorded(library)["a.png"]
    picture(folder / "a.png", 3, at=LONG_AGO + 60)
    tally = adopt(library, folder)
    assert (tally.versions, tally.new, tally.unchanged) == (1, 0, 1)
    second = recorded(library)["a.png"]
    assert (second.version, second.workflow_id, second.output_key) == (2, first.workflow_id, first.output_key)
    assert second.created_at == "2020-09-13T12:27:40.000Z"
    assert artifacts.get_latest_artifact(library, first.workflow_id).id == second.id  # type: ignore[union-attr]
    newest, oldest = attempts.list_attempts(library, first.workflow_id)
    assert (newest.number, newest.workflow_definition, oldest.workflow_definition) == (2, graph(3), graph(1))
    assert workflows.get_workflow(library, first.workflow_id).prompt_id == newest.prompt_id
    assert data(library, artifacts.get_artifact(library, first.id)) != data(library, second)

    picture(folder / "a.png", 1, at=LONG_AGO + 120)
    assert adopt(library, folder).known == 1, "what it was before is a version already"


def test_what_another_door_recorded_is_known_by_name_and_bytes(
    library: Library, pictures: Pictures, folder: Path
) -> None:
    artifact = pictures.one(data=png(77), subfolder="2024")
    (folder / "2024").mkdir()
    (folder / "2024" / artifact.filename).write_bytes(png(77))
    (folder / artifact.filename).write_bytes(png(77))
    tally = adopt(library, folder)
    assert (tally.known, tally.new) == (1, 1), "in another folder it is another output"


def test_a_file_that_another_door_recorded_and_somebody_overwrote_does_not_change_what_a_step_offers(
    library: Library, pictures: Pictures, folder: Path
) -> None:
    artifact = pictures.one(data=png(77), run=runs.Run("gpu-a", "p1", "w", chain="film", step="a"))
    (folder / artifact.filename).write_bytes(png(77))
    dated(folder / artifact.filename)
    assert adopt(library, folder).known == 1
    (folder / artifact.filename).write_bytes(png(78))
    tally = adopt(library, folder)
    assert (tally.new, tally.versions) == (1, 0)
    current = artifacts.get_latest_artifact(library, artifact.workflow_id)
    assert current is not None
    assert current.id == artifact.id


def test_what_was_deleted_here_does_not_come_back(library: Library, folder: Path) -> None:
    picture(folder / "a.png")
    adopt(library, folder)
    trash.delete(library, recorded(library)["a.png"].id, by="ann")
    assert adopt(library, folder).added == 0
    dated(folder / "a.png", LONG_AGO + 5)
    assert adopt(library, folder).added == 0
    assert recorded(library) == {}


def test_what_nobody_means_to_keep_is_left_out_and_counted(library: Library, tmp_path: Path) -> None:
    folder = left_out(tmp_path / "output", tmp_path / "private.txt")
    text(folder / "kept.txt", "kept")
    tally = adopt(library, folder)
    assert tally.left_out == {"hidden": 2, "unfinished": 1, "system": 1, "empty": 1, "link": 2, "special": 1}
    assert set(recorded(library)) == {"kept.txt"}


def test_broken_and_hostile_files_are_kept_as_they_are(library: Library, tmp_path: Path) -> None:
    folder = broken(tmp_path / "output")
    tally = adopt(library, folder)
    found = recorded(library)
    assert tally.failed == []
    assert set(found) == {*BROKEN, "not json.png", "no text.png", "deep.png"}
    for name, artifact in found.items():
        assert data(library, artifact) == (folder / name).read_bytes()
        told = workflows.get_workflow(library, artifact.workflow_id).workflow_definition
        assert told == ({"1": {"class_type": "?"}} if name == "no text.png" else None)
    assert found["a.bin"].file_type == "other"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="names are text here")
def test_what_cannot_be_taken_in_is_named_and_does_not_stop_the_rest(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(folder / "a.png")
    picture(folder / "b.png", 2)
    (folder / "line\nbreak.txt").write_text("x")
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    plan = adopting.look_through(library, folder)
    (folder / "b.png").unlink()
    tally = adopting.adopt(library, plan, by="ann")
    assert set(recorded(library)) == {"a.png"}
    reasons = {failure.name: failure.reason for failure in tally.failed}
    assert sorted(reasons) == sorted([os.fsdecode(b"caf\xe9.txt"), "b.png", "line\nbreak.txt"])
    assert reasons["b.png"] == "No such file or directory"
    assert "UTF-8" in reasons[os.fsdecode(b"caf\xe9.txt")]
    assert "control characters" in reasons["line\nbreak.txt"]


def test_a_file_that_is_written_meanwhile_is_tried_again_and_then_named(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png"):
        picture(folder / name)
    looked: dict[str, int] = {}
    look = adopting_files.look

    def changing(path: Path) -> object:
        found = look(path)
        looked[path.name] = looked.get(path.name, 0) + 1
        if path.name == "b.png" or looked[path.name] == 1:
            dated(path, LONG_AGO + looked[path.name])
        return found

    monkeypatch.setattr(adopting_files, "look", changing)
    monkeypatch.setattr(adopting_files, "WAITS", (0.0, 0.0))
    tally = adopt(library, folder)
    assert set(recorded(library)) == {"a.png"}
    assert [str(failure) for failure in tally.failed] == [
        "b.png: it is being written; import again when it is finished"
    ]


def test_a_file_that_was_written_just_now_is_looked_at_again(library: Library, folder: Path) -> None:
    """Another write in the same tick of the clock would leave it with the same size and time."""
    (folder / "a.txt").write_text("one")
    assert adopt(library, folder).new == 1
    state = (folder / "a.txt").stat()
    (folder / "a.txt").write_text("two")
    os.utime(folder / "a.txt", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert adopt(library, folder).versions == 1


def test_a_time_that_has_not_come_yet_is_now(library: Library, folder: Path) -> None:
    text(folder / "a.txt")
    dated(folder / "a.txt", 4_000_000_000)
    adopt(library, folder)
    artifact = recorded(library)["a.txt"]
    assert artifact.created_at <= artifact.updated_at


def test_lists_sort_adopted_files_by_when_they_were_made(library: Library, pictures: Pictures, folder: Path) -> None:
    now = pictures.one()
    for number in range(3):
        picture(folder / f"{number}.png", number, at=LONG_AGO + (1, 3, 2)[number])
    adopt(library, folder)
    listed = artifacts.list_artifacts(library, pages.Ask(10)).items
    assert [artifact.filename for artifact in listed] == [now.filename, "1.png", "2.png", "0.png"]


@pytest.mark.parametrize("place", ["store", ".", "store/files"])
def test_a_folder_with_the_hubs_own_files_is_refused(library: Library, place: str) -> None:
    library.prepare()
    with pytest.raises(Invalid, match="own files"):
        adopting.look_through(library, library.config.folder / place)


def test_what_is_no_folder_is_refused(library: Library, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no folder"):
        adopting.look_through(library, tmp_path / "nothing")


def lost(library: Library, pictures: Pictures, prompt_id: str, seed: int) -> str:
    """The workflow of a prompt that was queued with a graph, and of which nobody knows what became."""
    run = runs.Run("gpu-a", prompt_id, "w", workflow_definition=graph(seed))
    artifact = pictures.one(run=run)
    attempts.finish(
        library, server_address="gpu-a", prompt_id=prompt_id, status="outcome_unknown", error="gone", actor="ann"
    )
    return artifact.workflow_id


def now_picture(path: Path, seed: int, **how: object) -> None:
    picture(path, seed, at=time.time(), **how)  # type: ignore[arg-type]


def test_a_file_of_a_lost_prompt_belongs_to_its_workflow(library: Library, pictures: Pictures, folder: Path) -> None:
    workflow_id = lost(library, pictures, "p1", 5)
    told = {**graph(5), "3": {**graph(5)["3"], "is_changed": [1.0]}}
    now_picture(folder / "dragon_00001_.png", 5, prompt=told)
    now_picture(folder / "dragon_00002_.png", 5, shade=99)
    picture(folder / "old.png", 5, shade=98)
    now_picture(folder / "other.png", 6)
    tally = adopt(library, folder)
    assert (tally.found, tally.new) == (2, 2)
    found = recorded(library)
    ours = [found["dragon_00001_.png"], found["dragon_00002_.png"]]
    assert {artifact.workflow_id for artifact in ours} == {workflow_id}
    assert [artifact.output_key for artifact in ours] == ["import:images:0", "import:images:1"]
    assert len({found[name].workflow_id for name in ("old.png", "other.png")} | {workflow_id}) == 3
    (attempt,) = attempts.list_attempts(library, workflow_id)
    assert attempt.status == "outcome_unknown", "how it ended nobody knows still"


def test_a_file_that_two_lost_prompts_may_have_made_is_of_neither(
    library: Library, pictures: Pictures, folder: Path
) -> None:
    lost(library, pictures, "p1", 5)
    lost(library, pictures, "p2", 5)
    now_picture(folder / "a.png", 5)
    assert adopt(library, folder).new == 1


def test_an_import_that_is_stopped_goes_on_where_it_was(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopting, "GROUP", 5)
    monkeypatch.setattr(adopting, "AHEAD", 6)
    for number in range(30):
        picture(folder / f"{number:02}.png", number)
    stop = threading.Event()

    def progress(done: int, total: int) -> None:
        if done > total / 3:
            stop.set()

    tally = adopt(library, folder, progress=progress, stop=stop)
    assert tally.stopped
    assert 0 < tally.new < 30
    assert tally.new == tally.done == len(recorded(library))
    assert not list(library.store.staging.iterdir()), "what was on its way is gone"
    again = adopt(library, folder)
    assert (again.stopped, again.unchanged, again.new) == (False, tally.new, 30 - tally.new)
    assert len(recorded(library)) == 30


def test_groups_become_small_where_one_has_held_the_writers_lock_for_long(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("GROUP", 8), ("FEWEST", 3), ("HELD", 0.0)):
        monkeypatch.setattr(adopting, name, value)
    for number in range(15):
        picture(folder / f"{number:02}.png", number)
    complete, sizes = adopting.complete, []

    def counted(completing: Library, intent: Intent) -> Outcome:
        sizes.append(len(intent.placements))
        return complete(completing, intent)

    monkeypatch.setattr(adopting, "complete", counted)
    assert adopt(library, folder).new == 15
    assert sizes == [8, 3, 3, 1]


def test_a_store_that_takes_nothing_more_ends_the_import_and_keeps_what_it_took(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopting, "GROUP", 4)
    for number in range(20):
        picture(folder / f"{number:02}.png", number)
    copying, taken = library.store.copying, iter(range(100))

    def full(source: Path) -> object:
        if next(taken) >= 10:
            raise StoreFailed("the store failed while taking a file: its disk is full")
        return copying(source)

    plan = adopting.look_through(library, folder)
    with monkeypatch.context() as patch:
        patch.setattr(library.store, "copying", full)
        with pytest.raises(StoreFailed, match="full"):
            adopting.adopt(library, plan, by="ann")
    assert 0 < plan.tally.new == len(recorded(library)) <= 10
    assert not list(library.store.staging.iterdir())
    assert adopt(library, folder).new == 20 - plan.tally.new


def test_what_was_approved_stays_what_somebody_approved_and_the_file_of_later_is_a_version(
    library: Library, folder: Path
) -> None:
    picture(folder / "a.png", 1)
    adopt(library, folder)
    first = decisions.approve(library, recorded(library)["a.png"].id, by="ann")
    picture(folder / "a.png", 2, at=LONG_AGO + 9)
    adopt(library, folder)
    assert artifacts.get_artifact(library, first.id).approval_status == "approved"
    assert recorded(library)["a.png"].version == 2


def test_where_approval_is_required_adopted_files_wait_for_it(library: Library, folder: Path) -> None:
    approval = replace(library.config.approval, default="required")
    library.config = replace(library.config, approval=approval)
    picture(folder / "a.png")
    adopt(library, folder)
    artifact = recorded(library)["a.png"]
    assert artifact.approval_status == "pending"
    assert workflows.get_workflow(library, artifact.workflow_id).status == "awaiting_approval"


def test_nothing_of_the_machine_is_in_the_log(library: Library, tmp_path: Path) -> None:
    adopt(library, every_kind(tmp_path / "output"))
    with library.reading():
        told = [str(row) for row in models.Event.select().dicts()]
    assert not [row for row in told if str(tmp_path) in row]
    assert [row for row in told if '"from":{"folder":"output","path":"2024/ComfyUI_00002_.png"}' in row]


def test_recording_is_untouched_by_what_an_import_says(library: Library, pictures: Pictures) -> None:
    artifact = pictures.one()
    (event,) = [event for event in events.history(library, artifact.id) if event.action in recording.RECORDING]
    assert event.after is not None
    assert "created_at" not in event.after


def test_what_was_adopted_goes_to_another_hub_as_a_bundle_and_is_known_there(
    library: Library, folder: Path, tmp_path: Path
) -> None:
    picture(folder / "a.png", 1)
    adopt(library, folder)
    picture(folder / "a.png", 2, at=LONG_AGO + 9)
    adopt(library, folder)
    root = exporting.find_root(library, recorded(library)["a.png"].workflow_id)
    bundles.export_bundle(library, root, tmp_path / "a.zip", by="ann")
    assert not importing.import_bundle(library, tmp_path / "a.zip", by="ann").added
    (tmp_path / "other").mkdir()
    other = open_library(load_config(tmp_path / "other", {}))
    try:
        assert importing.import_bundle(other, tmp_path / "a.zip", by="bob").added
        assert verifying_finds(other) == []
        assert adopt(other, folder).known == 1
    finally:
        other.close()
