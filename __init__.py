"""ComfyUI Artifact DB: every output of every graph becomes an immutable, versioned artifact that people decide on."""

from __future__ import annotations

__version__ = "0.1.0"
