"""Owns what a graph is called, so that a person recognises it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 100
USUAL = "ComfyUI"
"""What SaveImage's files are called where nobody gave them a name."""


def title(graph: Mapping[str, Any] | None, extra_pnginfo: Mapping[str, Any] | None) -> str:
    """A graph's name: the one that its UI form has, else what its outputs are to be called, else `USUAL`.

    Args:
        graph: in API format. extra_pnginfo: what a UI sends beside it, its own form of the graph under `workflow`.
    """
    found = [_cleaned(text) for text in (*_of_workflow(extra_pnginfo), *_prefixes(graph))]
    return next((text for text in found if text and text != USUAL), USUAL)


def _of_workflow(extra_pnginfo: Mapping[str, Any] | None) -> Iterator[Any]:
    workflow = (extra_pnginfo or {}).get("workflow")
    if not isinstance(workflow, Mapping):
        return
    extra = workflow.get("extra")
    for told in (workflow, extra if isinstance(extra, Mapping) else {}):
        yield from (told.get(key) for key in ("name", "title", "workflow_name"))


def _prefixes(graph: Mapping[str, Any] | None) -> Iterator[Any]:
    for node in (graph or {}).values():
        inputs = node.get("inputs") if isinstance(node, Mapping) else None
        prefix = inputs.get("filename_prefix") if isinstance(inputs, Mapping) else None
        if isinstance(prefix, str):
            yield _without_folder_of_its_kind(prefix)


def _without_folder_of_its_kind(prefix: str) -> str:
    """SaveVideo and its like suggest `video/ComfyUI`."""
    parts = [part for part in prefix.replace("\\", "/").split("/") if part.strip()]
    return "" if parts and parts[-1] == USUAL else " ".join(parts)


def _cleaned(text: Any) -> str:
    """One line without control characters and without the placeholders that ComfyUI fills in."""
    if not isinstance(text, str):
        return ""
    plain = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text.split("%")[0])
    return " ".join(plain.split())[:LONGEST].strip(" _-")
