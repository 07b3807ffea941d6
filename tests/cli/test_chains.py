"""`artifact-db chain run` and the rest, as a person types them, over servers that run graphs at once."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import invariants
import pytest
from chaining import GRAPH, Studio, studio_of
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import chains, decisions, pages
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.library.views import Chain
from commanding import Shell, servers_of
from making import png
from waiting import until

FILM = """\
name: film
parameters: { prompt: a cat, source: photo.png }
steps:
  - { id: one, workflow: graph.json, server: gpu-a, inputs: { "1.image": "{{ source }}" } }
  - id: two
    workflow: graph.json
    server: gpu-b
    depends_on: [one]
    requires_approval: true
    parameters: { "1.image": "{{ one.output.image }}", "7.text": "{{ prompt }}" }
  - { id: three, workflow: graph.json, depends_on: [two], parameters: { "1.image": "{{ two.output.image }}" } }
"""


class Home:
    """A person's home with a chain file, a hub's files, and two servers."""

    def __init__(self, shell: Shell, library: Library, studio: Studio) -> None:
        self.shell, self.library, self.studio = shell, library, studio

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.shell.command("chain", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.shell.home,
            env=self.shell.environment(),
        )

    def chain(self) -> Chain:
        """The newest one."""
        until(lambda: chains.list_chains(self.library, pages.Ask(1, None)).items)
        return chains.list_chains(self.library, pages.Ask(1, None)).items[0]

    def waits(self) -> Chain:
        chain = self.chain()
        return self.studio.until(chain, "awaiting_approval")

    def approve(self, chain: Chain) -> None:
        decisions.approve(self.library, self.studio.current(chain, "two").id, by="ada")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    shell = Shell(tmp_path)
    shell.data.mkdir(parents=True)
    (tmp_path / "film.yaml").write_text(FILM)
    (tmp_path / "graph.json").write_text(json.dumps(GRAPH))
    (tmp_path / "photo.png").write_bytes(png(4))
    library = open_library(load_config(shell.data, {}))
    with studio_of(library, tmp_path) as studio:
        servers = servers_of(studio.servers)
        (shell.data / "artifact-db.toml").write_text(servers)
        library.prepare()
        yield Home(shell, library, studio)
        invariants.check(library)
    library.close()


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_chain_runs_waits_for_a_person_and_ends(home: Home) -> None:
    process = home.start("run", "film.yaml", "--param", "prompt=a dog", "--json", "--by", "ada")
    chain = home.waits()
    home.approve(chain)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    events = lines(out)
    assert [event["status"] for event in events if event["event"] == "chain"][-1] == "completed"
    done = {event["step"]: event for event in events if event["event"] == "step" and event["phase"] == "done"}
    assert set(done) == {"one", "two", "three"}
    assert done["one"]["server"] == "gpu-a"
    assert {event["phase"] for event in events if event.get("step") == "two"} >= {"running", "pending", "done"}
    graph = next(
        asked["prompt"] for asked in home.studio.servers["gpu-b"].queued if asked["prompt"]["7"]["inputs"]["text"]
    )
    assert graph["7"]["inputs"]["text"] == "a dog"
    status = home.shell.run("chain", "status", "film")
    assert status.returncode == 0
    assert status.stdout.splitlines()[0] == f"film ({chain.id}): completed"


def test_a_runner_that_is_killed_is_followed_by_another(home: Home) -> None:
    process = home.start("run", "film.yaml")
    chain = home.waits()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    queued = sum(len(server.queued) for server in home.studio.servers.values())
    home.approve(chain)
    done = home.shell.run("chain", "resume", chain.id[:13])
    assert done.returncode == 0, done.stderr
    assert home.studio.statuses(chain) == dict.fromkeys(("one", "two", "three"), "completed")
    assert sum(len(server.queued) for server in home.studio.servers.values()) == queued + 1


def test_a_hub_goes_on_with_what_a_runner_left(home: Home) -> None:
    process = home.start("run", "film.yaml")
    chain = home.waits()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert f"artifact-db chain resume {chain.id}" in out
    with home.shell.serving():
        home.approve(chain)
        home.studio.until(chain, "completed")


def test_a_chain_that_fails_is_one_for_the_shell(home: Home) -> None:
    home.studio.fails = lambda graph: True
    done = home.shell.run("chain", "run", "film.yaml")
    assert done.returncode == 1
    assert "chain failed: step one: node 9: no luck" in done.stdout
    chain = home.chain()
    home.studio.fails = lambda graph: False
    process = home.start("retry", "film", "--step", "one", "--param", "7.seed=5")
    home.waits()
    again = home.studio.attempts(chain, "one")[1]
    assert again.parameters is not None
    assert again.parameters["7.seed"] == 5
    cancelled = home.shell.run("chain", "cancel", chain.id)
    assert (cancelled.returncode, cancelled.stdout) == (0, f"film ({chain.id}): cancelled\n")
    process.communicate(timeout=30)
    assert process.returncode == 1


def test_a_chain_is_run_again_from_a_step(home: Home) -> None:
    process = home.start("run", "film.yaml")
    chain = home.waits()
    home.approve(chain)
    process.communicate(timeout=60)
    done = home.shell.run("chain", "rerun", "film", "--from", "three", "--param", "three.7.text=at night")
    assert done.returncode == 0, done.stderr
    new = home.chain()
    assert new.id != chain.id
    assert home.studio.current(new, "two").source_artifact_id == home.studio.current(chain, "two").id


def test_a_chain_that_is_deleted_is_waited_for_no_longer(home: Home) -> None:
    process = home.start("run", "film.yaml")
    chain = home.waits()
    chains.delete_chain(home.library, chain.id, actor="ada")
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (1, 1)
    assert f"chain {chain.id} was deleted meanwhile" in err


def test_who_has_read_enough_ends_the_program_and_not_the_chain(home: Home) -> None:
    process = home.start("run", "film.yaml", "--json")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["event"] == "begun"
    process.stdout.close()
    assert process.wait(60) == 1
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert home.chain().status not in ("failed", "cancelled")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("run", "film.yaml", "--by", "chain"), 2, "use another name"),
        (("run", "film.yaml", "--param", "prompt"), 2, "--param prompt: write NAME=VALUE"),
        (("run", "film.yaml", "--param", "promt=x"), 2, "the chain has no parameter 'promt' (it has prompt, source)"),
        (("run", "film.yaml", "--param", "source=none.png"), 2, "there is no file"),
        (("status", "nothing here"), 1, "no chain is called 'nothing here', and no id begins so"),
        (("resume", "01234567"), 1, "no chain is called '01234567', and no id begins so"),
    ],
)
def test_what_is_wrong_is_one_line(home: Home, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = home.shell.run("chain", *arguments)
    assert done.returncode == code
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert chains.list_chains(home.library, pages.Ask(1, None)).items == []
