"""Pins that only usable bytes travel, to configured servers only, and that a refusal leaves no row and asks nobody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from comfyui_artifact_db.library import decisions, transfers, trash
from comfyui_artifact_db.library.views import Artifact
from comfyui_servers_that import ComfyUI
from hubs import Hub
from making import png
from tampering import tamper


def pending(hub: Hub) -> Artifact:
    return hub.pictures.one(status="pending")


def rejected(hub: Hub) -> Artifact:
    return decisions.reject(hub.library, hub.pictures.one().id, by="ada", reason="too dark")


def deleted(hub: Hub) -> Artifact:
    return trash.delete(hub.library, hub.pictures.one().id, by="ada")


def changed(hub: Hub) -> Artifact:
    picture = hub.pictures.one(data=png(1))
    tamper(picture, png(2), unseen=True)
    return picture


def without_its_file(hub: Hub) -> Artifact:
    picture = hub.pictures.one()
    Path(picture.local_path).unlink()
    return picture


@pytest.mark.parametrize(
    "make", [pending, rejected, deleted, changed, without_its_file], ids=lambda make: make.__name__
)
async def test_what_is_not_usable_does_not_travel(hub: Hub, comfyui: ComfyUI, make: Callable[[Hub], Artifact]) -> None:
    artifact = make(hub)
    before = hub.state()
    refused = await hub.post(f"/artifacts/{artifact.id}/transfer", 409, json={"server": "gpu-b"})
    assert refused.code == "not_usable"
    assert refused.json["artifact"]["id"] == artifact.id
    assert hub.state() == before
    assert comfyui.requests == []


async def test_bytes_that_were_removed_do_not_travel(hub: Hub, comfyui: ComfyUI) -> None:
    picture = hub.pictures.one()
    waiting = transfers.create_transfer(hub.library, picture.id, server="gpu-b", by="runner")
    remove(hub, picture)
    before = hub.state()
    assert (await hub.post(f"/artifacts/{picture.id}/transfer", 410, json={"server": "gpu-b"})).code == "gone"
    assert (await hub.post(f"/transfers/{waiting.id}/retry", 410)).code == "gone"
    assert hub.state() == before
    assert comfyui.requests == []


def remove(hub: Hub, picture: Artifact) -> None:
    """As retention will."""
    hub.change("UPDATE artifacts SET bytes_removed_at = '2026-11-22T10:00:00.000Z' WHERE id = ?", picture.id)


async def test_a_server_is_named_and_never_introduced(hub: Hub, comfyui: ComfyUI) -> None:
    picture = hub.pictures.one()
    before = hub.state()
    for server in ("gpu-a", "http://127.0.0.1:1", comfyui.url, "GPU-B", "../gpu-b", "gpu-b\u0000", "gpu-b/"):
        refused = await hub.post(f"/artifacts/{picture.id}/transfer", 422, json={"server": server})
        assert refused.fields == ["server"]
        if refused.code == "unknown_server":
            assert refused.json["servers"] == ["gpu-b"]
    assert hub.state() == before
    assert comfyui.requests == []


@pytest.mark.parametrize(
    "subfolder",
    [
        *("..", "../x", "a/../../b", "/etc", "\\\\host\\share", "C:x", "a//b", "./a", "a\u0000b", "x" * 256),
        *("a [output]", "shots [temp]/b", "a\u202eb", "a:b", "a..b"),
    ],
)
async def test_a_subfolder_leads_nowhere_else(hub: Hub, comfyui: ComfyUI, subfolder: str) -> None:
    picture = hub.pictures.one()
    before = hub.state()
    body = {"server": "gpu-b", "subfolder": subfolder}
    assert (await hub.post(f"/artifacts/{picture.id}/transfer", 422, json=body)).fields == ["subfolder"]
    assert hub.state() == before
    assert comfyui.requests == []


async def test_what_is_not_there_does_not_travel(hub: Hub) -> None:
    picture = hub.pictures.one()
    before = hub.state()
    await hub.post(f"/artifacts/{uuid4()}/transfer", 404, json={"server": "gpu-b"})
    body = {"server": "gpu-b", "target_workflow_id": str(uuid4())}
    await hub.post(f"/artifacts/{picture.id}/transfer", 404, json=body)
    await hub.post(f"/transfers/{uuid4()}/retry", 404)
    assert hub.state() == before


@pytest.mark.parametrize("how", ["rejected", "deleted", "changed", "removed"])
async def test_what_is_revoked_before_its_delivery_fails_and_is_not_sent(hub: Hub, comfyui: ComfyUI, how: str) -> None:
    picture = hub.pictures.one(data=png(1))
    waiting = transfers.create_transfer(hub.library, picture.id, server="gpu-b", by="runner")
    if how == "rejected":
        decisions.reject(hub.library, picture.id, by="ada", reason="too dark")
    elif how == "deleted":
        trash.delete(hub.library, picture.id, by="ada")
    elif how == "changed":
        tamper(picture, png(2), unseen=True)
    else:
        remove(hub, picture)
    failed = transfers.deliver(hub.library, waiting.id, by="runner")
    assert (failed.status, failed.attempts, failed.target_filename) == ("failed", 1, None)
    assert failed.error_message
    assert comfyui.requests == []
    refused = await hub.ask("POST", f"/transfers/{waiting.id}/retry")
    assert (refused.status, refused.code) == ((410, "gone") if how == "removed" else (409, "not_usable"))


async def test_a_transfer_to_a_server_that_is_not_configured_any_more_is_not_tried(hub: Hub) -> None:
    picture = hub.pictures.one()
    waiting = transfers.create_transfer(hub.library, picture.id, server="gpu-b", by="runner")
    hub.change("UPDATE artifact_transfers SET target_server = 'gpu-z'")
    before = hub.state()
    refused = await hub.post(f"/transfers/{waiting.id}/retry", 422)
    assert (refused.code, refused.json["servers"]) == ("unknown_server", ["gpu-b"])
    assert hub.state() == before
