"""Owns what is known of bytes that go to a server: their hashes, and which of them the server's own answer can prove.

ComfyUI with `--enable-assets` hashes a file that it has taken, as it lies on its disk, and answers `blake3:…`. That
spares reading it back, where the package `blake3` is installed, as it is beside every such ComfyUI; it is not required.
"""

from __future__ import annotations

import hashlib
from typing import Any

__all__ = ["Digests", "told_hash"]


class Digests:
    """The hashes of bytes that go by."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._blake3 = _new_blake3()

    def update(self, block: bytes) -> None:
        if self._blake3 is not None:  # Else no answer proves anything.
            self._sha256.update(block)
            self._blake3.update(block)

    def proven_by(self, told: str | None) -> str | None:
        """Their sha256, in hexadecimal, where a hash that a server told (`algorithm:hexadecimal`) is of these bytes."""
        if told is None or self._blake3 is None or told.lower() != f"blake3:{self._blake3.hexdigest()}":
            return None
        return self._sha256.hexdigest()


def told_hash(answer: dict[str, Any]) -> str | None:
    """The hash of the file that was stored, in ComfyUI's answer to an upload; None where it tells none."""
    asset = answer.get("asset")
    told = asset.get("asset_hash") if isinstance(asset, dict) else None
    return told if isinstance(told, str) else None


def _new_blake3() -> Any:
    try:
        from blake3 import blake3
    except ImportError:
        return None
    return blake3()
