"""Owns bringing an artifact's bytes to a server: not sent where they are, proven by reading back what was sent.

It knows no record: whoever has the bytes brings them, and what is written down of it is `transfers`'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import PurePosixPath
from typing import BinaryIO

from ..comfyui_client import ComfyUIServer, Server
from ..comfyui_client.connections import Connections
from ..errors import DeliveryFailed
from .views import Artifact

TIMEOUT, DEADLINE = 30.0, 600.0
"""Seconds without a byte; and for an answer, beyond what its size allows for."""


def content_name(artifact: Artifact) -> str:
    """The name under which an artifact's bytes lie on any server: the same bytes have the same name."""
    return artifact.sha256 + PurePosixPath(artifact.local_filename).suffix


def bring(
    connections: Connections,
    target: Server,
    artifact: Artifact,
    read: Callable[[], AbstractContextManager[BinaryIO]],
    *,
    subfolder: str,
    known: Sequence[str],
) -> str:
    """Bring the bytes to a server unless they are there; returns what a LoadImage-like widget of it calls them.

    Args:
        read: opens them; asked for only where they are to be sent.
        known: names under which they may be there already.
    Raises:
        ServerFailed: it did not take them. DeliveryFailed: what it has is not what was sent. StoreFailed: they cannot
            be read.
    """
    with connections.client(target, timeout=TIMEOUT, deadline=DEADLINE) as server:
        for one in known:
            folder, _, name = one.rpartition("/")
            if _holds(server, artifact, name, folder):
                return one
        with read() as source:
            uploaded = server.upload(
                source, filename=content_name(artifact), subfolder=subfolder, size=artifact.file_size
            )
        if uploaded.proven != artifact.sha256 and not _holds(server, artifact, uploaded.filename, uploaded.subfolder):
            raise DeliveryFailed(
                f"{target.name} took the file but does not give the same bytes back; check its disk, then retry",
                **{"server": target.name, "lasting": True},
            )
        return f"{uploaded.subfolder}/{uploaded.filename}".lstrip("/")


def _holds(server: ComfyUIServer, artifact: Artifact, name: str, folder: str) -> bool:
    try:
        there = server.fetch_digest(filename=name, subfolder=folder, folder_type="input", size=artifact.file_size)
    except DeliveryFailed as error:
        if error.data.get("lasting"):  # Longer or shorter than ours: some other file of that name.
            return False
        raise
    return there == artifact.sha256
