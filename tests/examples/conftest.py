"""The two ComfyUI servers that all tests share, and a folder whose configuration names them, with and without a hub."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import invariants
import pytest
from comfyui_artifact_db.client import ArtifactDB, open_local
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library.opening import open_library
from commanding import Shell

from devtools.servers import ComfyServer


@dataclass
class Place:
    """Where an example runs: `arguments` say so to it, `db` looks at what it did."""

    way: str
    folder: Path
    arguments: tuple[str, str]
    db: ArtifactDB


@pytest.fixture(params=("hub", "library"), scope="package")
def place(
    request: pytest.FixtureRequest, servers: tuple[ComfyServer, ComfyServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A hub in a process of its own, or a folder of which no hub knows."""
    home = tmp_path_factory.mktemp("home")
    shell = Shell(home)
    shell.data.mkdir(parents=True)
    urls = "".join(f'[servers.gpu-{name}]\nurl = "{server.url}"\n' for name, server in zip("ab", servers, strict=True))
    (shell.data / "artifact-db.toml").write_text(urls)
    with open_local(shell.data, actor="tests") as db:
        if request.param == "hub":
            with shell.serving() as served:
                yield Place("hub", shell.data, ("--hub", served.url), db)
        else:
            yield Place("library", shell.data, ("--local", str(shell.data)), db)
    library = open_library(load_config(shell.data, {}))
    try:
        invariants.check(library)
    finally:
        library.close()
    shutil.rmtree(home)
