"""Real workflows: those that ComfyUI's makers publish as templates, as the editor saves them and in API format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

from comfyui_artifact_db.graphs.editor import Converted, as_graph

WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
OUTPUTS = ("Save", "Preview", "VHS_VideoCombine", "MaskPreview", "ImageCompare")


def templates() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every workflow of the package, by its name."""
    for file in sorted(resources.files("comfyui_workflow_templates_json").joinpath("templates").iterdir(), key=str):
        if file.name.endswith(".json"):
            found = json.loads(file.read_text(encoding="utf-8"))
            if isinstance(found, dict) and "nodes" in found:
                yield file.name.removesuffix(".json"), found


def with_names(workflow: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The workflow with every widget named, as the editor knows them from a server's `GET /object_info`."""
    made: dict[str, Any] = json.loads(json.dumps(workflow))
    for scope in [made, *made.get("definitions", {}).get("subgraphs", [])]:
        for node in scope["nodes"]:
            if node.get("type") in definitions and isinstance(node.get("widgets_values"), list):
                _name_widgets(node, definitions[node["type"]])
    return made


def api_graph(workflow: dict[str, Any], definitions: dict[str, Any]) -> Converted:
    """What the editor would queue; vague where a node is not among the definitions."""
    return as_graph(with_names(workflow, definitions))


def outputs(converted: Converted) -> list[str]:
    """The nodes that save or show something, and lead to nothing else."""
    return [key for key, node in converted.graph.items() if str(node["class_type"]).startswith(OUTPUTS)]


def _name_widgets(node: dict[str, Any], definition: dict[str, Any]) -> None:
    described = {**definition["input"].get("required", {}), **definition["input"].get("optional", {})}
    places = {place["name"]: place for place in node.get("inputs", [])}
    named = []
    for name, (kind, *more) in described.items():
        options = more[0] if more else {}
        if not (isinstance(kind, list) or kind in WIDGETS) or options.get("forceInput"):
            continue
        place = places.pop(name, {"name": name, "link": None})
        named.append({**place, "widget": {"name": name}})
    values = node["widgets_values"]
    if len(values) >= len(named):
        node["inputs"] = [*places.values(), *named]
