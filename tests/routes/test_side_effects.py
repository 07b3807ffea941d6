"""Pins that asking changes nothing, and that no error tells what it should not."""

from __future__ import annotations

import contract
import pytest
from hubs import Hub
from requesting import READING, fill

QUERIES = {
    "/artifacts": ("sort=-size", "queue=1", "tag=hero", "latest=1"),
    "/workflows/{workflow_id}/latest": ("usable=1", "at=2100-01-01"),
    "/workflows/{workflow_id}/artifacts": ("heads=1",),
    "/events": ("after=1", "limit=1"),
    "/chains": ("failed=1",),
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_reading_changes_nothing(hub: Hub, method: str) -> None:
    known = fill(hub)
    before = hub.state()
    for route in READING:
        for query in ("", *QUERIES.get(route.path, ())):
            answer = await hub.ask(method, f"{known.path(route)}?{query}".rstrip("?"))
            assert answer.status in (200, 501), (route.path, query, answer.body)
            assert hub.state() == before, route.path


async def test_a_head_has_the_headers_of_a_get_and_no_body(hub: Hub) -> None:
    known = fill(hub)
    for route in READING:
        get = await hub.ask("GET", known.path(route))
        head = await hub.ask("HEAD", known.path(route))
        assert (head.status, head.body) == (get.status, b"")
        for name in {"ETag", "Content-Type", "Content-Length", "Cache-Control"} & set(get.headers):
            assert head.headers[name] == get.headers[name], (route.path, name)


async def test_a_head_of_the_event_stream_ends_and_leaves_its_connection_usable(hub: Hub) -> None:
    for _ in range(3):
        head = await hub.ask("HEAD", "/events", 200, headers={"Accept": "text/event-stream"})
        assert head.headers["Content-Type"].startswith("text/event-stream")
        assert (await hub.get("/events")).json["items"] == []


async def test_what_should_not_go_wrong_is_told_to_the_log_and_to_nobody_else(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    picture = hub.pictures.one()
    hub.change("UPDATE artifacts SET metadata = 'this is no JSON' WHERE id = ?", picture.id)
    async with hub.session.get(f"{hub.url}/artifact-db/artifacts/{picture.id}") as response:
        assert response.status == 500
        assert response.headers["Content-Type"].startswith("application/problem+json")
        body = await response.json(content_type=None)
    contract.validate(body, "components", "schemas", "Problem")
    assert body["code"] == "internal"
    assert "JSON" not in str(body)
    (told,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert told.exc_info is not None
    assert picture.id in told.getMessage()
