"""Where an artifact comes from and what came of it, across workflows, each artifact once."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_artifact_db.db import models
from comfyui_artifact_db.errors import Invalid, NotFound
from comfyui_artifact_db.library import identities, lineage, runs, workflows
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Artifact, Related
from reviewing import edit


def make(pictures: Any, prompt_id: str, *inputs: Artifact) -> Artifact:
    run = runs.Run("gpu-b", prompt_id, "w", inputs=tuple(artifact.id for artifact in inputs))
    artifact: Artifact = pictures.one(run=run)
    return artifact


def told(related: list[Related]) -> list[tuple[str, str, str, int]]:
    return [(step.artifact.id, step.relation, step.of, step.depth) for step in related]


def test_inputs_and_versions_lead_across_workflows(library: Library, pictures: Any) -> None:
    photo = pictures.one()
    edited = edit(library, photo.id)
    frame = make(pictures, "p1", edited)
    film = make(pictures, "p2", frame)
    found = lineage.get_lineage(library, frame.id)
    assert found.artifact == frame
    assert told(found.ancestors) == [(edited.id, "input", frame.id, 1), (photo.id, "parent", edited.id, 2)]
    assert told(found.descendants) == [(film.id, "input", frame.id, 1)]
    of_photo = lineage.get_lineage(library, photo.id)
    assert [step.artifact.id for step in of_photo.descendants] == [edited.id, frame.id, film.id]
    assert of_photo.ancestors == []


def test_a_diamond_has_its_end_once_at_the_nearest(library: Library, pictures: Any) -> None:
    photo = pictures.one()
    left, right = make(pictures, "left", photo), make(pictures, "right", photo)
    deeper = make(pictures, "deeper", right)
    film = make(pictures, "film", left, right, deeper)
    ancestors = lineage.get_lineage(library, film.id).ancestors
    depths = {step.artifact.id: step.depth for step in ancestors}
    assert len(ancestors) == len(depths) == 4
    assert depths == {left.id: 1, right.id: 1, deeper.id: 1, photo.id: 2}
    ways = [(photo, left), (photo, right), (right, deeper), (left, film), (right, film), (deeper, film)]
    links = lineage.get_lineage(library, film.id).links
    assert sorted(links, key=str) == sorted((lineage.Link(a.id, b.id, "input") for a, b in ways), key=str)
    assert set(lineage.get_lineage(library, photo.id).links) == set(links)
    descendants = {step.artifact.id: step.depth for step in lineage.get_lineage(library, photo.id).descendants}
    assert descendants == {left.id: 1, right.id: 1, deeper.id: 2, film.id: 2}


def test_a_ladder_of_diamonds_costs_what_it_has(library: Library, pictures: Any) -> None:
    below = [pictures.one()]
    for rung in range(20):
        below = [make(pictures, f"{rung}-{side}", *below) for side in "lr"]
    # 2 ** 20 ways lead to the first picture.
    ancestors = lineage.get_lineage(library, below[0].id).ancestors
    assert len(ancestors) == 1 + 2 * 19


def test_an_artifact_of_another_chain_that_was_taken_over_is_its_source(library: Library, pictures: Any) -> None:
    original, copy = pictures.one(), pictures.one()
    with library.writing("tester"):
        models.Artifact.update(source_artifact_id=original.id).where(models.Artifact.id == copy.id).execute()
    assert told(lineage.get_lineage(library, copy.id).ancestors) == [(original.id, "source", copy.id, 1)]
    assert told(lineage.get_lineage(library, original.id).descendants) == [(copy.id, "source", original.id, 1)]


def test_a_loop_ends(library: Library, pictures: Any) -> None:
    one = pictures.one(run=runs.Run("gpu-a", "p1", "w"))
    other = make(pictures, "p2", one)
    pictures.one(run=runs.Run("gpu-a", "p1", "w", inputs=(other.id,)), keys=("12:images:0",))
    found = lineage.get_lineage(library, one.id)
    assert [step.artifact.id for step in found.ancestors] == [other.id]
    assert other.id in [step.artifact.id for step in found.descendants]


def test_what_was_delivered_for_a_workflow_is_an_input_of_its_next_attempt(library: Library, pictures: Any) -> None:
    photo = pictures.one()
    target, _ = workflows.create_workflow(library, workflow_name="w", server="gpu-b", actor="runner")
    with library.writing("tester") as tx:
        models.Transfer.insert(
            id=identities.new_id(), artifact_id=photo.id, source_workflow_id=photo.workflow_id,
            target_workflow_id=target.id, target_server="gpu-b", status="completed", created_at=tx.at,
        ).execute()  # fmt: skip
    workflows.update_workflow(library, target.id, prompt_id="p1", actor="runner")
    made = pictures.one(run=runs.Run("gpu-b", "p1", "w"))
    assert told(lineage.get_lineage(library, made.id).ancestors) == [(photo.id, "input", made.id, 1)]


def test_of_what_was_delivered_more_than_once_the_last_went_in(library: Library, pictures: Any) -> None:
    photo = pictures.one()
    edited = edit(library, photo.id)
    other = pictures.one()
    target, _ = workflows.create_workflow(library, workflow_name="w", server="gpu-b", actor="runner")
    for number, sent in enumerate((photo, other, edited)):
        with library.writing("tester") as tx:
            models.Transfer.insert(
                id=identities.new_id(), artifact_id=sent.id, source_workflow_id=sent.workflow_id,
                target_workflow_id=target.id, target_server="gpu-b", status="completed", created_at=tx.at,
                uploaded_at=f"2026-01-01T00:00:0{number}.000Z",
            ).execute()  # fmt: skip
    workflows.update_workflow(library, target.id, prompt_id="p1", actor="runner")
    made = pictures.one(run=runs.Run("gpu-b", "p1", "w"))
    inputs = [one.artifact.id for one in lineage.get_lineage(library, made.id).ancestors if one.depth == 1]
    assert sorted(inputs) == sorted([other.id, edited.id])


def test_the_lineage_and_history_of_what_is_not_there_are_not_found(library: Library) -> None:
    for ask in (lineage.get_lineage, lineage.get_version_history):
        with pytest.raises(NotFound):
            ask(library, identities.new_id())


def test_a_lineage_is_cut_at_a_depth_and_at_a_number(library: Library, pictures: Any) -> None:
    photo = pictures.one()
    films = [make(pictures, f"p{number}", photo) for number in range(4)]
    cut = make(pictures, "cut", *films)
    whole = lineage.get_lineage(library, photo.id)
    assert [step.depth for step in whole.descendants] == [1, 1, 1, 1, 2]
    near = lineage.get_lineage(library, photo.id, depth=1)
    assert {step.artifact.id for step in near.descendants} == {film.id for film in films}
    few = lineage.get_lineage(library, photo.id, limit=3)
    assert [step.depth for step in few.descendants] == [1, 1, 1]
    assert len(few.links) == 3
    assert lineage.get_lineage(library, cut.id, depth=2, limit=5).ancestors[-1].artifact.id == photo.id
    for wrong in ({"depth": 0}, {"limit": 0}, {"depth": 10_001}):
        with pytest.raises(Invalid, match="from 1 to 10000"):
            lineage.get_lineage(library, photo.id, **wrong)
