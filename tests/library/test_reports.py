"""Reports of how far prompts are: the newest of each workflow, for some seconds, and no more of them than are kept."""

from __future__ import annotations

import pytest
from comfyui_artifact_db.library import reports
from comfyui_artifact_db.library.reports import Reports


def test_the_newest_of_each_workflow_is_told_until_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(reports.time, "monotonic", lambda: now)
    kept = Reports()
    kept.tell([{"chain_id": "c", "workflow_id": "w", "value": 1}, {"chain_id": "d", "workflow_id": "x", "value": 2}])
    kept.tell([{"chain_id": "c", "workflow_id": "w", "value": 3}])
    assert kept.of("c") == [{"workflow_id": "w", "value": 3}]
    assert kept.of("d") == [{"workflow_id": "x", "value": 2}]
    assert kept.of("e") == []
    now += reports.KEPT
    assert kept.of("c") == []


def test_the_oldest_make_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MOST", 3)
    kept = Reports()
    for number in range(5):
        kept.tell([{"chain_id": "c", "workflow_id": str(number)}])
        kept.tell([{"chain_id": "c", "workflow_id": "0"}])
    assert sorted(one["workflow_id"] for one in kept.of("c")) == ["0", "3", "4"]
