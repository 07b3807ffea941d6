"""Hundreds of real workflows through the metadata reader: how much of them is told, and what that costs.

The workflows are ComfyUI's own templates, made what they would be when queued by the definitions of a real ComfyUI.
That one is older than many of their nodes: fields are counted where all nodes that they come from are known.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from comfyui_artifact_db.graphs import upstream
from comfyui_artifact_db.graphs.generation import describe
from comfyui_artifact_db.graphs.values import Reading
from measuring import Figure, figure
from template_graphs import api_graph, outputs, templates

from devtools import environment
from devtools.servers import ComfyServer

FIELDS = (
    *("prompt", "negative_prompt", "seed", "steps", "cfg", "guidance", "sampler", "scheduler", "denoise"),
    *("models", "loras"),
)
STATES = ("ok", "partial", "unknown shape", "absent")


def run() -> list[Figure]:
    """The share of fields that cannot be told, and the time for one output against reading its graph as JSON."""
    definitions = _definitions()
    counts: dict[str, Counter[str]] = {field: Counter() for field in FIELDS}
    ours, rival = [], []
    for _, workflow in templates():
        converted = api_graph(workflow, definitions)
        text = json.dumps(converted.graph)
        for node_id in outputs(converted):
            began = time.perf_counter()
            told = describe(converted.graph, node_id, converted.vague)
            described = time.perf_counter()
            json.loads(text)
            ours.append(described - began)
            rival.append(time.perf_counter() - described)
            found = upstream.leading_to(Reading(converted.graph, converted.vague), node_id)
            if found.samplers and not converted.vague & found.steering:
                for field in FIELDS:
                    counts[field][told.get(field, {"state": "absent"})["state"]] += 1
    _print(counts)
    print(f"  slowest output: {max(ours) * 1000:.1f} ms of {len(ours)}", file=sys.stderr)
    there = {state: sum(counts[field][state] for field in FIELDS) for state in STATES[:3]}
    share = figure(
        "fields of sampled outputs that are unknown",
        *(there["unknown shape"], sum(there.values())),
        goal=0.05,
        unit="",
        rival_name="all fields that are there",
    )
    cost = figure(
        "how an output was generated",
        *(statistics.median(ours), statistics.median(rival)),
        goal=15.0,
        unit="s",
        rival_name="json.loads of its graph",
    )
    return [share, cost]


def _definitions() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="artifact-db-bench-") as folder:
        server = ComfyServer(environment.comfyui(), Path(folder) / "server", extension=False, api_nodes=True).start()
        try:
            with urllib.request.urlopen(f"{server.url}/object_info") as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        finally:
            server.stop()


def _print(counts: dict[str, Counter[str]]) -> None:
    print(f"  {'':<16}" + "".join(f"{state:>15}" for state in STATES), file=sys.stderr)
    for field, states in counts.items():
        print(f"  {field:<16}" + "".join(f"{states[state]:>15}" for state in STATES), file=sys.stderr)
