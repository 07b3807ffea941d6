"""A shell in a home of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from commanding import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)
