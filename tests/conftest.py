"""Loads the checkout as the package it is when installed, and gives tests a real database and a real store."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _load(name: str, folder: Path) -> None:
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


_load("comfyui_artifact_db", ROOT)
_load("devtools", ROOT / "devtools")

from comfyui_artifact_db.config import Config, load_config  # noqa: E402
from comfyui_artifact_db.library.opening import Library, open_library  # noqa: E402


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The configuration of a fresh installation, with two servers that nobody listens at."""
    (tmp_path / "artifact-db.toml").write_text(
        '[servers.gpu-a]\nurl = "http://127.0.0.1:1"\n[servers.gpu-b]\nurl = "http://127.0.0.1:2"\n'
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
