"""The JSON Schema that is published for editors says what the check says, as far as shapes go."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from comfyui_artifact_db.chains import checking, files
from comfyui_artifact_db.chains.problems import ChainInvalid
from comfyui_artifact_db.cli import chaining
from jsonschema import Draft202012Validator

SCHEMA = json.loads(chaining.SCHEMA.read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
GRAPH = {"7": {"class_type": "A", "inputs": {"text": "", "image": ""}}}
STEP: dict[str, Any] = {
    "id": "one",
    "workflow": GRAPH,
    "workflow_name": "make a film",
    "server": "any",
    "depends_on": [],
    "inputs": {"7.image": "a.png"},
    "parameters": {"7.text": "{{ prompt }}"},
    "condition": "prompt != ''",
    "requires_approval": True,
    "approval_timeout": {"after": "3d", "then": "approve"},
    "retry": {"attempts": 3, "backoff": 2.5},
    "timeout": "2h",
    "on_error": "continue",
}
CHAIN: dict[str, Any] = {"name": "film", "description": "a film", "parameters": {"prompt": "x"}, "steps": [STEP]}


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    chain = copy.deepcopy(CHAIN)
    target: Any = chain
    for part in path[:-1]:
        target = target[part]
    if value is KeyError:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return chain


def is_right(chain: Any) -> bool:
    try:
        checking.check(files.Tree(chain), servers=("gpu-a",))
    except ChainInvalid:
        return False
    return True


def test_the_schema_is_one_and_takes_a_chain_with_everything() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert VALIDATOR.is_valid(CHAIN)
    assert is_right(CHAIN)
    assert set(SCHEMA["$defs"]["step"]["properties"]) == set(STEP)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("name",), 3), (("name",), ""), (("name",), KeyError), (("name",), "n" * 256), (("names",), "a"),
        (("description",), []), (("description",), None), (("parameters",), []), (("parameters",), {"a b": 1}),
        (("steps",), []), (("steps",), {}), (("steps", 0), "one"), (("steps", 0, "id"), "a-b"),
        (("steps", 0, "id"), KeyError), (("steps", 0, "workflow"), KeyError), (("steps", 0, "workflow"), {}),
        (("steps", 0, "workflow"), {"7": {}}), (("steps", 0, "workflow", "7", "inputs"), []),
        (("steps", 0, "server"), 3), (("steps", 0, "depends_on"), "one"), (("steps", 0, "depends_on"), [3]),
        (("steps", 0, "inputs"), {"7.image": 3}), (("steps", 0, "inputs"), None), (("steps", 0, "inputs"), []),
        (("steps", 0, "parameters"), {"7text": 3}), (("steps", 0, "parameters"), {"7.text": [1]}),
        (("steps", 0, "condition"), 3), (("steps", 0, "condition"), None), (("steps", 0, "requires_approval"), "yes"),
        (("steps", 0, "approval_timeout", "after"), "soon"), (("steps", 0, "approval_timeout", "then"), "wait"),
        (("steps", 0, "approval_timeout", "then"), KeyError), (("steps", 0, "approval_timeout"), None),
        (("steps", 0, "retry", "attempts"), 0), (("steps", 0, "retry", "attempts"), 1.5), (("steps", 0, "retry"), None),
        (("steps", 0, "retry", "backoff"), None), (("steps", 0, "retry", "times"), 3), (("steps", 0, "timeout"), -1),
        (("steps", 0, "timeout"), None), (("steps", 0, "timeout"), 5), (("steps", 0, "on_error"), "skip"),
        (("steps", 0, "on_error"), None), (("steps", 0, "retries"), 1), (("steps", 0, "workflow_name"), 3),
    ],
)  # fmt: skip
def test_the_schema_and_the_check_agree(path: tuple[str | int, ...], value: Any) -> None:
    chain = changed(path, value)
    assert VALIDATOR.is_valid(chain) == is_right(chain)
