"""The log is one chain: numbered without gaps, each event with the hash of the one before, whoever writes."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from typing import Any

import invariants
import processes
import pytest
from comfyui_artifact_db.config import Config
from comfyui_artifact_db.db import models
from comfyui_artifact_db.library import decisions, events
from comfyui_artifact_db.library.opening import Library
from making import Pictures


def log(library: Library) -> list[dict[str, Any]]:
    with library.reading():
        return list(models.Event.select().order_by(models.Event.seq).dicts())


def test_each_hash_is_of_the_stored_text_and_of_the_hash_before(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    decisions.reject(library, picture.id, by="Ännchen", reason='"zu dunkel"\n— 暗い')
    connection = sqlite3.connect(library.database.path)
    rows = connection.execute("SELECT * FROM events ORDER BY seq").fetchall()
    connection.close()
    previous = "0" * 64
    for number, row in enumerate(rows, start=1):
        *stored, told = row
        assert stored[0] == number
        assert stored[-1] == previous
        text = json.dumps(stored, ensure_ascii=False, separators=(",", ":"))
        assert told == hashlib.sha256(text.encode()).hexdigest()
        previous = told


@pytest.mark.parametrize("column", ["at", "actor", "action", "entity_id", "workflow_id", "before", "after", "seq"])
def test_a_changed_event_is_found_out(library: Library, pictures: Any, column: str) -> None:
    decisions.approve(library, pictures.one(status="pending").id, by="ann")
    rows = log(library)
    invariants.check_log(rows)
    rows[-1][column] = 99 if column == "seq" else "something else"
    assert rows[-1]["hash"] != events.event_hash(rows[-1])


def test_a_removed_event_is_found_out(library: Library, pictures: Any) -> None:
    pictures.one()
    rows = log(library)
    del rows[1]
    with pytest.raises(AssertionError):
        invariants.check_log(rows)


def test_two_processes_at_once_write_one_chain(library: Library, config: Config) -> None:
    Pictures(library).one()
    with (
        processes.started("recording_many", config.folder, "12") as one,
        processes.started("recording_many", config.folder, "12") as two,
    ):
        for process in (one, two):
            assert process.stdin is not None
            process.stdin.write("go on\n")
            process.stdin.flush()
        made = [line for process in (one, two) for line in processes.go_on(process)]
    assert len(made) == len(set(made)) == 24
    invariants.check(library)
    actions = [row["action"] for row in log(library)]
    assert (actions.count("artifact.recorded"), actions.count("artifact.tagged")) == (25, 24)


def test_times_grow_with_the_numbers_whoever_waits_for_the_lock(library: Library) -> None:
    makers = [Pictures(library) for _ in range(6)]
    threads = [threading.Thread(target=lambda maker=maker: [maker.one() for _ in range(4)]) for maker in makers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = [row["at"] for row in log(library)]
    assert times == sorted(times)
    invariants.check(library)
