"""Owns which artifacts went into an execution, where its graph says only which files it reads.

A file is recognised by its bytes, never by its name: names are used again, and a target may have chosen another one.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from peewee import SQL, fn

from ..comfyui_client import ComfyUIServer
from ..db import models
from ..db.querying import all_rows, all_tuples
from ..errors import ServerFailed
from ..graphs.files import loaded_artifacts, read_files
from ..graphs.walking import Graph
from ..storage.files import FileState, digest
from ..storage.sources import SourceFailed, place

if TYPE_CHECKING:
    from .opening import Library

logger = logging.getLogger("artifact_db.library")

Inputs = dict[str, list[str]]
"""Ids of artifacts by the door they went in through: `node`, `transfer`, or `upload` where a file was put there."""

MOST_BYTES = 16 * 1024**3
"""How much of what one prompt has read is hashed at most: a few minutes of reading."""

CANDIDATES = 20
"""How many of the newest artifacts with the same bytes are looked at; there may be any number of them."""


class Known(Protocol):
    """What is asked of the record about files: the functions of these names, below."""

    def delivered_names(self, *, server: str, prompt_id: str) -> Collection[str]: ...

    def is_size_of_any(self, size: int) -> bool: ...

    def recognised(self, hashes: Sequence[str], *, server: str, prompt_id: str) -> Inputs: ...


def of_server(
    known: Known, comfyui: ComfyUIServer, graph: Graph, outputs: Iterable[str], prompt_id: str, *, most: int
) -> Inputs:
    """What went into the outputs of some nodes of a prompt that ran on another server, as far as it can be told.

    A file is fetched only where an artifact has as many bytes, and one that cannot be had any more is left out, as is
    what was delivered for this prompt: that was read back then, and is an input already.

    Args:
        most: bytes of a file that is longer than any artifact may be.
    """
    outputs, server = list(outputs), comfyui.server.name
    delivered = known.delivered_names(server=server, prompt_id=prompt_id)
    hashes = []
    for file in read_files(graph, outputs):
        if file.folder_type == "input" and f"{file.subfolder}/{file.filename}".lstrip("/") in delivered:
            continue
        digest = hashlib.sha256()
        try:
            size = comfyui.download(
                digest.update,
                filename=file.filename,
                subfolder=file.subfolder,
                folder_type=file.folder_type,
                most=most,
                wanted=known.is_size_of_any,
            )
        except ServerFailed as error:
            logger.debug("whether %s is an artifact cannot be told: %s", file.filename, error)
            continue
        if size is not None:
            hashes.append(digest.hexdigest())
    found = known.recognised(hashes, server=server, prompt_id=prompt_id) if hashes else {}
    if loaded := loaded_artifacts(graph, outputs):
        found["node"] = loaded
    return found


def of_folders(
    library: Library,
    folders: Mapping[str, Path],
    graph: Graph,
    outputs: Iterable[str],
    *,
    server: str,
    prompt_id: str,
) -> Inputs:
    """What went into the outputs of some nodes of a prompt that ran on this machine, as far as files tell it.

    A file is read only where an artifact has as many bytes, and `MOST_BYTES` in all. It is taken for what it is now.

    Args:
        folders: ComfyUI's folders by their type. server: what rows call this ComfyUI.
    """
    hashes = hashes_of(folders, graph, outputs, lambda size: is_size_of_any(library, size))
    return recognised(library, hashes, server=server, prompt_id=prompt_id) if hashes else {}


def hashes_of(
    folders: Mapping[str, Path], graph: Graph, outputs: Iterable[str], worth: Callable[[int], bool]
) -> list[str]:
    """The SHA-256 of the files that went into the outputs of some nodes, of sizes that are `worth` it."""
    hashes, left = [], MOST_BYTES
    for file in read_files(graph, outputs):
        try:
            path = place(folders[file.folder_type], file.filename, file.subfolder)
            state = FileState.of(path.stat())
            if state.size <= left and path.is_file() and worth(state.size):
                left -= state.size
                hashes.append(_digest(path, state))
        except (OSError, ValueError, KeyError, SourceFailed) as error:
            logger.debug("whether %s is an artifact cannot be told: %s", file.filename, error)
    return hashes


@lru_cache(maxsize=1024)
def _digest(path: Path, state: FileState) -> str:
    """A file's hash, read once while `stat` stays the same: one photo goes into many prompts."""
    return digest(path)


def delivered_names(library: Library, *, server: str, prompt_id: str) -> set[str]:
    """What a server called that which was delivered to it for the step whose prompt this is."""
    table, attempt = models.Transfer, models.Attempt
    query = table.select(table.target_filename).join(attempt, on=(attempt.workflow_id == table.target_workflow_id))
    query = query.where(
        (attempt.prompt_id == prompt_id) & (table.target_server == server) & (table.status == "completed")
    )
    with library.reading():
        return {name for (name,) in all_tuples(query)}


def is_size_of_any(library: Library, size: int) -> bool:
    """Whether any artifact has so many bytes: a file of another size need not be hashed."""
    with library.reading():
        return bool(models.Artifact.select().where(models.Artifact.file_size == size).exists())


def recognised(library: Library, hashes: Iterable[str], *, server: str, prompt_id: str) -> Inputs:
    """The artifacts that some bytes are: what was delivered to the server, else the newest with these bytes.

    What the prompt itself made is none of its inputs.
    """
    found: Inputs = {}
    with library.reading():
        for sha256 in dict.fromkeys(hashes):
            same = all_rows(with_bytes(sha256, prompt_id))
            delivered = _delivered([row["id"] for row in same], server)
            living = next((row["id"] for row in same if row["deleted_at"] is None), None)
            if delivered is not None:
                found.setdefault("transfer", []).append(delivered)
            elif same:
                found.setdefault("upload", []).append(living or same[0]["id"])
    return found


def with_bytes(sha256: str, prompt_id: str) -> Any:
    """The newest artifacts with some bytes, without what a prompt made itself."""
    table, attempt = models.Artifact, models.Attempt
    made_by_it = attempt.select(SQL("1")).where((attempt.id == table.attempt_id) & (attempt.prompt_id == prompt_id))
    query = table.select(table.id, table.deleted_at).where((table.sha256 == sha256) & ~fn.EXISTS(made_by_it))
    return query.order_by(table.id.desc()).limit(CANDIDATES)


def _delivered(artifact_ids: list[str], server: str) -> str | None:
    table = models.Transfer
    query = table.select(table.artifact_id).where(
        table.artifact_id.in_(artifact_ids) & (table.target_server == server) & (table.status == "completed")
    )
    return next((artifact_id for (artifact_id,) in all_tuples(query.order_by(table.created_at.desc()).limit(1))), None)
