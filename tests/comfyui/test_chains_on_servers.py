"""Chains over real ComfyUI servers: a diamond with a person in the middle, and what is left when things are killed."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import invariants
import pytest
import requests
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import artifacts, attempts, chains, decisions, lineage, pages, transfers, workflows
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.library.views import Artifact, Attempt, Chain, Transfer
from comfyui_studio import add_pack
from commanding import Shell, servers_of
from PIL import Image
from waiting import until
from working import temporal_in

from devtools.environment import ComfyUI
from devtools.servers import ComfyServer

SECONDS = 90.0


def start_graph() -> dict[str, Any]:
    """A picture that nobody has made before."""
    widgets = {"width": 48, "height": 32, "batch_size": 1, "color": random.getrandbits(24)}
    return {
        "1": {"class_type": "EmptyImage", "inputs": widgets},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "start"}},
    }


def next_graph(seconds: float = 0.0, *, blend: bool = False) -> dict[str, Any]:
    """A picture from a file, or two of them blended; it may take its time."""
    loads = {"1": {"class_type": "LoadImage", "inputs": {"image": "none.png"}}}
    last = ["1", 0]
    if blend:
        loads["2"] = {"class_type": "LoadImage", "inputs": {"image": "none.png"}}
        inputs = {"image1": ["1", 0], "image2": ["2", 0], "blend_factor": 0.5, "blend_mode": "normal"}
        loads["3"] = {"class_type": "ImageBlend", "inputs": inputs}
        last = ["3", 0]
    slow = {"4": {"class_type": "TestsSlow", "inputs": {"image": last, "seconds": seconds}}} if seconds else {}
    invert = {"class_type": "ImageInvert", "inputs": {"image": ["4", 0] if seconds else last}}
    save = {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "next"}}
    return {**loads, **slow, "8": invert, "9": save}


def step(step_id: str, graph: dict[str, Any], *after: str, **more: Any) -> dict[str, Any]:
    loads = {f"{number}.image": f"{{{{ {other}.output.image }}}}" for number, other in enumerate(after, 1)}
    return {"id": step_id, "workflow": graph, "depends_on": list(after), "parameters": loads, **more}


class Pipeline:
    """Two ComfyUI servers without anything of ours, and a home whose hub knows them."""

    def __init__(self, shell: Shell, library: Library, servers: dict[str, ComfyServer]) -> None:
        self.shell, self.library, self.servers = shell, library, servers
        self._started: list[subprocess.Popen[str]] = []

    def write(self, *steps: dict[str, Any]) -> str:
        file = self.shell.home / "film.json"
        file.write_text(json.dumps({"name": "film", "steps": steps}))
        return file.name

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self.shell.command("chain", *arguments),
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True},
            cwd=self.shell.home,
            env=self.shell.environment(),
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """End what a test has left behind, its pipes included."""
        while self._started:
            process = self._started.pop()
            if process.poll() is None:
                process.kill()
            if process.stdout is not None and not process.stdout.closed:
                process.communicate()

    def newest(self, before: set[str]) -> Chain:
        def there() -> list[Chain]:
            listed = chains.list_chains(self.library, pages.Ask(10, None)).items
            return [chain for chain in listed if chain.id not in before]

        until(there, SECONDS)
        return there()[0]

    def known(self) -> set[str]:
        return {chain.id for chain in chains.list_chains(self.library, pages.Ask(500, None)).items}

    def status(self, chain: Chain) -> str:
        return chains.get_chain(self.library, chain.id).status

    def until(self, chain: Chain, *statuses: str) -> None:
        until(lambda: self.status(chain) in statuses, SECONDS)

    def attempts(self, chain: Chain, step_id: str) -> list[Attempt]:
        rows = [one for one in workflows.get_workflows_by_chain(self.library, chain.id) if one.step_id == step_id]
        return [one for row in rows for one in attempts.list_attempts(self.library, row.id)][::-1]

    def executing(self, chain: Chain, step_id: str) -> None:
        until(lambda: [one.status for one in self.attempts(chain, step_id)][-1:] == ["executing"], SECONDS)

    def made(self, chain: Chain, step_id: str) -> list[Artifact]:
        row = workflows.get_workflow_by_step(self.library, chain.id, step_id)
        return list(artifacts.list_workflow_artifacts(self.library, row.id, pages.Ask(100, None)).items)

    def transfers(self, chain: Chain, step_id: str) -> list[Transfer]:
        """The deliveries of what a step made, the oldest first."""
        made = [one for one in workflows.get_workflows_by_chain(self.library, chain.id) if one.step_id == step_id]
        listed = transfers.list_transfers(self.library, pages.Ask(500, None)).items
        return [one for one in listed if one.source_workflow_id in {row.id for row in made}][::-1]

    def ends_with_everything_once(self, chain: Chain, *steps: str) -> None:
        self.until(chain, "completed")
        assert {step_id: len(self.made(chain, step_id)) for step_id in steps} == dict.fromkeys(steps, 1)


@pytest.fixture
def pipeline(studio: Pipeline) -> Iterator[Pipeline]:
    """The studio; no process that a test has started outlives it, however it ends."""
    yield studio
    studio.end()


@pytest.fixture(scope="module")
def studio(comfyui_code: ComfyUI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    servers = {}
    for name in ("gpu-a", "gpu-b"):
        servers[name] = ComfyServer(comfyui_code, tmp_path_factory.mktemp(name), extension=False)
        add_pack(servers[name])
        servers[name].launch()
    shell = Shell(tmp_path_factory.mktemp("home"))
    shell.data.mkdir(parents=True)
    urls = servers_of(servers)
    (shell.data / "artifact-db.toml").write_text(urls)
    library = open_library(load_config(shell.data, {}))
    try:
        for server in servers.values():
            server.wait()
        yield Pipeline(shell, library, servers)
        invariants.check(library)
    finally:
        for server in servers.values():
            server.stop()
        library.close()


def test_a_diamond_of_five_steps_with_a_person_in_the_middle(pipeline: Pipeline) -> None:
    file = pipeline.write(
        step("start", start_graph(), server="gpu-a"),
        step("left", next_graph(), "start", server="gpu-a"),
        step("right", next_graph(), "start", server="gpu-b", requires_approval=True),
        step("blend", next_graph(blend=True), "left", "right", server="gpu-b"),
        step("end", next_graph(), "blend", condition="blend.output.meta.width == 48"),
    )
    before = pipeline.known()
    process = pipeline.start("run", file)
    chain = pipeline.newest(before)
    pipeline.until(chain, "awaiting_approval")
    (waiting,) = pipeline.made(chain, "right")
    decisions.approve(pipeline.library, waiting.id, by="ada")
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (0, ""), out
    pipeline.ends_with_everything_once(chain, "start", "left", "right", "blend", "end")
    (end,) = pipeline.made(chain, "end")
    found = lineage.get_lineage(pipeline.library, end.id)
    assert {one.artifact.id for one in found.ancestors} == {
        made.id for name in ("start", "left", "right", "blend") for made in pipeline.made(chain, name)
    }
    (start,) = pipeline.made(chain, "start")
    (left,) = pipeline.made(chain, "left")
    colour, inverted = (_colour(Path(one.local_path)) for one in (start, left))
    assert inverted == pytest.approx([255 - one for one in colour], abs=1)


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_a_runner_that_is_killed_runs_no_prompt_twice(pipeline: Pipeline, moment: str) -> None:
    file = pipeline.write(
        step("one", start_graph(), server="gpu-a"),
        step("two", next_graph(3.0), "one", server="gpu-b"),
        step("three", next_graph(), "two", server="gpu-a"),
    )
    before = pipeline.known()
    process = pipeline.start("run", file)
    chain = pipeline.newest(before)
    if moment == "before":
        until(lambda: pipeline.attempts(chain, "one"), SECONDS)
    else:
        pipeline.executing(chain, "two")
    process.kill()
    process.communicate()
    if moment == "after":
        (running,) = pipeline.attempts(chain, "two")
        pipeline.servers["gpu-b"].outcome(running.prompt_id, timeout=SECONDS)
    done = pipeline.start("resume", chain.id)
    out, err = done.communicate(timeout=SECONDS)
    assert done.returncode == 0, (out, err)
    pipeline.ends_with_everything_once(chain, "one", "two", "three")
    assert [len(pipeline.attempts(chain, name)) for name in ("one", "two", "three")] == [1, 1, 1]


def test_a_server_that_dies_before_its_prompt_began_is_waited_for(pipeline: Pipeline) -> None:
    """One transfer is tried until the server is back, and its prompt is queued once."""
    file = pipeline.write(
        step("one", start_graph(), server="gpu-a"),
        step("two", next_graph(), "one", server="gpu-b", retry={"attempts": 5, "backoff": 0.1}),  # on a slow machine
    )
    before = pipeline.known()
    pipeline.servers["gpu-b"].kill()
    process = pipeline.start("run", file)
    chain = pipeline.newest(before)
    until(lambda: any(one.status == "failed" for one in pipeline.transfers(chain, "one")), SECONDS)
    pipeline.servers["gpu-b"].start()
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, (out, err)
    pipeline.ends_with_everything_once(chain, "one", "two")
    *given_up, last = pipeline.attempts(chain, "two")
    assert last.status == "completed"
    assert {one.status for one in given_up} <= {"failed"}, "no prompt's fate is unknown"
    (delivery,) = [one for one in pipeline.transfers(chain, "one") if one.created_at >= last.created_at]
    assert delivery.status == "completed"
    assert delivery.attempts > 1 or given_up


def test_a_server_that_dies_in_the_middle_leaves_an_outcome_that_is_tried_again_where_that_is_allowed(
    pipeline: Pipeline,
) -> None:
    slow = next_graph(4.0)
    file = pipeline.write(
        step("one", start_graph(), server="gpu-a"),
        step("two", slow, "one", server="gpu-b", retry={"attempts": 2, "backoff": 0.1}),
    )
    before = pipeline.known()
    process = pipeline.start("run", file, "--json")
    chain = pipeline.newest(before)
    pipeline.executing(chain, "two")
    pipeline.servers["gpu-b"].kill()
    pipeline.servers["gpu-b"].start()
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, (out, err)
    told = [event for event in map(json.loads, out.splitlines()) if event["event"] == "node"]
    slow_ones = [event for event in told if event["node_type"] == "TestsSlow"]
    assert {(event["step_id"], event["server"], event["node_id"], event["max"]) for event in slow_ones} >= {
        ("two", "gpu-b", "4", 100)
    }
    assert [one.status for one in pipeline.attempts(chain, "two")] == ["outcome_unknown", "completed"]
    pipeline.ends_with_everything_once(chain, "one", "two")


def test_a_server_that_dies_after_its_prompt_has_ended_has_forgotten_it_and_the_step_runs_elsewhere(
    pipeline: Pipeline,
) -> None:
    """Nobody drives the chain while the prompt ends; the server that comes back knows nothing of it."""
    file = pipeline.write(step("one", start_graph()), step("two", next_graph(1.0), "one", retry={"attempts": 2}))
    before = pipeline.known()
    process = pipeline.start("run", file)
    chain = pipeline.newest(before)
    pipeline.executing(chain, "two")
    process.kill()
    (running,) = pipeline.attempts(chain, "two")
    server = pipeline.servers[running.server_address]
    server.outcome(running.prompt_id, timeout=SECONDS)
    server.kill()
    server.launch()
    server.wait()
    done = pipeline.start("resume", chain.id)
    out, err = done.communicate(timeout=SECONDS)
    assert done.returncode == 0, (out, err)
    assert [one.status for one in pipeline.attempts(chain, "two")] == ["outcome_unknown", "completed"]
    pipeline.ends_with_everything_once(chain, "one", "two")


def test_without_a_retry_the_chain_says_what_it_does_not_know_and_resume_heals_it(pipeline: Pipeline) -> None:
    file = pipeline.write(
        step("one", start_graph(), server="gpu-a"), step("two", next_graph(4.0), "one", server="gpu-b")
    )
    before = pipeline.known()
    process = pipeline.start("run", file)
    chain = pipeline.newest(before)
    pipeline.executing(chain, "two")
    pipeline.servers["gpu-b"].kill()
    pipeline.servers["gpu-b"].start()
    process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert pipeline.status(chain) == "failed"
    assert "gpu-b" in str(chains.get_chain(pipeline.library, chain.id).error_message)
    done = pipeline.start("resume", chain.id)
    out, err = done.communicate(timeout=SECONDS)
    assert done.returncode == 0, (out, err)
    pipeline.ends_with_everything_once(chain, "one", "two")


def test_a_hub_that_is_killed_is_followed_by_the_next(pipeline: Pipeline) -> None:
    steps = [
        step("one", start_graph(), server="gpu-a"),
        step("two", next_graph(3.0), "one", server="gpu-b"),
        step("three", next_graph(), "two"),
    ]
    before = pipeline.known()
    with pipeline.shell.serving() as hub:
        body = {"name": "film", "chain_definition": {"steps": steps}, "run": True}
        requests.post(f"{hub.url}/chains", json=body, timeout=30).raise_for_status()
        chain = pipeline.newest(before)
        pipeline.executing(chain, "two")
        hub.process.kill()
    with pipeline.shell.serving():
        pipeline.ends_with_everything_once(chain, "one", "two", "three")
    assert [len(pipeline.attempts(chain, name)) for name in ("one", "two", "three")] == [1, 1, 1]


def test_a_worker_of_temporal_that_is_killed_is_followed_by_the_next(pipeline: Pipeline, tmp_path: Path) -> None:
    file = pipeline.write(
        step("one", start_graph(), server="gpu-a"),
        step("two", next_graph(3.0), "one", server="gpu-b", requires_approval=True),
        step("three", next_graph(), "two", server="gpu-a"),
    )
    before = pipeline.known()
    with temporal_in(tmp_path) as temporal:
        where = {"ARTIFACT_DB_TEMPORAL": temporal.address}
        process = pipeline.start("run", file, "--engine", "temporal")
        chain = pipeline.newest(before)
        with pipeline.shell.working(**where) as worker:
            pipeline.executing(chain, "two")
            worker.kill()
        with pipeline.shell.working(**where):
            pipeline.until(chain, "awaiting_approval")
            (waiting,) = pipeline.made(chain, "two")
            decisions.approve(pipeline.library, waiting.id, by="ada")
            out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, (out, err)
    pipeline.ends_with_everything_once(chain, "one", "two", "three")
    assert [len(pipeline.attempts(chain, name)) for name in ("one", "two", "three")] == [1, 1, 1]


def test_a_chain_that_is_cancelled_ends_its_prompt_on_its_server(pipeline: Pipeline) -> None:
    file = pipeline.write(
        step("one", start_graph(), server="gpu-a"), step("two", next_graph(60.0), "one", server="gpu-b")
    )
    before = pipeline.known()
    process = pipeline.start("run", file)
    chain = pipeline.newest(before)
    pipeline.executing(chain, "two")
    (running,) = pipeline.attempts(chain, "two")
    cancelled = pipeline.start("cancel", chain.id)
    out, err = cancelled.communicate(timeout=SECONDS)
    assert cancelled.returncode == 0, (out, err)
    entry = pipeline.servers["gpu-b"].outcome(running.prompt_id, timeout=SECONDS)
    assert [message[0] for message in entry["status"]["messages"]][-1] == "execution_interrupted"
    process.communicate(timeout=SECONDS)
    assert pipeline.status(chain) == "cancelled"


def test_a_graph_that_no_server_can_run_is_refused_with_its_reason(pipeline: Pipeline) -> None:
    graph = {**start_graph(), "5": {"class_type": "KSampler", "inputs": {}}}
    graph["9"]["inputs"]["images"] = ["5", 0]
    file = pipeline.write(step("one", graph, server="gpu-a"))
    done = pipeline.start("run", file)
    out, _ = done.communicate(timeout=SECONDS)
    assert done.returncode == 1
    assert "refuses the graph: node 9 (SaveImage): images: return type mismatch" in out


def _colour(path: Path) -> tuple[int, ...]:
    with Image.open(path) as image:
        found = image.convert("RGB").getpixel((3, 3))
    assert isinstance(found, tuple)
    return tuple(int(one) for one in found)
