"""Fixtures that more than one file of this folder asks for, and the order in which its tests run."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_servers_that import comfyui, server_that
from hubs import hub, serve
from locking import impatient

__all__ = ["comfyui", "hub", "impatient", "serve", "server_that"]

ASKING = tuple(Path(__file__).resolve().parent.parent / folder for folder in ("routes", "transfers"))
"""The folders whose tests ask a hub."""

LAST = "test_every_answer_was_seen.py"
_deselected: list[pytest.Item] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks back at all the other tests comes after them."""
    items.sort(key=lambda item: item.path.name == LAST)


def pytest_deselected(items: list[pytest.Item]) -> None:
    _deselected.extend(item for item in items if item.path.parent in ASKING)


@pytest.fixture(scope="session")
def everything_was_asked(request: pytest.FixtureRequest) -> bool:
    """Whether every test that asks a hub is one of this run."""
    collected = {item.path for item in request.session.items}
    there = {path for folder in ASKING for path in folder.glob("test_*.py")}
    whole = not any("::" in argument for argument in request.config.args)
    return whole and there <= collected and not _deselected
