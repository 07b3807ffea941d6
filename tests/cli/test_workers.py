"""`artifact-db worker` and `chain run --engine temporal`, as a person types them."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaining import GRAPH, Studio, studio_of
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import chains, decisions, pages
from comfyui_artifact_db.library.opening import open_library
from commanding import Shell, servers_of
from waiting import until
from working import Temporal, temporal_in

FILM = """\
name: film
steps:
  - { id: one, workflow: graph.json, server: gpu-a, requires_approval: true }
  - { id: two, workflow: graph.json, depends_on: [one], parameters: { "1.image": "{{ one.output.image }}" } }
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    shell.data.mkdir(parents=True)
    (tmp_path / "film.yaml").write_text(FILM)
    (tmp_path / "graph.json").write_text(json.dumps(GRAPH))
    return shell


@pytest.fixture
def temporal(tmp_path: Path) -> Iterator[Temporal]:
    with temporal_in(tmp_path) as server:
        yield server


@pytest.fixture
def studio(shell: Shell, tmp_path: Path, temporal: Temporal) -> Iterator[Studio]:
    library = open_library(load_config(shell.data, {}))
    with studio_of(library, tmp_path, temporal.address) as studio:
        urls = servers_of(studio.servers)
        (shell.data / "artifact-db.toml").write_text(f'temporal = "{temporal.address}"\n{urls}')
        library.prepare()
        yield studio
    library.close()


def start(shell: Shell, *arguments: str) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(shell.command(*arguments), **pipes, text=True, cwd=shell.home, env=shell.environment())


def test_a_worker_drives_what_is_run_by_the_engine_temporal_and_ends_when_it_is_told_to(
    shell: Shell, studio: Studio, temporal: Temporal
) -> None:
    runner = start(shell, "chain", "run", "film.yaml", "--engine", "temporal", "--json")
    assert runner.stderr is not None
    assert "no worker has taken it yet: start one with `artifact-db worker`" in runner.stderr.readline()
    worker = start(shell, "worker")
    assert worker.stdout is not None
    assert worker.stdout.readline() == f"Working for {temporal.address}\n"
    (chain,) = chains.list_chains(studio.library, pages.Ask(1, None)).items
    studio.until(chain, "awaiting_approval", 60)
    decisions.approve(studio.library, studio.current(chain, "one").id, by="ada")
    out, err = runner.communicate(timeout=60)
    assert (runner.returncode, err) == (0, "")
    told = [json.loads(line) for line in out.splitlines()]
    assert [event["status"] for event in told if event["event"] == "chain"][-1] == "completed"
    assert {event["step"] for event in told if event["event"] == "step" and event["phase"] == "done"} == {"one", "two"}
    status = shell.run("chain", "status", "film")
    assert status.stdout.splitlines()[0] == f"film ({chain.id}): completed"

    rerun = start(shell, "chain", "rerun", "film", "--from", "two")
    out, err = rerun.communicate(timeout=60)
    assert rerun.returncode == 0, (out, err)
    slow = studio.servers["gpu-a"]
    slow.runs = None
    long = start(shell, "chain", "run", "film.yaml", "--engine", "temporal")
    until(lambda: slow.queue["queue_pending"], 60)
    newest = chains.list_chains(studio.library, pages.Ask(1, None)).items[0]
    worker.send_signal(signal.SIGTERM)
    out, err = worker.communicate(timeout=30)
    assert (worker.returncode, out) == (0, ""), err
    assert "Traceback" not in err
    cancelled = shell.run("chain", "cancel", newest.id)
    assert cancelled.returncode == 0, cancelled.stderr
    out, err = long.communicate(timeout=60)
    assert long.returncode == 1
    assert "chain cancelled" in out


def test_without_temporal_a_worker_says_in_one_line_what_to_do(shell: Shell) -> None:
    done = shell.run("worker", ARTIFACT_DB_TEMPORAL="127.0.0.1:1")
    advice = "start one (`temporal server start-dev`), or name yours as `temporal` in artifact-db.toml"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == f"artifact-db: no Temporal server answers at 127.0.0.1:1: {advice}"


def test_without_temporalio_a_worker_says_in_one_line_what_to_install(shell: Shell, tmp_path: Path) -> None:
    package = tmp_path / "nothing" / "temporalio"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('as if it were not installed')")
    done = shell.run("worker", PYTHONPATH=str(package.parent))
    assert (done.returncode, done.stdout) == (1, "")
    needed = "a worker needs temporalio (as if it were not installed)"
    assert done.stderr == f'artifact-db: {needed}: pip install "temporalio>=1.20,<2"\n'
