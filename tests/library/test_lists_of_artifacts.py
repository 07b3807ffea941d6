"""Every filter of the list of artifacts, alone and together, and every order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from comfyui_artifact_db.errors import Invalid
from comfyui_artifact_db.library import artifacts, decisions, identities, pages, runs, trash, workflows
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Artifact
from comfyui_artifact_db.library.workflows import get_workflow
from reviewing import edit


def ids(found: list[Artifact]) -> list[str]:
    return [artifact.id for artifact in found]


def find(library: Library, **filters: Any) -> list[str]:
    return ids(artifacts.list_artifacts(library, pages.Ask(), **filters).items)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Every time that is asked for is a minute after the one before."""
    minutes = iter(range(600))
    monkeypatch.setattr(identities, "now", lambda: f"2026-11-22T{(m := next(minutes)) // 60:02}:{m % 60:02}:00.000Z")
    return minutes


def test_the_newest_come_first(library: Library, pictures: Any) -> None:
    made = [pictures.one() for _ in range(3)]
    assert find(library) == ids(made[::-1])
    assert find(library, sort="created") == ids(made)


def test_they_sort_by_size(library: Library, pictures: Any) -> None:
    big, small, middle = (pictures.one(data=b"x" * size) for size in (300, 100, 200))
    assert find(library, sort="size") == ids([small, middle, big])
    assert find(library, sort="-size") == ids([big, middle, small])


@pytest.mark.parametrize("sort", ["", "name", "-version", "created;--"])
def test_another_order_is_refused(library: Library, sort: str) -> None:
    with pytest.raises(Invalid) as refused:
        find(library, sort=sort)
    assert refused.value.field == "sort"


def test_the_trash_is_not_listed(library: Library, pictures: Any) -> None:
    keep, throw = pictures.one(), pictures.one()
    trash.delete(library, throw.id, by="ann")
    assert find(library) == [keep.id]


def test_by_status(library: Library, pictures: Any) -> None:
    made = {status: pictures.one(status=status) for status in ("pending", "approved", "auto_approved", "edited")}
    made["rejected"] = decisions.reject(library, pictures.one().id, by="ann", reason="no")
    for status, artifact in made.items():
        assert find(library, status=status) == [artifact.id]
    with pytest.raises(Invalid) as refused:
        find(library, status="usable")
    assert refused.value.field == "status"


def test_by_kind(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    assert find(library, kind="image") == [picture.id]
    assert find(library, kind="video") == []


def test_by_tag(library: Library, pictures: Any) -> None:
    tagged, _ = pictures.one(tags=("nice", "day 1")), pictures.one(tags=("nicer",))
    assert find(library, tag="nice") == find(library, tag="day 1") == [tagged.id]
    assert find(library, tag="nic%") == []


def test_by_chain_step_and_workflow(library: Library, pictures: Any) -> None:
    a = pictures.one(run=runs.Run("gpu-a", "p1", "w", chain="film", step="a"))
    b = pictures.one(run=runs.Run("gpu-a", "p2", "w", chain="film", step="b"))
    other = pictures.one(run=runs.Run("gpu-a", "p3", "w", chain="poster", step="a"))
    chain_id = get_workflow(library, a.workflow_id).chain_id
    assert find(library, chain=chain_id) == [b.id, a.id]
    assert find(library, step="a") == [other.id, a.id]
    assert find(library, chain=chain_id, step="a") == [a.id]
    assert find(library, workflow=b.workflow_id) == [b.id]
    assert find(library, workflow=b.workflow_id.upper()) == [b.id]
    for field in ("chain", "workflow"):
        with pytest.raises(Invalid) as refused:
            find(library, **{field: "film"})
        assert refused.value.field == field


def test_latest_keeps_the_current_one_of_each_workflow(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id)
    other = pictures.record(keys=("9:images:0", "9:images:1"))[0]
    assert find(library, latest=True) == [other.id, second.id]
    assert len(find(library, latest=False)) == 4


def test_the_queue_holds_what_is_pending_and_newest_of_its_output_or_current(library: Library, pictures: Any) -> None:
    usable = pictures.one()
    newest = pictures.one(workflow_id=usable.workflow_id, status="pending")
    current = pictures.one(status="pending")
    superseded = pictures.one(workflow_id=current.workflow_id, status="pending")
    last = pictures.one(workflow_id=current.workflow_id, status="pending")
    four = pictures.record(keys=tuple(f"9:images:{index}" for index in range(4)), status="pending")
    expected = {newest.id, current.id, last.id, *ids(four)}
    assert set(find(library, queue=True)) == expected
    assert superseded.id not in expected
    edit(library, four[3].id)
    trash.delete(library, last.id, by="ann")
    decisions.approve(library, four[0].id, by="ann")
    expected = {newest.id, current.id, superseded.id, four[1].id, four[2].id}
    assert set(find(library, queue=True)) == expected


def test_since_and_until(library: Library, pictures: Any, clock: Any) -> None:
    made = [pictures.one() for _ in range(4)]
    times = [artifact.created_at for artifact in made]
    assert find(library, since=times[1]) == ids(made[:0:-1])
    assert find(library, until=times[1]) == ids(made[:1])
    assert find(library, since=times[1], until=times[3]) == ids([made[2], made[1]])
    assert find(library, since=times[1].replace("Z", "+00:00"), until="2026-11-22T23:59") == ids(made[:0:-1])
    for field in ("since", "until"):
        with pytest.raises(Invalid) as refused:
            find(library, **{field: "yesterday"})
        assert refused.value.field == field


def test_by_size(library: Library, pictures: Any) -> None:
    small, middle, big = (pictures.one(data=b"x" * size) for size in (100, 200, 300))
    assert find(library, min_size=200) == ids([big, middle])
    assert find(library, max_size=200) == ids([middle, small])
    assert find(library, min_size=0, max_size=0) == []
    assert find(library, min_size=101, max_size=299) == [middle.id]


def test_all_filters_together(library: Library, pictures: Any) -> None:
    run = runs.Run("gpu-a", "p1", "w", chain="film", step="a")
    wanted = pictures.one(run=run, status="pending", tags=("nice",))
    pictures.one(run=runs.Run("gpu-a", "p2", "w", chain="film", step="b"), status="pending", tags=("nice",))
    workflow = get_workflow(library, wanted.workflow_id)
    filters: dict[str, Any] = {
        **{"kind": "image", "status": "pending", "tag": "nice", "chain": workflow.chain_id, "step": "a"},
        **{"workflow": workflow.id, "latest": True, "queue": True, "since": wanted.created_at, "min_size": 1},
    }
    assert find(library, **filters) == [wanted.id]
    for sort in artifacts.SORTS:
        assert find(library, sort=sort, **filters) == [wanted.id]


def test_the_artifacts_of_a_workflow_can_be_kept_to_the_heads(library: Library, pictures: Any) -> None:
    four = pictures.record(keys=tuple(f"9:images:{index}" for index in range(4)))
    again = edit(library, four[1].id)
    every = artifacts.list_workflow_artifacts(library, four[0].workflow_id, pages.Ask()).items
    heads = artifacts.list_workflow_artifacts(library, four[0].workflow_id, pages.Ask(), heads=True).items
    assert [artifact.version for artifact in every] == [2, 1, 1, 1, 1]
    assert set(ids(heads)) == {four[0].id, again.id, four[2].id, four[3].id}


def test_the_versions_are_those_of_one_output_newest_first(library: Library, pictures: Any) -> None:
    one, other = pictures.record(keys=("9:images:0", "9:images:1"))
    second = edit(library, one.id)
    assert ids(artifacts.list_versions(library, one.id, pages.Ask()).items) == [second.id, one.id]
    assert ids(artifacts.list_versions(library, second.id, pages.Ask()).items) == [second.id, one.id]
    assert ids(artifacts.list_versions(library, other.id, pages.Ask()).items) == [other.id]


def test_workflows_are_found_by_chain_step_status_prompt_and_standing_alone(library: Library, pictures: Any) -> None:
    def found(**filters: Any) -> list[str]:
        return [w.id for w in workflows.list_workflows(library, pages.Ask(), **filters).items]

    a = pictures.one(run=runs.Run("gpu-a", "p1", "w", chain="film", step="a")).workflow_id
    b = pictures.one(run=runs.Run("gpu-a", "p2", "w", chain="film", step="b")).workflow_id
    alone = pictures.one(run=runs.Run("gpu-a", "p3", "w")).workflow_id
    workflows.update_workflow(library, b, status="failed", actor="ann")
    chain_id = get_workflow(library, a).chain_id
    assert found() == [alone, b, a]
    assert found(chain_id=chain_id) == [b, a]
    assert found(chain_id=chain_id, step_id="a") == found(step_id="a") == found(prompt_id="p1") == [a]
    assert found(status="failed") == [b]
    assert found(standalone=True) == [alone]
    with pytest.raises(Invalid):
        found(status="pending")
