"""Pins what JSON bodies may be: right in form, no larger than allowed, and member by member what the contract says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import contract
import pytest
from comfyui_artifact_db.server_routes import asking
from comfyui_artifact_db.server_routes.table import ROUTES, Route
from hubs import Hub
from requesting import Known, fill, named

JSON = {"Content-Type": "application/json"}
TAKING = [route for route in ROUTES if "application/json" in route.bodies and route.handler is not None]
OF_TYPE: dict[str, Any] = {
    "string": "x",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "object": {"a": 1},
    "array": ["x"],
    "null": None,
}
each = pytest.mark.parametrize("route", TAKING, ids=named)


@dataclass(frozen=True)
class Member:
    """One member of a body, with its schema; what a `$ref` leads to is part of it."""

    route: Route
    name: str
    schema: dict[str, Any]

    @property
    def types(self) -> set[str]:
        given = self.schema["type"]
        return {given} if isinstance(given, str) else set(given)

    def wrong(self) -> Iterator[Any]:
        """Values that the schema does not allow."""
        for name, value in OF_TYPE.items():
            if name not in self.types:
                yield value
        if "maxLength" in self.schema:
            yield "x" * (self.schema["maxLength"] + 1)
        if self.schema.get("minLength"):
            yield from ("", " ")
        if {"enum", "pattern", "format"} & self.schema.keys():
            yield from ("nonsense", "", "COMPLETED", "executing_level_01", "executing_level_\u0661")
        if "minimum" in self.schema:
            yield self.schema["minimum"] - 1
        if "maximum" in self.schema:
            yield from (self.schema["maximum"] + 1, 10**400)

    def longest(self) -> Any:
        """The longest text that the schema allows; None where its length does not matter."""
        free = not {"enum", "pattern", "format"} & self.schema.keys() and self.name not in (
            *("server", "token", "folder", "from_step"),
        )
        free = free and not self.route.path.endswith("/collect")  # it asks a server, which is not there
        letter = "x" if self.name == "subfolder" else "ü"  # of a folder's name, the bytes count too
        return letter * self.schema["maxLength"] if free and "maxLength" in self.schema else None


def schema_of(route: Route) -> dict[str, Any]:
    op = contract.operation(route.method, route.path)
    assert op is not None
    content = op.described["requestBody"]["content"]["application/json"]
    schema: dict[str, Any] = contract.at(content["schema"]["$ref"])
    return schema


def members() -> Iterator[Member]:
    for route in TAKING:
        for name, schema in schema_of(route)["properties"].items():
            there = contract.at(schema["$ref"]) if "$ref" in schema else {}
            yield Member(route, name, {**there, **schema})


each_member = pytest.mark.parametrize("member", list(members()), ids=lambda m: f"{named(m.route)}-{m.name}")


def right(route: Route, known: Known) -> dict[str, Any]:
    """A right body of a route."""
    if route.path.endswith("/edit"):
        return {"from_version": known.ids["artifact_id"]}
    if route.path == "/session":
        return {"token": known.ids["token"]}
    return dict(known.request(route).get("json", {}))


@each
async def test_what_is_no_json_object_is_malformed(hub: Hub, route: Route) -> None:
    known = fill(hub)
    before = hub.state()
    deep = b'{"name":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    unlike = (b"{", b"[]", b'"x"', b"null", b"1", b"{'name': 1}", b'{"name": NaN}', b'{"name": Infinity}', b"\xff\xfe")
    strange = (b'{"name": "\\ud800"}', b'{"\\udfff": 1}', b'{"name": 1e999}', b'{"name": "\xed\xa0\x80"}', deep)
    for data in (*unlike, *strange, b"\xef\xbb\xbf{}x", b'{"name": ' + b"9" * 5000 + b"}"):
        refused = await hub.ask(route.method, known.path(route), 400, data=data, headers=JSON)
        assert refused.code == "malformed"
    assert hub.state() == before


@each
async def test_a_body_that_is_missing_is_malformed_where_it_is_needed(hub: Hub, route: Route) -> None:
    known = fill(hub)
    op = contract.operation(route.method, route.path)
    assert op is not None
    if op.described["requestBody"]["required"]:
        before = hub.state()
        await hub.ask(route.method, known.path(route), 422, json={})
        await hub.ask(route.method, known.path(route), data=b"", headers=JSON, expect=400 if needs(route) else 422)
        assert hub.state() == before
    else:
        expect = 401 if route.path == "/session" else None  # the token may be in a header instead
        answer = await hub.ask(route.method, known.path(route), expect)
        assert expect or answer.status < 300


def needs(route: Route) -> bool:
    """Whether the body has a member that cannot be left out."""
    return bool(schema_of(route).get("required"))


@each
async def test_a_body_that_is_too_large_is_refused(hub: Hub, route: Route, monkeypatch: pytest.MonkeyPatch) -> None:
    known = fill(hub)
    before = hub.state()
    monkeypatch.setattr(asking, "MAX_JSON", 100_000)
    data = json.dumps({**right(route, known), "name": "x" * 100_000}).encode()
    assert (await hub.ask(route.method, known.path(route), 413, data=data, headers=JSON)).code == "too_large"
    assert hub.state() == before


@each
async def test_a_member_that_nobody_knows_and_one_that_is_missing_are_named(hub: Hub, route: Route) -> None:
    known = fill(hub)
    before = hub.state()
    whole = right(route, known)
    for unknown in ("colour", "url", "path", "local_path", "", "id\u0000"):
        body = {**whole, unknown: "http://127.0.0.1:1/x.png"}
        assert (await hub.ask(route.method, known.path(route), 422, json=body)).fields == [unknown]
    for required in schema_of(route).get("required", ()):
        body = {name: value for name, value in whole.items() if name != required}
        body = body or {"approved_by": "ada"} if "approved_by" in schema_of(route)["properties"] else body
        assert (await hub.ask(route.method, known.path(route), 422, json=body)).fields == [required]
    assert hub.state() == before


@each_member
async def test_a_member_that_the_contract_does_not_allow_is_named(hub: Hub, member: Member) -> None:
    known = fill(hub)
    before = hub.state()
    for value in member.wrong():
        body = {**right(member.route, known), member.name: value}
        refused = await hub.ask(member.route.method, known.path(member.route), 422, json=body)
        assert refused.fields == [member.name], value
    assert hub.state() == before


@each_member
async def test_a_member_that_the_contract_allows_is_taken(hub: Hub, member: Member) -> None:
    known = fill(hub)
    given = [None] if "null" in member.types else []
    given += [member.schema["maximum"], member.schema["minimum"]] if "maximum" in member.schema else []
    given += member.schema.get("enum", [])
    given += [member.longest()] if member.longest() else []
    for value in given:
        body = {**right(member.route, known), member.name: value}
        answer = await hub.ask(member.route.method, known.path(member.route), json=body)
        assert answer.status < 300, (value, answer.body)


async def test_the_numbers_and_characters_of_a_definition_come_back_as_they_were(hub: Hub) -> None:
    definition = {
        "whole": [0, -1, 2**53 + 1, 10**30, -(2**63)],
        "parts": [0.1, 1e-300, 1.7976931348623157e308, -0.0],
        "texts": ["", "\u0000", "\r\n\t", "ü", "\U0001f409", "\u2028", "</script>", "\ufeff", "e\u0301"],
        "": None,
        "deep": [[[[[[[[[[{}]]]]]]]]]],
    }
    made = (await hub.post("/chains", 201, json={"name": "c", "chain_definition": definition})).json
    assert made["chain_definition"] == definition
    assert (await hub.get(f"/chains/{made['id']}")).json["chain_definition"] == definition


async def test_json_is_utf_8_with_a_byte_order_mark_or_without(hub: Hub) -> None:
    for encoding, status in (("utf-8", 201), ("utf-8-sig", 201), ("utf-16", 400), ("utf-32", 400), ("latin-1", 400)):
        data = json.dumps({"name": "Köln"}, ensure_ascii=False).encode(encoding)
        headers = {"Content-Type": "application/json; charset=" + encoding}
        answer = await hub.post("/chains", status, data=data, headers=headers)
        assert status == 400 or answer.json["name"] == "Köln"


@pytest.mark.parametrize("name", ["a/b", "..", "a\\b", "http://x", "C:evil", "a\nb", "a\tb", "\u0000", "\x1b[31m"])
async def test_a_name_is_neither_a_path_nor_a_url(hub: Hub, name: str) -> None:
    before = hub.state()
    for path, body in (
        ("/chains", {"name": name}),
        ("/workflows", {"workflow_name": name}),
        ("/workflows", {"workflow_name": "w", "step_id": name}),
    ):
        assert (await hub.post(path, 422, json=body)).code == "invalid"
    assert hub.state() == before
