"""Chains run from end to end: levels, templates, deliveries, conditions, retries, failures."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chaining import Studio, step
from comfyui_artifact_db.chains import control
from comfyui_artifact_db.chains.driver import Driver
from comfyui_artifact_db.chains.progress import Progress
from comfyui_artifact_db.comfyui_client import ComfyUIServer
from comfyui_artifact_db.db import models
from comfyui_artifact_db.db.statuses import FINISHED_CHAIN
from comfyui_artifact_db.errors import Conflict, Invalid
from comfyui_artifact_db.library import chains, driving, lineage
from making import png
from waiting import until


def queued(studio: Studio) -> list[dict[str, Any]]:
    """The graphs that were queued on any server."""
    return [asked["prompt"] for server in studio.servers.values() for asked in server.queued]


def test_a_step_gets_exactly_what_the_one_before_it_made(studio: Studio) -> None:
    chain = studio.run(step("one", server="gpu-a"), step("two", "one", server="gpu-b"))
    first, second = studio.current(chain, "one"), studio.current(chain, "two")
    (asked,) = studio.servers["gpu-b"].queued
    name = asked["prompt"]["1"]["inputs"]["image"]
    there = studio.servers["gpu-b"].folder / "input" / name
    assert there.read_bytes() == Path(first.local_path).read_bytes()
    assert [found.artifact.id for found in lineage.get_lineage(studio.library, second.id).ancestors] == [first.id]
    assert studio.statuses(chain) == {"one": "completed", "two": "completed"}
    assert chain.completed_at is not None
    for name in ("one", "two"):
        (attempt,), workflow = studio.attempts(chain, name), studio.workflow(chain, name)
        times = (attempt.started_at, attempt.completed_at)
        assert None not in times
        assert (workflow.started_at, workflow.completed_at) == times
    assert len(queued(studio)) == 2


@pytest.mark.parametrize("status", FINISHED_CHAIN)
def test_how_a_driven_chain_ends_only_its_engine_says(studio: Studio, status: str) -> None:
    chain = studio.begin(step("one"))
    with pytest.raises(Conflict, match="cancel it to end it now"):
        chains.update_chain(studio.library, chain.id, actor="anna", status=status)
    with studio.driving():
        assert studio.until(chain, "completed").error_message is None


def test_parameters_fill_the_graph_and_keep_their_type(studio: Studio) -> None:
    parameters = {"7.text": "{{ prompt }}, at dusk", "7.seed": "{{ seed }}"}
    chain = studio.run(
        step("one", parameters=parameters), defaults={"prompt": "a cat", "seed": 1}, parameters={"seed": 77}
    )
    (graph,) = queued(studio)
    assert graph["7"]["inputs"] == {"text": "a cat, at dusk", "seed": 77}
    (attempt,) = studio.attempts(chain, "one")
    assert attempt.parameters == {"7.text": "a cat, at dusk", "7.seed": 77}
    assert attempt.workflow_definition == graph


def test_a_parameter_that_the_chain_has_not_is_refused(studio: Studio) -> None:
    with pytest.raises(Invalid, match="no parameter 'sed'"):
        studio.begin(step("one"), parameters={"sed": 1}, defaults={"seed": 1})


def test_a_diamond_ends_with_both_sides(studio: Studio) -> None:
    end = step("end", "left", "right", parameters={"7.text": "{{ right.output.image }}"})
    chain = studio.run(step("start"), step("left", "start"), step("right", "start"), end)
    graph = next(graph for graph in queued(studio) if graph["7"]["inputs"]["text"])
    assert graph["1"]["inputs"]["image"] != graph["7"]["inputs"]["text"]
    ancestors = {
        one.artifact.id for one in lineage.get_lineage(studio.library, studio.current(chain, "end").id).ancestors
    }
    assert ancestors == {studio.current(chain, name).id for name in ("start", "left", "right")}


def test_a_false_condition_skips_the_step_and_what_waits_for_it(studio: Studio) -> None:
    chain = studio.run(
        step("one"),
        step("two", "one", condition="one.output.meta.width > 100"),
        step("three", "two"),
        step("other", "one", condition="one.output.meta.width == 8 and one.status == 'completed'"),
    )
    assert studio.statuses(chain) == {"one": "completed", "two": "skipped", "three": "skipped", "other": "completed"}
    assert studio.workflow(chain, "two").error_message == "its condition is false: one.output.meta.width > 100"


def test_a_step_that_fails_is_tried_again_as_a_new_attempt(studio: Studio) -> None:
    failures = iter((True, True, False))
    studio.fails = lambda graph: next(failures)
    chain = studio.run(step("one", retry={"attempts": 3, "backoff": 0.05}))
    attempts = studio.attempts(chain, "one")
    assert [(one.number, one.status) for one in attempts] == [(1, "failed"), (2, "failed"), (3, "completed")]
    assert len({one.prompt_id for one in attempts}) == 3
    assert attempts[0].error_message == "node 9: no luck"


def test_a_step_that_goes_on_failing_fails_the_chain(studio: Studio) -> None:
    studio.fails = lambda graph: True
    chain = studio.run(step("one", retry={"attempts": 2, "backoff": 0.01}), step("two", "one"), status="failed")
    assert chain.error_message == "step one: node 9: no luck"
    assert studio.statuses(chain) == {"one": "failed"}
    assert len(queued(studio)) == 2


def test_a_chain_goes_on_past_a_step_that_may_fail(studio: Studio) -> None:
    studio.fails = lambda graph: graph["7"]["inputs"]["text"] == "bad"
    bad = step("bad", on_error="continue", parameters={"7.text": "bad"})
    chain = studio.run(bad, step("good"), step("after_bad", "bad"), step("after_good", "good"))
    assert studio.statuses(chain) == {
        **{"bad": "failed", "good": "completed", "after_bad": "skipped", "after_good": "completed"}
    }


def test_what_else_runs_on_the_level_is_recorded_before_the_chain_fails(studio: Studio) -> None:
    studio.fails = lambda graph: graph["7"]["inputs"]["text"] == "bad"
    chain = studio.run(step("bad", parameters={"7.text": "bad"}), step("good"), status="failed")
    assert studio.statuses(chain) == {"bad": "failed", "good": "completed"}
    assert studio.current(chain, "good").usable


def test_a_template_that_cannot_be_filled_in_fails_the_step(studio: Studio) -> None:
    chain = studio.run(
        step("one"), step("two", "one", parameters={"7.text": "{{ one.output.video }}"}), status="failed"
    )
    assert chain.error_message == "step two: a template cannot be filled in: step 'one' has no output of kind video"


def test_a_template_that_gives_what_a_graph_cannot_hold_fails_the_step(studio: Studio) -> None:
    chain = studio.run(step("one"), step("two", "one", parameters={"7.text": "{{ one.output }}"}), status="failed")
    assert "{{ one.output }} is no text" in str(chain.error_message)


def test_a_file_beside_the_chain_is_recorded_and_delivered(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(png(4242))
    one = step("one", inputs={"1.image": "{{ source }}"})
    chain = studio.run(one, defaults={"source": "photo.png"}, folder=tmp_path)
    made = studio.current(chain, "one")
    (photo,) = [one.artifact for one in lineage.get_lineage(studio.library, made.id).ancestors]
    assert Path(photo.local_path).read_bytes() == png(4242)
    with pytest.raises(Invalid, match="there is no file"):
        studio.begin(one, defaults={"source": "none.png"}, folder=tmp_path)
    with pytest.raises(Invalid, match="it is the id of an artifact"):
        studio.begin(one, defaults={"source": "photo.png"})


def test_any_server_is_the_least_loaded_that_has_the_nodes(studio: Studio) -> None:
    a, b = studio.servers.values()
    a.queue["queue_running"] = [[0, "other", {}, {}, []]]
    studio.run(step("one"))
    assert (len(a.queued), len(b.queued)) == (0, 1)
    del b.node_types["Prompt"]
    studio.run(step("two"))
    assert (len(a.queued), len(b.queued)) == (1, 1)


def test_the_same_picture_is_not_sent_twice(studio: Studio) -> None:
    chain = studio.run(
        step("one", server="gpu-a"), step("two", "one", server="gpu-b"), step("three", "one", server="gpu-b")
    )
    assert len(studio.servers["gpu-b"].fields) == 1
    with studio.library.reading():
        assert models.Transfer.select().where(models.Transfer.status == "completed").count() == 2
    assert chain.status == "completed"


def test_a_step_that_takes_too_long_is_ended(studio: Studio) -> None:
    for server in studio.servers.values():
        server.runs = None  # They queue, and never run.
    chain = studio.run(step("one", server="gpu-a", timeout="200ms"), status="failed")
    assert "longer than 0.2 s" in str(chain.error_message)
    (attempt,) = studio.attempts(chain, "one")
    assert studio.servers["gpu-a"].interrupted == [attempt.prompt_id]
    assert studio.servers["gpu-a"].queue["queue_pending"] == []


def test_the_time_that_a_step_may_take_begins_when_its_prompt_is_queued(studio: Studio) -> None:
    b = studio.servers["gpu-b"]
    b.runs = None

    def take_long(path: Path) -> None:
        with studio.library.database.writing():
            models.Attempt.update(queued_at="2020-01-01T00:00:00.000Z").where(
                models.Attempt.server_address == "gpu-b"
            ).execute()

    def run_after_a_look() -> None:
        for _, prompt_id, graph, *_ in list(b.queue["queue_pending"]):
            b.ran(prompt_id, {"9": {"images": [b.file("late.png", png(7))]}}, graph=graph)

    b.after_storing, b.on_queue = take_long, run_after_a_look
    studio.run(step("one", server="gpu-a"), step("two", "one", server="gpu-b", timeout="60s"))
    assert b.interrupted == []


def test_a_server_that_does_not_end_a_prompt_is_not_waited_for_where_another_can_run_the_step(studio: Studio) -> None:
    a, b = studio.servers.values()
    a.runs = None
    chain = studio.begin(step("one", timeout="200ms", retry={"attempts": 2, "backoff": 0.01}))
    with studio.driving():
        until(lambda: a.queued)
        a.queue = {"queue_running": a.queue["queue_pending"], "queue_pending": []}
        studio.until(chain, "completed")
    assert [(one.server_address, one.status) for one in studio.attempts(chain, "one")] == [
        ("gpu-a", "failed"), ("gpu-b", "completed")
    ]  # fmt: skip
    assert (len(a.queued), len(b.queued)) == (1, 1)


@pytest.mark.engine("local")
def test_a_driver_takes_no_chain_twice_and_again_the_one_that_it_has_left(studio: Studio) -> None:
    chain = studio.begin(step("one"))
    take = partial(driving.take, studio.library, engine="local")
    assert take("first") == [chain.id]
    assert take("first", besides=[chain.id]) == []
    assert take("second") == []
    assert take("first") == [chain.id]


@pytest.mark.engine("local")
def test_a_driver_keeps_its_chains_until_what_it_has_begun_has_ended(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, queue = studio.servers["gpu-a"], ComfyUIServer.queue_prompt
    come, go_on = threading.Event(), threading.Event()

    def slowly(self: ComfyUIServer, *graph: Any, **how: Any) -> None:
        come.set()
        go_on.wait(60)
        queue(self, *graph, **how)

    monkeypatch.setattr(ComfyUIServer, "queue_prompt", slowly)
    chain = studio.begin(step("one", server="gpu-a"))
    first = Driver(studio.library).start()
    assert come.wait(60)
    with studio.driving():
        stopping = threading.Thread(target=first.stop)
        stopping.start()
        for _ in range(30):
            time.sleep(0.05)
            assert driving.driver_of(studio.library, chain.id) == first.holder
        go_on.set()
        stopping.join()
        studio.until(chain, "completed")
    assert len(a.queued) == 1


def test_a_chain_that_is_cancelled_as_its_prompt_is_queued_leaves_none_on_the_server(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, queue = studio.servers["gpu-a"], ComfyUIServer.queue_prompt
    a.runs = None

    def too_late(self: ComfyUIServer, *graph: Any, **how: Any) -> None:
        control.cancel(studio.library, chain.id, actor="ada")
        queue(self, *graph, **how)

    monkeypatch.setattr(ComfyUIServer, "queue_prompt", too_late)
    chain = studio.begin(step("one", server="gpu-a"))
    with studio.driving():
        until(lambda: a.queued and not a.queue["queue_pending"])
    assert studio.statuses(chain) == {"one": "cancelled"}
    assert a.queued[0]["prompt_id"] in a.interrupted


@pytest.mark.engine("local")
def test_a_chain_goes_on_whatever_becomes_of_who_watches_it(studio: Studio) -> None:
    def gone(chain_id: str, found: Progress) -> None:
        raise BrokenPipeError

    chain = studio.begin(step("one"), step("two", "one"))
    with studio.driving(watch=gone):
        studio.until(chain, "completed")


@pytest.mark.engine("local")
def test_a_chain_that_has_ended_without_its_engine_is_driven_no_more(studio: Studio) -> None:
    chain = studio.begin(step("one"))
    with studio.library.database.writing():
        models.Chain.update(status="failed").where(models.Chain.id == chain.id).execute()
    assert driving.take(studio.library, "first", engine="local") == []
    assert driving.list_driven(studio.library, engine="local") == [(chain.id, False)]
    with studio.library.database.writing():
        models.Chain.update(status="initializing").where(models.Chain.id == chain.id).execute()
