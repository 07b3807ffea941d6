"""No question costs more because the table has grown: SQLite's own instructions are counted at two sizes."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.db import models
from comfyui_artifact_db.library import (
    adopting_rows,
    artifacts,
    attempts,
    chains,
    decisions,
    edits,
    events,
    lineage,
    loads,
    pages,
    runs,
    suggestions,
    switches,
    tags,
    transfers,
    trash,
    witnessing,
    workflows,
)
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.library.views import Artifact
from comfyui_artifact_db.storage.folders import Found
from making import Pictures
from reviewing import edit

Ask = Callable[["Scene"], object]
PAGE = pages.Ask(20)
TABLES = ("chains", "workflows", "attempts", "artifacts", "artifact_transfers", "tags", "events")


class Scene:
    """A chain with one edited picture, among many that look like it."""

    def __init__(self, library: Library, pictures: Any) -> None:
        self.library, self.pictures = library, pictures
        self.run = runs.Run("gpu-a", "p1", "w", chain="film", step="a")
        self.first: Artifact = pictures.one(run=self.run, tags=("nice",))
        self.second = edit(library, self.first.id)
        self.workflow_id = self.first.workflow_id
        pictures.one(status="pending")
        chain_id = workflows.get_workflow(library, self.workflow_id).chain_id
        assert chain_id is not None
        self.chain_id = chain_id

    def asked(self, question: Callable[[], object]) -> object:
        """What takes part in its caller's snapshot."""
        with self.library.reading():
            return question()


QUESTIONS: dict[str, Ask] = {
    **{
        f"artifacts {sort}": lambda s, sort=sort: artifacts.list_artifacts(s.library, PAGE, sort=sort)
        for sort in artifacts.SORTS
    },
    "artifacts, second page": lambda s: artifacts.list_artifacts(
        s.library, pages.Ask(20, artifacts.list_artifacts(s.library, PAGE).next_cursor)
    ),
    "artifacts by status": lambda s: artifacts.list_artifacts(s.library, PAGE, status="auto_approved"),
    "artifacts by kind": lambda s: artifacts.list_artifacts(s.library, PAGE, kind="image"),
    "artifacts by tag": lambda s: artifacts.list_artifacts(s.library, PAGE, tag="nice"),
    "artifacts by step": lambda s: artifacts.list_artifacts(s.library, PAGE, step="a"),
    "artifacts by chain": lambda s: artifacts.list_artifacts(s.library, PAGE, chain=s.chain_id),
    "artifacts by chain and step": lambda s: artifacts.list_artifacts(s.library, PAGE, chain=s.chain_id, step="a"),
    "artifacts by workflow": lambda s: artifacts.list_artifacts(s.library, PAGE, workflow=s.workflow_id),
    "current artifacts": lambda s: artifacts.list_artifacts(s.library, PAGE, latest=True),
    "the queue": lambda s: artifacts.list_artifacts(s.library, PAGE, queue=True),
    "artifacts since": lambda s: artifacts.list_artifacts(s.library, PAGE, since="2026-01-01"),
    "artifacts by words": lambda s: artifacts.list_artifacts(s.library, PAGE, q="comfyui film"),
    "artifacts by words, second page": lambda s: artifacts.list_artifacts(
        s.library, pages.Ask(20, artifacts.list_artifacts(s.library, PAGE, q="png").next_cursor), q="png"
    ),
    "large artifacts by size": lambda s: artifacts.list_artifacts(s.library, PAGE, sort="-size", min_size=3),
    "artifacts of a workflow": lambda s: artifacts.list_workflow_artifacts(s.library, s.workflow_id, PAGE),
    "heads of a workflow": lambda s: artifacts.list_workflow_artifacts(s.library, s.workflow_id, PAGE, heads=True),
    "versions": lambda s: artifacts.list_versions(s.library, s.first.id, PAGE),
    "one artifact": lambda s: artifacts.get_artifact(s.library, s.first.id),
    "the current artifact": lambda s: artifacts.get_latest_artifact(s.library, s.workflow_id),
    "the current artifact by flag": lambda s: artifacts.get_latest_artifact_by_flag(s.library, s.workflow_id),
    "what was current": lambda s: artifacts.get_current_at(s.library, s.workflow_id, "2099-01-01"),
    "a dependency": lambda s: artifacts.get_dependency_artifact(s.library, s.chain_id, "a"),
    "the last approved": lambda s: artifacts.last_approved(s.library, s.first),
    "workflows": lambda s: workflows.list_workflows(s.library, PAGE),
    "workflows of a chain": lambda s: workflows.list_workflows(s.library, PAGE, chain_id=s.chain_id),
    "workflows of a step": lambda s: workflows.list_workflows(s.library, PAGE, step_id="a"),
    "workflows by status": lambda s: workflows.list_workflows(s.library, PAGE, status="executing"),
    "workflows by prompt": lambda s: workflows.list_workflows(s.library, PAGE, prompt_id="p1"),
    "standalone workflows": lambda s: workflows.list_workflows(s.library, PAGE, standalone=True),
    "a step's workflow": lambda s: workflows.get_workflow_by_step(s.library, s.chain_id, "a"),
    "attempts": lambda s: attempts.list_attempts(s.library, s.workflow_id),
    "chains": lambda s: chains.list_chains(s.library, PAGE),
    "chains by status": lambda s: chains.list_chains(s.library, PAGE, status="executing_level_0"),
    "chains by name": lambda s: chains.list_chains(s.library, PAGE, name="film"),
    "tags": lambda s: tags.list_tags(s.library, PAGE),
    "names of chains": lambda s: suggestions.list_names(s.library, PAGE, kind="chain"),
    "names of a chain's steps": lambda s: suggestions.list_names(s.library, PAGE, kind="step", chain="film"),
    "names of steps": lambda s: suggestions.list_names(s.library, PAGE, kind="step"),
    "names of workflows by beginning": lambda s: suggestions.list_names(s.library, PAGE, kind="workflow", q="w"),
    "transfers": lambda s: transfers.list_transfers(s.library, PAGE),
    "transfers by status": lambda s: transfers.list_transfers(s.library, PAGE, status="failed"),
    "transfers by artifact": lambda s: transfers.list_transfers(s.library, PAGE, artifact=s.first.id),
    "transfers by server": lambda s: transfers.list_transfers(s.library, PAGE, server="gpu-a"),
    "events": lambda s: events.list_events(s.library, after=10),
    "an artifact's history": lambda s: events.history(s.library, s.first.id),
    "the last event": lambda s: events.last_seq(s.library),
    "what an import asks of each file": lambda s: s.asked(lambda: adopting_rows.known("0" * 64, "a.png", "")),
    "what earlier imports saw": lambda s: s.asked(lambda: adopting_rows.seen("/output", [Found("a.png", 1, 1)])),
    "prompts that were lost": lambda s: s.asked(adopting_rows.lost_attempts),
    "lineage": lambda s: lineage.get_lineage(s.library, s.second.id),
    "version history": lambda s: lineage.get_version_history(s.library, s.second.id),
    "what a node means by chain and step": lambda s: loads.resolve(s.library, loads.Wanted(chain="film", step="a")),
    "what a node means by workflow": lambda s: loads.resolve(s.library, loads.Wanted(workflow="w")),
    "recording": lambda s: s.pictures.one(run=runs.Run("gpu-a", "new", "w", chain="film", step="a")),
    "recording into a workflow": lambda s: s.pictures.one(workflow_id=s.workflow_id),
    "restoring": lambda s: edits.restore(s.library, s.second.id, s.first.id, by="ann"),
    "approving": lambda s: decisions.approve(s.library, s.first.id, by="ann"),
    "asking again": lambda s: decisions.ask_again(s.library, s.first.id, by="ann"),
    "selecting": lambda s: decisions.select(s.library, s.second.id, by="ann"),
    "deleting": lambda s: trash.delete(s.library, s.first.id, by="ann"),
    "how a prompt ended": lambda s: attempts.finish(
        s.library, server_address="gpu-a", prompt_id="p1", status="completed", error=None, actor="ann"
    ),
    "the trash": lambda s: artifacts.list_artifacts(s.library, PAGE, trash=True),
    "chains in the trash": lambda s: chains.list_chains(s.library, PAGE, trash=True),
    "the switch of recording": lambda s: switches.get_recording(s.library),
    "a prompt that is lost": lambda s: witnessing.mark_lost(s.library, runs.Run("gpu-a", "lost", "w"), "lost"),
    "deleting a chain": lambda s: chains.delete_chain(s.library, s.chain_id, actor="ann"),
}  # fmt: skip


def multiply(library: Library, times: int) -> None:
    """Copies of every row, under other ids, names and times; what the scene asks for by id stays alone."""
    connection = sqlite3.connect(library.database.path)
    connection.execute("CREATE TEMP TABLE numbers AS WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n "
                       f"WHERE i < {times}) SELECT i FROM n")  # fmt: skip
    connection.execute("PRAGMA foreign_keys = OFF")
    for table in TABLES:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        copied = [_copied(table, column) for column in columns]
        sql = (
            f"INSERT INTO {table} ({', '.join(map(_quoted, columns))}) SELECT {', '.join(copied)} FROM {table}, numbers"
        )
        if table == "tags":
            sql = sql.replace("FROM tags", "FROM (SELECT * FROM tags LIMIT 0) AS tags")
        connection.execute(sql)
    for index in ("artifact_search", "artifact_names"):
        # A question is asked of each of the pieces that an index lies in; how many, merging decides, up to a few.
        connection.execute(f"INSERT INTO {index} ({index}) VALUES ('optimize')")
    connection.commit()
    connection.close()


def _quoted(column: str) -> str:
    return f'"{column}"'


def _copied(table: str, column: str) -> str:
    if column == "seq":
        return "(SELECT MAX(seq) FROM events) + (i - 1) * (SELECT MAX(seq) FROM events) + seq"
    if column.endswith("_at"):
        return f"{column} || i"
    references = column == "id" or (
        column.endswith("_id") and column not in ("node_id", "client_id", "step_id", "prompt_id")
    )
    if references or column in ("local_path", "local_filename"):
        return f'"{column}" || i'
    if column == "prompt_id":
        return "'other ' || i"
    return _quoted(column)


@contextmanager
def heard_queries() -> Iterator[list[tuple[str, Any]]]:
    """The SQL that Peewee sends within the block, with its parameters."""
    heard: list[tuple[str, Any]] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name == "peewee" and isinstance(record.msg, tuple):
                heard.append(record.msg)  # type: ignore[arg-type]

    logger, listener = logging.getLogger("peewee"), Listener()
    level, propagate = logger.level, logger.propagate
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(listener)
    try:
        yield heard
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
        logger.propagate = propagate


def instructions(library: Library, queries: list[tuple[str, Any]]) -> int:
    """How many instructions SQLite's machine needs to answer these queries."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    connection = sqlite3.connect(library.database.path, isolation_level=None)
    connection.set_progress_handler(tick, 1)
    for sql, parameters in queries:
        if sql.startswith(("SELECT", "WITH")):
            connection.execute(sql, parameters or ()).fetchall()
    connection.close()
    return count


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, int]]:
    """The cost of every question among 100 and among 4,000 others."""
    costs: dict[int, dict[str, int]] = {}
    for times in (100, 4000):
        library = open_library(load_config(tmp_path_factory.mktemp(f"times{times}"), {}))
        scene = Scene(library, Pictures(library))
        transfer = (
            "INSERT INTO artifact_transfers (id, artifact_id, source_workflow_id, target_server, status, created_at)"
        )
        with library.writing("tester") as tx:
            values = ("t", scene.first.id, scene.workflow_id, "gpu-a", "failed", tx.at)
            library.database.engine.execute_sql(f"{transfer} VALUES (?, ?, ?, ?, ?, ?)", values)
        multiply(library, times)
        costs[times] = {}
        for name, ask in QUESTIONS.items():
            with heard_queries() as heard:
                try:
                    ask(scene)
                except Exception as error:
                    raise AssertionError(name) from error
            costs[times][name] = instructions(library, heard)
        library.close()
    return costs


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_costs_the_same_in_a_table_forty_times_as_large(
    measured: dict[int, dict[str, int]], name: str
) -> None:
    small, large = measured[100][name], measured[4000][name]
    assert 0 < large < 1.1 * small, f"{small} instructions in the small table, {large} in the large one"


def test_a_page_costs_the_same_however_much_is_in_the_trash(tmp_path: Path) -> None:
    """What was deleted last would be passed by first, row after row."""
    costs = []
    for times in (40, 1000):
        library = open_library(load_config(tmp_path / str(times), {}))
        scene = Scene(library, Pictures(library))
        multiply(library, times)
        with library.writing("tester"):
            ours = models.Artifact.id.in_([scene.first.id, scene.second.id])
            thirds = models.Artifact.update(deleted_at="2026", chain_deleted_at=None).where(~ours)
            thirds.where(models.Artifact.version == 1).execute()
            models.Artifact.update(chain_deleted_at="2026").where(
                ~ours & models.Artifact.deleted_at.is_null()
            ).execute()
        with heard_queries() as heard:
            assert len(artifacts.list_artifacts(library, PAGE).items) == 2
            artifacts.list_artifacts(library, PAGE, trash=True)
        costs.append(instructions(library, heard))
        library.close()
    assert costs[1] < 1.1 * costs[0]
