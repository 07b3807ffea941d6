"""Which artifact a node means that names a chain, a step, a workflow or an output rather than an id."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_artifact_db.errors import Invalid, NotFound
from comfyui_artifact_db.library import chains, decisions, identities, loads, runs, workflows
from comfyui_artifact_db.library.loads import Wanted
from comfyui_artifact_db.library.opening import Library
from reviewing import edit


def meant(library: Library, **named: str) -> str:
    return loads.resolve(library, Wanted(**named)).id


def test_an_id_means_that_artifact_usable_or_not(library: Library, pictures: Any) -> None:
    old = pictures.one(status="pending")
    edit(library, old.id)
    assert meant(library, artifact_id=old.id) == meant(library, artifact_id=old.id.upper()) == old.id


def test_a_chain_and_step_mean_the_current_artifact_of_the_newest_workflow(library: Library, pictures: Any) -> None:
    pictures.one(run=runs.Run("gpu-a", "p1", "w", chain="film", step="a"))
    newer = pictures.one(run=runs.Run("gpu-a", "p2", "w", chain="film", step="a"))
    pictures.one(run=runs.Run("gpu-a", "p3", "w", chain="film", step="b"))
    chain_id = workflows.get_workflow(library, newer.workflow_id).chain_id or ""
    assert meant(library, chain="film", step="a") == newer.id
    assert meant(library, chain=chain_id, step="a") == meant(library, chain=chain_id.upper(), step="a") == newer.id
    edited = edit(library, newer.id)
    assert meant(library, chain="film", step="a") == edited.id


def test_a_name_means_the_newest_run_of_that_name_finished_or_not(library: Library, pictures: Any) -> None:
    first = pictures.one(run=runs.Run("gpu-a", "p1", "w", chain="film", step="a"))
    chain_id = workflows.get_workflow(library, first.workflow_id).chain_id or ""
    chains.update_chain(library, chain_id, status="completed", actor="tester")
    second = pictures.one(run=runs.Run("gpu-a", "p2", "w", chain="film", step="a"))
    assert meant(library, chain="film", step="a") == second.id
    assert meant(library, chain=chain_id, step="a") == first.id


def test_a_workflow_is_named_or_given_by_its_id(library: Library, pictures: Any) -> None:
    pictures.one(run=runs.Run("gpu-a", "p1", "upscale"))
    newer = pictures.one(run=runs.Run("gpu-a", "p2", "upscale"))
    assert meant(library, workflow="upscale") == newer.id
    assert meant(library, workflow=newer.workflow_id.upper()) == newer.id


def test_an_output_means_its_head_whatever_is_current(library: Library, pictures: Any) -> None:
    one, two = pictures.record(keys=("9:images:0", "12:4:images:1"))
    again = edit(library, two.id)
    assert meant(library, workflow=one.workflow_id) == one.id
    assert meant(library, workflow=one.workflow_id, output="12:4:images:1") == again.id
    decisions.select(library, two.id, by="ann")
    assert meant(library, workflow=one.workflow_id, output="12:4:images:1") == two.id


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"artifact_id": identities.new_id()}, "no artifact"),
        ({"chain": "nobody's"}, "no chain is called"),
        ({"chain": identities.new_id()}, "nothing is recorded"),
        ({"workflow": "nobody's"}, "nothing is recorded"),
        ({"workflow": identities.new_id()}, "nothing is recorded"),
        ({"chain": "film", "step": "z"}, "'z'"),
        ({"chain": "film", "step": "a", "output": "9:images:7"}, "9:images:7"),
        ({"chain": "film", "step": "empty"}, "an artifact"),
    ],
)
def test_what_is_not_there_is_not_found_in_words(
    library: Library, pictures: Any, named: dict[str, str], words: str
) -> None:
    first = pictures.one(run=runs.Run("gpu-a", "p1", "w", chain="film", step="a"))
    chain_id = workflows.get_workflow(library, first.workflow_id).chain_id
    workflows.create_workflow(library, workflow_name="w", chain_id=chain_id, step_id="empty", actor="runner")
    with pytest.raises(NotFound, match=words):
        meant(library, **named)


@pytest.mark.parametrize(
    ("named", "field"),
    [
        ({}, "artifact_id"),
        ({"step": "a"}, "artifact_id"),
        ({"artifact_id": "7"}, "artifact_id"),
        ({"chain": "../film"}, "chain"),
        ({"chain": "http://film"}, "chain"),
        ({"chain": "film", "step": "a/b"}, "step"),
        ({"workflow": "C:w"}, "workflow"),
        ({"workflow": "w", "output": "nine"}, "output"),
    ],
)
def test_what_names_nothing_or_looks_like_a_path_is_refused(
    library: Library, named: dict[str, str], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        meant(library, **named)
    assert refused.value.field == field
