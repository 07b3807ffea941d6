"""Pins what a lost hub, lost machines and lost connections cost: time. Nothing is lost, nothing is there twice."""

from __future__ import annotations

import random
import threading
from collections import Counter
from functools import partial
from typing import Any

import pytest
from comfyui_graphs import Graph
from hub_mode import NAMES, HubStudio, Machines, ids_of
from waiting import until


def twice(chain: str) -> tuple[Graph, list[Any]]:
    """A graph with two save nodes of one step."""
    graph = Graph()
    pictures = graph.picture(batch=2), graph.picture()
    return graph, [graph.save(picture, chain=chain, step="a") for picture in pictures]


def assert_recorded(machines: Machines, chain: str, told: dict[str, set[str]]) -> None:
    """At the hub is exactly what machines were told, each once, under one run of the chain and one attempt a prompt."""
    (row,) = machines.hub.get("/chains", name=chain)["items"]
    artifacts = machines.hub.all("/artifacts", chain=row["id"])
    assert Counter(one["id"] for one in artifacts) == Counter(one for ids in told.values() for one in ids)
    assert len({(one["workflow_id"], one["output_key"]) for one in artifacts}) == len(artifacts)
    assert all(one["usable"] for one in artifacts)
    workflows = machines.hub.all("/workflows", chain=row["id"])
    assert sorted(one["prompt_id"] for one in workflows) == sorted(told)
    for workflow in workflows:
        (attempt,) = machines.hub.get(f"/workflows/{workflow['id']}")["attempts"]
        assert {one["id"] for one in artifacts if one["attempt_id"] == attempt["id"]} == told[workflow["prompt_id"]]


@pytest.mark.parametrize("lost", ["killed", "frozen"])
def test_a_hub_that_is_lost_while_a_machine_saves_has_everything_once_it_is_back(machines: Machines, lost: str) -> None:
    a, b, _ = machines.studios.values()
    chain = f"hub {lost} {random.getrandbits(40)}"
    told = {}
    graph, _ = twice(chain)
    before = a.run(graph)
    told[before.prompt_id] = set(ids_of(before))
    if lost == "killed":
        machines.hub.kill()
    else:
        machines.hub.freeze()
    queued = []
    for studio in (a, b):
        graph, saves = twice(chain)
        queued.append((studio, studio.queue(graph), saves))
    for studio, prompt_id, saves in queued:
        outcome = studio.outcome(prompt_id, seconds=90)
        assert outcome.status == "success", outcome.error
        told[outcome.prompt_id] = set(ids_of(outcome))
        assert len(told[outcome.prompt_id]) == 3
        for save in saves:
            (text,) = outcome.text(save)
            assert text.startswith("kept, and recorded as soon as the hub is back: ")
    if lost == "killed":
        loading = Graph()
        loading.write(loading.load(chain=chain))
        assert "is away, try again when it is back" in b.run(loading, status="error").error
        away = a.ask("GET", "/artifact-db/artifacts", 503).json()
        assert away["code"] == "unavailable"
        machines.servers["gpu-b"].kill()  # What it promised is sent by its next process.
        machines.launch("gpu-b")
        waiting = Graph()
        waiting.write(waiting.load(chain=chain, if_not_usable="wait"))
        prompt_id = a.queue(waiting)
        machines.hub.start()
        assert a.outcome(prompt_id, seconds=60).status == "success"
        machines.servers["gpu-b"].wait()
    else:
        machines.hub.thaw()
    until(lambda: a.is_empty() and b.is_empty(), 60)
    assert_recorded(machines, chain, told)
    ended = [one["status"] for one in machines.hub.all("/workflows") if one["prompt_id"] in told]
    assert set(ended) <= {"completed", "outcome_unknown"}


def test_connections_that_are_lost_at_any_point_lose_nothing_and_double_nothing(machines: Machines) -> None:
    chain = f"lossy {random.getrandbits(40)}"
    told: dict[str, set[str]] = {}
    chance, lost = random.Random(7), Counter[str]()

    def broken(name: str) -> bool:
        hit = chance.random() < 0.12
        lost[name] += hit
        return hit

    for name in NAMES:
        machines.wires[name].delay = 0.002
        machines.wires[name].broken = partial(broken, name)

    def work(name: str, studio: HubStudio) -> None:
        count = 0
        while count < 8 or (lost[name] < 6 and count < 100):
            count += 1
            graph, _ = twice(chain)
            outcome = studio.outcome(studio.queue(graph), seconds=90)
            assert outcome.status == "success", outcome.error
            told[outcome.prompt_id] = set(ids_of(outcome))

    try:
        threads = [threading.Thread(target=work, args=one) for one in machines.studios.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for name in NAMES:
            machines.wires[name].delay = 0.0
            machines.wires[name].broken = lambda: False
    assert min(lost[name] for name in NAMES) >= 6
    until(lambda: all(studio.is_empty() for studio in machines.studios.values()), 60)
    assert_recorded(machines, chain, told)
    until(
        lambda: {one["status"] for one in machines.hub.all("/workflows") if one["prompt_id"] in told} == {"completed"}
    )
