"""Pins which artifact names mean over REST: as LoadFromArtifactDB finds it, and whether it may be gone on with."""

from __future__ import annotations

from comfyui_artifact_db.library import decisions, runs, workflows
from hubs import Hub
from tampering import tamper


async def test_names_mean_what_they_mean_to_a_node(hub: Hub) -> None:
    run = runs.Run("gpu-a", "p", "picture", chain="film", step="a")
    first, second = hub.pictures.record(run=run, keys=("9:images:0", "9:images:1"))
    newer = hub.pictures.one(workflow_id=first.workflow_id)
    chain_id = workflows.get_workflow(hub.library, first.workflow_id).chain_id
    for query, meant in (
        (f"artifact_id={first.id.upper()}", first.id),
        (f"chain={chain_id}&step=a", (await hub.get(f"/workflows/{first.workflow_id}/latest")).json["id"]),
        ("chain=film&output=9:images:1", second.id),
        ("workflow=picture&step=a&output=9:images:1&usable=1", second.id),
        (f"workflow={newer.workflow_id}&output={newer.output_key}", newer.id),
    ):
        found = await hub.get(f"/outputs?{query}")
        assert found.json["id"] == meant, query
        assert found.etag == f'"{found.json["revision"]}"'
    for query in ("chain=other", "chain=film&step=b", "chain=film&output=9:images:7", f"artifact_id={chain_id}"):
        assert (await hub.get(f"/outputs?{query}", 404)).code == "not_found"
    for query, field in (
        ("", "artifact_id"),
        ("step=a", "artifact_id"),
        ("chain=../x", "chain"),
        ("chain=f&output=x", "output"),
    ):
        assert (await hub.get(f"/outputs?{query}", 422)).fields == [field]
    assert (await hub.get("/outputs?chain=film&usable=yes", 400)).code == "malformed"


async def test_what_is_not_usable_is_refused_where_it_is_to_be_used(hub: Hub) -> None:
    run = runs.Run("gpu-a", "p", "picture", chain="film", step="a")
    (first,) = hub.pictures.record(run=run, keys=("9:images:0",))
    decisions.reject(hub.library, first.id, by="ada", reason="too dark")
    found = await hub.get("/outputs?chain=film")
    assert (found.json["id"], found.json["usable"]) == (first.id, False)
    refused = await hub.get("/outputs?chain=film&usable=1", 409)
    assert (refused.code, refused.json["artifact"]["id"]) == ("not_usable", first.id)
    for query in ("last_approved=1", "last_approved=1&usable=1"):
        assert (await hub.get(f"/outputs?chain=film&{query}", 409)).code == "not_usable"
    decisions.approve(hub.library, first.id, by="ada")
    newer = hub.pictures.one(workflow_id=first.workflow_id, status="pending")
    for query in ("", "&usable=1"):
        found = await hub.get(f"/outputs?artifact_id={newer.id}&last_approved=1{query}")
        assert found.json["id"] == first.id
    assert (await hub.get(f"/outputs?artifact_id={newer.id}")).json["id"] == newer.id


async def test_changed_bytes_are_not_usable(hub: Hub) -> None:
    picture = hub.pictures.one()
    assert (await hub.get(f"/outputs?artifact_id={picture.id}&usable=1")).json["usable"] is True
    tamper(picture, b"other")
    assert (await hub.get(f"/outputs?artifact_id={picture.id}&usable=1", 409)).code == "not_usable"
