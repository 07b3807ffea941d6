"""What takes days in a chain takes them in Temporal too; on a server whose time goes by as the tests say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from pathlib import Path

import invariants
import pytest
from chaining import Studio, step, studio_of
from comfyui_artifact_db.library import identities
from comfyui_artifact_db.library.opening import Library
from waiting import until
from working import Skipping


@pytest.fixture(scope="module")
def server() -> Iterator[Skipping]:
    server = Skipping()
    yield server
    server.close()


@pytest.fixture
def studio(library: Library, tmp_path: Path, server: Skipping, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """A studio where the clock is the server's."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return server.now()

    monkeypatch.setattr(identities, "datetime", Clock)
    with studio_of(library, tmp_path, server.address) as studio:
        yield studio
    invariants.check(library)


@pytest.mark.parametrize(("then", "status"), [("approve", "completed"), ("fail", "failed")])
def test_after_three_days_without_a_decision_the_file_decides(
    studio: Studio, server: Skipping, then: str, status: str
) -> None:
    limited = step("one", requires_approval=True, approval_timeout={"after": "3d", "then": then})
    chain = studio.begin(limited, step("two", "one"))
    with studio.driving():
        studio.until(chain, "awaiting_approval")
        server.skip(days=2)
        studio.until(chain, "awaiting_approval")
        assert studio.current(chain, "one").approval_status == "pending"
        server.skip(days=1.1)
        studio.until(chain, status)
    if then == "fail":
        assert studio.workflow(chain, "one").error_message == "nobody decided within 259200 s"


def test_a_step_whose_next_try_is_due_tomorrow_is_tried_tomorrow(studio: Studio, server: Skipping) -> None:
    studio.fails = lambda graph: True
    chain = studio.begin(step("one", retry={"attempts": 3, "backoff": 86400}))
    with studio.driving():
        until(lambda: studio.statuses(chain).get("one") == "failed")
        server.skip(hours=23)
        assert len(studio.attempts(chain, "one")) == 1
        server.skip(hours=2)
        until(lambda: [one.status for one in studio.attempts(chain, "one")] == ["failed"] * 2)
        studio.fails = lambda graph: False
        server.skip(days=2.1)
        studio.until(chain, "completed")
    first, second, third = (identities.checked_time(one.created_at, "at") for one in studio.attempts(chain, "one"))
    day = 86400
    assert day <= identities.seconds_between(first, second) < 1.2 * day
    assert 2 * day <= identities.seconds_between(second, third) < 2.2 * day
