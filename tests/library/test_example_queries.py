"""The six example queries of the original design, each by its function and by its own SQL."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from comfyui_artifact_db.errors import NotFound, NotUsable
from comfyui_artifact_db.library import artifacts, chains, decisions, lineage, pages, runs, workflows
from comfyui_artifact_db.library.opening import Library
from reviewing import edit


@pytest.fixture
def chain_id(library: Library, pictures: Any) -> str:
    """A chain of two steps, the second of which has failed."""
    chain, _ = chains.create_chain(library, name="film", actor="tester")
    for step in ("extract_frame1", "edit_frame1"):
        workflows.create_workflow(library, workflow_name=step, chain_id=chain.id, step_id=step, actor="tester")
    failed = workflows.get_workflow_by_step(library, chain.id, "edit_frame1")
    workflows.update_workflow(library, failed.id, status="failed", actor="tester")
    return chain.id


def sql(library: Library, statement: str, **values: str) -> list[str]:
    """The ids that the design's own SQL finds in the same file."""
    connection = sqlite3.connect(library.database.path)
    try:
        connection.row_factory = sqlite3.Row
        return [row["id"] for row in connection.execute(statement, values)]
    finally:
        connection.close()


def test_all_workflows_in_a_chain(library: Library, chain_id: str) -> None:
    found = workflows.get_workflows_by_chain(library, chain_id)
    assert [workflow.step_id for workflow in found] == ["edit_frame1", "extract_frame1"]
    assert [w.id for w in found] == sql(
        library, "SELECT * FROM workflows WHERE chain_id = :chain ORDER BY step_id", chain=chain_id
    )


def test_the_latest_artifact_for_a_workflow_by_pointer_and_by_flag(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id)
    by_pointer = artifacts.get_latest_artifact(library, first.workflow_id)
    assert by_pointer == artifacts.get_latest_artifact_by_flag(library, first.workflow_id)
    assert by_pointer is not None
    assert by_pointer.id == second.id
    for statement in (
        "SELECT a.* FROM artifacts a JOIN workflows w ON a.id = w.latest_artifact_id WHERE w.id = :id",
        "SELECT * FROM artifacts WHERE workflow_id = :id AND is_latest = TRUE",
    ):
        assert sql(library, statement, id=first.workflow_id) == [second.id]


def test_a_workflow_without_artifacts_has_no_latest_one(library: Library, chain_id: str) -> None:
    workflow = workflows.get_workflow_by_step(library, chain_id, "edit_frame1")
    assert artifacts.get_latest_artifact(library, workflow.id) is None
    assert artifacts.get_latest_artifact_by_flag(library, workflow.id) is None
    with pytest.raises(NotFound):
        artifacts.get_latest_artifact(library, chain_id)


def test_all_artifacts_for_a_workflow_including_versions(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = edit(library, first.id)
    third = pictures.one(workflow_id=first.workflow_id)
    found = artifacts.list_workflow_artifacts(library, first.workflow_id, pages.Ask()).items
    assert [artifact.id for artifact in found] == [third.id, second.id, first.id]
    assert [artifact.id for artifact in found] == sql(
        library, "SELECT * FROM artifacts WHERE workflow_id = :id ORDER BY version DESC", id=first.workflow_id
    )


def test_the_dependency_artifact_for_a_chain_step(library: Library, pictures: Any, chain_id: str) -> None:
    workflow = workflows.get_workflow_by_step(library, chain_id, "extract_frame1")
    pictures.one(workflow_id=workflow.id)
    newest = pictures.one(workflow_id=workflow.id)
    assert artifacts.get_dependency_artifact(library, chain_id, "extract_frame1") == newest
    statement = (
        "SELECT a.* FROM artifacts a JOIN workflows w ON a.id = w.latest_artifact_id "
        "WHERE w.chain_id = :chain AND w.step_id = 'extract_frame1'"
    )
    assert sql(library, statement, chain=chain_id) == [newest.id]


def test_a_dependency_that_is_not_there_or_not_usable_is_a_clear_answer(
    library: Library, pictures: Any, chain_id: str
) -> None:
    with pytest.raises(NotFound, match="no workflow of step 'upscale'"):
        artifacts.get_dependency_artifact(library, chain_id, "upscale")
    with pytest.raises(NotFound, match="no artifact yet"):
        artifacts.get_dependency_artifact(library, chain_id, "extract_frame1")
    workflow = workflows.get_workflow_by_step(library, chain_id, "extract_frame1")
    waiting = pictures.one(workflow_id=workflow.id, status="pending")
    with pytest.raises(NotUsable, match="waits for a decision"):
        artifacts.get_dependency_artifact(library, chain_id, "extract_frame1")
    decisions.reject(library, waiting.id, by="ann", reason="too dark")
    with pytest.raises(NotUsable, match=r"rejected.*too dark"):
        artifacts.get_dependency_artifact(library, chain_id, "extract_frame1")


def test_the_dependency_is_that_of_the_newest_workflow_of_the_step(library: Library, pictures: Any) -> None:
    run = runs.Run("gpu-a", "p1", "extract", chain="film", step="a")
    pictures.one(run=run)
    newer = pictures.one(run=runs.Run("gpu-a", "p2", "extract", chain="film", step="a"))
    chain_id = workflows.get_workflow(library, newer.workflow_id).chain_id
    assert chain_id is not None
    assert artifacts.get_dependency_artifact(library, chain_id, "a") == newer


def test_the_version_history_of_an_artifact(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = edit(library, first.id)
    edit(library, first.id)
    last = edit(library, second.id)
    history = lineage.get_version_history(library, last.id)
    assert [artifact.version for artifact in history] == [1, 2, 4]
    statement = (
        "WITH RECURSIVE artifact_history AS (SELECT * FROM artifacts WHERE id = :id UNION ALL SELECT a.* FROM artifacts"
        " a JOIN artifact_history ah ON a.id = ah.parent_artifact_id) SELECT * FROM artifact_history ORDER BY version"
    )
    assert [artifact.id for artifact in history] == sql(library, statement, id=last.id)


def test_all_chains_with_failed_workflows(library: Library, chain_id: str) -> None:
    chains.create_chain(library, name="all is well", actor="tester")
    (failed,) = chains.get_chains_with_failed_workflows(library)
    assert failed.id == chain_id
    assert chains.list_chains(library, pages.Ask(), failed=True).items == [failed]
    statement = "SELECT DISTINCT c.* FROM chains c JOIN workflows w ON w.chain_id = c.id WHERE w.status = 'failed'"
    assert sql(library, statement) == [chain_id]
