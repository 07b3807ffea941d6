"""Fixtures that more than one file of this folder asks for."""

from __future__ import annotations

from typing import NoReturn

import pytest
from comfyui_artifact_db.db import models
from locking import impatient

__all__ = ["impatient"]


@pytest.fixture(autouse=True)
def no_row_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library works with plain values and hands out views: no test here sees a Peewee row being made."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a row was made as an object")

    monkeypatch.setattr(models.Row, "__init__", refuse)
