"""Pins workers of a Temporal server that have no database: they drive a hub's chains over HTTP, whoever dies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chaining import Studio, step
from comfyui_artifact_db.client import connect
from comfyui_artifact_db.library import chains, driving, events
from commanding import Shell, servers_of
from engines import a_person, assert_done_once, film, hub_file, strict, token_of, worker_far_away
from losing import wire
from making import png
from running import served
from waiting import until
from working import Temporal, temporal_in


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Temporal]:
    with temporal_in(tmp_path_factory.mktemp("temporal")) as server:
        yield server


def test_a_worker_that_is_killed_leaves_the_chain_to_another_over_a_wire_that_loses_answers(
    studio: Studio, tmp_path: Path, temporal: Temporal
) -> None:
    chain = studio.begin(*film(), engine="temporal")
    one, other = (token_of(studio, name=name) for name in ("farm", "barn"))
    with served(strict(studio)) as hub, wire(hub.port) as lossy:
        lossy.loses = 20
        servers = servers_of(studio.servers)
        with worker_far_away(tmp_path / "one", lossy.url, temporal, one, servers) as first:
            until(lambda: studio.statuses(chain).get("one") == "completed", 60)
            with worker_far_away(tmp_path / "other", lossy.url, temporal, other, servers):
                first.kill()
                with a_person(studio, chain):
                    studio.until(chain, "completed", 90)
        assert lossy.lost > 1
    assert_done_once(studio, chain)
    found = chains.get_chain(studio.library, chain.id)
    assert found.temporal_workflow_id == f"artifact-db-chain-{chain.id}"
    actors = {event.actor for event in events.list_events(studio.library, limit=500)}
    assert {actor for actor in actors if driving.is_engine(actor)} == {"chain (farm)", "chain (barn)"}


def test_a_hub_that_is_killed_under_its_worker_is_waited_for(
    studio: Studio, tmp_path: Path, temporal: Temporal
) -> None:
    chain = studio.begin(*film(), engine="temporal")
    shell = Shell(tmp_path / "hub")
    shell.home.mkdir()
    config = str(hub_file(studio, tmp_path))
    with wire(1) as lossy, shell.serving(ARTIFACT_DB_CONFIG=config) as hub:
        lossy.lead_to(int(hub.url.split(":")[2].split("/")[0]))
        working = worker_far_away(tmp_path / "farm", lossy.url, temporal, token_of(studio), servers_of(studio.servers))
        with working as process:
            until(lambda: studio.statuses(chain).get("left") in ("executing", "awaiting_approval"), 60)
            hub.process.kill()
            with a_person(studio, chain), shell.serving(ARTIFACT_DB_CONFIG=config) as again:
                lossy.lead_to(int(again.url.split(":")[2].split("/")[0]))
                studio.until(chain, "completed", 90)
            assert process.poll() is None
    assert_done_once(studio, chain)


def test_how_far_a_prompt_is_that_a_worker_follows_is_told_at_the_hub(
    studio: Studio, tmp_path: Path, temporal: Temporal
) -> None:
    gpu_a = studio.servers["gpu-a"]
    runs, gpu_a.runs = gpu_a.runs, None
    chain = studio.begin(step("one", server="gpu-a"), step("two", "one", server="gpu-b"), engine="temporal")
    with served(strict(studio)) as hub, connect(hub.url, token=token_of(studio, name="eye")) as eye:
        with worker_far_away(tmp_path / "farm", hub.url, temporal, token_of(studio), servers_of(studio.servers)):
            until(lambda: gpu_a.queued and gpu_a.sockets, 60)
            gpu_a.tell("progress", node="9", value=3, max=20)
            until(lambda: eye.get_chain(chain.id).progress)
            (told,) = eye.get_chain(chain.id).progress
            assert (told.step_id, told.server, told.node_id, told.node_type) == ("one", "gpu-a", "9", "SaveImage")
            assert (told.value, told.max, told.workflow_id) == (3, 20, studio.workflow(chain, "one").id)
            gpu_a.runs = runs
            (waiting,) = gpu_a.queue["queue_pending"]
            gpu_a.ran(waiting[1], {"9": {"images": [gpu_a.file("late.png", png(9))]}}, graph=waiting[2])
            studio.until(chain, "completed", 60)
        assert eye.get_chain(chain.id).progress == []
