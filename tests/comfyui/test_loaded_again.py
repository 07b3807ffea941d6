"""A LoadFromArtifactDB runs again exactly when what it would load has changed, and is in the lineage either way."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from comfyui_graphs import Graph, loaded_picture
from comfyui_studio import Studio, picture


def name() -> str:
    """A name that no other test uses."""
    return f"film {uuid.uuid4()} x"


def ancestors(studio: Studio, artifact_id: str) -> list[tuple[str, str]]:
    """An artifact's ancestors: the relation and the id, nearest first."""
    found = studio.get(f"/artifacts/{artifact_id}/lineage")["ancestors"]
    return [(step["relation"], step["artifact"]["id"]) for step in found]


@pytest.fixture
def step(studio: Studio) -> dict[str, Any]:
    """A picture that is the current artifact of a step of a new chain, and a second version of it, not current."""
    chain = name()
    first = studio.saved(chain=chain, step="a")
    second = studio.upload(f"/artifacts/{first['id']}/edit", picture(), "edited.png")
    studio.post(f"/artifacts/{first['id']}/select")
    return {"chain": chain, "first": first["id"], "second": second["id"], "workflow": first["workflow_id"]}


def test_nothing_changed_is_served_from_the_cache(studio: Studio, step: dict[str, Any]) -> None:
    graph = loaded_picture(chain=step["chain"], step="a")
    assert studio.run(graph).cached == set()
    for _ in range(2):
        assert studio.run(graph).cached == {"1", "2"}


def test_what_happens_to_others_is_no_matter(studio: Studio, step: dict[str, Any]) -> None:
    graph = loaded_picture(chain=step["chain"], step="a")
    studio.run(graph)
    chain = studio.workflow(step["workflow"])["chain_id"]
    other = studio.uploaded(chain_id=chain, step_id="b")
    studio.post(f"/artifacts/{other['id']}/reject", {"reason": "blurred"})
    studio.uploaded(requires_approval=True)
    studio.hub("PUT", f"/artifacts/{step['first']}/tags/hero")
    assert studio.run(graph).cached == {"1", "2"}


CHANGES: dict[str, Callable[[Studio, dict[str, Any]], Any]] = {
    "another version was selected": lambda s, at: s.post(f"/artifacts/{at['second']}/select"),
    "it was edited": lambda s, at: s.upload(f"/artifacts/{at['first']}/edit", picture(), "e.png"),
    "another version was approved": lambda s, at: (
        s.hub("PATCH", f"/artifacts/{at['second']}", json={"approval_status": "pending"}),
        s.post(f"/artifacts/{at['second']}/approve"),
    ),
    "the step ran again": lambda s, at: s.uploaded(chain_id=s.workflow(at["workflow"])["chain_id"], step_id="a"),
    "it went into the trash": lambda s, at: s.hub("DELETE", f"/artifacts/{at['first']}"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_what_is_meant_runs_it_again(studio: Studio, step: dict[str, Any], change: str) -> None:
    graph = loaded_picture(chain=step["chain"], step="a")
    studio.run(graph)
    CHANGES[change](studio, step)
    assert studio.run(graph).cached == set()
    assert studio.run(graph).cached == {"1", "2"}


def test_a_rejected_picture_is_not_served_from_the_cache(studio: Studio, step: dict[str, Any]) -> None:
    graph = loaded_picture(chain=step["chain"], step="a")
    studio.run(graph)
    studio.post(f"/artifacts/{step['first']}/reject", {"reason": "six fingers"})
    assert "it was rejected (six fingers)" in studio.run(graph, status="error").error
    studio.post(f"/artifacts/{step['first']}/approve")
    studio.run(graph)
    assert studio.run(graph).cached == {"1", "2"}


def test_changed_bytes_are_not_served_from_the_cache(studio: Studio) -> None:
    artifact = studio.saved()
    graph, stored = loaded_picture(artifact_id=artifact["id"]), studio.stored(artifact["id"])
    studio.run(graph)
    whole = stored.read_bytes()
    stored.chmod(0o644)
    stored.write_bytes(whole[:-1] + b"\x00")
    try:
        assert "its bytes are not those that were recorded" in studio.run(graph, status="error").error
    finally:
        stored.write_bytes(whole)
    studio.run(graph)


def test_a_graph_that_saves_loads_and_saves_is_cached_as_a_whole(studio: Studio) -> None:
    graph = Graph()
    first = graph.save(graph.picture(batch=2))
    second = graph.save(graph.load(artifact_id=first[1]))
    outcome = studio.run(graph)
    workflow_id = studio.artifact(outcome.ids(second)[0])["workflow_id"]
    studio.settled(workflow_id)
    again = studio.run(graph)
    assert again.cached == {"1", "2", "3", "4"}
    assert studio.workflows_of(again.prompt_id) == []
    assert {artifact_id for _, artifact_id in ancestors(studio, outcome.ids(second)[0])} == set(outcome.ids(first))
    studio.upload(f"/artifacts/{outcome.ids(first)[1]}/edit", picture(), "e.png")
    assert studio.run(graph).cached == {"1", "2", "3", "4"}, "an id means one artifact, whatever came after it"
    studio.post(f"/artifacts/{outcome.ids(first)[1]}/reject", {"reason": "blurred"})
    assert studio.run(graph, status="error").cached == {"1", "2"}


def test_linked_names_run_again_when_what_they_mean_has_changed(studio: Studio, step: dict[str, Any]) -> None:
    graph = Graph()
    load = graph.load(chain=graph.add("PrimitiveString", value=step["chain"]), step="a")
    shown = graph.show(load[2])
    assert studio.run(graph).text(shown) == [step["first"]]
    studio.uploaded()
    assert load.id in studio.run(graph).cached
    studio.post(f"/artifacts/{step['second']}/select")
    assert studio.run(graph).text(shown) == [step["second"]]
    assert load.id in studio.run(graph).cached


def test_what_changed_while_a_prompt_ran_is_not_taken_for_what_was_there_before(
    studio: Studio, step: dict[str, Any]
) -> None:
    graph = Graph()
    slow = graph.add("TestsSlow", image=graph.picture(), seconds=0.7)
    # It loads after the slow node, whose picture it gets its step from.
    load = graph.load(chain=step["chain"], step=graph.add("TestsAfter", image=slow, text="a"))
    shown = graph.show(load[2])
    prompt_id = studio.queue(graph)
    studio.post(f"/artifacts/{step['second']}/select")
    assert studio.outcome(prompt_id).text(shown) == [step["second"]]
    studio.post(f"/artifacts/{step['first']}/select")
    assert studio.run(graph).text(shown) == [step["first"]]


def test_the_loaded_artifact_is_an_ancestor(studio: Studio, step: dict[str, Any]) -> None:
    graph = Graph()
    save = graph.save(graph.add("ImageInvert", image=graph.load(chain=step["chain"], step="a")))
    outcome = studio.run(graph)
    (artifact_id,) = outcome.ids(save)
    assert ancestors(studio, artifact_id)[0] == ("input", step["first"])
    found = studio.get(f"/artifacts/{step['first']}/lineage")["descendants"]
    assert ("input", artifact_id) in [(d["relation"], d["artifact"]["id"]) for d in found]


def test_an_artifact_served_from_the_cache_is_an_ancestor_too(studio: Studio, step: dict[str, Any]) -> None:
    made = []
    for factor in (1.0, 2.0, 3.0):
        graph = Graph()
        scaled = graph.add("ImageScaleBy", image=graph.load(chain=step["chain"], step="a"), upscale_method="lanczos")
        graph[scaled.id]["inputs"]["scale_by"] = factor
        save = graph.save(scaled)
        outcome = studio.run(graph)
        assert outcome.cached == ({"1"} if made else set())
        made += outcome.ids(save)
    assert [ancestors(studio, artifact_id)[0] for artifact_id in made] == [("input", step["first"])] * 3


def test_every_artifact_of_a_list_is_an_ancestor_and_what_does_not_lead_there_is_none(studio: Studio) -> None:
    sources = [studio.saved()["id"] for _ in range(3)]
    graph = Graph()
    texts = graph.add("TestsTexts", texts={"__value__": sources[:2]})
    save = graph.save(graph.load(artifact_id=texts))
    graph.write(graph.load(artifact_id=sources[2]))
    for artifact_id in studio.run(graph).ids(save):
        assert sorted(ancestors(studio, artifact_id)) == sorted(("input", source) for source in sources[:2])
