"""Owns what a server says of its nodes: which there are, what their inputs may be, and why it refuses a graph.

Of what a server writes only what we know already is ever quoted: ids and inputs of the graph, and names of errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["NodeTypes", "refused_nodes"]

_ERROR = re.compile(r"[a-z][a-z_]{1,63}\Z")


@dataclass(frozen=True)
class NodeTypes:
    """Of each class of nodes its inputs; of an input that is one of a list, the list, else None."""

    inputs: Mapping[str, Mapping[str, tuple[Any, ...] | None]]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> NodeTypes:
        """Read the answer of `/object_info`; what has another shape than it should is left out."""
        return cls({name: dict(_inputs(told)) for name, told in answer.items()})

    def missing(self, graph: Mapping[str, Any]) -> list[str]:
        """What the graph needs and the server has not: classes of nodes, and values such as models' names.

        The value of an input that uploads go into is not asked for: a file may be delivered yet.
        """
        found: dict[str, None] = {}
        for node in graph.values():
            class_type = node.get("class_type")
            if class_type not in self.inputs:
                found[f"node {class_type}"] = None
                continue
            for name, value in node.get("inputs", {}).items():
                accepted = self.inputs[class_type].get(name)
                if accepted is not None and isinstance(value, (str, int, float)) and value not in accepted:
                    found[f"{name} {value!r} of node {class_type}"] = None
        return list(found)


def refused_nodes(answer: Mapping[str, Any], graph: Mapping[str, Any]) -> Iterator[str]:
    """Why a server refuses a graph, node by node."""
    told = answer.get("node_errors")
    for node_id, refusal in (told if isinstance(told, dict) else {}).items():
        if node_id not in graph:
            continue
        errors = refusal.get("errors") if isinstance(refusal, dict) else None
        reasons = [_reason(error, graph[node_id]) for error in (errors if isinstance(errors, list) else [])]
        yield f"node {node_id} ({graph[node_id].get('class_type')}): {', '.join(reasons) or 'no reason given'}"


def _reason(error: Any, node: Mapping[str, Any]) -> str:
    error = error if isinstance(error, dict) else {}
    kind, extra = error.get("type"), error.get("extra_info")
    named = extra.get("input_name") if isinstance(extra, dict) else None
    what = kind.replace("_", " ") if isinstance(kind, str) and _ERROR.match(kind) else "refused"
    return f"{named}: {what}" if named in node.get("inputs", {}) else what


def _inputs(told: Any) -> Iterator[tuple[str, tuple[Any, ...] | None]]:
    groups = told.get("input") if isinstance(told, dict) else None
    for group in (groups if isinstance(groups, dict) else {}).values():
        for name, spec in (group if isinstance(group, dict) else {}).items():
            yield name, _accepted(spec)


def _accepted(spec: Any) -> tuple[Any, ...] | None:
    """The values that an input may have: `[["a", "b"], {…}]`, or in the newer form `["COMBO", {"options": […]}]`."""
    if not isinstance(spec, list) or not spec:
        return None
    options = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
    if any(key.endswith("_upload") for key in options) or "remote" in options:
        return None
    if isinstance(spec[0], list):
        return tuple(spec[0])
    listed = options.get("options")
    return tuple(listed) if spec[0] == "COMBO" and isinstance(listed, list) else None
