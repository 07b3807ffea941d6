"""What is emptied is gone for good, with its files and nothing else; its events, numbers and lineages stay."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import deleting
import invariants
import pytest
from comfyui_artifact_db.db import models
from comfyui_artifact_db.errors import Gone, Invalid, NotFound, Unavailable
from comfyui_artifact_db.library import (
    artifacts,
    chains,
    edits,
    emptying,
    events,
    identities,
    lineage,
    pages,
    runs,
    thumbnails,
    trash,
    verifying,
    workflows,
)
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Artifact
from reviewing import edit

ASK = pages.Ask()


@pytest.fixture(autouse=True)
def _two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few things take several transactions."""
    monkeypatch.setattr(emptying, "BATCH", 2)


def stored(library: Library) -> set[str]:
    return {path.name for path in (library.store.root / "files").rglob("*") if path.is_file()}


def chain_of(library: Library, artifact: Artifact) -> str:
    found = workflows.get_workflow(library, artifact.workflow_id).chain_id
    assert found is not None
    return found


def film(library: Library, pictures: Any, *, steps: int = 3) -> tuple[str, list[Artifact]]:
    """A chain of some steps with a version that is edited, one deleted on its own, tags; and its artifacts."""
    made = [
        pictures.one(run=runs.Run("gpu-a", f"p{step}", "w", chain="film", step=f"s{step}"), tags=("t",))
        for step in range(steps)
    ]
    made.append(edit(library, made[0].id))
    made.append(trash.delete(library, pictures.one(workflow_id=made[0].workflow_id).id, by="ann"))
    return chain_of(library, made[0]), made


def right(library: Library) -> None:
    """All that is always true is."""
    invariants.check(library)
    invariants.check_log_tells_the_rows(library)
    assert verifying.check(library) == []
    assert list((library.store.root / "quarantine").iterdir()) == []


def test_artifacts_go_with_their_files_and_it_says_how_many(library: Library, pictures: Any) -> None:
    kept = pictures.one()
    gone = [trash.delete(library, pictures.one(tags=("t",)).id, by="ann") for _ in range(5)]
    size = sum(one.file_size for one in gone)
    assert emptying.empty(library, by="bob") == emptying.Emptied(artifacts=5, chains=0, bytes=size)
    assert stored(library) == {kept.local_filename}
    for one in gone:
        with pytest.raises(NotFound):
            artifacts.get_artifact(library, one.id)
        with pytest.raises(Gone, match="emptied"):
            trash.undelete(library, one.id, by="ann")
        history = events.history(library, one.id)
        assert [event.action for event in history][-2:] == ["artifact.deleted", "artifact.purged"]
        assert history[-1].actor == "bob"
    assert emptying.empty(library, by="bob") == emptying.Emptied()
    right(library)


def test_a_chain_goes_with_everything_in_it_and_nothing_outside(library: Library, pictures: Any) -> None:
    chain_id, made = film(library, pictures)
    outside = pictures.one(run=runs.Run("gpu-b", "p9", "w", inputs=(made[0].id,)))
    before = events.last_seq(library)
    chains.delete_chain(library, chain_id, actor="ann")
    size = sum(one.file_size for one in made)
    assert emptying.empty(library, by="bob") == emptying.Emptied(artifacts=5, chains=1, bytes=size)
    with library.reading():
        left = {table._meta.table_name: table.select().count() for table in models.TABLES}
    assert left["artifacts"] == left["workflows"] == left["attempts"] == 1
    assert left["tags"] == left["lineage"] == left["chains"] == 0
    assert stored(library) == {outside.local_filename}
    with pytest.raises(Gone, match="emptied"):
        chains.undelete_chain(library, chain_id, actor="ann")
    told = events.list_events(library, after=before)
    assert [event.action for event in told[:2]] == ["chain.deleted", "chain.purged"]
    assert {event.action for event in told[2:]} == {"chain.emptied"}
    counts = [event.after or {} for event in told[2:]]
    assert (sum(c.get("artifacts", 0) for c in counts), sum(c.get("workflows", 0) for c in counts)) == (5, 3)
    right(library)


def test_only_what_was_deleted_longer_ago(library: Library, pictures: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = identities.now
    monkeypatch.setattr(identities, "now", lambda: identities.later(now(), -3 * 86400))
    old = trash.delete(library, pictures.one().id, by="ann")
    chain_id, _ = film(library, pictures)
    chains.delete_chain(library, chain_id, actor="ann")
    monkeypatch.setattr(identities, "now", now)
    new = trash.delete(library, pictures.one().id, by="ann")
    assert emptying.empty(library, by="bob", older_than=timedelta(days=4)) == emptying.Emptied()
    assert emptying.empty(library, by="bob", older_than=timedelta(days=2)).chains == 1
    assert [one.id for one in artifacts.list_artifacts(library, ASK, trash=True).items] == [new.id]
    with pytest.raises(Gone):
        trash.undelete(library, old.id, by="ann")


def test_only_what_is_named(library: Library, pictures: Any) -> None:
    one, other, there = (pictures.one() for _ in range(3))
    for each in (one, other):
        trash.delete(library, each.id, by="ann")
    for wrong in (there.id, identities.new_id()):
        with pytest.raises(NotFound, match="nothing in the trash"):
            emptying.empty(library, by="bob", ids=[one.id, wrong])
    with pytest.raises(Invalid):
        emptying.empty(library, by="bob", ids=["x"])
    assert len(stored(library)) == 3
    assert emptying.empty(library, by="bob", ids=[one.id]).artifacts == 1
    assert emptying.empty(library, by="bob", ids=[one.id]).artifacts == 0, "asked for again, it is no matter"
    assert [each.id for each in artifacts.list_artifacts(library, ASK, trash=True).items] == [other.id]


def test_no_version_number_is_used_again(library: Library, pictures: Any) -> None:
    first = pictures.one()
    for version in (2, 3):
        assert edit(library, first.id).version == version
    for one in artifacts.list_versions(library, first.id, ASK).items[:2]:
        trash.delete(library, one.id, by="ann")
    emptying.empty(library, by="bob")
    assert edit(library, first.id).version == 4
    for one in artifacts.list_versions(library, first.id, ASK).items:
        trash.delete(library, one.id, by="ann")
    emptying.empty(library, by="bob")
    again = pictures.one(workflow_id=first.workflow_id)
    assert (again.version, again.is_latest, again.is_head) == (5, True, True)
    right(library)


def test_a_new_output_takes_over_no_key_of_one_that_is_gone(library: Library, pictures: Any) -> None:
    waiting = pictures.one(status="pending")
    for index in range(3):
        new = pictures.one(workflow_id=waiting.workflow_id, keys=("upload:images:",), status="auto_approved")
        assert (new.output_key, new.version, new.is_latest) == (f"upload:images:{index}", 1, False)
        trash.delete(library, new.id, by="ann")
        emptying.empty(library, by="ann")


def test_lineage_goes_on_through_what_is_gone(library: Library, pictures: Any) -> None:
    """first → second (edit) → third (edit) → made (input), of which the second and then the third go."""
    source = pictures.one()
    first = pictures.one(run=runs.Run("gpu-a", "p1", "w", inputs=(source.id,)))
    second = edit(library, first.id)
    third = edit(library, second.id)
    made = pictures.one(run=runs.Run("gpu-b", "p2", "w", inputs=(third.id,)))
    for one in (second, third):
        trash.delete(library, one.id, by="ann")
        emptying.empty(library, by="bob")
        found = lineage.get_lineage(library, made.id)
        shown = {step.artifact.id: (step.of, step.relation, step.depth) for step in found.ancestors}
        gone = {step.artifact_id: (step.of, step.relation, step.depth) for step in found.gone}
        assert {**shown, **gone} == {
            third.id: (made.id, "input", 1),
            second.id: (third.id, "parent", 2),
            first.id: (second.id, "parent", 3),
            source.id: (third.id, "input", 2),  # An edit is of the execution that made what was edited.
        }
        assert one.id in gone
    below = lineage.get_lineage(library, source.id)
    assert [step.artifact.id for step in below.descendants] == [first.id, made.id]
    assert {(step.artifact_id, step.side) for step in below.gone} == {
        (second.id, "descendant"),
        (third.id, "descendant"),
    }
    right(library)


def test_the_history_of_versions_goes_on_through_what_is_gone(library: Library, pictures: Any) -> None:
    made = [pictures.one()]
    for _ in range(4):
        made.append(edit(library, made[-1].id))
    for one in made[1:3]:
        trash.delete(library, one.id, by="ann")
    emptying.empty(library, by="bob")
    history = lineage.get_version_history(library, made[-1].id)
    assert [one.version for one in history] == [1, 4, 5]


def test_what_was_current_and_is_gone_is_said_to_be(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = edit(library, first.id)
    at = identities.now()
    time.sleep(0.002)
    trash.delete(library, second.id, by="ann")
    emptying.empty(library, by="bob")
    with pytest.raises(Gone, match="went with the trash"):
        artifacts.get_current_at(library, first.workflow_id, at)
    assert artifacts.get_current_at(library, first.workflow_id, identities.now()).id == first.id  # type: ignore[union-attr]


def test_bytes_that_are_shared_stay_for_the_others(library: Library, pictures: Any) -> None:
    first = pictures.one()
    copy = edits.restore(library, first.id, first.id, by="ann")
    assert Path(first.local_path).stat().st_ino == Path(copy.local_path).stat().st_ino, "a hard link"
    shown = thumbnails.thumbnail(library, copy.id).path
    trash.delete(library, first.id, by="ann")
    emptying.empty(library, by="bob")
    left = artifacts.get_artifact(library, copy.id)
    assert artifacts.require_usable(library, left) == left
    assert left.parent_artifact_id is None
    assert shown is not None
    assert shown.exists()
    right(library)


def test_what_another_chain_took_over_keeps_its_bytes(library: Library, pictures: Any) -> None:
    chain_id, made = film(library, pictures)
    copy = pictures.one(data=Path(made[0].local_path).read_bytes())
    with library.writing("tester"):
        models.Artifact.update(source_artifact_id=made[0].id).where(models.Artifact.id == copy.id).execute()
    deleting.for_good(library, chain_id, by="ann")
    left = artifacts.get_artifact(library, copy.id)
    assert left.source_artifact_id is None
    assert artifacts.require_usable(library, left) == left
    gone = [(step.artifact_id, step.relation) for step in lineage.get_lineage(library, copy.id).gone]
    assert (made[0].id, "source") in gone


def test_what_somebody_takes_out_meanwhile_stays(
    library: Library, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (trash.delete(library, pictures.one().id, by="ann") for _ in range(2))
    promise = library.store.promise

    def late(*given: Any) -> Any:
        monkeypatch.setattr(library.store, "promise", promise)
        trash.undelete(library, one.id, by="carol")
        return promise(*given)

    monkeypatch.setattr(library.store, "promise", late)
    assert emptying.empty(library, by="bob").artifacts == 1
    assert stored(library) == {one.local_filename}
    with pytest.raises(NotFound):
        artifacts.get_artifact(library, other.id)
    right(library)


def test_a_late_picture_for_a_chain_that_is_being_emptied_begins_anew_by_name_and_is_refused_by_id(
    library: Library, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain_id, _ = film(library, pictures)
    complete = emptying.complete_chain
    made: list[Artifact] = []

    def late(library: Library, intent: Any) -> emptying.Emptied:
        made.append(pictures.one(run=runs.Run("gpu-a", "p0", "w", chain="film", step="s0")))
        with pytest.raises(NotFound):
            pictures.one(run=runs.Run("gpu-a", "p0", "w", chain=chain_id, step="s0"))
        return complete(library, intent)

    monkeypatch.setattr(emptying, "complete_chain", late)
    deleting.for_good(library, chain_id, by="ann")
    assert stored(library) == {made[0].local_filename}
    assert chain_of(library, made[0]) != chain_id
    right(library)


class Killed(BaseException):
    """Stands for the end of the process."""


STEPS = ("promise", "delete", "fulfilled")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", range(1, 6))
def test_a_process_that_ends_at_any_step_leaves_nothing_half_gone(
    library: Library, pictures: Any, reopened: Callable[[], Library], monkeypatch: pytest.MonkeyPatch,
    step: str, when: str, nth: int,
) -> None:  # fmt: skip
    chain_id, made = film(library, pictures)
    kept = pictures.one()
    single = trash.delete(library, pictures.one().id, by="ann")
    chains.delete_chain(library, chain_id, actor="ann")
    count = 0

    def dying(*given: Any) -> Any:
        nonlocal count
        count += 1
        if count == nth and when == "before":
            raise Killed
        result = original(*given)
        if count == nth:
            raise Killed
        return result

    original = getattr(library.store, step)
    with monkeypatch.context() as patch:
        patch.setattr(library.store, step, dying)
        try:
            emptying.empty(library, by="bob")
        except Killed:
            pass
        else:
            assert count < nth, "it came to that step"
    library.close()
    again = reopened()
    again.prepare()
    right(again)
    with again.reading():
        rows = {row["id"] for row in models.Artifact.select(models.Artifact.id).dicts()}
        files = {row["local_path"] for row in models.Artifact.select(models.Artifact.local_path).dicts()}
    inside = {one.id for one in made}
    assert inside <= rows or not inside & rows, "a chain is gone or is not"
    assert kept.id in rows
    assert {Path(path).name for path in files} == stored(again)
    if inside <= rows:
        assert chains.undelete_chain(again, chain_id, actor="ann").id == chain_id
        chains.delete_chain(again, chain_id, actor="ann")
    emptying.empty(again, by="bob")
    assert stored(again) == {kept.local_filename}
    right(again)
    assert single.id not in {one.id for one in artifacts.list_artifacts(again, ASK, trash=True).items}
    again.close()
    assert list((again.store.root / "staging").iterdir()) == []


def test_when_the_database_goes_away_it_is_completed_once_it_is_back(
    library: Library, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain_id, _ = film(library, pictures)
    chains.delete_chain(library, chain_id, actor="ann")
    keep = emptying._keep_relations

    def away(ids: list[str]) -> None:
        monkeypatch.setattr(emptying, "_keep_relations", keep)
        raise Unavailable("the database is not available")

    monkeypatch.setattr(emptying, "_keep_relations", away)
    with pytest.raises(Unavailable):
        emptying.empty(library, by="bob")
    until = time.monotonic() + 20
    while len(library.deferred) and time.monotonic() < until:
        time.sleep(0.05)
    assert stored(library) == set()
    right(library)


def test_what_is_recorded_with_others_and_emptied_takes_none_of_them_along_at_the_next_start(
    library: Library, pictures: Any, reopened: Callable[[], Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The intent of a record that was committed may outlive its process; meanwhile some of it is deleted for good."""
    with monkeypatch.context() as killed:
        killed.setattr(library.store, "fulfilled", lambda intent: None)
        first, *others = pictures.record(keys=("9:images:0", "9:images:1", "9:images:2"))
    last = others.pop()
    for one in (first, last):
        trash.delete(library, one.id, by="ann")
        emptying.empty(library, by="bob")
    library.close()
    again = reopened()
    again.prepare()
    assert stored(again) == {others[0].local_filename}
    assert artifacts.require_usable(again, artifacts.get_artifact(again, others[0].id))
    right(again)


def test_every_transaction_is_a_small_one(library: Library, pictures: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    chain_id, _ = film(library, pictures, steps=6)
    chains.delete_chain(library, chain_id, actor="ann")
    for _ in range(5):
        trash.delete(library, pictures.one().id, by="ann")
    rows = dict.fromkeys((models.Artifact, models.Workflow), 0)
    most: list[int] = []
    writing = library.writing

    @contextmanager
    def counting(actor: str) -> Iterator[Any]:
        with writing(actor) as tx:
            before = {table: table.select().count() for table in rows}
            yield tx
            most.append(max(before[table] - table.select().count() for table in rows))

    monkeypatch.setattr(library, "writing", counting)
    emptying.empty(library, by="bob")
    assert max(most) == emptying.BATCH
    assert sum(most) >= 13
    right(library)
