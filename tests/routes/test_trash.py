"""Pins the trash of chains, its lists and its emptying over HTTP."""

from __future__ import annotations

from typing import Any

from comfyui_artifact_db.library import identities, runs, trash, workflows
from hubs import Hub


def film(hub: Hub) -> tuple[str, Any]:
    """The id of a chain, and an artifact of it."""
    picture = hub.pictures.one(run=runs.Run("gpu-a", "p1", "w", chain="film", step="a"))
    chain_id = workflows.get_workflow(hub.library, picture.workflow_id).chain_id
    assert chain_id is not None
    return chain_id, picture


async def listed(hub: Hub, path: str) -> list[str]:
    return [item["id"] for item in (await hub.get(path)).json["items"]]


async def test_a_chain_goes_into_the_trash_and_comes_back_as_it_was(hub: Hub) -> None:
    chain_id, picture = film(hub)
    before = (await hub.get(f"/chains/{chain_id}")).json
    assert before["deleted_at"] is None
    files = hub.files()
    await hub.delete(f"/chains/{chain_id}", 204)
    for path in (f"/chains/{chain_id}", f"/workflows/{picture.workflow_id}", f"/artifacts/{picture.id}",
                 f"/artifacts/{picture.id}/download", f"/artifacts/{picture.id}/thumbnail",
                 f"/workflows/{picture.workflow_id}/latest", f"/chains/{chain_id}/workflows"):  # fmt: skip
        assert (await hub.get(path, 404)).code == "not_found", path
    for path in ("/chains", "/workflows", "/artifacts", "/artifacts?trash=1"):
        assert await listed(hub, path) == []
    (item,) = (await hub.get("/chains?trash=1")).json["items"]
    assert (item["id"], item["deleted_at"] is None) == (chain_id, False)
    assert hub.files() == files
    back = await hub.post(f"/chains/{chain_id}/undelete")
    assert back.etag == f'"{back.json["revision"]}"'
    after = (await hub.get(f"/chains/{chain_id}")).json
    for changing in ("revision", "updated_at"):
        del after[changing], before[changing]
    assert after == before
    assert await listed(hub, "/chains?trash=1") == []


async def test_undeleting_heeds_if_match_and_says_what_is_gone(hub: Hub) -> None:
    chain_id, _ = film(hub)
    await hub.delete(f"/chains/{chain_id}", 204)
    await hub.post(f"/chains/{chain_id}/undelete", 412, headers={"If-Match": '"1"'})
    await hub.post("/trash/empty", json={})
    assert (await hub.post(f"/chains/{chain_id}/undelete", 410)).code == "gone"
    assert (await hub.post(f"/chains/{identities.new_id()}/undelete", 404)).code == "not_found"


async def test_the_trash_lists_what_was_deleted_last_first_in_pages(hub: Hub) -> None:
    made = [hub.pictures.one() for _ in range(5)]
    for picture in (made[3], made[0], made[2]):
        trash.delete(hub.library, picture.id, by="ann")
    expected = [made[2].id, made[0].id, made[3].id]
    assert await listed(hub, "/artifacts?trash=1") == expected
    assert await listed(hub, "/artifacts?trash=1&sort=created") == expected[::-1]
    assert await listed(hub, "/artifacts?trash=1&kind=image&q=comfyui") != []
    found, cursor = [], ""
    while cursor is not None:
        page = (await hub.get(f"/artifacts?trash=1&limit=1{cursor and f'&cursor={cursor}'}")).json
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert found == expected


async def test_emptying_says_what_went(hub: Hub) -> None:
    kept, gone = hub.pictures.one(), hub.pictures.one()
    chain_id, picture = film(hub)
    await hub.delete(f"/artifacts/{gone.id}")
    await hub.delete(f"/chains/{chain_id}", 204)
    answer = await hub.post("/trash/empty", json={"older_than_days": 1})
    assert answer.json == {"artifacts": 0, "chains": 0, "bytes": 0}
    answer = await hub.post("/trash/empty", json={"ids": [chain_id]}, headers={"X-Artifact-Actor": "ada"})
    assert answer.json == {"artifacts": 1, "chains": 1, "bytes": picture.file_size}
    answer = await hub.post("/trash/empty")
    assert answer.json == {"artifacts": 1, "chains": 0, "bytes": gone.file_size}
    assert await listed(hub, "/artifacts") == [kept.id]
    assert [path for path in hub.files() if path.startswith("files")] == [hub.library.store.relative(kept.local_path)]
    assert (await hub.post(f"/artifacts/{gone.id}/undelete", 410)).code == "gone"
    log = (await hub.get("/events?limit=500")).json["items"]
    assert [event["actor"] for event in log if event["action"] == "chain.purged"] == ["ada"]


async def test_emptying_is_repeated_with_its_key(hub: Hub) -> None:
    gone = hub.pictures.one()
    await hub.delete(f"/artifacts/{gone.id}")
    key = {"Idempotency-Key": "empty-1"}
    first = await hub.post("/trash/empty", json={"ids": [gone.id]}, headers=key)
    again = await hub.post("/trash/empty", json={"ids": [gone.id]}, headers=key)
    assert again.json == first.json == {"artifacts": 1, "chains": 0, "bytes": gone.file_size}


async def test_what_cannot_be_emptied_is_refused_and_nothing_goes(hub: Hub) -> None:
    there, gone = hub.pictures.one(), hub.pictures.one()
    await hub.delete(f"/artifacts/{gone.id}")
    before = hub.state()
    assert (await hub.post("/trash/empty", 404, json={"ids": [gone.id, there.id]})).code == "not_found"
    ids = ([], ["x"], [gone.id] * 501, gone.id, None)
    days = (-1, "30", True, 1e9, None)
    for wrong in (*({"ids": each} for each in ids), *({"older_than_days": each} for each in days), {"all": True}):
        await hub.post("/trash/empty", 422, json=wrong)
    assert hub.state() == before
