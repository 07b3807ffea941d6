"""Which artifact was current at a point in time is told by the log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from comfyui_artifact_db.errors import Invalid, NotFound
from comfyui_artifact_db.library import artifacts, decisions, identities, trash
from comfyui_artifact_db.library.opening import Library


@pytest.fixture
def clock(library: Library, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Every transaction is a second after the one before."""
    library.prepare()
    seconds = iter(range(60))
    monkeypatch.setattr(identities, "now", lambda: f"2026-11-22T10:00:{next(seconds):02}.000Z")
    return seconds


def test_the_current_artifact_of_each_moment(library: Library, pictures: Any, clock: Any) -> None:
    first = pictures.one()  # at second 0
    second = pictures.one(workflow_id=first.workflow_id)  # 1
    decisions.select(library, first.id, by="ann")  # 2
    trash.delete(library, first.id, by="ann")  # 3
    trash.delete(library, second.id, by="ann")  # 4
    expected = {0: first.id, 1: second.id, 2: first.id, 3: second.id, 4: None}
    for second_number, artifact_id in expected.items():
        at = f"2026-11-22T10:00:{second_number:02}.000Z"
        found = artifacts.get_current_at(library, first.workflow_id, at)
        assert (found.id if found else None) == artifact_id, at
    assert artifacts.get_current_at(library, first.workflow_id, "2026-11-22T09:59:59Z") is None


def test_a_time_may_be_written_in_every_way_that_iso_8601_has(library: Library, pictures: Any, clock: Any) -> None:
    first = pictures.one()  # at second 0
    pictures.one(workflow_id=first.workflow_id)  # at second 1
    for at in (
        "2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00.500Z",
        "2026-11-22T10:00:00+00:00",
        "2026-11-22T11:00:00+01:00",
        "2026-11-22T10:00:00",
        "2026-11-22 10:00:00.999999",
    ):
        found = artifacts.get_current_at(library, first.workflow_id, at)
        assert found is not None, at
        assert found.id == first.id, at


@pytest.mark.parametrize("at", ["yesterday", "", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_time_is_refused(library: Library, pictures: Any, at: str) -> None:
    picture = pictures.one()
    with pytest.raises(Invalid) as refused:
        artifacts.get_current_at(library, picture.workflow_id, at)
    assert refused.value.field == "at"


def test_a_workflow_that_is_not_there_is_not_found(library: Library) -> None:
    with pytest.raises(NotFound):
        artifacts.get_current_at(library, identities.new_id(), "2026-11-22T10:00:00Z")
