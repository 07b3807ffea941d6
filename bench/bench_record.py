"""Recording through the library against bare sqlite3 doing the same, and against what the original design planned."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orm_rival
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import identities, recording, runs
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.storage.local import Intent, Placement
from measuring import Figure, figure, in_turns

COUNT = 1000
RUNS = 5

Statement = tuple[str, Any]


def run() -> list[Figure]:
    """The time to record pictures whose files are in their places, one transaction each, synchronous=FULL."""
    with tempfile.TemporaryDirectory(prefix="artifact-db-bench-") as folder:
        home = Path(folder)
        statements = _statements(home / "traced")
        homes = (home / str(number) for number in range(100))
        name = f"record {COUNT:,} artifacts, a transaction each"
        bare = in_turns(lambda: _ours(next(homes)), lambda: _bare(next(homes), statements), runs=RUNS)
        orm = in_turns(lambda: _ours(next(homes)), lambda: asyncio.run(_orm(next(homes))), runs=RUNS)
        return [
            figure(name, *bare, goal=3.0, unit="s", rival_name="the same statements through bare sqlite3"),
            figure(name, *orm, goal=0.6, unit="s", rival_name="SQLAlchemy 2 with aiosqlite"),
        ]


@contextmanager
def _library(home: Path) -> Iterator[Library]:
    library = open_library(load_config(home, {}))
    library.prepare()
    try:
        yield library
    finally:
        library.close()


def _ours(home: Path) -> float:
    with _library(home) as library:
        intents = [_intent(number) for number in range(COUNT)]
        began = time.perf_counter()
        for intent in intents:
            recording.complete(library, intent)
        return time.perf_counter() - began


def _intent(number: int) -> Intent:
    """A picture of a prompt of its own, as SaveToArtifactDB promises it."""
    artifact_id, sha256 = identities.new_id(), hashlib.sha256(str(number).encode()).hexdigest()
    new = recording.NewArtifact(
        *(artifact_id, "9:images:0", f"ComfyUI_{number:05}_.png", "image", "png"),
        metadata={"width": 1024, "height": 1024, "mode": "RGB"},
        node_id="9",
    )
    graph = {str(node): {"class_type": "Node", "inputs": {"value": [str(node - 1), 0]}} for node in range(12)}
    run = runs.Run("local", f"prompt-{number}", "text-to-image", workflow_definition=graph, requested_by="bench")
    placement = Placement("x.part", f"files/2026-11-22/{artifact_id}.png", sha256, 1_500_000, number, number)
    return Intent(
        Path("x.intent.json"),
        recording.KIND,
        (placement,),
        recording.promised([new], "bench", identities.new_id(), run),
    )


def _statements(home: Path) -> list[list[Statement]]:
    """What one of our records after another says to SQLite, with its values."""
    said: list[list[Statement]] = []
    with _library(home) as library:
        engine = library.database.engine
        execute = engine.execute_sql

        def heard(sql: str, params: Any = None) -> Any:
            said[-1].append((sql, params or ()))
            return execute(sql, params)

        engine.execute_sql = heard
        for number in range(COUNT):
            said.append([])
            recording.complete(library, _intent(number))
    return said


def _bare(home: Path, records: list[list[Statement]]) -> float:
    with _library(home) as library:
        path = library.database.path
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = 1", "temp_store = memory"):
        connection.execute(f"PRAGMA {pragma}")
    began = time.perf_counter()
    for statements in records:
        connection.execute("BEGIN IMMEDIATE")
        for sql, values in statements:
            if sql.startswith("BEGIN"):
                continue
            if 'INSERT INTO "events"' in sql:
                text = json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))
                hashlib.sha256(text.encode()).hexdigest()
            connection.execute(sql, values).fetchall()
        connection.execute("COMMIT")
    taken = time.perf_counter() - began
    (count,) = connection.execute("SELECT COUNT(*) FROM artifacts").fetchone()
    connection.close()
    assert count == COUNT, count
    return taken


async def _orm(home: Path) -> float:
    with _library(home) as library:
        path = library.database.path
    intents = [_intent(number) for number in range(COUNT)]
    taken = await orm_rival.record(path, intents)
    with sqlite3.connect(path) as connection:
        (count,) = connection.execute("SELECT COUNT(*) FROM artifacts").fetchone()
    assert count == COUNT, count
    return taken
