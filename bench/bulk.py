"""Owns databases with very many rows: written by bare SQL, since a million records through the library take an hour.

Every row is as the library writes it, with its place in the full-text index; what is left out is the events, whose
number nothing here asks for, and the files.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library.opening import open_library

BATCH = 4
"""Artifacts of a workflow."""
STEPS = 5
"""Workflows of a chain."""
DEPTH = 1_000
"""How deep the lineage of the first chain's workflows is."""

STATUSES = ("auto_approved",) * 12 + ("approved",) * 4 + ("rejected",) * 2 + ("pending",) + ("edited",)
SYLLABLES = ("ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "dal", "fen", "gor", "hin", "jas", "pel")
SPOKEN = tuple("".join(parts) for parts in itertools.product(SYLLABLES, SYLLABLES, SYLLABLES))
RARE = 1_999
"""One artifact of so many has a word that the others have not."""
MODEL = "sd_xl_base_1.0.safetensors"
WORDS = ("forest", "harbour", "ridge", "valley", "lake", "dawn", "night", "noon", "portrait", "street")


def fill(home: Path, count: int) -> None:
    """Make a database of `count` artifacts below `home`: chains of steps, batches, tags, and one long lineage."""
    library = open_library(load_config(home, {}))
    library.prepare()
    path = library.database.path
    library.close()
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("synchronous = off", "cache_size = -400000", "temp_store = memory", "foreign_keys = 0"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN")
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    workflows = count // BATCH
    connection.executemany(
        "INSERT INTO chains (id, name, status, started_at, created_at, updated_at, revision) VALUES (?,?,?,?,?,?,1)",
        (
            (_id("c", n), f"film {n % 997}", "completed", *(_at(n * STEPS * BATCH),) * 3)
            for n in range(workflows // STEPS + 1)
        ),
    )
    connection.executemany(
        "INSERT INTO workflows (id, chain_id, step_id, workflow_name, server_address, prompt_id, status,"
        " latest_artifact_id, queued_at, created_at, updated_at, requires_approval, revision)"
        " VALUES (?,?,?,?,'gpu-a',?,'completed',?,?,?,?,0,1)",
        (
            (
                _id("w", n),
                _id("c", n // STEPS),
                f"step_{n % STEPS}",
                f"{WORDS[n % 10]} pass",
                f"prompt-{n}",
                _id("a", n * BATCH),
                *(_at(n * BATCH),) * 3,
            )
            for n in range(workflows)
        ),
    )
    connection.executemany(
        "INSERT INTO attempts (id, workflow_id, number, server_address, prompt_id, status, queued_at, created_at,"
        " updated_at) VALUES (?,?,1,'gpu-a',?,'completed',?,?,?)",
        ((_id("t", n), _id("w", n), f"prompt-{n}", *(_at(n * BATCH),) * 3) for n in range(workflows)),
    )
    connection.executemany(
        f"INSERT INTO artifacts ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})", _artifacts(workflows)
    )
    connection.executemany(
        "INSERT INTO tags (artifact_id, tag, created_by, created_at) VALUES (?,?,'bench',?)",
        ((_id("a", n), WORDS[n // 10 % 10], _at(n)) for n in range(0, workflows * BATCH, 10)),
    )
    connection.executemany(
        "INSERT INTO lineage (attempt_id, artifact_id, via, created_at) VALUES (?,?,'node',?)",
        ((_id("t", n + 1), _id("a", n * BATCH), _at(n * BATCH)) for n in range(DEPTH)),
    )
    for statement in (*DERIVED, *(sql for _, sql in triggers)):
        connection.execute(statement)
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


FILTER = "INSERT INTO artifact_filters (kind, value, created_at, artifact_id)"
DERIVED = (
    "INSERT INTO artifact_search_rows (artifact_id) SELECT id FROM artifacts ORDER BY created_at, id",
    "INSERT INTO artifact_search (rowid, everything) SELECT search_row, everything FROM artifact_search_source"
    " ORDER BY search_row",
    "INSERT INTO artifact_names (rowid, names) SELECT search_row, names FROM artifact_search_source"
    " ORDER BY search_row",
    "INSERT INTO tag_counts (tag, count) SELECT tag, COUNT(*) FROM tags GROUP BY tag",
    f"{FILTER} SELECT 'tag', t.tag, a.created_at, a.id FROM tags AS t JOIN artifacts AS a ON a.id = t.artifact_id",
    *(
        f"{FILTER} SELECT '{kind}', w.{column}, a.created_at, a.id"
        " FROM artifacts AS a JOIN workflows AS w ON w.id = a.workflow_id ORDER BY 2, 3, 4"
        for kind, column in (("step", "step_id"), ("chain", "chain_id"))
    ),
)
"""What triggers write row by row, all at once."""

COLUMNS = (
    *("id", "workflow_id", "attempt_id", "filename", "local_filename", "local_path", "file_type", "file_format"),
    *("file_size", "node_id", "output_key", "version", "is_latest", "is_head", "approval_status", "rejection_reason"),
    *("metadata", "sha256", "created_at", "updated_at", "file_mtime_ns", "file_inode", "revision"),
)


def _artifacts(workflows: int) -> Iterator[tuple[Any, ...]]:
    for workflow in range(workflows):
        for index in range(BATCH):
            number = workflow * BATCH + index
            artifact_id, at = _id("a", number), _at(number)
            status = STATUSES[number % len(STATUSES)] if number >= DEPTH * BATCH + BATCH else "approved"
            name = f"{WORDS[number % 10]}_{number:07}_.png"
            yield (
                *(artifact_id, _id("w", workflow), _id("t", workflow), name),
                *(f"{artifact_id}.png", f"files/{at[:10]}/{artifact_id}.png", "image", "png"),
                *(500_000 + number * 7919 % 4_000_000, "9", f"9:images:{index}", 1, index == 0, True, status),
                *("too dark" if status == "rejected" else None, _metadata(number)),
                *(hashlib.sha256(artifact_id.encode()).hexdigest(), at, at, number, number, 1),
            )


def _metadata(number: int) -> str:
    """Facts, and a prompt of which one word is in all, one in few, and the others are as common as words are."""
    luck = random.Random(number)
    prompt = ["masterpiece", *(SPOKEN[int(len(SPOKEN) ** luck.random()) - 1] for _ in range(12))]
    if number % RARE == 5:
        prompt.append("zeppelin")
    generation = {"prompt": {"state": "ok", "value": " ".join(prompt)}, "models": {"value": [{"name": MODEL}]}}
    return json.dumps({"width": 1024, "height": 1024, "generation": generation})


def artifact_id(number: int) -> str:
    """The id of the artifact of this number, the oldest being 0."""
    return _id("a", number)


def workflow_id(number: int) -> str:
    return _id("w", number)


def chain_id(number: int) -> str:
    return _id("c", number)


def _id(kind: str, number: int) -> str:
    """A UUID that sorts by its number, as those do that are made one after another."""
    return f"01a00000-{'acwt'.index(kind):04x}-7000-8000-{number:012x}"


def _at(number: int) -> str:
    """One artifact every seven seconds."""
    moment = time.gmtime(1_700_000_000 + number * 7)
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", moment)
