"""Whoever is killed while Temporal has a chain: it ends right, each output recorded once and each prompt run once.

Workers and hubs are programs of their own here, and prompts run until a test ends them.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import invariants
import pytest
import requests
from chaining import Studio, step, studio_of
from comfyui_artifact_db.chains import control
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import artifacts, chains, decisions, pages
from comfyui_artifact_db.library.opening import open_library
from comfyui_artifact_db.library.views import Chain
from comfyui_servers_that import ComfyUI
from commanding import Shell, servers_of
from making import png
from waiting import until
from working import Temporal, temporal_in

SECONDS = 90.0
"""For a program to start, or for Temporal to find that one has died, on a slow machine."""


class Set:
    """A studio whose chains workers drive through a Temporal server; each of them may be killed."""

    def __init__(self, shell: Shell, studio: Studio, temporal: Temporal) -> None:
        self.shell, self.studio, self.temporal = shell, studio, temporal
        self._workers = ExitStack()
        self._ended = 0

    def worker(self) -> subprocess.Popen[str]:
        """A worker that is at work."""
        return self._workers.enter_context(self.shell.working())

    def kill_workers(self) -> None:
        self._workers.close()

    def executing(self, chain: Chain, step_id: str) -> None:
        until(lambda: self.studio.statuses(chain).get(step_id) == "executing", SECONDS)

    def end_prompts(self, server: ComfyUI) -> None:
        """What is queued there ends well."""
        for _, prompt_id, graph, *_ in list(server.queue["queue_pending"]):
            self._ended += 1
            picture = server.file(f"ended_{self._ended}.png", png(5000 + self._ended))
            server.ran(prompt_id, {"9": {"images": [picture]}}, graph=graph)

    def ends_with_everything_once(self, chain: Chain, *steps: str) -> None:
        self.studio.until(chain, "completed", SECONDS)
        for step_id in steps:
            made = artifacts.list_workflow_artifacts(
                self.studio.library, self.studio.workflow(chain, step_id).id, pages.Ask(100, None)
            )
            assert len(made.items) == 1, step_id
            (attempt,) = self.studio.attempts(chain, step_id)
            queued = [one["prompt_id"] for server in self.studio.servers.values() for one in server.queued]
            assert queued.count(attempt.prompt_id) == 1, step_id


@pytest.fixture
def filming(tmp_path: Path) -> Iterator[Set]:
    shell = Shell(tmp_path)
    shell.data.mkdir(parents=True)
    (tmp_path / "temporal").mkdir()
    with temporal_in(tmp_path / "temporal") as temporal:
        file = shell.data / "artifact-db.toml"
        file.write_text(f'temporal = "{temporal.address}"\n')
        library = open_library(load_config(shell.data, {}))
        with studio_of(library, tmp_path, temporal.address) as studio:
            urls = servers_of(studio.servers)
            file.write_text(f'temporal = "{temporal.address}"\n{urls}')
            found = Set(shell, studio, temporal)
            try:
                yield found
            finally:
                found.kill_workers()
        invariants.check(library)
        invariants.check_log_tells_the_rows(library)
        library.close()


def test_a_worker_that_is_killed_before_in_the_middle_of_and_after_a_prompt_is_followed_by_another(
    filming: Set,
) -> None:
    studio = filming.studio
    gpu_a, gpu_b = studio.servers.values()
    runs, gpu_a.runs = gpu_a.runs, None
    come, go_on = threading.Event(), threading.Event()

    def hold(path: Path) -> None:
        path.unlink()
        come.set()
        go_on.wait(SECONDS)

    gpu_b.after_storing = hold
    before = studio.begin(step("one", server="gpu-b"), step("two", "one", server="gpu-b", parameters={"7.seed": 1}))
    worker = filming.worker()
    assert come.wait(SECONDS), "its file is on the way"
    during = studio.begin(step("one", server="gpu-a"), step("two", "one", server="gpu-a"))
    filming.executing(during, "one")
    after = studio.begin(step("one", server="gpu-a"), step("two", "one", server="gpu-a"))
    filming.executing(after, "one")
    worker.kill()
    gpu_b.after_storing = lambda path: None
    go_on.set()
    (ended,) = [one for one in gpu_a.queue["queue_pending"] if one[1] == studio.attempts(after, "one")[0].prompt_id]
    gpu_a.ran(ended[1], {"9": {"images": [gpu_a.file("after.png", png(77))]}}, graph=ended[2])
    filming.worker()
    gpu_a.runs = runs
    filming.ends_with_everything_once(after, "one", "two")
    filming.end_prompts(gpu_a)
    for chain in (before, during):
        filming.ends_with_everything_once(chain, "one", "two")


def test_two_workers_share_the_work_and_one_goes_on_alone(filming: Set) -> None:
    studio = filming.studio
    gpu_a = studio.servers["gpu-a"]
    runs, gpu_a.runs = gpu_a.runs, None
    workers = [filming.worker(), filming.worker()]
    begun: list[Chain] = []
    at_work: set[int] = set()
    while at_work != {worker.pid for worker in workers}:
        assert len(begun) < 50, "one of them does nothing"
        begun.append(studio.begin(step("one", server="gpu-a"), step("two", "one")))
        filming.executing(begun[-1], "one")
        at_work |= {int(sign.partition("@")[0]) for sign in filming.temporal.at_work(begun[-1].id)}
    workers[0].kill()
    gpu_a.runs = runs
    filming.end_prompts(gpu_a)
    for chain in begun:
        filming.ends_with_everything_once(chain, "one", "two")


def test_temporal_that_is_killed_while_a_person_is_waited_for_hears_what_was_decided_meanwhile(filming: Set) -> None:
    studio = filming.studio
    filming.worker()
    reviewed = studio.begin(step("one", requires_approval=True), step("two", "one"))
    cancelled = studio.begin(step("one", requires_approval=True), step("two", "one"))
    for chain in (reviewed, cancelled):
        studio.until(chain, "awaiting_approval", SECONDS)
    filming.temporal.kill()
    decisions.approve(studio.library, studio.current(reviewed, "one").id, by="ada")
    filming.temporal.start()
    filming.ends_with_everything_once(reviewed, "one", "two")
    filming.kill_workers()
    control.cancel(studio.library, cancelled.id, actor="ada")
    assert filming.temporal.is_running(cancelled.id)
    filming.worker()
    until(lambda: not filming.temporal.is_running(cancelled.id), SECONDS)


def test_temporal_that_is_killed_in_the_middle_of_an_activity_comes_back_to_it(filming: Set) -> None:
    studio = filming.studio
    gpu_a = studio.servers["gpu-a"]
    runs, gpu_a.runs = gpu_a.runs, None
    filming.worker()
    long = studio.begin(step("one", server="gpu-a"), step("two", "one"))
    short = studio.begin(step("one", server="gpu-a"), step("two", "one"))
    for chain in (long, short):
        filming.executing(chain, "one")
    filming.temporal.kill()
    gpu_a.runs = runs
    of_short = studio.attempts(short, "one")[0].prompt_id
    (ended,) = [one for one in gpu_a.queue["queue_pending"] if one[1] == of_short]
    gpu_a.ran(ended[1], {"9": {"images": [gpu_a.file("short.png", png(78))]}}, graph=ended[2])
    filming.temporal.start()
    filming.ends_with_everything_once(short, "one", "two")
    filming.end_prompts(gpu_a)
    filming.ends_with_everything_once(long, "one", "two")


def test_a_hub_that_is_killed_is_not_missed_until_somebody_decides_and_then_the_next_is_as_good(filming: Set) -> None:
    studio = filming.studio
    gpu_a = studio.servers["gpu-a"]
    runs, gpu_a.runs = gpu_a.runs, None
    filming.worker()
    steps: list[dict[str, Any]] = [step("one", server="gpu-a", requires_approval=True), step("two", "one")]
    body = {"name": "film", "chain_definition": {"steps": steps}, "run": True, "engine": "temporal"}
    with filming.shell.serving() as hub:
        answer = requests.post(f"{hub.url}/chains", json=body, timeout=30)
        assert answer.status_code == 201, answer.text
        chain = chains.get_chain(studio.library, answer.json()["id"])
        filming.executing(chain, "one")
        hub.process.kill()
    gpu_a.runs = runs
    filming.end_prompts(gpu_a)
    studio.until(chain, "awaiting_approval", SECONDS)
    with filming.shell.serving() as hub:
        told = hub.get(f"/chains/{chain.id}").json()
        assert told["drive"]["engine"] == "temporal"
        assert told["temporal_workflow_id"] == f"artifact-db-chain-{chain.id}"
        current = studio.current(chain, "one")
        requests.post(f"{hub.url}/artifacts/{current.id}/approve", json={}, timeout=30).raise_for_status()
        hub.process.kill()
    filming.ends_with_everything_once(chain, "one", "two")
