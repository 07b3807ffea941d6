"""Pins what the hub tells of itself: its health, its contract, the servers it knows."""

from __future__ import annotations

from hubs import VERSION, Hub


async def test_a_hub_says_that_it_is_well(hub: Hub) -> None:
    health = (await hub.get("/health")).json
    assert health["status"] == "ok"
    assert health["version"] == VERSION
    assert health["schema_version"] >= 2
    assert health["pending_intents"] == 0
