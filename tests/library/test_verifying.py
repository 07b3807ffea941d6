"""Pins what `verify` finds: flipped bits, swapped files, edited rows and events, and that it finds nothing else."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import deleting
import invariants
import processes
import pytest
import verifying_runs
from comfyui_artifact_db.config import Config, load_config
from comfyui_artifact_db.db import models
from comfyui_artifact_db.library import (
    artifacts,
    bundles,
    decisions,
    events,
    exporting,
    importing,
    runs,
    transfers,
    trash,
    verifying,
    workflows,
)
from comfyui_artifact_db.library.findings import Finding
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.library.views import Artifact
from making import Pictures, png
from reviewing import edit
from tampering import kept, tamper
from verifying_runs import cut_log, forge, unguarded


def lines(library: Library) -> list[str]:
    return [finding.line for finding in verifying.check(library)]


def kinds(library: Library) -> set[str]:
    return {finding.kind for finding in verifying.check(library)}


def only(library: Library) -> Finding:
    (finding,) = verifying.check(library)
    return finding


@pytest.fixture
def film(library: Library, pictures: Pictures) -> Artifact:
    """An approved picture of a step of a chain."""
    run = runs.Run("gpu-a", "p1", "text-to-image", chain="film", step="frame")
    picture = pictures.one(run=run, status="pending")
    return decisions.approve(library, picture.id, by="ann")


def test_nothing_is_wrong_with_an_empty_library(library: Library) -> None:
    assert verifying.check(library) == []


def test_nothing_is_wrong_after_everything_that_people_do(library: Library, pictures: Pictures) -> None:
    verifying_runs.everything(library, pictures)
    assert lines(library) == []
    invariants.check(library)


def test_a_flipped_bit_is_found_with_its_artifact_its_place_and_its_decisions(
    library: Library, pictures: Pictures, film: Artifact
) -> None:
    pictures.one()
    data = bytearray(kept(film))
    data[-20] ^= 1
    tamper(film, bytes(data), unseen=True)
    finding = only(library)
    assert (finding.kind, finding.artifact_id, finding.entity_type) == ("file_changed", film.id, "artifact")
    assert (finding.chain, finding.step, finding.filename, finding.version) == ("film", "frame", film.filename, 1)
    (decision,) = finding.decisions
    assert (decision.what, decision.by, decision.at) == ("approved", "ann", film.decided_at)
    assert finding.line.count("\n") == 0
    for word in (film.id, "film / frame / ComfyUI_00001_.png v1", "approved by ann", film.sha256):
        assert word in finding.line


def test_two_files_that_changed_places_are_both_found(library: Library, pictures: Pictures) -> None:
    one, two = pictures.one(), pictures.one()
    spare = Path(one.local_path).with_name("spare")
    os.rename(one.local_path, spare)
    os.rename(two.local_path, one.local_path)
    os.rename(spare, two.local_path)
    assert [(f.kind, f.artifact_id) for f in verifying.check(library)] == [
        ("file_changed", one.id),
        ("file_changed", two.id),
    ]


@pytest.mark.parametrize("how", ["deleted", "a link", "a folder"])
def test_a_file_that_is_not_there_is_found(library: Library, film: Artifact, how: str) -> None:
    path = Path(film.local_path)
    data = path.read_bytes()
    path.unlink()
    if how == "a link":
        elsewhere = library.store.root / "elsewhere.png"
        elsewhere.write_bytes(data)
        path.symlink_to(elsewhere)
    elif how == "a folder":
        path.mkdir()
    finding = only(library)
    assert (finding.kind, finding.artifact_id) == ("file_missing", film.id)
    assert str(library.store.root) not in finding.line


def test_deliveries_of_the_bytes_are_named(library: Library, film: Artifact) -> None:
    forge(
        library,
        "INSERT INTO artifact_transfers (id, artifact_id, source_workflow_id, target_server, status, uploaded_at,"
        " created_at, requested_by, attempts) VALUES ('t', ?, ?, 'gpu-b', 'completed', '2026-11-22T00:00:00.000Z',"
        " '2026-11-22T00:00:00.000Z', 'bob', 1)",
        *(film.id, film.workflow_id),
    )
    tamper(film, png(999))
    found = {finding.kind: finding for finding in verifying.check(library)}
    assert [str(d) for d in found["file_changed"].decisions][1] == "delivered to gpu-b on 2026-11-22T00:00:00.000Z"
    assert found["row_unexplained"].entity_type == "transfer", "no event tells of the forged row itself"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *[("approval_status", "rejected"), ("approved_by", "mallory"), ("decided_by", "mallory"), ("version", 7)],
        *[("sha256", "0" * 64), ("decided_sha256", "0" * 64), ("file_size", 1), ("output_key", "9:images:7")],
        *[("decided_at", "2020-01-01T00:00:00.000Z"), ("filename", "other.png"), ("rejection_reason", "bad")],
        *[("deleted_at", "2020-01-01T00:00:00.000Z"), ("bytes_removed_at", "2020-01-01T00:00:00.000Z")],
        *[("created_at", "2020-01-01T00:00:00.000Z"), ("approved_at", None)],
    ],
)
def test_an_edited_row_of_an_artifact_is_found(
    library: Library, pictures: Pictures, film: Artifact, column: str, value: Any
) -> None:
    pictures.one()
    forge(library, f"UPDATE artifacts SET {column} = ? WHERE id = ?", value, film.id)
    found = [f for f in verifying.check(library) if f.kind == "row_changed"]
    assert [(f.artifact_id, [str(d.what) for d in f.decisions]) for f in found] == [(film.id, ["approved"])]
    assert f"{column} is " in found[0].message


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        *[("chains", "status", "failed"), ("chains", "name", "other"), ("workflows", "status", "failed")],
        *[
            ("workflows", "step_id", "other"),
            ("workflows", "server_address", "gpu-b"),
            ("attempts", "status", "failed"),
        ],
        ("attempts", "prompt_id", "p2"),
    ],
)
def test_an_edited_row_of_another_table_is_found(
    library: Library, film: Artifact, table: str, column: str, value: str
) -> None:
    forge(library, f"UPDATE {table} SET {column} = ?", value)
    assert column in only(library).message
    assert only(library).kind == "row_changed"


def test_tags_are_part_of_the_record(library: Library, film: Artifact) -> None:
    decisions.tag(library, film.id, "hero", by="ann")
    assert verifying.check(library) == []
    forge(library, "UPDATE tags SET tag = 'villain'")
    assert "villain" in only(library).message


@pytest.mark.parametrize("column", ["at", "actor", "action", "entity_id", "workflow_id", "before", "after", "hash"])
def test_an_edited_event_is_found(library: Library, film: Artifact, column: str) -> None:
    (seq,) = verifying_runs.seqs(library, "artifact.approved")
    with unguarded(library):
        forge(library, f"UPDATE events SET {column} = 'something else' WHERE seq = ?", seq)
    found = [f for f in verifying.check(library) if f.kind == "event_changed"]
    assert str(seq) in {f.entity_id for f in found} | {str(int(f.entity_id) - 1) for f in found}
    if column not in ("entity_id", "hash"):
        assert found[0].artifact_id == film.id


def test_an_event_that_was_edited_with_a_hash_of_its_own_is_found(library: Library, film: Artifact) -> None:
    (seq,) = verifying_runs.seqs(library, "artifact.recorded")
    with library.reading():
        row = models.Event.select().where(models.Event.seq == seq).dicts().get()
    row["actor"] = "mallory"
    with unguarded(library):
        forge(library, "UPDATE events SET actor = ?, hash = ? WHERE seq = ?", "mallory", events.event_hash(row), seq)
    assert only(library).kind == "event_changed"
    assert f"event {seq} " in only(library).message


def test_a_removed_event_is_found_wherever_it_was(library: Library, film: Artifact) -> None:
    last = events.last_seq(library)
    for seq in range(1, last + 1):
        with cut_log(library, seq, seq):
            found = kinds(library)
            assert found, f"event {seq} of {last}"
            assert ("event_missing" in found) == (seq < last), f"a gap is called one: {seq} of {last}"
    assert verifying.check(library) == []


@pytest.mark.parametrize("do", verifying_runs.CHANGES)
def test_a_change_whose_events_were_all_removed_from_the_end_is_found(
    library: Library, pictures: Pictures, film: Artifact, do: str
) -> None:
    change = verifying_runs.CHANGES[do](library, pictures, film)
    last = events.last_seq(library)
    change()
    assert verifying.check(library) == []
    with cut_log(library, last + 1, events.last_seq(library)):
        assert verifying.check(library) != []


def test_a_removed_row_is_found(library: Library, film: Artifact) -> None:
    forge(library, "DELETE FROM artifacts WHERE id = ?", film.id)
    found = {f.kind: f for f in verifying.check(library)}
    assert set(found) == {"row_missing", "pointers"}
    assert found["row_missing"].artifact_id == film.id
    assert [d.what for d in found["row_missing"].decisions] == ["approved"]
    assert found["row_missing"].filename == film.filename


def test_a_log_that_was_forged_anew_after_a_removal_is_found_by_what_the_events_say_was_before(
    library: Library, pictures: Pictures
) -> None:
    picture = pictures.one(status="pending")
    decisions.reject(library, picture.id, by="ann", reason="no")
    decisions.approve(library, picture.id, by="bob")
    verifying_runs.forge_without(library, "artifact.rejected")
    found = {f.kind: f for f in verifying.check(library)}
    assert set(found) == {"event_missing", "row_changed"}
    assert "approval_status was 'rejected'" in found["event_missing"].message
    assert {f.artifact_id for f in found.values()} == {picture.id}


@pytest.mark.parametrize("name", ["events_refuse_update", "events_refuse_delete", "events_refuse_replace"])
def test_a_dropped_guard_of_the_log_is_found(library: Library, name: str) -> None:
    library.prepare()
    forge(library, f"DROP TRIGGER {name}")
    assert f"trigger {name} is not there" in only(library).message
    forge(library, f"CREATE TRIGGER {name} BEFORE UPDATE ON events BEGIN SELECT 1; END")
    assert f"trigger {name} was changed" in only(library).message


def test_a_dropped_index_that_keeps_a_rule_is_found(library: Library) -> None:
    library.prepare()
    forge(library, "DROP INDEX idx_artifacts_one_latest_per_workflow")
    assert only(library).kind == "schema"


WRONG_POINTERS = {
    "latest_artifact_id of nothing": "UPDATE workflows SET latest_artifact_id = NULL",
    "latest_artifact_id of another": "UPDATE workflows SET latest_artifact_id ="
    " (SELECT id FROM artifacts WHERE is_latest = FALSE LIMIT 1)",
    "no flag": "UPDATE artifacts SET is_latest = FALSE",
    "the flag elsewhere": "UPDATE artifacts SET is_latest = (version = 1 AND output_key = '9:images:0')",
    "no head": "UPDATE artifacts SET is_head = FALSE",
    "another head": "UPDATE artifacts SET is_head = NOT is_head WHERE output_key = '9:images:0'",
    "everything moved together": "UPDATE artifacts SET is_latest = (version = 1 AND output_key = '9:images:0');"
    "UPDATE workflows SET latest_artifact_id = (SELECT id FROM artifacts WHERE is_latest = TRUE)",
}


@pytest.mark.parametrize("how", WRONG_POINTERS)
def test_wrong_pointers_are_found_and_put_back(library: Library, pictures: Pictures, how: str) -> None:
    first, _ = pictures.record(keys=("9:images:0", "9:images:1"))
    second = edit(library, first.id)
    with closing(sqlite3.connect(library.database.path, isolation_level=None)) as connection:
        connection.executescript(
            "DROP INDEX idx_artifacts_one_latest_per_workflow; DROP INDEX idx_artifacts_one_head_per_output;"
            + WRONG_POINTERS[how]
        )
    found = [f for f in verifying.check(library) if f.kind != "schema"]
    assert {(f.kind, f.workflow_id) for f in found} == {("pointers", first.workflow_id)}
    before = events.last_seq(library)
    assert verifying.fix_pointers(library, [first.workflow_id], actor="admin") > 0
    assert [f for f in verifying.check(library) if f.kind != "schema"] == []
    assert {event.actor for event in events.list_events(library, after=before)} == {"admin"}
    invariants.check(library)
    assert verifying_runs.pointers(library, first.workflow_id) == (second.id, {"9:images:0": second.id})


def test_a_current_artifact_in_the_trash_gives_way_by_the_rules(library: Library, pictures: Pictures) -> None:
    first = pictures.one()
    second = edit(library, first.id)
    forge(library, "UPDATE artifacts SET deleted_at = '2026-11-22T00:00:00.000Z' WHERE id = ?", second.id)
    assert {"pointers", "row_changed"} == kinds(library)
    assert [line.count("is in the trash") for line in lines(library)].count(1) == 2, "as current one, and as head"
    verifying.fix_pointers(library, [first.workflow_id], actor="admin")
    assert verifying_runs.pointers(library, first.workflow_id) == (first.id, {"9:images:0": first.id})


def test_what_somebody_selected_is_what_pointers_are_put_back_to(library: Library, pictures: Pictures) -> None:
    first = pictures.one()
    edit(library, first.id)
    decisions.select(library, first.id, by="ann")
    forge(library, "UPDATE artifacts SET is_latest = FALSE, is_head = FALSE")
    forge(library, "UPDATE workflows SET latest_artifact_id = NULL")
    verifying.fix_pointers(library, [first.workflow_id], actor="admin")
    assert verifying_runs.pointers(library, first.workflow_id) == (first.id, {"9:images:0": first.id})
    assert verifying.check(library) == []


def test_pointers_that_are_right_are_left_alone(library: Library, film: Artifact) -> None:
    before = events.last_seq(library)
    assert verifying.fix_pointers(library, [film.workflow_id, "no such workflow"], actor="admin") == 0
    assert events.last_seq(library) == before


def test_it_finds_nothing_wrong_while_others_write(config: Config, library: Library, pictures: Pictures) -> None:
    pictures.one()
    stop, failed = threading.Event(), []

    def work() -> None:
        while not stop.is_set():
            try:
                verifying_runs.everything(library, pictures)
            except BaseException as error:
                failed.append(error)
                raise

    worker = threading.Thread(target=work)
    with processes.started("recording_many", config.folder, "60") as other:
        worker.start()
        assert other.stdin is not None
        other.stdin.write("go on\n")
        other.stdin.flush()
        for _ in range(12):
            assert lines(library) == []
        processes.go_on(other)
    stop.set()
    worker.join()
    assert not failed
    assert lines(library) == []


def test_what_is_deleted_between_the_rows_and_the_files_is_not_lost(
    library: Library, film: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain_id = workflows.get_workflow(library, film.workflow_id).chain_id
    assert chain_id is not None
    digest = library.store.digest

    def going(local_path: str) -> str | None:
        monkeypatch.setattr(library.store, "digest", digest)
        deleting.for_good(library, chain_id, by="ann")
        return digest(local_path)

    monkeypatch.setattr(library.store, "digest", going)
    assert verifying.check(library) == []
    assert library.store.digest is digest or library.store.digest == digest


def test_a_delivery_that_is_tried_again_is_nothing_wrong_while_it_runs(library: Library, film: Artifact) -> None:
    transfer = transfers.create_transfer(library, film.id, server="gpu-b", by="ann")
    assert transfers.deliver(library, transfer.id, by="ann").error_message
    with library.writing("ann") as tx:
        transfers.start(tx, transfers.row_of(transfer.id))  # As far as a process came that was killed while it sent.
    assert lines(library) == []


def test_a_parent_that_is_gone_with_its_chain_is_nothing_wrong(library: Library, film: Artifact) -> None:
    trash.delete(library, edit(library, film.id).id, by="ann")
    assert verifying.check(library) == []


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two, so that a few rows are many pages."""
    verifying_runs.pages_of(monkeypatch, 2)


@pytest.mark.usefixtures("small_pages")
def test_pages_see_everything(library: Library, pictures: Pictures) -> None:
    made = [pictures.one() for _ in range(7)]
    verifying_runs.everything(library, pictures)
    assert lines(library) == []
    for picture in made:
        tamper(picture, b"x")
    forge(library, "UPDATE artifacts SET filename = 'x'")
    with library.reading():
        count = models.Artifact.select().count()
    found = verifying.check(library)
    assert [f.kind for f in found].count("row_changed") == count
    assert {f.artifact_id for f in found if f.kind == "file_changed"} == {picture.id for picture in made}


def test_nothing_is_wrong_after_an_import_and_its_decisions_are_those_of_the_other_hub(
    library: Library, pictures: Pictures, film: Artifact, tmp_path: Path
) -> None:
    edit(library, film.id)
    decisions.tag(library, film.id, "hero", by="ann")
    target = tmp_path / "film.zip"
    bundles.export_bundle(library, exporting.find_root(library, "film"), target, by="ann")
    other = open_library(load_config(tmp_path / "other", {}))
    importing.import_bundle(other, target, by="bob")
    assert lines(other) == []
    taken = artifacts.get_artifact(other, film.id)
    tamper(taken, png(4711))
    assert [(f.kind, [str(d) for d in f.decisions]) for f in verifying.check(other)] == [
        ("file_changed", [f"approved by ann on {film.decided_at}"])
    ]
    forge(other, "UPDATE artifacts SET approval_status = 'rejected' WHERE id = ?", film.id)
    assert "row_changed" in kinds(other)
    other.close()
    chain_id = workflows.get_workflow(library, film.workflow_id).chain_id
    assert chain_id is not None
    deleting.for_good(library, chain_id, by="ann")
    importing.import_bundle(library, target, by="bob")
    assert lines(library) == []
