"""Does to stored files what nobody should, and says what is in them."""

from __future__ import annotations

import os
from pathlib import Path

from comfyui_artifact_db.library.views import Artifact


def kept(artifact: Artifact) -> bytes:
    """The bytes in the store."""
    return Path(artifact.local_path).read_bytes()


def tamper(artifact: Artifact, data: bytes, *, unseen: bool = False) -> None:
    """Put other bytes there, as a program that writes in place would; `unseen`: under the same time."""
    file = Path(artifact.local_path)
    before = file.stat()
    file.chmod(0o600)
    with file.open("r+b") as opened:
        opened.write(data)
        opened.truncate()
    if unseen:
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
