"""Hundreds of real workflows, as the editor saves them: each goes through, and nothing is told that is not there."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from comfyui_artifact_db.graphs.editor import as_graph
from comfyui_artifact_db.graphs.generation import describe
from template_graphs import outputs, templates

TEMPLATES = dict(templates())


def everything_in(value: Any) -> list[Any]:
    """All numbers and texts of a workflow, wherever they stand."""
    found, waiting = [], [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, (dict, list)):
            waiting.extend(here.values() if isinstance(here, dict) else here)
        else:
            found.append(here)
    return found


def test_there_are_hundreds() -> None:
    assert len(TEMPLATES) > 500


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_workflow_goes_through_and_what_is_told_stands_in_it(name: str) -> None:
    workflow = TEMPLATES[name]
    converted = as_graph(workflow)
    json.dumps(converted.graph)
    there = everything_in(workflow)
    for node_id in outputs(converted):
        told = describe(converted.graph, node_id, converted.vague)
        for field in ("seed", "cfg", "guidance", "sampler", "scheduler", "denoise"):
            if told.get(field, {}).get("value") is not None:
                assert told[field]["value"] in there
        for model in told.get("models", {}).get("value", []) + told.get("loras", {}).get("value", []):
            assert model["name"] in there


def test_many_fields_are_told() -> None:
    """Most of these were saved by editors that do not name widgets, and of those little can be known."""
    states: Counter[str] = Counter()
    for workflow in TEMPLATES.values():
        converted = as_graph(workflow)
        for node_id in outputs(converted):
            states.update(one["state"] for one in describe(converted.graph, node_id, converted.vague).values())
    assert states["ok"] > 300


@pytest.mark.parametrize("changed", ["nodes", "links", "definitions"])
@pytest.mark.parametrize("by", [None, [], {}, 7, "x", [None], [[]], [{}], [[1, 2]], [{"id": 1}], {"subgraphs": [{}]}])
def test_a_workflow_that_is_malformed_goes_through(changed: str, by: Any) -> None:
    for name in list(TEMPLATES)[::40]:
        workflow = {**TEMPLATES[name], changed: by}
        converted = as_graph(workflow)
        for node_id in converted.graph:
            describe(converted.graph, node_id, converted.vague)
    assert as_graph(by).graph == {}


@pytest.mark.parametrize("leaves", [0, 1, 5000])
def test_subgraphs_within_themselves_end(leaves: int) -> None:
    nodes = [{"id": number, "type": "s"} for number in range(100)]
    nodes += [
        {"id": 100 + number, "type": "KSampler", "inputs": [{"name": "x", "link": 1}]} for number in range(leaves)
    ]
    inner = {"id": "s", "inputs": [{"name": "x", "linkIds": [1]}], "outputs": [], "links": [[1, -10, 0, 100, 0, "X"]]}
    workflow = {"nodes": nodes[:1], "links": [], "definitions": {"subgraphs": [{**inner, "nodes": nodes}]}}
    converted = as_graph(workflow)
    assert len(converted.graph) <= 20_000
    assert converted.vague == set(converted.graph), "of what was not seen nothing is concluded"
