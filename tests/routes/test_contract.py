"""Pins that the contract and the table of routes say the same, and that the contract is right in itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import contract
import pytest
from comfyui_artifact_db.db import statuses
from comfyui_artifact_db.library import events
from comfyui_artifact_db.server_routes import about
from comfyui_artifact_db.server_routes.guarding import CHANGING, PERMISSIONS
from comfyui_artifact_db.server_routes.table import ROUTES, Route
from contract import DOCUMENT, Operation
from hubs import Hub

SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = [op for op in contract.operations() if op.name != "check_artifact_download"]
"""Without the one HEAD that is described: a HEAD of every GET comes with the GET."""

named = pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)


def route_of(op: Operation) -> Route:
    (route,) = [route for route in ROUTES if (route.method, route.path) == (op.method, op.path)]
    return route


async def test_the_hub_gives_the_document_that_these_tests_read(hub: Hub) -> None:
    assert (await hub.get("/openapi.json")).json == DOCUMENT == about.contract()


def test_every_operation_is_a_route_and_every_route_an_operation() -> None:
    assert sorted((op.method, op.path) for op in OPERATIONS) == sorted((route.method, route.path) for route in ROUTES)


@named
def test_an_operation_asks_for_the_permission_of_its_route(op: Operation) -> None:
    assert op.permission == route_of(op).permission
    assert op.permission in PERMISSIONS


@named
def test_an_operation_takes_the_bodies_of_its_route(op: Operation) -> None:
    assert op.bodies == set(route_of(op).bodies)


@named
def test_an_operation_is_planned_while_its_route_has_no_handler(op: Operation) -> None:
    assert op.planned == (route_of(op).handler is None)
    if op.planned:
        assert "501" in op.described["responses"]


@named
def test_an_operation_documents_what_every_one_of_its_kind_may_answer(op: Operation) -> None:
    needed = {"403", "503"}
    if op.permission != "public":
        needed |= {"401"}
    if op.method in CHANGING:
        needed |= {"400", "415"}
    if "{" in op.path:
        needed |= {"404"}
    if parameters_of(op):
        needed |= {"400"}
    if "application/json" in op.bodies:
        needed |= {"413", "422"}
    if "If-Match" in parameters_of(op):
        needed |= {"412"}
    assert needed <= set(op.described["responses"])


@named
def test_a_change_of_a_row_takes_the_revision_it_is_based_on_and_everything_takes_an_actor(op: Operation) -> None:
    assert ("X-Artifact-Actor" in parameters_of(op)) == (op.method in CHANGING and op.path != "/session")
    if op.method in ("PATCH", "DELETE", "PUT") and op.path not in ("/session", "/recording"):  # those are no rows
        assert "If-Match" in parameters_of(op)


def test_names_of_operations_are_unique() -> None:
    names = [op.name for op in contract.operations()]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere() -> None:
    for reference in contract.references():
        contract.at(reference)


def test_every_format_that_the_document_uses_is_one_that_is_checked() -> None:
    used = {node["format"] for node in schemas(DOCUMENT) if "format" in node}
    assert used == set(contract.FORMATS.checkers)


def test_every_example_is_valid() -> None:
    seen = 0
    for pointer, node in walk(DOCUMENT):
        if "schema" not in node:
            continue
        given = [node["example"]] if "example" in node else []
        for example in node.get("examples", {}).values():
            given.append(contract.at(example["$ref"])["value"] if "$ref" in example else example["value"])
        for value in given:
            contract.validate(value, *pointer, "schema")
        seen += len(given)
    assert seen > 50


MAY_BE_ABSENT = ("Problem", "Metadata", "Generation", "Told")
"""Of these a member that is absent says something: what is known differs from file to file."""


def test_an_answer_has_every_member_of_its_schema_and_no_other() -> None:
    for name in answered():
        schema = SCHEMAS[name]
        if schema["type"] == "object" and name not in MAY_BE_ABSENT:
            assert schema["additionalProperties"] is False, name
            assert sorted(schema["required"]) == sorted(schema["properties"]), name


def test_the_contract_names_the_values_that_the_program_has() -> None:
    assert tuple(SCHEMAS["EventAction"]["enum"]) == events.ACTIONS
    assert tuple(SCHEMAS["WorkflowStatus"]["enum"]) == statuses.WORKFLOW_STATUSES
    assert tuple(SCHEMAS["ApprovalStatus"]["enum"]) == statuses.APPROVAL_STATUSES
    assert tuple(SCHEMAS["TransferStatus"]["enum"]) == statuses.TRANSFER_STATUSES
    for status in statuses.CHAIN_STATUSES:
        contract.validate(status, "components", "schemas", "ChainStatus")


def parameters_of(op: Operation) -> dict[str, Any]:
    """The operation's own parameters, by name; those of its path are not among them."""
    given = [contract.at(p["$ref"]) if "$ref" in p else p for p in op.described.get("parameters", [])]
    return {parameter["name"]: parameter for parameter in given}


def answered() -> set[str]:
    """The schemas that answers are made of."""
    found: set[str] = set()
    waiting = [reference for op in OPERATIONS for reference in contract.references(op.described["responses"])]
    while waiting:
        reference = waiting.pop()
        if reference not in found:
            found.add(reference)
            waiting += contract.references(contract.at(reference))
    return {reference.rpartition("/")[2] for reference in found if reference.startswith("#/components/schemas/")}


def walk(node: Any, pointer: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every object of the document with its place, but not what stands inside of examples."""
    if isinstance(node, dict):
        yield pointer, node
        for key, value in node.items():
            if key not in ("example", "examples") or pointer == ("components",):
                yield from walk(value, (*pointer, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from walk(value, (*pointer, str(index)))


def schemas(document: Any) -> Iterator[dict[str, Any]]:
    """Every object of the document that has a type, which schemas do."""
    return (node for _, node in walk(document) if isinstance(node.get("type"), (str, list)))
