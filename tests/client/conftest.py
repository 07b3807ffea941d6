"""Runners of both ways; and servers for engines, whose record is held against every rule at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import invariants
import pytest
from chaining import Studio, studio_of
from comfyui_artifact_db.library.opening import Library
from running import runner, two_servers

__all__ = ["runner", "two_servers"]


@pytest.fixture
def studio(library: Library, tmp_path: Path) -> Iterator[Studio]:
    with studio_of(library, tmp_path) as studio:
        yield studio
    invariants.check(library)
    invariants.check_log_tells_the_rows(library)
