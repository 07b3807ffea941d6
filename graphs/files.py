"""Owns what a graph reads: files of its server's folders, and artifacts by their ids.

It goes by the shape of the inputs, since every pack has a LoadImage of its own, and by what leads to an output: a node
that stands beside the others without a link made nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .walking import Graph, leading_to

LOAD_NODE = "LoadFromArtifactDB"

EXTENSIONS = frozenset(
    [
        "png",
        "jpg",
        "jpeg",
        "webp",
        "gif",
        "bmp",
        "tif",
        "tiff",
        "avif",
        "heic",
        "mp4",
        "webm",
        "mkv",
        "mov",
        "avi",
        "m4v",
        "flac",
        "mp3",
        "wav",
        "ogg",
        "opus",
        "m4a",
        "aac",
        "latent",
        "glb",
    ]
)
"""What people upload. Widgets also name models, which lie in other folders."""

MOST_FILES = 64
LONGEST_NAME = 1024

_ANNOTATED = re.compile(r"(?s)(.*?)\s*\[(input|output|temp)\]\s*\Z")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


@dataclass(frozen=True)
class ReadFile:
    """A file of a server's input, output or temp folder, as a widget names it. Nothing says that it exists."""

    filename: str
    subfolder: str
    folder_type: str


def read_files(graph: Graph, outputs: Iterable[str]) -> list[ReadFile]:
    """The files that may have gone into the outputs of some nodes, `MOST_FILES` at most, each once."""
    found: dict[ReadFile, None] = {}
    for text in _texts(graph, outputs):
        file = _read(text)
        if file is not None and len(found) < MOST_FILES:
            found[file] = None
    return list(found)


def loaded_artifacts(graph: Graph, outputs: Iterable[str]) -> list[str]:
    """The ids that the load nodes which lead to some nodes have written down; not what their other names mean."""
    leading = leading_to(graph, *outputs)
    asked = [node["inputs"].get("artifact_id") for node in leading.values() if node["class_type"] == LOAD_NODE]
    ids = [text.strip().lower() for text in asked if isinstance(text, str)]
    return list(dict.fromkeys(artifact_id for artifact_id in ids if _ID.match(artifact_id)))


def _texts(graph: Graph, outputs: Iterable[str]) -> Iterable[str]:
    for node in leading_to(graph, *outputs).values():
        for value in node["inputs"].values():
            if isinstance(value, str) and len(value) <= LONGEST_NAME:
                yield value


def _read(text: str) -> ReadFile | None:
    annotated = _ANNOTATED.match(text)
    name, folder_type = annotated.groups() if annotated else (text.strip(), "input")
    # Widgets of a ComfyUI on Windows write its own separators.
    subfolder, _, filename = name.replace("\\", "/").rpartition("/")
    if filename.rpartition(".")[2].lower() not in EXTENSIONS or not filename.isprintable():
        return None
    return ReadFile(filename, subfolder, folder_type)
