"""Ids sort by time, times sort as they read, and what a client writes is brought into the same form."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import datetime, timezone
from typing import Any

import pytest
from comfyui_artifact_db.errors import Invalid
from comfyui_artifact_db.library import identities


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(identities.new_id())
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000 + 1


def test_the_ids_of_a_process_are_in_order_and_never_the_same_whoever_asks() -> None:
    made: list[list[str]] = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda own=own: own.extend(identities.new_id() for _ in range(2000))) for own in made
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(own == sorted(own) for own in made)
    assert len({one for own in made for one in own}) == 8000


def test_ids_stay_in_order_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = identities.new_id()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    second, third = identities.new_id(), identities.new_id()
    assert first < second < third


def test_the_present_moment_is_utc_with_milliseconds() -> None:
    written = identities.now()
    moment = datetime.strptime(written, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    assert len(written) == len("2026-11-22T10:30:00.000Z")
    assert abs((datetime.now(timezone.utc) - moment).total_seconds()) < 5


@pytest.mark.parametrize(
    "value",
    [None, 7, "", "film", "0" * 32, "{01234567-89ab-cdef-0123-456789abcdef}", "01234567-89ab-cdef-0123-456789abcdeg",
     "01234567-89ab-cdef-0123-456789abcdef\n", "urn:uuid:01234567-89ab-cdef-0123-456789abcdef", "../" * 12],
)  # fmt: skip
def test_what_is_no_id_is_refused(value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        identities.checked_id(value, "chain_id")
    assert refused.value.field == "chain_id"


def test_an_id_in_capitals_is_the_same_id() -> None:
    made = identities.new_id()
    assert identities.checked_id(made.upper()) == made


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("2026-11-22T10:30:00Z", "2026-11-22T10:30:00.000Z"),
        ("2026-11-22T10:30:00.5Z".replace(".5Z", ".500Z"), "2026-11-22T10:30:00.500Z"),
        ("2026-11-22T12:30:00+02:00", "2026-11-22T10:30:00.000Z"),
        ("2026-11-22T10:30", "2026-11-22T10:30:00.000Z"),
        ("2026-11-22", "2026-11-22T00:00:00.000Z"),
        ("2026-11-22T23:59:59.999999-12:00", "2026-11-23T11:59:59.999Z"),
    ],
)
def test_a_time_is_brought_into_the_form_of_the_database(value: str, written: str) -> None:
    assert identities.checked_time(value, "since") == written


@pytest.mark.parametrize(
    "value", ["", "now", "22.11.2026", "2026-11-31", "2026-11-22T25:00", "9999-12-31T23:59:59-14:00"]
)
def test_what_is_no_time_is_refused(value: str) -> None:
    with pytest.raises(Invalid) as refused:
        identities.checked_time(value, "since")
    assert refused.value.field == "since"
