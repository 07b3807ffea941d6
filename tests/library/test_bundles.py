"""A bundle carries a chain to another hub whole: ids, versions, times, decisions, pointers, tags, lineage, history."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import deleting
import invariants
import pytest
from bundling import Studio, members, state, written
from comfyui_artifact_db.comfyui_client import History
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.db import models
from comfyui_artifact_db.errors import Conflict, Invalid, NotFound, StoreFailed
from comfyui_artifact_db.library import (
    adopting,
    artifacts,
    bundles,
    capturing,
    decisions,
    emptying,
    events,
    exporting,
    importing,
    pages,
    preparing,
    runs,
    trash,
    verifying,
)
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.storage.local import Intent
from reviewing import edit
from tampering import kept, tamper


@pytest.fixture
def studio(library: Library, pictures: Any) -> Studio:
    return Studio(library, pictures)


@pytest.fixture
def bundle(studio: Studio, tmp_path: Path) -> Path:
    """The chain of the studio in a file."""
    return studio.export(tmp_path / "film.zip")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Library]:
    """Another hub, with nothing in it."""
    (tmp_path / "hub").mkdir()
    library = open_library(load_config(tmp_path / "hub", {}))
    library.prepare()
    yield library
    library.close()


def rows(library: Library) -> dict[str, list[dict[str, Any]]]:
    """Every row but the events, without what is a store's own matter."""
    found = {}
    with library.reading():
        for name, model in bundles.TABLES.items():
            columns = [model._meta.columns[column] for column in bundles.COLUMNS[name]]
            found[name] = sorted(model.select(*columns).dicts(), key=lambda row: json.dumps(row, sort_keys=True))
    return found


def of_chain(library: Library, studio: Studio) -> dict[str, list[dict[str, Any]]]:
    """The rows of the studio's chain, and none of what is beside it."""
    mine = set(studio.workflow_ids)
    found = rows(library)
    own = {row["id"] for row in found["artifacts"] if row["workflow_id"] in mine}
    attempts = {row["id"] for row in found["attempts"] if row["workflow_id"] in mine}
    keep: dict[str, Callable[[dict[str, Any]], bool]] = {
        "chains": lambda row: row["id"] == studio.chain_id,
        "workflows": lambda row: row["id"] in mine,
        "attempts": lambda row: row["workflow_id"] in mine,
        "artifacts": lambda row: row["id"] in own,
        "tags": lambda row: row["artifact_id"] in own,
        "lineage": lambda row: row["attempt_id"] in attempts and row["artifact_id"] in own,
        "artifact_transfers": lambda row: row["artifact_id"] in own,
    }
    return {name: [row for row in found[name] if keep[name](row)] for name in found}


def test_an_import_has_every_row_as_it_was(studio: Studio, bundle: Path, library: Library, hub: Library) -> None:
    done = importing.import_bundle(hub, bundle, by="importer")
    assert done.added
    assert events.text(rows(hub)) == events.text(of_chain(library, studio))
    assert done.counts["artifacts"] == len(rows(hub)["artifacts"]) == 6
    assert {row["approval_status"] for row in rows(hub)["artifacts"]} == {
        *("approved", "rejected", "auto_approved", "edited", "pending")
    }
    invariants.check(hub)
    assert verifying.check(hub) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no files of such names")
def test_whatever_files_and_folders_are_called_that_are_recorded_they_go_to_another_hub(
    library: Library, hub: Library, tmp_path: Path
) -> None:
    long = f"{'x' * 200}/{'y' * 100}"
    reported = [
        *(("sub/a.txt", ""), ("a.txt", "shot:1"), ("a\nb.txt", ""), ("...a.txt", ""), ("c:a.txt", ""), ("b.txt", long)),
        ("a\\b.txt", "day\t1"),
    ]
    output = tmp_path / "output"
    for filename, subfolder in reported:
        place = output / subfolder.replace("\\", "/") / filename
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{subfolder}/{filename}")
    told = [{"filename": filename, "subfolder": subfolder, "type": "output"} for filename, subfolder in reported]
    status = {"status_str": "success", "completed": True, "messages": []}
    history = History.of({"outputs": {"9": {"files": told}}, "status": status})
    assert capturing.capture(library, runs.Run("gpu-a", "p1", "texts"), history, output) == len(reported)
    for subfolder in ("shot:1", long, "day\t1"):
        (output / subfolder / "adopted.txt").write_text(subfolder)
    adopting.adopt(library, adopting.look_through(library, output), by="ann")
    listed = artifacts.list_artifacts(library, pages.Ask()).items
    assert len([one for one in listed if one.filename == "adopted.txt"]) == 3
    for number, workflow_id in enumerate({one.workflow_id for one in listed}):
        path = tmp_path / f"{number}.zip"
        bundles.export_bundle(library, exporting.Root("workflow", workflow_id, "texts"), path, by="ann")
        assert importing.import_bundle(hub, path, by="bob").added
    assert events.text(rows(hub)["artifacts"]) == events.text(rows(library)["artifacts"])
    assert {(one.filename, one.subfolder) for one in listed if one.output_key.startswith("9:")} == {
        *(("a.txt", "sub"), ("a.txt", "shot:1"), ("a_b.txt", ""), ("_..a.txt", ""), ("c_a.txt", ""), ("b.txt", long)),
        ("b.txt", "day_1/a"),
    }


def test_no_version_is_used_again_that_went_with_the_trash_at_any_hub_on_the_way(
    studio: Studio, library: Library, hub: Library, tmp_path: Path
) -> None:
    first = artifacts.get_artifact(library, studio.edited)
    newest = edit(library, first.id)
    trash.delete(library, newest.id, by="ann")
    emptying.empty(library, by="ann")
    root = exporting.find_root(library, studio.chain_id)
    (tmp_path / "third").mkdir()
    third = open_library(load_config(tmp_path / "third", {}))
    for number, (source, target) in enumerate(((library, hub), (hub, third))):
        bundles.export_bundle(source, root, tmp_path / f"{number}.zip", by="ann")
        assert importing.import_bundle(target, tmp_path / f"{number}.zip", by="bob").added
        invariants.check(target)
        assert verifying.check(target) == []
    assert [edit(at, first.id).version for at in (library, hub, third)] == [newest.version + 1] * 3
    third.close()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"output_key": "9:images:0", "version": 1 << 70}, None),
        ({"output_key": "9:images:0", "version": -5}, {"history": 7}),
        ({"output_key": ["9"], "version": 2}, {"history": [7, "{", None, {"action": "artifact.purged", "before": []}]}),
        ({"output_key": "9:images:0", "version": "2"}, {"history": {"action": "artifact.purged"}}),
    ],
)
def test_whatever_a_bundle_says_of_emptied_versions_there_is_room_for_more(
    studio: Studio, bundle: Path, hub: Library, tmp_path: Path, before: Any, after: Any
) -> None:
    found = members(bundle)
    lines = [json.loads(line) for line in found["events.jsonl"].splitlines()]
    event = next(line for line in lines if line["workflow_id"] == studio.workflow_ids[0])
    event |= {"action": "artifact.purged", "before": events.text(before), "after": after and events.text(after)}
    event["hash"] = events.event_hash(event)
    found["events.jsonl"] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    assert importing.import_bundle(hub, written(found, tmp_path / "odd.zip"), by="bob").added
    assert edit(hub, studio.edited).version > artifacts.get_artifact(hub, studio.edited).version


class Between:
    """Does something once, after an import was made ready and before it is written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
        self.done = 0
        prepare = preparing.prepare

        def interrupted(*given: Any) -> preparing.Prepared:
            prepared = prepare(*given)
            self.done += 1
            if self.done == 1:
                thread = threading.Thread(target=act)
                thread.start()
                thread.join()
            return prepared

        monkeypatch.setattr(preparing, "prepare", interrupted)


def test_an_import_that_another_one_of_the_same_bundle_overtakes_adds_nothing(
    bundle: Path, hub: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    overtaking = []
    Between(monkeypatch, lambda: overtaking.append(importing.import_bundle(hub, bundle, by="faster").added))
    assert importing.import_bundle(hub, bundle, by="slower").added is False
    assert overtaking == [True]
    files = [path for path in (hub.store.root / "files").rglob("*") if path.is_file()]
    assert {str(path) for path in files} == {row["local_path"] for row in placed(hub)}
    assert {event.actor for event in events.list_events(hub, limit=500)} == {"faster"}
    invariants.check(hub)


def test_an_import_that_is_overtaken_leaves_the_others_files_also_where_its_own_cannot_be_removed(
    bundle: Path, hub: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*local_paths: str) -> None:
        raise StoreFailed("the disk refuses")

    Between(monkeypatch, lambda: importing.import_bundle(hub, bundle, by="faster"))
    with monkeypatch.context() as refused:
        refused.setattr(hub.store, "delete", refuse)
        with pytest.raises(StoreFailed, match="the disk refuses"):
            importing.import_bundle(hub, bundle, by="slower")
    files = [path for path in (hub.store.root / "files").rglob("*") if path.is_file()]
    assert {str(path) for path in files} == {row["local_path"] for row in placed(hub)}
    assert verifying.check(hub) == []


def test_what_an_import_refers_to_may_go_while_it_is_made_ready(
    library: Library, studio: Studio, bundle: Path, hub: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The artifact that came from outside of the chain is there when it begins, and gone with its workflow after."""
    outside = artifacts.get_artifact(library, studio.outside).workflow_id
    exporting_outside = tmp_path / "outside.zip"
    bundles.export_bundle(library, exporting.Root("workflow", outside, ""), exporting_outside, by="ann")
    importing.import_bundle(hub, exporting_outside, by="importer")

    def drop() -> None:
        with closing(sqlite3.connect(hub.database.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = 1")
            connection.execute("DELETE FROM workflows WHERE id = ?", (outside,))

    between = Between(monkeypatch, drop)
    assert importing.import_bundle(hub, bundle, by="importer").added
    assert between.done == 2, "it was made ready anew"
    told = [event for event in events.list_events(hub, limit=500) if event.action == "attempt.imported"]
    assert studio.outside in json.dumps(
        [event.after["elsewhere"] for event in told if "elsewhere" in (event.after or {})]
    )


def placed(library: Library) -> list[dict[str, Any]]:
    with library.reading():
        rows = models.Artifact.select(models.Artifact.local_path).dicts()
        return [{"local_path": str(library.store.root / row["local_path"])} for row in rows]


def test_every_byte_arrives_and_lies_under_a_name_that_the_store_made(
    studio: Studio, bundle: Path, library: Library, hub: Library
) -> None:
    importing.import_bundle(hub, bundle, by="importer")
    for row in rows(hub)["artifacts"]:
        ours, theirs = artifacts.get_artifact(hub, row["id"]), artifacts.get_artifact(library, row["id"])
        assert kept(ours) == kept(theirs)
        assert ours.usable == theirs.usable
        assert ours.local_filename != theirs.local_filename
    assert not [path for path in (hub.store.root / "staging").rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_the_history_quotes_who_decided_over_there_and_says_who_imported_it_here(
    studio: Studio, bundle: Path, library: Library, hub: Library
) -> None:
    importing.import_bundle(hub, bundle, by="importer")
    imported, *pointers = events.history(hub, studio.approved)
    assert (imported.action, imported.actor) == ("artifact.imported", "importer")
    assert {event.action for event in pointers} <= {"artifact.head_changed"}
    assert imported.after is not None
    quoted = imported.after["history"]
    original = events.history(library, studio.approved)
    assert [entry["hash"] for entry in quoted] == [event.hash for event in original]
    (decision,) = [entry for entry in quoted if entry["action"] == "artifact.approved"]
    (there,) = [event for event in original if event.action == "artifact.approved"]
    assert (decision["actor"], decision["at"]) == ("ann", there.at)
    assert imported.after["from"]["file"] == "film.zip"
    assert imported.after["from"]["exported_by"] == "exporter"
    assert imported.after["from"]["hub"] == events.list_events(library, limit=1)[0].hash
    assert imported.after["decided_sha256"] == imported.after["sha256"]


def test_a_quoted_event_still_proves_its_own_hash(studio: Studio, bundle: Path, hub: Library) -> None:
    importing.import_bundle(hub, bundle, by="importer")
    quoted = [
        entry
        for event in events.list_events(hub, limit=500)
        for entry in (event.after or {}).get("history", ())
    ]  # fmt: skip
    assert len(quoted) > 20
    for entry in quoted:
        stored = {**entry, "before": events.text(entry["before"]), "after": events.text(entry["after"])}
        assert events.event_hash(stored) == entry["hash"]


def test_every_event_of_the_chain_is_quoted_once(studio: Studio, bundle: Path, library: Library, hub: Library) -> None:
    importing.import_bundle(hub, bundle, by="importer")
    quoted = [
        entry["seq"] for event in events.list_events(hub, limit=500) for entry in (event.after or {}).get("history", ())
    ]
    mine = {studio.chain_id, *studio.workflow_ids}
    original = [e.seq for e in events.list_events(library, limit=500) if {e.entity_id, e.workflow_id} & mine]
    assert sorted(quoted) == original


def test_a_second_import_adds_nothing_and_says_so(studio: Studio, bundle: Path, hub: Library) -> None:
    assert importing.import_bundle(hub, bundle, by="importer").added
    before = state(hub)
    assert not importing.import_bundle(hub, bundle, by="somebody else").added
    assert state(hub) == before


def test_a_second_import_leaves_what_was_decided_since(studio: Studio, bundle: Path, hub: Library) -> None:
    importing.import_bundle(hub, bundle, by="importer")
    decisions.approve(hub, studio.pending, by="bob")
    before = state(hub)
    assert not importing.import_bundle(hub, bundle, by="importer").added
    assert state(hub) == before


def test_the_hub_that_it_came_from_has_everything_already(studio: Studio, bundle: Path, library: Library) -> None:
    before = state(library)
    assert not importing.import_bundle(library, bundle, by="importer").added
    assert state(library) == before


def test_another_state_under_the_same_ids_is_refused_as_a_whole(studio: Studio, bundle: Path, library: Library) -> None:
    decisions.reject(library, studio.pending, by="bob", reason="no")
    before = state(library)
    with pytest.raises(Conflict, match="is here already, with another"):
        importing.import_bundle(library, bundle, by="importer")
    assert state(library) == before


def test_a_newer_export_is_refused_where_an_older_one_was_imported(
    studio: Studio, bundle: Path, hub: Library, tmp_path: Path
) -> None:
    importing.import_bundle(hub, bundle, by="importer")
    studio.pictures.one(workflow_id=studio.workflow_ids[0])
    before = state(hub)
    with pytest.raises(Conflict, match="nothing was imported"):
        importing.import_bundle(hub, studio.export(tmp_path / "newer.zip"), by="importer")
    assert state(hub) == before


def test_a_chain_that_was_deleted_here_can_be_imported_again(studio: Studio, bundle: Path, hub: Library) -> None:
    importing.import_bundle(hub, bundle, by="importer")
    deleting.for_good(hub, studio.chain_id, by="bob")
    assert importing.import_bundle(hub, bundle, by="importer").added
    invariants.check(hub)
    assert verifying.check(hub) == []


def test_a_chain_goes_on_after_its_import(studio: Studio, bundle: Path, hub: Library) -> None:
    importing.import_bundle(hub, bundle, by="importer")
    assert trash.undelete(hub, studio.deleted, by="bob").deleted_at is None
    decisions.approve(hub, studio.pending, by="bob")
    trash.delete(hub, studio.approved, by="bob")
    invariants.check(hub)
    assert verifying.check(hub) == []


def test_what_was_deleted_over_there_gets_back_here_what_it_held(
    library: Library, pictures: Any, hub: Library, tmp_path: Path
) -> None:
    """The event of the deletion is over there; the quotation says what it said."""
    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id)
    trash.delete(library, second.id, by="ann")
    file = tmp_path / "one.zip"
    bundles.export_bundle(library, exporting.find_root(library, first.workflow_id), file, by="exporter")
    importing.import_bundle(hub, file, by="importer")
    back = trash.undelete(hub, second.id, by="bob")
    assert (back.is_head, back.is_latest) == (True, True)
    invariants.check(hub)


def test_an_import_is_exported_again_and_tells_both_hubs(
    studio: Studio, bundle: Path, hub: Library, tmp_path: Path
) -> None:
    importing.import_bundle(hub, bundle, by="importer")
    again = tmp_path / "again.zip"
    bundles.export_bundle(hub, exporting.find_root(hub, studio.chain_id), again, by="second")
    (tmp_path / "third").mkdir()
    third = open_library(load_config(tmp_path / "third", {}))
    try:
        importing.import_bundle(third, again, by="third")
        (event, *_) = events.history(third, studio.approved)
        assert event.after is not None
        nested = event.after["history"][0]
        assert (nested["action"], nested["actor"]) == ("artifact.imported", "importer")
        assert "artifact.approved" in [entry["action"] for entry in nested["after"]["history"]]
        assert events.text(rows(third)) == events.text(rows(hub))
        invariants.check(third)
    finally:
        third.close()


def test_what_was_current_is_told_from_the_import_on(studio: Studio, bundle: Path, hub: Library) -> None:
    importing.import_bundle(hub, bundle, by="importer")
    workflow_id = studio.workflow_ids[0]
    now = artifacts.get_current_at(hub, workflow_id, "2099-01-01T00:00:00Z")
    latest = artifacts.get_latest_artifact(hub, workflow_id)
    assert now is not None
    assert latest is not None
    assert now.id == latest.id
    assert artifacts.get_current_at(hub, workflow_id, "2001-01-01T00:00:00Z") is None


def test_what_lies_outside_is_told_and_linked_only_where_it_is_there(
    studio: Studio, bundle: Path, library: Library, hub: Library, tmp_path: Path
) -> None:
    importing.import_bundle(hub, bundle, by="importer")
    used = {"artifact_id": studio.outside, "via": "node"}
    with hub.reading():
        assert studio.outside not in [row["artifact_id"] for row in models.Lineage.select().dicts()]
    told = [
        event.after["elsewhere"] for event in events.list_events(hub, limit=500) if "elsewhere" in (event.after or {})
    ]
    assert told == [{"inputs": [used]}]
    (tmp_path / "knows").mkdir()
    knows = open_library(load_config(tmp_path / "knows", {}))
    try:
        outside = tmp_path / "outside.zip"
        root = exporting.find_root(library, artifacts.get_artifact(library, studio.outside).workflow_id)
        bundles.export_bundle(library, root, outside, by="exporter")
        importing.import_bundle(knows, outside, by="importer")
        importing.import_bundle(knows, bundle, by="importer")
        with knows.reading():
            assert studio.outside in [row["artifact_id"] for row in models.Lineage.select().dicts()]
        invariants.check(knows)
        assert rows(knows)["lineage"] == rows(library)["lineage"]
    finally:
        knows.close()


def test_what_retention_removed_is_exported_without_its_bytes(
    studio: Studio, library: Library, hub: Library, tmp_path: Path
) -> None:
    at = "2026-11-22T10:00:00.000Z"
    with closing(sqlite3.connect(library.database.path, isolation_level=None)) as connection:
        connection.execute("UPDATE artifacts SET bytes_removed_at = ? WHERE id = ?", (at, studio.rejected))
    Path(artifacts.get_artifact(library, studio.rejected).local_path).unlink()
    importing.import_bundle(hub, studio.export(tmp_path / "film.zip"), by="importer")
    ours = artifacts.get_artifact(hub, studio.rejected)
    assert (ours.bytes_removed_at, ours.usable) == (at, False)
    assert events.text(rows(hub)) == events.text(of_chain(library, studio))


def test_changed_bytes_make_no_bundle(studio: Studio, library: Library, tmp_path: Path) -> None:
    tamper(artifacts.get_artifact(library, studio.approved), b"something else")
    file = tmp_path / "film.zip"
    with pytest.raises(Conflict, match="not those that were recorded") as refused:
        studio.export(file)
    assert [one.artifact_id for one in refused.value.data["refused"]] == [studio.approved]
    assert not [path for path in tmp_path.iterdir() if "zip" in path.name or "part" in path.name]


def test_a_file_that_is_there_is_not_overwritten(studio: Studio, tmp_path: Path) -> None:
    file = tmp_path / "film.zip"
    file.write_bytes(b"mine")
    with pytest.raises(Conflict, match="is there already"):
        studio.export(file)
    assert file.read_bytes() == b"mine"


def test_the_same_rows_make_the_same_bytes(studio: Studio, tmp_path: Path) -> None:
    one, two = studio.export(tmp_path / "one.zip"), studio.export(tmp_path / "two.zip")
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(two) as second:
        assert first.namelist() == second.namelist()
        for name in first.namelist():
            assert name == bundles.HEADER or first.read(name) == second.read(name)
            assert first.getinfo(name).compress_type == zipfile.ZIP_STORED


def test_a_step_is_not_exported_alone(studio: Studio, library: Library) -> None:
    with pytest.raises(Invalid, match="is a step of chain"):
        exporting.find_root(library, studio.workflow_ids[0])
    with pytest.raises(NotFound):
        exporting.find_root(library, "nothing of this name")
    for word in ("film", studio.chain_id, studio.chain_id[:13]):
        assert exporting.find_root(library, word).id == studio.chain_id


def test_progress_tells_of_every_byte(studio: Studio, hub: Library, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    file = tmp_path / "film.zip"
    done = bundles.export_bundle(
        studio.library, exporting.find_root(studio.library, "film"), file, by="x", progress=lambda *at: told.append(at)
    )
    assert told[-1] == (done.size, done.size)
    told.clear()
    importing.import_bundle(hub, file, by="importer", progress=lambda *at: told.append(at))
    assert told[-1] == (done.size, done.size)


def test_two_who_import_the_same_at_once_leave_one_chain_and_one_copy(bundle: Path, hub: Library) -> None:
    added: list[bool] = []
    importers = [
        threading.Thread(target=lambda: added.append(importing.import_bundle(hub, bundle, by="importer").added))
        for _ in range(4)
    ]
    for importer in importers:
        importer.start()
    for importer in importers:
        importer.join()
    assert sorted(added) == [False, False, False, True]
    found = {path.name for path in (hub.store.root / "files").rglob("*") if path.is_file()}
    with hub.reading():
        assert found == {name for (name,) in models.Artifact.select(models.Artifact.local_filename).tuples()}
    invariants.check(hub)


def test_a_large_file_is_never_in_memory(library: Library, pictures: Any, hub: Library, tmp_path: Path) -> None:
    picture = pictures.one(data=b"\0" * 40_000_000)
    root = exporting.find_root(library, picture.workflow_id)
    file = tmp_path / "large.zip"
    tracemalloc.start()
    bundles.export_bundle(library, root, file, by="exporter")
    importing.import_bundle(hub, file, by="importer")
    exporting.export_folder(library, root, tmp_path / "folder")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12_000_000


def test_a_bundle_that_needs_zip64_is_read(
    studio: Studio, hub: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if a file of 4 GB were in it: every offset and size is written the long way."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(bundles, "_ZIP64_FROM", 0)
    file = studio.export(tmp_path / "film.zip")
    assert b"PK\6\7" in file.read_bytes()[-42:-22]
    assert importing.import_bundle(hub, file, by="importer").added
    invariants.check(hub)


def test_an_import_that_was_committed_is_not_completed_again(
    studio: Studio, bundle: Path, hub: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the commit and the end of the intent; somebody deletes the chain before the intent is found."""
    promised: list[Intent] = []
    promise = hub.store.promise
    monkeypatch.setattr(hub.store, "promise", lambda *given: promised.append(promise(*given)) or promised[-1])
    importing.import_bundle(hub, bundle, by="importer")
    (intent,) = promised
    deleting.for_good(hub, studio.chain_id, by="bob")
    before = state(hub)
    assert not importing.complete(hub, intent)
    assert state(hub) == before


def test_a_hub_finds_by_name_what_it_imported(bundle: Path, hub: Library) -> None:
    importing.import_bundle(hub, bundle, by="importer")
    found = artifacts.list_artifacts(hub, pages.Ask(50), q="film")
    assert len(found.items) == 5
    assert artifacts.count_queue(hub) == (1, False)


def test_events_of_what_is_gone_are_told_with_the_chain(
    studio: Studio, bundle: Path, library: Library, hub: Library, tmp_path: Path
) -> None:
    """A version that was lost with its chain, which was then imported again, is in no row; the log remembers it."""
    lost = studio.pictures.one(workflow_id=studio.workflow_ids[0])
    deleting.for_good(library, studio.chain_id, by="bob")
    importing.import_bundle(library, bundle, by="ann")
    importing.import_bundle(hub, studio.export(tmp_path / "again.zip"), by="importer")
    (event, *_) = events.history(hub, studio.chain_id)
    assert event.after is not None
    told = [(entry["action"], entry["entity_id"]) for entry in event.after["history"]]
    assert ("artifact.recorded", lost.id) in told
    assert ("chain.deleted", studio.chain_id) in told
    assert verifying.check(hub) == []


def test_version_1_of_the_format_has_the_columns_that_it_had() -> None:
    """Another column is another version of the format, and old bundles are to be read still."""
    columns = json.dumps([bundles.COLUMNS, bundles.EVENT_COLUMNS])
    assert (bundles.VERSION, hashlib.sha256(columns.encode()).hexdigest()[:16]) == (1, "383bcbb8cf0767f3")
