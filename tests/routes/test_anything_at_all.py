"""Pins that whatever anybody sends is answered as the contract says: never with a 500, and by every member's name."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import contract
import pytest
from comfyui_artifact_db.server_routes.table import ROUTES, Route
from hubs import Hub
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requesting import READING, Known, fill

TAKING = [route for route in ROUTES if "application/json" in route.bodies]
thoroughly = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    # One hub takes all that is sent, as in life.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["pending", "gpu-a", "executing", "2026-11-22T10:00:00Z", "../x", "\x00", "\ud800", "ℵ" * 300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def known(hub: Hub) -> Known:
    """What the hub has before anything is sent."""
    return fill(hub)


def parameters(route: Route) -> list[str]:
    op = contract.operation(route.method, route.path)
    assert op is not None
    described = [contract.at(p["$ref"]) if "$ref" in p else p for p in op.described.get("parameters", [])]
    return [parameter["name"] for parameter in described if parameter["in"] == "query"]


@st.composite
def bodies(draw: st.DrawFn) -> tuple[Route, dict[str, Any]]:
    """A route and a body of members that it knows, and perhaps of one that it does not."""
    route = draw(st.sampled_from(TAKING))
    op = contract.operation(route.method, route.path)
    assert op is not None
    schema = op.described["requestBody"]["content"]["application/json"]["schema"]
    known = contract.at(schema["$ref"])["properties"]
    names = st.sampled_from(sorted(known)) | st.text(max_size=5)
    return route, draw(st.dictionaries(names, values, max_size=4))


@st.composite
def queries(draw: st.DrawFn) -> tuple[Route, str]:
    """A list and a query of parameters that it knows."""
    route = draw(st.sampled_from([route for route in READING if parameters(route)]))
    texts = st.text(max_size=10) | st.integers(0, 10**20).map(str) | st.sampled_from(["1", "true", "%", "created"])
    asked = draw(st.dictionaries(st.sampled_from(parameters(route)), texts, max_size=4))
    return route, "&".join(f"{name}={quote(text, safe='', errors='replace')}" for name, text in asked.items())


@thoroughly
@given(sent=bodies())
async def test_any_body_is_answered_as_the_contract_says(
    hub: Hub, known: Known, sent: tuple[Route, dict[str, Any]]
) -> None:
    route, body = sent
    answer = await hub.ask(route.method, known.path(route), json=body)
    assert answer.status != 500


@thoroughly
@given(sent=queries())
async def test_any_query_is_answered_as_the_contract_says(hub: Hub, known: Known, sent: tuple[Route, str]) -> None:
    route, query = sent
    answer = await hub.ask(route.method, f"{known.path(route)}?{query}")
    assert answer.status != 500


@thoroughly
@given(id=st.text(max_size=40), tag=st.text(min_size=1, max_size=110))
async def test_any_path_is_answered_as_the_contract_says(hub: Hub, known: Known, id: str, tag: str) -> None:
    id, tag = (quote(text, safe="", errors="replace") for text in (id, tag))
    for method, path in (
        ("GET", f"/artifacts/{id}"),
        ("PUT", f"/artifacts/{known.ids['artifact_id']}/tags/{tag}"),
        ("DELETE", f"/artifacts/{known.ids['artifact_id']}/tags/{tag}"),
    ):
        assert (await hub.ask(method, path)).status != 500
