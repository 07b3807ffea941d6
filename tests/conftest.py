"""Loads the checkout as the package it is when installed, and gives tests a real database and a real store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import loading  # noqa: F401  makes the checkout importable
import pytest
from comfyui_artifact_db.config import Config, load_config
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_studio import comfyui_code, servers
from small_disks import disk, removable

__all__ = ["comfyui_code", "disk", "removable", "servers"]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The configuration of a fresh installation, with two servers that nobody listens at and a folder."""
    (tmp_path / "artifact-db.toml").write_text(
        '[servers.gpu-a]\nurl = "http://127.0.0.1:1"\n[servers.gpu-b]\nurl = "http://127.0.0.1:2"\n'
        '[folders]\noutputs = "outputs"\n'
    )
    return load_config(tmp_path, {})


@pytest.fixture
def library(config: Config) -> Iterator[Library]:
    """An open library in a folder of its own."""
    library = open_library(config)
    yield library
    library.close()


@pytest.fixture
def pictures(library: Library) -> Any:
    """Records pictures: see `making.Pictures`."""
    from making import Pictures

    return Pictures(library)


@pytest.fixture
def reopened(config: Config) -> Iterator[Callable[[], Library]]:
    """Opens further libraries on the same database and store, as another process would."""
    opened: list[Library] = []

    def reopen() -> Library:
        opened.append(open_library(config))
        return opened[-1]

    yield reopen
    for library in opened:
        library.close()
