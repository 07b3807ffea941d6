"""On which server a step runs: the one that it names, or the least loaded that answers, also when it is asked again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from chaining import GRAPH, Studio, step
from comfyui_artifact_db.chains import driver, servers
from comfyui_artifact_db.chains.definitions import ANY
from comfyui_artifact_db.chains.records import LocalRecords
from comfyui_artifact_db.config import Server
from comfyui_artifact_db.library import decisions, executing
from waiting import until


class Silent:
    """A server that takes connections, `taken` of them, and says nothing until it is closed."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.server = Server("silent", f"http://127.0.0.1:{self._listening.getsockname()[1]}")
        self._connections: list[socket.socket] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    @property
    def taken(self) -> int:
        return len(self._connections)

    def _take(self) -> None:
        self._listening.settimeout(0.05)
        while not self._closing.is_set():
            with suppress(TimeoutError):
                self._connections.append(self._listening.accept()[0])
        for one in (self._listening, *self._connections):
            one.close()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()


@pytest.fixture
def silent() -> Iterator[Silent]:
    server = Silent()
    yield server
    server.close()


def test_a_step_whose_server_has_left_goes_elsewhere_when_it_is_tried_again(studio: Studio) -> None:
    studio.fails = lambda graph: True
    studio.servers["gpu-b"].queue["queue_running"] = [[0, "other", {}, {}, []]]  # so that gpu-a is chosen
    chain = studio.run(step("one"), status="failed")
    studio.fails = lambda graph: False
    studio.configure(studio.library.config.servers["gpu-b"])
    executing.resume(studio.library, chain.id, by="ada")
    with studio.driving():
        studio.until(chain, "completed")
    servers = [one.server_address for one in studio.attempts(chain, "one")]
    assert servers == ["gpu-a", "gpu-b"]
    assert studio.workflow(chain, "one").server_address == "gpu-b"


def test_a_step_that_never_began_can_be_tried_again_once_its_server_is_configured(studio: Studio) -> None:
    everything = studio.library.config
    chain = studio.begin(step("one", server="gpu-a"), step("two", "one"))
    studio.configure(everything.servers["gpu-b"])
    with studio.driving():
        failed = studio.until(chain, "failed")
        assert "no server 'gpu-a' is configured" in str(failed.error_message)
        executing.resume(studio.library, chain.id, by="ada")
        studio.until(chain, "failed")
        assert studio.attempts(chain, "one")[0].server_address == ""
    studio.library.config = replace(everything)
    executing.resume(studio.library, chain.id, by="ada")
    with studio.driving():
        studio.until(chain, "completed")
    assert [one.status for one in studio.attempts(chain, "one")] == ["failed", "completed"]


def test_a_step_that_its_condition_skipped_runs_when_somebody_asks_for_it(studio: Studio) -> None:
    chain = studio.run(step("one"), step("two", "one", condition="1 > 2"))
    executing.retry(studio.library, studio.workflow(chain, "two").id, parameters=None, by="ada")
    with studio.driving():
        studio.until(chain, "completed")
    assert studio.statuses(chain) == {"one": "completed", "two": "completed"}


def test_steps_that_begin_at_once_are_spread_over_the_servers(studio: Studio) -> None:
    for server in studio.servers.values():
        server.runs = None
    studio.begin(*(step(f"s{number}") for number in range(8)))
    with studio.driving():
        until(lambda: sum(len(server.queued) for server in studio.servers.values()) == 8)
    assert min(len(server.queued) for server in studio.servers.values()) >= 2


@pytest.mark.engine("local")
def test_a_server_that_is_silent_is_asked_again_only_where_no_other_can_run_a_step(
    studio: Studio, silent: Silent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "TIMEOUT", 0.3)
    there = studio.library.config.servers["gpu-a"]
    studio.configure(there, silent.server)
    known = servers.Servers(LocalRecords(studio.library))
    assert known.choose(ANY, GRAPH) == "gpu-a"
    until(lambda: silent.taken)
    asked = silent.taken
    assert known.choose(ANY, GRAPH) == "gpu-a"
    assert silent.taken == asked
    studio.servers["gpu-a"].away = True
    with pytest.raises(servers.NoServer, match="silent: "):
        known.choose(ANY, GRAPH)
    until(lambda: silent.taken > asked)


@pytest.mark.engine("local")
def test_a_server_that_is_silent_holds_up_no_step_of_another(studio: Studio, silent: Silent) -> None:
    studio.configure(*studio.library.config.servers.values(), silent.server)
    good = studio.begin(
        step("one", server="gpu-a", requires_approval=True), step("two", "one", server="gpu-b"), name="good"
    )
    with studio.driving():
        studio.until(good, "awaiting_approval")
        bad = studio.begin(*(step(f"s{number}", server="silent") for number in range(40)), name="bad")
        until(lambda: silent.taken >= 16)
        decisions.approve(studio.library, studio.current(good, "one").id, by="ada")
        studio.until(good, "completed")
        executing.cancel(studio.library, bad.id, by="ada")
        silent.close()


@pytest.mark.engine("local")
def test_chains_that_wait_for_people_keep_no_other_from_beginning(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "MOST", 2)
    with studio.driving():
        waiting = [studio.begin(step("one", requires_approval=True), step("two", "one")) for _ in range(3)]
        for chain in waiting:
            studio.until(chain, "awaiting_approval")
        studio.until(studio.begin(step("one")), "completed")
        for chain in waiting:
            decisions.approve(studio.library, studio.current(chain, "one").id, by="ada")
            studio.until(chain, "completed")
