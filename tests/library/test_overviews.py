"""Pins what is told of a chain at a glance: its steps, and what was to be delivered for them and is not there."""

from __future__ import annotations

from pathlib import Path

from chaining import step, studio_of
from comfyui_artifact_db.library import chains, executing, overviews, pages, workflows
from comfyui_artifact_db.library.opening import Library

ASK = pages.Ask(50, None)


def test_an_overview_has_each_step_and_where_it_runs(library: Library, tmp_path: Path) -> None:
    with studio_of(library, tmp_path) as studio:
        chain = studio.run(step("one"), step("two", "one", server="gpu-b"))
        other = studio.run(step("alone"))
        found = overviews.get_overviews(library, [chain.id, other.id])
        assert [(one.step_id, one.status) for one in found[chain.id].steps] == [
            ("one", "completed"),
            ("two", "completed"),
        ]
        assert found[chain.id].steps[1].server_address == "gpu-b"
        assert [one.step_id for one in found[other.id].steps] == ["alone"]
        assert not found[chain.id].more
        assert found[chain.id].undelivered == 0


def test_what_does_not_arrive_is_told_once_until_it_does(library: Library, tmp_path: Path) -> None:
    with studio_of(library, tmp_path) as studio:
        studio.servers["gpu-b"].after_storing = lambda path: path.write_bytes(b"cut off")
        chain = studio.run(step("one"), step("two", "one", server="gpu-b"), status="failed")
        assert overviews.get_overviews(library, [chain.id])[chain.id].undelivered == 1
        (transfer,) = overviews.get_undelivered(library, chain.id)
        assert (transfer.target_server, transfer.artifact_id) == ("gpu-b", studio.current(chain, "one").id)
        studio.servers["gpu-b"].after_storing = lambda path: None
        executing.retry(library, studio.workflow(chain, "two").id, parameters=None, by="anna")
        with studio.driving():
            studio.until(chain, "completed")
        assert overviews.get_undelivered(library, chain.id) == []
        assert overviews.get_overviews(library, [chain.id])[chain.id].undelivered == 0


def test_a_chain_of_many_workflows_is_told_in_part(library: Library) -> None:
    chain, _ = chains.create_chain(library, name="by hand", actor="anna")
    for number in range(overviews.MOST_STEPS + 1):
        workflows.create_workflow(
            library, workflow_name="x", chain_id=chain.id, step_id=f"step {number:02}", actor="anna"
        )
    found = overviews.get_overviews(library, [chain.id])[chain.id]
    assert (len(found.steps), found.more) == (overviews.MOST_STEPS, True)


def test_only_the_chains_that_are_asked_for_are_listed(library: Library) -> None:
    made = [chains.create_chain(library, name=f"film {number}", actor="anna")[0].id for number in range(3)]
    listed = chains.list_chains(library, ASK, ids=made[1:])
    assert [one.id for one in listed.items] == made[:0:-1]


def test_an_attempt_tells_what_was_asked_for(library: Library, tmp_path: Path) -> None:
    with studio_of(library, tmp_path) as studio:
        chain = studio.run(step("one"))
        workflow = studio.workflow(chain, "one")
        executing.retry(library, workflow.id, parameters={"7.seed": 3}, by="anna")
        asked = executing.list_overrides(library, workflow.id)
        newest = studio.attempts(chain, "one")[-1]
        assert asked == {newest.id: {"7.seed": 3}}
