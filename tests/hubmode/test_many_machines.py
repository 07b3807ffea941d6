"""Pins a whole studio on one hub: three ComfyUIs and two workers, none with a database, over wires that lose."""

from __future__ import annotations

import random
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from comfyui_graphs import Graph
from commanding import servers_at
from engines import worker_far_away
from hub_mode import NAMES, HubStudio, Machines, ids_of
from losing import Wire, wire
from waiting import until
from working import Temporal, temporal_in

SECONDS = 120.0
STEPS = ("one", "left", "right", "end")
CHAINS = 3
CHANCE = 0.08


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Temporal]:
    with temporal_in(tmp_path_factory.mktemp("temporal")) as server:
        yield server


def step(step_id: str, graph: Graph, server: str, *after: str, **more: Any) -> dict[str, Any]:
    """A step whose first nodes load what those before it made."""
    loads = {f"{number}.image": f"{{{{ {other}.output.image }}}}" for number, other in enumerate(after, 1)}
    return {"id": step_id, "workflow": graph, "server": server, "depends_on": list(after), "parameters": loads, **more}


def film() -> list[dict[str, Any]]:
    """Four steps over all servers: one of two that run side by side is decided on, the other records by our node."""
    one, left, right, end = Graph(), Graph(), Graph(), Graph()
    one.write(one.picture())
    left.write(left.add("ImageInvert", image=left.add("LoadImage", image="none.png")))
    right.save(right.add("LoadImage", image="none.png"))
    both = [end.add("LoadImage", image="none.png") for _ in range(2)]
    end.write(end.add("ImageBlend", image1=both[0], image2=both[1], blend_factor=0.5, blend_mode="normal"))
    return [
        step("one", one, "gpu-a"),
        step("left", left, "gpu-b", "one", requires_approval=True),
        step("right", right, "gpu-c", "one"),
        step("end", end, "gpu-a", "left", "right"),
    ]


@contextmanager
def losing(wires: dict[str, Wire], lost: Counter[str]) -> Iterator[None]:
    """Every piece takes its time, and any may be the last of its connection."""
    chance = random.Random(11)

    def broken(name: str) -> bool:
        hit = chance.random() < CHANCE
        lost[name] += hit
        return hit

    for name, one in wires.items():
        one.delay, one.broken = 0.002, partial(broken, name)
    try:
        yield
    finally:
        for one in wires.values():
            one.delay, one.broken = 0.0, lambda: False


def approved(studio: HubStudio, artifact_id: str) -> bool:
    """Approve as a person does over a bad line: again, until it is done."""
    return studio.ask("POST", f"/artifact-db/artifacts/{artifact_id}/approve", json={}).status_code == 200


def count_of(studio: HubStudio) -> int:
    """The number that ComfyUI gives to a prompt that is queued now: it counts each that was queued, also one again."""
    graph = Graph()
    graph.show(graph.add("PrimitiveString", value=str(uuid.uuid4())))
    return int(studio.run(graph).entry["prompt"][0])


def test_three_machines_and_two_workers_on_one_hub_lose_nothing_and_double_nothing(
    machines: Machines, temporal: Temporal, tmp_path: Path
) -> None:
    studios, hub = machines.studios, machines.hub
    before = {name: count_of(studio) for name, studio in studios.items()}
    lost: Counter[str] = Counter()
    queued: dict[str, set[str]] = {name: set() for name in NAMES}
    told: set[str] = set()
    own = f"own {uuid.uuid4()}"

    def work(name: str) -> None:
        while len(queued[name]) < 4 or (lost[name] < 2 and len(queued[name]) < 100):
            graph = Graph()
            graph.save(graph.picture(batch=2), chain=own, step="a")
            outcome = studios[name].outcome(studios[name].queue(graph), SECONDS)
            queued[name].add(outcome.prompt_id)
            told.update(ids_of(outcome))

    with ExitStack() as stack:
        to_hub = {f"worker {number}": stack.enter_context(wire(hub.port)) for number in (1, 2)}
        to_servers = {f"to {name}": stack.enter_context(wire(studios[name].server.port)) for name in NAMES}
        servers = servers_at({name: to_servers[f"to {name}"].url for name in NAMES})
        for name, lossy in to_hub.items():
            token = hub.token(f"{name} {uuid.uuid4()}", "record")
            stack.enter_context(worker_far_away(tmp_path / name, f"{lossy.url}/artifact-db", temporal, token, servers))
        asked = {"name": "film", "run": True, "engine": "temporal"}
        definitions = [{"name": "film", "steps": film()} for _ in range(CHAINS)]
        made = [studios["gpu-b"].post("/chains", {**asked, "chain_definition": one}, 201)["id"] for one in definitions]
        with losing({**machines.wires, **to_hub, **to_servers}, lost):
            threads = [threading.Thread(target=work, args=(name,)) for name in NAMES]
            for thread in threads:
                thread.start()
            for chain in made:
                until(lambda chain=chain: hub.get(f"/chains/{chain}")["status"] == "awaiting_approval", SECONDS)
                (waiting,) = hub.all("/artifacts", chain=chain, step="left")
                until(partial(approved, studios["gpu-c"], waiting["id"]), SECONDS)
            for chain in made:
                until(lambda chain=chain: hub.get(f"/chains/{chain}")["status"] == "completed", SECONDS)
            for thread in threads:
                thread.join()
        saved = sum(len(prompts) for prompts in queued.values())
        assert min(lost[name] for name in (*NAMES, *to_hub, *to_servers)) > 0, lost
    until(lambda: all(studio.is_empty() for studio in studios.values()), SECONDS)

    deliveries = []
    for chain in made:
        rows = {one["step_id"]: one for one in hub.all(f"/chains/{chain}/workflows")}
        assert sorted(rows) == sorted(STEPS)
        outputs = hub.all("/artifacts", chain=chain)
        assert Counter(one["workflow_id"] for one in outputs) == {row["id"]: 1 for row in rows.values()}
        assert all(one["usable"] and one["version"] == 1 for one in outputs)
        for row in rows.values():
            (attempt,) = hub.get(f"/workflows/{row['id']}")["attempts"]
            assert attempt["status"] == "completed"
            queued[attempt["server_address"]].add(attempt["prompt_id"])
        (end,) = (one["id"] for one in outputs if one["workflow_id"] == rows["end"]["id"])
        ancestors = hub.get(f"/artifacts/{end}/lineage")["ancestors"]
        assert {link["artifact"]["id"] for link in ancestors} == {one["id"] for one in outputs} - {end}
        ids = {one["id"] for one in outputs}
        deliveries += [one for one in hub.all("/transfers") if one["artifact_id"] in ids]
    assert [one["status"] for one in deliveries] == ["completed"] * 4 * CHAINS
    (row,) = hub.all("/chains", name=own)
    assert Counter(one["id"] for one in hub.all("/artifacts", chain=row["id"])) == Counter(told)
    assert len(told) == 2 * saved
    # No prompt was queued twice, however often the answer to it was lost.
    assert {name: count_of(studio) - before[name] - 1 for name, studio in studios.items()} == {
        name: len(prompts) for name, prompts in queued.items()
    }
