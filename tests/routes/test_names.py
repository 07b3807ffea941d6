"""Pins the route that tells which names are in use."""

from __future__ import annotations

import pytest
from comfyui_artifact_db.library import runs
from hubs import Hub


async def test_names_come_in_pages_and_by_what_they_begin_with(hub: Hub) -> None:
    for prompt, step in (("p1", "paint"), ("p2", "print"), ("p3", "scan")):
        hub.pictures.one(run=runs.Run("gpu-a", prompt, "w", chain="film", step=step))
    first = (await hub.get("/names?kind=step&chain=film&limit=2")).json
    assert first["items"] == ["paint", "print"]
    rest = (await hub.get(f"/names?kind=step&chain=film&limit=2&cursor={first['next_cursor']}")).json
    assert rest == {"items": ["scan"], "next_cursor": None}
    assert (await hub.get("/names?kind=step&q=pr")).json["items"] == ["print"]
    assert (await hub.get("/names?kind=chain")).json["items"] == ["film"]


@pytest.mark.parametrize(
    ("query", "status"), [("", 400), ("kind=tag", 422), ("kind=chain&chain=film", 422), ("kind=chain&x=1", 400)]
)
async def test_what_cannot_be_asked_is_refused(hub: Hub, query: str, status: int) -> None:
    await hub.get(f"/names?{query}", expect=status)
