"""ComfyUI Artifact DB: every output of every graph becomes an immutable, versioned artifact that people decide on.

The door that ComfyUI knocks on. Importing it does nothing but say what there is; the database is opened when the
server has started, or when the first node needs it.
"""

from __future__ import annotations

import sys
from typing import Any

__version__ = "0.1.0"


def _prompt_server() -> Any:
    """ComfyUI's server, when it is ComfyUI that imports this as a custom node."""
    if __name__ == "comfyui_artifact_db":
        return None  # the installed package, imported by a program
    return getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)


if (_server := _prompt_server()) is not None:
    from dataclasses import replace
    from pathlib import Path

    import folder_paths

    from .config import Config, load_config
    from .library.opening import SHARED
    from .nodes.extension import ArtifactDBExtension
    from .nodes.watching import watch
    from .server_routes.mounting import mount

    WEB_DIRECTORY = "./web"

    def _config() -> Config:
        """Besides what the file says: this ComfyUI's own output folder may be imported, unless the name is taken."""
        config = load_config(Path(folder_paths.get_system_user_directory("artifact_db")))
        return replace(config, folders={"output": Path(folder_paths.get_output_directory()), **config.folders})

    SHARED.configure(_config)
    mount(_server, SHARED, __version__)
    watch(_server)

    async def comfy_entrypoint() -> ArtifactDBExtension:
        """The nodes."""
        return ArtifactDBExtension()
