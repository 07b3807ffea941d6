"""Pins optimistic concurrency over HTTP: ETag, If-Match, and what nothing has."""

from __future__ import annotations

import contract
import pytest
from comfyui_artifact_db.server_routes.table import ROUTES, Route
from hubs import Hub
from requesting import CHANGING, fill, named, unknown
from sending import form

BUILT = [route for route in ROUTES if route.handler is not None]
WITH_ID = [route for route in BUILT if "_id}" in route.path or "{tag}" in route.path]


def takes_if_match(route: Route) -> bool:
    op = contract.operation(route.method, route.path)
    assert op is not None
    wanted = {"$ref": "#/components/parameters/IfMatch"}
    return wanted in op.described.get("parameters", [])


CONDITIONAL = [route for route in CHANGING if route.handler is not None and takes_if_match(route)]


def test_there_are_changes_that_take_a_revision() -> None:
    assert len(CONDITIONAL) >= 12


@pytest.mark.parametrize("route", CONDITIONAL, ids=named)
async def test_a_change_of_what_has_changed_since_is_refused(hub: Hub, route: Route) -> None:
    known = fill(hub)
    kind = route.path.split("/")[1]
    row = f"/{kind}/{known.ids[kind.removesuffix('s') + '_id']}"
    seen = (await hub.get(row)).etag
    if kind == "artifacts":
        await hub.put(f"{row}/tags/meanwhile")
    elif kind == "workflows":
        await hub.patch(row, json={"status": "cancelled"})
    else:
        await hub.patch(row, json={"status": "executing_level_3"})
    now = await hub.get(row)
    assert now.etag != seen
    before = hub.state()
    refused = await hub.ask(route.method, known.path(route), 412, headers={"If-Match": seen}, **known.request(route))
    assert refused.code == "stale_revision"
    assert hub.state() == before
    if kind == "artifacts":
        assert refused.json["artifact"] == now.json, "what it is now"


@pytest.mark.parametrize("route", CONDITIONAL, ids=named)
@pytest.mark.parametrize("condition", ["present", "any"])
async def test_a_change_of_what_was_seen_is_done(hub: Hub, route: Route, condition: str) -> None:
    known = fill(hub)
    kind = route.path.split("/")[1]
    row = f"/{kind}/{known.ids[kind.removesuffix('s') + '_id']}"
    seen = (await hub.get(row)).etag if condition == "present" else "*"
    answer = await hub.ask(route.method, known.path(route), headers={"If-Match": seen}, **known.request(route))
    assert answer.status < 300


@pytest.mark.parametrize("route", CONDITIONAL, ids=named)
async def test_an_if_match_that_is_none_of_our_etags_is_refused(hub: Hub, route: Route) -> None:
    known = fill(hub)
    before = hub.state()
    for wrong in ("", "1", '"one"', 'W/"1"', '"1", "2"', '"-1"', '"' + "9" * 16 + '"', '"\u0661"'):
        refused = await hub.ask(
            route.method, known.path(route), 400, headers={"If-Match": wrong}, **known.request(route)
        )
        assert refused.code == "malformed"
    assert hub.state() == before


@pytest.mark.parametrize("route", WITH_ID, ids=named)
async def test_what_nothing_has_is_not_found(hub: Hub, route: Route) -> None:
    known = fill(hub)
    before = hub.state()
    name = next(name for name in known.ids if f"{{{name}}}" in route.path)
    wrong = [unknown(name), "1", "x" * 300, known.ids[name].replace("-", ""), f"%7B{known.ids[name]}%7D", "%00", "..."]
    for other in wrong:
        path = known.path(route, **{name: other})
        assert (await hub.ask(route.method, path, 404, **known.request(route))).code == "not_found"
    assert hub.state() == before


@pytest.mark.parametrize("route", [route for route in BUILT if route.permission != "public"], ids=named)
async def test_a_parameter_that_a_route_does_not_know_is_refused(hub: Hub, route: Route) -> None:
    known = fill(hub)
    before = hub.state()
    for query in ("colour=red", "colour=", "%00=1"):
        path = known.path(route)
        asked = f"{path}{'&' if '?' in path else '?'}{query}"
        refused = await hub.ask(route.method, asked, 400, **known.request(route))
        assert refused.code == "malformed"
    assert hub.state() == before


async def test_a_path_that_is_no_route_and_a_method_that_is_none_of_its_say_so(hub: Hub) -> None:
    for path in ("//", "/chain", "/artifacts/", "/artifacts/x/y/z", "/..%2Fartifacts", "/%2e%2e/system_stats", "/%00"):
        assert (await hub.get(path, 404)).code == "not_found"
    for method, path, allowed in (
        ("DELETE", "/chains", "GET, POST"),
        ("PUT", "/tags", "GET, POST"),
        ("OPTIONS", "/chains", "GET, POST"),
        ("TRACE", "/artifacts", "GET"),
        ("GET", "/artifacts/x/approve", "POST"),
        ("PROPFIND", "/servers", "GET"),
    ):
        refused = await hub.ask(method, path, 405)
        assert (refused.code, refused.headers["Allow"]) == ("method_not_allowed", allowed)


async def test_the_body_of_an_edit_decides_which_of_its_two_kinds_it_is(hub: Hub) -> None:
    known = fill(hub)
    path = f"/artifacts/{known.ids['artifact_id']}/edit"
    restored = await hub.post(path, 201, json={"from_version": known.ids["artifact_id"]})
    edited = await hub.post(path, 201, data=form(b"\x89PNG\r\n\x1a\n..."))
    assert [answer.json["version"] for answer in (restored, edited)] == [2, 3]
