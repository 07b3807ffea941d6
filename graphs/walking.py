"""Owns how a graph in API format is read: which nodes lead to a node, and how the whole of it is written down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Graph = dict[str, dict[str, Any]]


def leading_to(graph: Graph, *node_ids: str) -> Graph:
    """Some nodes and all those that their inputs come from: their classes and inputs, without titles and other notes.

    What has not the shape of a node is left out: a graph may come from anywhere.
    """
    found: Graph = {}
    waiting = list(node_ids)
    while waiting:
        here = waiting.pop()
        node = graph.get(here)
        if here in found or not isinstance(node, dict):
            continue
        inputs = node.get("inputs")
        inputs = inputs if isinstance(inputs, dict) else {}
        found[here] = {"class_type": node.get("class_type"), "inputs": inputs}
        waiting.extend(str(link[0]) for link in inputs.values() if isinstance(link, list) and len(link) == 2)
    return found


def plain(value: Any) -> Any:
    """What came as JSON, as every JSON reader and every database takes it.

    ComfyUI lets through what they refuse: NaN and infinities become null, halves of surrogate pairs question marks.
    """
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
    return json.loads(text, parse_constant=lambda _: None)


def writing(graph: Mapping[str, Any]) -> list[str]:
    """The nodes that may have written a file: nothing comes of them, or they ask for a name to write under."""
    inputs = {node_id: node.get("inputs") for node_id, node in graph.items() if isinstance(node, dict)}
    named = [node_id for node_id, given in inputs.items() if isinstance(given, dict) and "filename_prefix" in given]
    if named:
        return named
    leading = {
        str(value[0])
        for given in inputs.values()
        if isinstance(given, dict)
        for value in given.values()
        if isinstance(value, list) and len(value) == 2
    }
    return [node_id for node_id in inputs if node_id not in leading]
