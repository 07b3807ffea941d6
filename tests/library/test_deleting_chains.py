"""A chain in the trash is nowhere to be found, keeps everything, takes in what comes late, and comes back as it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.db import migrating, models
from comfyui_artifact_db.errors import Conflict, Invalid, NotFound
from comfyui_artifact_db.library import (
    artifacts,
    attempts,
    chains,
    decisions,
    edits,
    emptying,
    events,
    exporting,
    identities,
    lineage,
    loads,
    pages,
    prefixes,
    recording,
    runs,
    tags,
    transfers,
    trash,
    uploads,
    verifying,
    workflows,
)
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.media.kinds import PNG
from making import png
from reviewing import edit

RUN = runs.Run("gpu-a", "p1", "w", chain="film", step="a")
ASK = pages.Ask()


class Film:
    """A chain of two steps with versions, an edit, a transfer, tags, and one artifact deleted on its own."""

    def __init__(self, library: Library, pictures: Any) -> None:
        self.library = library
        self.first = pictures.one(run=RUN)
        self.next = pictures.one(run=runs.Run("gpu-a", "p2", "w", chain="film", step="b", inputs=(self.first.id,)))
        self.second = edit(library, self.first.id)
        self.third = edits.restore(library, self.second.id, self.first.id, by="ann")
        decisions.tag(library, self.first.id, "nice", by="ann")
        self.transfer_id = transfers.create_transfer(library, self.third.id, server="gpu-b", by="ann").id
        self.deleted = trash.delete(library, pictures.one(workflow_id=self.first.workflow_id).id, by="ann")
        self.pending = pictures.one(workflow_id=self.next.workflow_id, keys=("8:images:0",), status="pending")
        self.workflow_id = self.first.workflow_id
        chain_id = workflows.get_workflow(library, self.workflow_id).chain_id
        assert chain_id is not None
        self.id = chain_id

    @property
    def artifact_ids(self) -> list[str]:
        return [one.id for one in (self.first, self.next, self.second, self.third, self.deleted, self.pending)]

    def into_the_trash(self) -> None:
        chains.delete_chain(self.library, self.id, actor="ann")


@pytest.fixture
def film(library: Library, pictures: Any) -> Film:
    return Film(library, pictures)


def everything(library: Library) -> dict[str, list[Any]]:
    """Every row of every table but the log, without what a chain's own deletion changes."""
    with closing(sqlite3.connect(library.database.path)) as connection:
        connection.row_factory = sqlite3.Row
        found = {}
        for table in models.TABLES:
            name = table._meta.table_name
            rows = [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]
            if name == "chains":
                for row in rows:
                    del row["updated_at"], row["revision"]
            if name != "events":
                found[name] = sorted(rows, key=repr)
        return found


def stored(library: Library) -> set[str]:
    return {path.name for path in (library.store.root / "files").rglob("*") if path.is_file()}


LISTS: dict[str, Callable[[Library, Film], list[Any]]] = {
    "chains": lambda library, film: chains.list_chains(library, ASK).items,
    "chains by name": lambda library, film: chains.list_chains(library, ASK, name="film").items,
    "failed chains": lambda library, film: chains.get_chains_with_failed_workflows(library),
    "workflows": lambda library, film: workflows.list_workflows(library, ASK).items,
    "workflows of the chain": lambda library, film: workflows.get_workflows_by_chain(library, film.id),
    "workflows by prompt": lambda library, film: workflows.list_workflows(library, ASK, prompt_id="p1").items,
    "attempts": lambda library, film: attempts.list_attempts(library, film.workflow_id),
    "artifacts": lambda library, film: artifacts.list_artifacts(library, ASK).items,
    "artifacts by size": lambda library, film: artifacts.list_artifacts(library, ASK, sort="size").items,
    "artifacts by words": lambda library, film: artifacts.list_artifacts(library, ASK, q="film").items,
    "artifacts by tag": lambda library, film: artifacts.list_artifacts(library, ASK, tag="nice").items,
    "artifacts by step": lambda library, film: artifacts.list_artifacts(library, ASK, step="a").items,
    "artifacts by chain": lambda library, film: artifacts.list_artifacts(library, ASK, chain=film.id).items,
    "artifacts by workflow": lambda library, film: (
        artifacts.list_artifacts(library, ASK, workflow=film.workflow_id).items
    ),
    "current artifacts": lambda library, film: artifacts.list_artifacts(library, ASK, latest=True).items,
    "the queue": lambda library, film: artifacts.list_artifacts(library, ASK, queue=True).items,
    "the trash of artifacts": lambda library, film: artifacts.list_artifacts(library, ASK, trash=True).items,
    "tags": lambda library, film: tags.list_tags(library, ASK).items,
    "transfers": lambda library, film: transfers.list_transfers(library, ASK).items,
    "transfers of an artifact": lambda library, film: (
        transfers.list_transfers(library, ASK, artifact=film.third.id).items
    ),
    "the badge": lambda library, film: list(range(artifacts.count_queue(library)[0])),
    "the current artifact by flag": lambda library, film: [
        one for one in [artifacts.get_latest_artifact_by_flag(library, film.workflow_id)] if one
    ],
}

LOOKUPS: dict[str, Callable[[Library, Film], object]] = {
    "the chain": lambda library, film: chains.get_chain(library, film.id),
    "changing the chain": lambda library, film: chains.update_chain(library, film.id, actor="ann", status="failed"),
    "deleting the chain": lambda library, film: chains.delete_chain(library, film.id, actor="ann"),
    "a workflow": lambda library, film: workflows.get_workflow(library, film.workflow_id),
    "a step": lambda library, film: workflows.get_workflow_by_step(library, film.id, "a"),
    "a new step": lambda library, film: workflows.create_workflow(
        library, workflow_name="w", chain_id=film.id, actor="ann"
    ),
    "changing a workflow": lambda library, film: workflows.update_workflow(
        library, film.workflow_id, actor="ann", status="failed"
    ),
    "artifacts of a workflow": lambda library, film: artifacts.list_workflow_artifacts(library, film.workflow_id, ASK),
    "the current artifact": lambda library, film: artifacts.get_latest_artifact(library, film.workflow_id),
    "what was current": lambda library, film: artifacts.get_current_at(library, film.workflow_id, "2099-01-01"),
    "a dependency": lambda library, film: artifacts.get_dependency_artifact(library, film.id, "a"),
    "an artifact": lambda library, film: artifacts.get_artifact(library, film.first.id),
    "a deleted artifact": lambda library, film: artifacts.get_artifact(library, film.deleted.id),
    "versions": lambda library, film: artifacts.list_versions(library, film.first.id, ASK),
    "lineage": lambda library, film: lineage.get_lineage(library, film.first.id),
    "version history": lambda library, film: lineage.get_version_history(library, film.second.id),
    "approving": lambda library, film: decisions.approve(library, film.pending.id, by="ann"),
    "selecting": lambda library, film: decisions.select(library, film.first.id, by="ann"),
    "tagging": lambda library, film: decisions.tag(library, film.first.id, "new", by="ann"),
    "editing": lambda library, film: edit(library, film.first.id),
    "restoring": lambda library, film: edits.restore(library, film.second.id, film.first.id, by="ann"),
    "deleting": lambda library, film: trash.delete(library, film.first.id, by="ann"),
    "undeleting one of its artifacts": lambda library, film: trash.undelete(library, film.deleted.id, by="ann"),
    "a transfer": lambda library, film: transfers.get_transfer(library, film.transfer_id),
    "a new transfer": lambda library, film: transfers.create_transfer(library, film.third.id, server="gpu-b", by="ann"),
    "delivering": lambda library, film: transfers.deliver(library, film.transfer_id, by="ann"),
    "retrying": lambda library, film: transfers.require_retryable(library, film.transfer_id),
    "loading by name": lambda library, film: loads.resolve(library, loads.Wanted(chain="film", step="a")),
    "loading by id": lambda library, film: loads.resolve(library, loads.Wanted(chain=film.id, step="a")),
    "loading by workflow": lambda library, film: loads.resolve(library, loads.Wanted(workflow="w")),
    "loading an artifact": lambda library, film: loads.resolve(library, loads.Wanted(artifact_id=film.first.id)),
    "uploading": lambda library, film: uploads.require_workflow(library, film.workflow_id),
    "a shortened id": lambda library, film: prefixes.find(library, film.id),
    "a shortened id of an artifact": lambda library, film: prefixes.artifact_id(library, film.first.id),
    "exporting by name": lambda library, film: exporting.find_root(library, "film"),
    "exporting by id": lambda library, film: exporting.find_root(library, film.id),
    "exporting a step": lambda library, film: exporting.find_root(library, film.workflow_id),
}


@pytest.mark.parametrize("name", LISTS)
def test_nothing_of_it_is_in_a_list(library: Library, film: Film, name: str) -> None:
    if name == "failed chains":
        workflows.update_workflow(library, film.workflow_id, actor="ann", status="failed")
    assert LISTS[name](library, film) != []
    film.into_the_trash()
    assert LISTS[name](library, film) == []
    invariants.check(library)


@pytest.mark.parametrize("name", LOOKUPS)
def test_nothing_of_it_is_found_or_changed(library: Library, film: Film, name: str) -> None:
    film.into_the_trash()
    before = events.last_seq(library), stored(library)
    with pytest.raises(NotFound):
        LOOKUPS[name](library, film)
    assert (events.last_seq(library), stored(library)) == before


def test_it_comes_back_as_it_was(library: Library, film: Film) -> None:
    before, files = everything(library), stored(library)
    film.into_the_trash()
    assert stored(library) == files
    invariants.check(library)
    invariants.check_log_tells_the_rows(library)
    assert verifying.check(library) == []
    assert chains.undelete_chain(library, film.id, actor="bob").deleted_at is None
    assert everything(library) == before
    assert stored(library) == files
    invariants.check(library)
    invariants.check_log_tells_the_rows(library)
    assert verifying.check(library) == []


def test_what_was_deleted_before_it_stays_deleted(library: Library, film: Film) -> None:
    film.into_the_trash()
    chains.undelete_chain(library, film.id, actor="bob")
    assert [one.id for one in artifacts.list_artifacts(library, ASK, trash=True).items] == [film.deleted.id]
    assert trash.undelete(library, film.deleted.id, by="bob").deleted_at is None


def test_the_trash_lists_it_until_it_is_taken_out(library: Library, film: Film) -> None:
    other, _ = chains.create_chain(library, name="other", actor="ann")
    film.into_the_trash()
    (listed,) = chains.list_chains(library, ASK, trash=True).items
    assert (listed.id, listed.deleted_at is None) == (film.id, False)
    chains.delete_chain(library, other.id, actor="ann")
    first = chains.list_chains(library, pages.Ask(1), trash=True)
    second = chains.list_chains(library, pages.Ask(1, first.next_cursor), trash=True)
    assert [chain.id for page in (first, second) for chain in page.items] == [other.id, film.id]
    assert prefixes.find(library, film.id, ("chain",), trash=True) == ("chain", film.id)
    chains.undelete_chain(library, film.id, actor="ann")
    assert [chain.id for chain in chains.list_chains(library, ASK, trash=True).items] == [other.id]
    with pytest.raises(NotFound):
        prefixes.find(library, film.id, ("chain",), trash=True)


def test_both_ways_are_one_event_each_and_a_repetition_is_none(library: Library, film: Film) -> None:
    before = events.last_seq(library)
    film.into_the_trash()
    chains.undelete_chain(library, film.id, actor="bob")
    chains.undelete_chain(library, film.id, actor="bob")
    told = events.history(library, film.id)[1:]
    assert [(event.seq - before, event.action, event.actor) for event in told] == [
        (1, "chain.deleted", "ann"),
        (2, "chain.undeleted", "bob"),
    ]
    at = told[0].at
    assert told[0].before == {"name": "film", "status": "executing_level_0", "artifacts": 6, "deleted_at": None}
    assert (told[0].after, told[1].before, told[1].after) == (
        {"deleted_at": at},
        {"deleted_at": at},
        {"deleted_at": None},
    )
    with pytest.raises(NotFound):
        chains.undelete_chain(library, film.workflow_id, actor="bob")


def test_its_ids_stay_taken(library: Library, film: Film) -> None:
    film.into_the_trash()
    with pytest.raises(Conflict, match="in the trash"):
        chains.create_chain(library, name="film", id=film.id, actor="ann")
    with pytest.raises(Conflict, match="in the trash"):
        workflows.create_workflow(library, workflow_name="w", id=film.workflow_id, actor="ann")


def test_a_chains_name_begins_a_new_one(library: Library, pictures: Any, film: Film) -> None:
    film.into_the_trash()
    picture = pictures.one(run=runs.Run("gpu-a", "p7", "w", chain="film", step="a"))
    (chain,) = chains.list_chains(library, ASK).items
    assert chain.id != film.id
    assert loads.resolve(library, loads.Wanted(chain="film", step="a")).id == picture.id
    invariants.check(library)


def test_a_late_picture_of_an_execution_is_in_the_trash_with_it(library: Library, pictures: Any, film: Film) -> None:
    """Its bytes are nowhere else: refused, they would be lost."""
    film.into_the_trash()
    late = runs.Run("gpu-a", "p1", "w", chain="film", step="a")
    by_id = runs.Run("gpu-a", "p8", "w", chain=film.id, step="c")
    ids = [pictures.one(run=run).id for run in (late, by_id)]
    assert artifacts.list_artifacts(library, ASK).items == []
    assert chains.list_chains(library, ASK).items == []
    invariants.check(library)
    invariants.check_log_tells_the_rows(library)
    chains.undelete_chain(library, film.id, actor="ann")
    back = [artifacts.get_artifact(library, artifact_id) for artifact_id in ids]
    assert all(one.usable for one in back)
    assert [workflows.get_workflow(library, one.workflow_id).step_id for one in back] == ["a", "c"]
    assert verifying.check(library) == []


def promised(library: Library, workflow_id: str, **more: Any) -> str:
    """The id of a picture of which the intent is written, and nothing else."""
    artifact_id = identities.new_id()
    with library.store.receiving() as part:
        part.write(png(77))
        placement = library.store.finish(part, artifact_id=artifact_id, extension="png", day="2026-11-22")
    new = recording.NewArtifact(artifact_id, "9:images:0", "a.png", "image", "png", **more)
    library.store.promise(recording.KIND, [placement], recording.promised([new], "ann", workflow_id, None))
    return artifact_id


def test_a_promise_for_it_is_kept_in_the_trash(library: Library, film: Film, reopened: Callable[[], Library]) -> None:
    """A node was given the ids, the database was away, the process died, and somebody deleted the chain."""
    revision = artifacts.get_artifact(library, film.first.id).revision
    edited = {"parent_artifact_id": film.first.id, "action": "artifact.edited", "seen": (film.first.id, revision)}
    ids = [promised(library, film.workflow_id), promised(library, film.workflow_id, **edited)]
    film.into_the_trash()
    library.close()
    again = reopened()
    again.prepare()
    assert list((again.store.root / "quarantine").iterdir()) == []
    invariants.check(again)
    chains.undelete_chain(again, film.id, actor="ann")
    for artifact_id in ids:
        assert artifacts.get_artifact(again, artifact_id).workflow_id == film.workflow_id


def test_a_file_that_is_handed_in_is_refused_when_the_chain_is_deleted_under_way(
    library: Library, film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = stored(library)
    promise = library.store.promise

    def late(*given: Any) -> Any:
        monkeypatch.setattr(library.store, "promise", promise)
        film.into_the_trash()
        return promise(*given)

    monkeypatch.setattr(library.store, "promise", late)
    with library.store.receiving() as part:
        part.write(png(5))
        with pytest.raises(NotFound):
            uploads.upload(library, film.workflow_id, part, PNG, by="ann", filename="a.png")
    assert stored(library) == files
    chains.undelete_chain(library, film.id, actor="ann")
    assert len(artifacts.list_workflow_artifacts(library, film.workflow_id, ASK).items) == 3


def test_lineage_goes_on_through_it_and_does_not_show_it(library: Library, pictures: Any, film: Film) -> None:
    outside = pictures.one(run=runs.Run("gpu-b", "p3", "w", inputs=(film.second.id,)))
    after = pictures.one(run=runs.Run("gpu-b", "p4", "w", inputs=(outside.id,)))
    film.into_the_trash()
    found = lineage.get_lineage(library, after.id)
    assert [step.artifact.id for step in found.ancestors] == [outside.id]
    gone = [(step.artifact_id, step.side, step.relation, step.of, step.depth) for step in found.gone]
    assert gone[0] == (film.second.id, "ancestor", "input", outside.id, 2)
    assert {step[0] for step in gone} <= set(film.artifact_ids)
    chains.undelete_chain(library, film.id, actor="ann")
    assert lineage.get_lineage(library, after.id).gone == []


def test_a_delivery_that_is_under_way_is_told_how_it_ended(
    library: Library, film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deliver(*_: object) -> str:
        film.into_the_trash()
        return "a.png"

    monkeypatch.setattr(transfers, "_delivered_name", deliver)
    assert transfers.deliver(library, film.transfer_id, by="ann").status == "completed"
    chains.undelete_chain(library, film.id, actor="ann")
    assert transfers.get_transfer(library, film.transfer_id).status == "completed"


@pytest.mark.parametrize("rows", ["going", "gone"])
def test_a_delivery_whose_chain_the_trash_was_emptied_of_leaves_no_trace(
    library: Library, film: Film, monkeypatch: pytest.MonkeyPatch, rows: str
) -> None:
    def deliver(*_: object) -> str:
        film.into_the_trash()
        if rows == "gone":
            emptying.empty(library, by="ann")
        else:
            with library.writing("ann"):
                models.Chain.update(purged_at=models.Chain.deleted_at).execute()
        told.append(events.last_seq(library))
        return "a.png"

    told: list[int] = []
    monkeypatch.setattr(transfers, "_delivered_name", deliver)
    with pytest.raises(NotFound, match="the trash was emptied of its chain"):
        transfers.deliver(library, film.transfer_id, by="ann")
    assert [events.last_seq(library)] == told


def test_a_crash_before_the_commit_of_the_first_release_keeps_the_chain(
    library: Library, film: Film, reopened: Callable[[], Library]
) -> None:
    """Its intents are completed by this one: rows that name the files say that it was never committed."""
    files = [artifacts.get_artifact(library, film.first.id).local_path]
    record = {"chain_id": film.id, "files": [library.store.relative(path) for path in files], "thumbnails": []}
    library.store.promise("purge", (), record)
    before = stored(library)
    library.close()
    again = reopened()
    assert chains.get_chain(again, film.id).name == "film"
    assert stored(again) == before
    assert Path(files[0]).exists()
    again.close()
    assert list((again.store.root / "staging").iterdir()) == []


def test_a_prefix_that_is_none_is_refused_in_the_trash_too(library: Library) -> None:
    with pytest.raises(Invalid):
        prefixes.find(library, "x", ("chain",), trash=True)


KINDS = ("chains", "workflows", "artifacts")


def test_it_is_in_the_trash_again_when_its_tables_were_taken_back_and_made_anew(library: Library, film: Film) -> None:
    """A migration that is undone forgets the trash; the log does not."""
    chains.delete_chain(library, film.id, actor="ann")
    other, _ = chains.create_chain(library, name="other", actor="ann")
    chains.delete_chain(library, other.id, actor="ann")
    chains.undelete_chain(library, other.id, actor="ann")
    before = everything(library)
    library.database.close()
    migrating.revert(library.database, target="0006_filters")
    migrating.migrate(library.database)
    after = everything(library)
    assert {name: after[name] for name in KINDS} == {name: before[name] for name in KINDS}
    assert verifying.check(library) == []
