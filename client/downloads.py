"""Owns writing downloaded bytes into a file: hashed on the way, and put into place when they are right."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from . import problems
from .records import Artifact


def write(pieces: Iterator[bytes], target: Path, artifact: Artifact) -> None:
    """Write the pieces of an artifact's bytes.

    Raises:
        BytesChanged: they are not those that were recorded; nothing is left. OSError: they cannot be written.
    """
    digest = hashlib.sha256()
    part = target.with_name(f".{uuid.uuid4()}.part")
    try:
        with part.open("xb") as file:
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != artifact.sha256:
            detail = f"what arrived of artifact {artifact.id} is not what was recorded; try again"
            raise problems.told("bytes_changed", detail, artifact=artifact.asdict())
        part.replace(target)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
