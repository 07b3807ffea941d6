"""The extension that ComfyUI asks for its nodes."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .load import LoadFromArtifactDB
from .save import SaveToArtifactDB


class ArtifactDBExtension(ComfyExtension):
    """Both nodes."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [SaveToArtifactDB, LoadFromArtifactDB]
