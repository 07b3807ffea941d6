"""Pins how artifacts are found: every filter, every order, versions, heads, lineage, tags."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from comfyui_artifact_db.library import runs
from comfyui_artifact_db.library.views import Artifact
from hubs import Hub
from making import png

Find = Callable[[str], Awaitable[list[str]]]


@pytest.fixture
async def find(hub: Hub) -> Find:
    """The ids of what a query finds."""

    async def found(query: str) -> list[str]:
        return [artifact["id"] for artifact in (await hub.get(f"/artifacts?{query}")).json["items"]]

    return found


async def step(hub: Hub, chain: str, name: str) -> str:
    body = {"workflow_name": "w", "chain_id": chain, "step_id": name}
    return str((await hub.post("/workflows", 201, json=body)).json["id"])


async def test_artifacts_are_found_by_chain_step_and_workflow(hub: Hub, find: Find) -> None:
    chain = (await hub.post("/chains", 201, json={"name": "c"})).json["id"]
    workflow = await step(hub, chain, "edit")
    first = hub.pictures.one(workflow_id=workflow)
    second = hub.pictures.one(workflow_id=await step(hub, chain, "film"))
    alone = hub.pictures.one()
    assert await find("") == [alone.id, second.id, first.id]
    assert await find(f"chain={chain}") == [second.id, first.id]
    assert await find(f"chain={chain}&step=edit") == [first.id]
    assert await find("step=film") == [second.id]
    assert await find(f"workflow={alone.workflow_id.upper()}") == [alone.id]
    assert await find(f"chain={uuid4()}") == await find(f"workflow={uuid4()}") == await find("step=x") == []


async def test_artifacts_are_found_by_kind_status_and_tag(hub: Hub, find: Find) -> None:
    pending = hub.pictures.one(status="pending", tags=("hero", "Köln"))
    auto = hub.pictures.one(tags=("hero",))
    rejected = hub.pictures.one()
    await hub.post(f"/artifacts/{rejected.id}/reject", json={"reason": "too dark"})
    hub.change("UPDATE artifacts SET file_type = 'audio' WHERE id = ?", auto.id)
    assert await find("status=pending") == [pending.id]
    assert await find("status=auto_approved") == [auto.id]
    assert await find("status=rejected") == [rejected.id]
    assert await find("kind=image") == [rejected.id, pending.id]
    assert await find("kind=audio") == [auto.id]
    assert await find("tag=hero") == [auto.id, pending.id]
    assert await find(f"tag={quote('Köln')}") == [pending.id]
    assert await find("tag=Hero") == [], "case counts"
    assert await find("tag=hero&status=pending&kind=image") == [pending.id]


async def test_artifacts_are_found_by_their_time(hub: Hub, find: Find) -> None:
    made = [hub.pictures.one() for _ in range(3)]
    for n, artifact in enumerate(made):
        hub.change("UPDATE artifacts SET created_at = ? WHERE id = ?", f"2026-11-2{n}T10:00:00.000Z", artifact.id)
    first, second, third = (artifact.id for artifact in made)
    assert await find("since=2026-11-21T10:00:00Z") == [third, second], "since is inclusive"
    assert await find("until=2026-11-21T10:00:00Z") == [first], "until is not"
    assert await find("since=2026-11-21T11:00:00%2B01:00&until=2026-11-22T00:00:00") == [second]
    for wrong in ("since=yesterday", "until=", "since=2026-13-01", "until=9999-12-31T23:59:59-14:00"):
        assert (await hub.get(f"/artifacts?{wrong}", 422)).fields == [wrong.partition("=")[0]]


async def test_artifacts_are_found_and_sorted_by_size(hub: Hub, find: Find) -> None:
    small, middle, large = (hub.pictures.one(data=png(1) + bytes(n)) for n in (0, 10, 20))
    size = small.file_size
    assert await find(f"min_size={size + 10}") == [large.id, middle.id]
    assert await find(f"max_size={size + 10}") == [middle.id, small.id]
    assert await find(f"min_size={size + 1}&max_size={size + 19}") == [middle.id]
    assert await find("sort=size") == [small.id, middle.id, large.id]
    assert await find("sort=-size") == [large.id, middle.id, small.id]
    assert await find("sort=created") == [small.id, middle.id, large.id]
    assert await find("sort=-created") == [large.id, middle.id, small.id]
    assert await find("min_size=0&max_size=999999999999999999") == await find("")


async def test_current_artifacts_and_the_review_queue_are_lists_of_their_own(hub: Hub, find: Find) -> None:
    first = hub.pictures.one(status="pending")
    second = hub.pictures.one(workflow_id=first.workflow_id, status="pending")
    third = hub.pictures.one(workflow_id=first.workflow_id, status="pending")
    usable = hub.pictures.one()
    assert await find("latest=1") == [usable.id, first.id]
    assert await find("queue=1") == [third.id, first.id], "the newest version, and the current one"
    assert await find("queue=0&latest=false&status=pending") == [third.id, second.id, first.id]


async def test_what_is_in_the_trash_is_not_found(hub: Hub, find: Find) -> None:
    kept, thrown = hub.pictures.record(keys=("9:images:0", "9:images:1"), status="pending", tags=("t",))
    await hub.delete(f"/artifacts/{thrown.id}")
    assert await find("") == await find("queue=1") == await find("tag=t") == [kept.id]
    listed = await hub.get(f"/workflows/{kept.workflow_id}/artifacts")
    assert [artifact["id"] for artifact in listed.json["items"]] == [kept.id]
    assert (await hub.get(f"/artifacts/{thrown.id}")).json["deleted_at"] is not None


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("status=great", 422, "status"),
        ("sort=name", 422, "sort"),
        ("chain=x", 422, "chain"),
        ("workflow=1", 422, "workflow"),
        ("latest=yes", 400, None),
        ("queue=2", 400, None),
        ("min_size=-1", 400, None),
        ("max_size=1e3", 400, None),
        ("min_size=" + "9" * 19, 400, None),
        ("q=", 422, "q"),
        ("q=+", 422, "q"),
        ("q=%00", 422, "q"),
        (f"q={'x' * 256}", 422, "q"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_refused(hub: Hub, query: str, status: int, field: str | None) -> None:
    answer = await hub.get(f"/artifacts?{query}", status)
    assert answer.fields == ([field] if field else [])


async def test_a_workflow_has_all_versions_of_all_outputs_or_their_heads(hub: Hub) -> None:
    one, other = hub.pictures.record(keys=("9:images:0", "12:7:audio:0"))
    newer = hub.pictures.one(workflow_id=one.workflow_id)
    path = f"/workflows/{one.workflow_id}/artifacts"
    everything = (await hub.get(path)).json["items"]
    assert [artifact["id"] for artifact in everything] == [newer.id, other.id, one.id]
    heads = (await hub.get(f"{path}?heads=1")).json["items"]
    assert [artifact["id"] for artifact in heads] == [newer.id, other.id]
    assert {artifact["output_key"] for artifact in heads} == {"9:images:0", "12:7:audio:0"}


async def test_an_artifact_has_its_versions_newest_first(hub: Hub) -> None:
    first, _ = hub.pictures.record(keys=("9:images:0", "9:images:1"))
    second = hub.pictures.one(workflow_id=first.workflow_id)
    for artifact in (first, second):
        versions = (await hub.get(f"/artifacts/{artifact.id}/versions")).json["items"]
        assert [(v["id"], v["version"]) for v in versions] == [(second.id, 2), (first.id, 1)]


async def test_lineage_leads_across_versions_and_workflows(hub: Hub) -> None:
    photo = hub.pictures.one()
    edited = (await hub.post(f"/artifacts/{photo.id}/edit", 201, json={"from_version": photo.id})).json
    run = runs.Run("gpu-b", "p-film", "film", inputs=(edited["id"],))
    film = hub.pictures.one(run=run)

    def links(found: list[dict[str, Any]]) -> list[tuple[str, str, str, int]]:
        return [(link["artifact"]["id"], link["relation"], link["of"], link["depth"]) for link in found]

    lineage = (await hub.get(f"/artifacts/{edited['id']}/lineage")).json
    assert links(lineage["ancestors"]) == [(photo.id, "parent", edited["id"], 1)]
    assert links(lineage["descendants"]) == [(film.id, "input", edited["id"], 1)]
    origin = (await hub.get(f"/artifacts/{film.id}/lineage")).json
    assert links(origin["ancestors"]) == [
        (edited["id"], "input", film.id, 1),
        (photo.id, "parent", edited["id"], 2),
    ]
    ways = [(way["from"], way["to"], way["relation"]) for way in origin["links"]]
    assert ways == [(edited["id"], film.id, "input"), (photo.id, edited["id"], "parent")]


async def test_a_lineage_may_be_cut_short(hub: Hub) -> None:
    photo = hub.pictures.one()
    for number in range(3):
        hub.pictures.one(run=runs.Run("gpu-b", f"p{number}", "film", inputs=(photo.id,)))
    path = f"/artifacts/{photo.id}/lineage"
    assert len((await hub.get(f"{path}?limit=2")).json["descendants"]) == 2
    assert len((await hub.get(f"{path}?depth=1&limit=500")).json["descendants"]) == 3
    for wrong, status in (("depth=0", 422), ("limit=10001", 422), ("depth=x", 400), ("most=3", 400)):
        await hub.get(f"{path}?{wrong}", status)


async def test_an_artifact_has_links_that_work_and_a_path_inside_of_the_store(hub: Hub) -> None:
    artifact: Artifact = hub.pictures.one(data=png(5))
    found = (await hub.get(f"/artifacts/{artifact.id.upper()}")).json
    assert found["local_path"] == hub.library.store.relative(artifact.local_path)
    assert found["usable"] is True
    below = found["url"].removeprefix("/artifact-db")
    assert (await hub.get(below)).body == png(5)
    assert found["thumbnail_url"] == f"/artifact-db/artifacts/{artifact.id}/thumbnail?v={artifact.sha256[:16]}"
    shown = await hub.get(found["thumbnail_url"].removeprefix("/artifact-db"))
    assert (shown.headers["Content-Type"], "X-Artifact-Note" in shown.headers) == ("image/webp", False)
