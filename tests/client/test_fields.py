"""Pins that a hub and a library in this process refuse the same values in the same words, and that both are asked."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import contract
import pytest
from comfyui_artifact_db.answers import fields
from comfyui_artifact_db.client import ArtifactDB
from comfyui_artifact_db.client.asking import Call
from comfyui_artifact_db.client.operations import ROUTES
from comfyui_artifact_db.client.problems import Problem
from comfyui_artifact_db.config import load_config
from comfyui_servers_that import ComfyUI
from making import png
from running import WAYS, Runner, a_runner

CHAIN, STEP, PICTURE, NOTHING = (str(uuid.UUID(int=number)) for number in range(1, 5))
IDS = {"chain_id": CHAIN, "workflow_id": STEP, "artifact_id": PICTURE, "transfer_id": NOTHING}
RIGHT: dict[str, dict[str, Any]] = {
    "create_chain": {"name": "film"},
    "create_workflow": {"workflow_name": "edit"},
    "collect_outputs": {"server": "gpu-a", "prompt_id": "never heard of"},
    "request_review": {"approval_status": "pending"},
    "reject_artifact": {"reason": "too dark"},
    "edit_artifact": {"from_version": NOTHING},
    "change_tags": {"ids": [PICTURE], "add": ["hero"]},
    "transfer_artifact": {"server": "gpu-z"},
}
"""What a body cannot be without."""

IN_BODIES: tuple[Any, ...] = (
    *(None, True, 1, -1, 1.5, 10**17, "", " ", "yes", "a\0b", "..", "x/y", "http://127.0.0.1:9/", "é" * 256),
    *("x" * 1001, "x" * 2001, "x" * 100_001, [], [1], [".."], {}, {"a": 1}, CHAIN.upper().replace("0", "f")),
)
IN_QUERIES: tuple[Any, ...] = (
    *(True, 0, 1, -1, 501, 1.5, 10**18, "", " ", "yes", "a\0b", "..", "x/y", '"', "x" * 300, "é", "\u0661", NOTHING),
    *("2001-01-01", "2001-01-01T00:00:00+99:00", [1]),
)

Outcome = tuple[Any, ...]


@dataclass
class Both:
    """A hub and a library, which have the same: a chain with a step, and a picture that the step made."""

    runners: tuple[Runner, ...]

    def outcomes(self, ask: Callable[[ArtifactDB], Any]) -> list[Outcome]:
        """What each makes of a call: nothing is in the way, or a problem with its fields."""
        return [_outcome(lambda db=one.db: ask(db)) for one in self.runners]  # type: ignore[misc]

    def same(self, ask: Callable[[ArtifactDB], Any]) -> Outcome:
        """What both make of a call alike."""
        hub, library = self.outcomes(ask)
        assert library == hub
        return hub


def _outcome(ask: Callable[[], Any]) -> Outcome:
    try:
        ask()
    except Problem as problem:
        # The kind is looked at too: callers catch by it.
        return type(problem).__name__, problem.status, problem.code, [wrong["field"] for wrong in problem.errors]
    return ("done",)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, two_servers: dict[str, ComfyUI]) -> Iterator[Both]:
    with ExitStack() as runners:
        opened = []
        for way in WAYS:
            folder = tmp_path_factory.mktemp(way)
            runner = runners.enter_context(a_runner(way, load_config(folder, {}), folder, two_servers))
            runner.db.create_chain("film", id=CHAIN)
            runner.db.create_workflow("edit", id=STEP, chain_id=CHAIN, step_id="edit")
            runner.db.create_artifact(STEP, runner.file(png(1)), id=PICTURE)
            opened.append(runner)
        yield Both(tuple(opened))


WRONG: dict[str, tuple[Callable[[Any], Any], Outcome]] = {
    name: (ask, (kind, status, code, list(wrong)))
    for name, ask, kind, status, code, *wrong in [
        ("nothing to change", lambda db: db.update_workflow(STEP), "Invalid", 422, "invalid", "body"),
        ("no server", lambda db: db.update_workflow(STEP, server=None), "Invalid", 422, "invalid", "server"),
        ("no flag", lambda db: db.update_workflow(STEP, requires_approval=None), "Invalid", 422, "invalid",
         "requires_approval"),
        ("no object", lambda db: db.create_chain("film", chain_definition=[1]), "Invalid", 422, "invalid",
         "chain_definition"),
        ("no hash", lambda db: db.approve_artifact(PICTURE, sha256="zz"), "Invalid", 422, "invalid", "sha256"),
        ("no time", lambda db: next(db.list_artifacts(since=5)), "Invalid", 422, "invalid", "since"),
        ("less than nothing", lambda db: next(db.list_artifacts(min_size=-1)), "Malformed", 400, "malformed"),
        ("before the first event", lambda db: next(db.list_events(after=-1)), "Malformed", 400, "malformed"),
        ("half a number", lambda db: db.delete_chain(CHAIN, revision=1.5), "Malformed", 400, "malformed"),
        ("a revision before the first", lambda db: db.update_chain(CHAIN, revision=-1, status="failed"), "Malformed",
         400, "malformed"),
        ("a way up", lambda db: db.tag_artifact(PICTURE, ".."), "Invalid", 422, "invalid", "tag"),
        ("the same way taken off", lambda db: db.untag_artifact(PICTURE, ".."), "Invalid", 422, "invalid", "tag"),
        ("the same way among many", lambda db: db.change_tags([PICTURE], add=[".."]), "Invalid", 422, "invalid", "add"),
        ("an empty tag", lambda db: db.untag_artifact(PICTURE, ""), "Invalid", 422, "invalid", "tag"),
        ("an empty id", lambda db: db.delete_artifact(""), "NotFound", 404, "not_found"),
        ("an id that leads up", lambda db: db.get_chain(".."), "NotFound", 404, "not_found"),
        ("no id", lambda db: db.get_workflow(None), "NotFound", 404, "not_found"),
        ("half a character in a body", lambda db: db.create_chain("\ud800"), "Invalid", 422, "invalid", "body"),
        ("half a character in a query", lambda db: next(db.list_artifacts(q="\ud800")), "Invalid", 422, "invalid", "q"),
        ("a record that is no object", lambda db: db.record_outputs([1]), "Malformed", 400, "malformed"),
    ]
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_by_both_in_the_same_way(both: Both, name: str) -> None:
    ask, expected = WRONG[name]
    assert both.outcomes(ask) == [expected, expected]


@pytest.mark.parametrize("status", [5, "approved ", "yes", ""])
@pytest.mark.parametrize("more", [{}, {"parent_artifact_id": PICTURE}], ids=["new", "edit"])
def test_what_stands_beside_a_file_is_refused_by_both(both: Both, status: Any, more: dict[str, str]) -> None:
    file = both.runners[0].file()
    ask = lambda db: db.create_artifact(STEP, file, approval_status=status, **more)
    assert both.same(ask) == ("Invalid", 422, "invalid", ["approval_status"])


def operation(name: str) -> dict[str, Any]:
    method, path = ROUTES[name]
    found = contract.operation(method, path)
    assert found is not None
    return found.described


def body_of(name: str, kind: str = "application/json") -> dict[str, Any]:
    """The members of the body that the contract describes."""
    content = operation(name).get("requestBody", {}).get("content", {})
    schema = content.get(kind, {}).get("schema", {})
    schema = contract.at(schema["$ref"]) if "$ref" in schema else schema
    members: dict[str, Any] = schema.get("properties", {})
    return members


def query_of(name: str) -> set[str]:
    """The parameters that the contract describes."""
    given = operation(name).get("parameters", [])
    found = [contract.at(one["$ref"]) if "$ref" in one else one for one in given]
    return {one["name"] for one in found if one["in"] == "query"}


ASKED = sorted(ROUTES.keys() - {"call_engine"})


@pytest.mark.parametrize("name", ASKED)
def test_what_may_be_said_is_what_the_contract_describes(name: str) -> None:
    body = fields.BODIES.get(name, fields.Body())
    assert {*body.required, *body.optional} == set(body_of(name))
    assert set(fields.QUERIES.get(name, {})) == query_of(name)
    assert {"file", *fields.FORMS.get(name, {})} == {"file", *body_of(name, "multipart/form-data")}


@pytest.mark.parametrize("name", [name for name in ASKED if body_of(name)])
def test_every_member_of_a_body_is_taken_or_refused_by_both_alike(both: Both, name: str) -> None:
    for member in (*body_of(name), "colour"):
        for value in IN_BODIES:
            body = {**RIGHT.get(name, {}), member: value}
            _asked_alike(both, Call(name, path_of(name), body=body), f"{member}={value!r:.60}")


@pytest.mark.parametrize("name", [name for name in ASKED if query_of(name) and name != "list_servers"])
def test_every_parameter_is_taken_or_refused_by_both_alike(both: Both, name: str) -> None:
    for parameter in (*query_of(name), "colour"):
        for value in IN_QUERIES:
            _asked_alike(both, Call(name, path_of(name), query={parameter: value}), f"{parameter}={value!r:.60}")


def _asked_alike(both: Both, call: Call, label: str) -> None:
    hub, library = both.outcomes(lambda db: db._backend.ask(call))
    assert library == hub, f"{call.operation}: {label}"


def path_of(name: str) -> dict[str, str]:
    """What stands in an operation's path."""
    return {variable: one for variable, one in IDS.items() if f"{{{variable}}}" in ROUTES[name][1]}
