"""A studio of two servers for each test, on each engine, whose rules are checked when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import invariants
import pytest
from chaining import Studio, studio_of
from comfyui_artifact_db.library import driving
from comfyui_artifact_db.library.opening import Library
from working import Temporal, temporal_in


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What uses a studio runs on each engine, from one source; with the mark `engine` on that one alone."""
    if "engine" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("engine")
        metafunc.parametrize("engine", only.args if only is not None else driving.ENGINES)


@pytest.fixture(scope="session")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Temporal]:
    """A Temporal server that all tests share; each has its own store, and so its own task queue there."""
    with temporal_in(tmp_path_factory.mktemp("temporal")) as server:
        yield server


@pytest.fixture
def studio(library: Library, tmp_path: Path, engine: str, request: pytest.FixtureRequest) -> Iterator[Studio]:
    address = request.getfixturevalue("temporal").address if engine == "temporal" else None
    with studio_of(library, tmp_path, address) as studio:
        yield studio
    invariants.check(library)
    invariants.check_log_tells_the_rows(library)
