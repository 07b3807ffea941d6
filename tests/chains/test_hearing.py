"""What is heard of a prompt while it runs: told to people, in no row; a server that cannot be heard does no harm."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from certifying import authority
from chaining import Studio, step
from comfyui_artifact_db.chains import control
from comfyui_artifact_db.chains.hearing import Heard, Hearing
from comfyui_artifact_db.comfyui_client.websockets import NodeProgress, read
from comfyui_artifact_db.config import Server
from comfyui_artifact_db.library import events
from comfyui_servers_that import TOKEN, ComfyUI, Misbehaving, server_that, serving
from making import png
from waiting import until

__all__ = ["server_that"]

pytestmark = pytest.mark.engine("local")

GRAPH = {"1": {"class_type": "LoadImage"}, "5": {"class_type": "KSampler"}}


@pytest.fixture
def gpu_a(studio: Studio) -> ComfyUI:
    """Prompts that are queued there run until a test says otherwise."""
    comfyui = studio.servers["gpu-a"]
    comfyui.runs = None
    return comfyui


def end(comfyui: ComfyUI) -> None:
    """What is queued there ends well."""
    for _, prompt_id, graph, *_ in list(comfyui.queue["queue_pending"]):
        comfyui.ran(prompt_id, {"9": {"images": [comfyui.file(f"{prompt_id}.png", png(7))]}}, graph=graph)


def test_the_node_that_runs_is_told_while_it_runs(studio: Studio, gpu_a: ComfyUI) -> None:
    told: list[Heard] = []
    chain = studio.begin(step("one", server="gpu-a"))
    with studio.driving(hear=told.append) as driver:
        until(lambda: gpu_a.queued and gpu_a.sockets)
        (prompt,) = gpu_a.queued
        mine, other = {"prompt_id": prompt["prompt_id"]}, {"prompt_id": "another"}
        gpu_a.tell("executing", node="1", **mine)
        until(lambda: driver.heard(chain.id) and studio.statuses(chain)["one"] == "executing")
        studio.until(chain, "executing_level_0")
        written = events.last_seq(studio.library)
        gpu_a.tell("progress", node="9", value=2, max=20, **other)
        for value in (3, 4):
            gpu_a.tell("progress", node="9", value=value, max=20, **mine)
        until(lambda: told[-1].node == NodeProgress("9", "SaveImage", 4, 20))
        (heard,) = driver.heard(chain.id)
        assert (heard.step_id, heard.server, heard.workflow_id) == ("one", "gpu-a", studio.workflow(chain, "one").id)
        assert heard.plain()["max"] == 20
        assert driver.heard("another") == []
        assert events.last_seq(studio.library) == written, "no row is written for it"
        end(gpu_a)
        studio.until(chain, "completed")
        until(lambda: driver.heard(chain.id) == [])
    assert [one.node.value for one in told if one.node] == [None, 3, 4]
    assert gpu_a.sockets == {}


def test_what_is_heard_when_a_chain_is_cancelled_ends(studio: Studio, gpu_a: ComfyUI) -> None:
    chain = studio.begin(step("one", server="gpu-a"))
    with studio.driving() as driver:
        until(lambda: gpu_a.queued and gpu_a.sockets)
        gpu_a.tell("executing", node="1")
        until(lambda: driver.heard(chain.id))
        control.cancel(studio.library, chain.id, actor="anna")
        until(lambda: driver.heard(chain.id) == [] and gpu_a.sockets == {})


def test_a_server_that_talks_nonsense_or_hangs_up_does_the_step_no_harm(studio: Studio, gpu_a: ComfyUI) -> None:
    chain = studio.begin(step("one", server="gpu-a"))
    with studio.driving() as driver:
        until(lambda: gpu_a.queued and gpu_a.sockets)
        for text in ("", "{", "[]", "[" * 100_000, '{"type": 7, "data": 7}', json.dumps("x" * 1_000_000)):
            gpu_a.say(text)
        gpu_a.tell("executing", node="1")
        until(lambda: driver.heard(chain.id))
        gpu_a.away = True
        gpu_a.say("[" * 17_000_000)  # More than anybody listens to.
        until(lambda: driver.heard(chain.id) == [])
        gpu_a.away = False
        end(gpu_a)
        studio.until(chain, "completed")


STATE = {"node_id": "5", "display_node_id": "5", "state": "running", "value": 7.0, "max": 20.0}


@pytest.mark.parametrize(
    ("kind", "data", "node"),
    [
        ("executing", {"node": "1"}, NodeProgress("1", "LoadImage")),
        ("executing", {"node": "5:3", "display_node": "5"}, NodeProgress("5", "KSampler")),
        ("executing", {"node": None}, None),
        ("progress", {"node": "5", "value": 7, "max": 20}, NodeProgress("5", "KSampler", 7, 20)),
        ("progress", {"node": "5", "value": 70, "max": 20}, NodeProgress("5", "KSampler", 20, 20)),
        ("progress", {"node": "5", "value": -7, "max": "many"}, NodeProgress("5", "KSampler")),
        ("progress", {"node": "5", "value": True, "max": float("inf")}, NodeProgress("5", "KSampler")),
        ("progress_state", {"nodes": {"5": STATE}}, NodeProgress("5", "KSampler", 7, 20)),
        ("progress_state", {"nodes": {"1": {**STATE, "display_node_id": "1", "max": 1}, "5": STATE}}, "5"),
        ("progress_state", {"nodes": {"5": {**STATE, "state": "finished"}, "x": 7}}, None),
        ("execution_success", {}, None),
    ],
)
def test_a_message_says_at_which_node_a_prompt_is(kind: str, data: dict[str, Any], node: Any) -> None:
    told, found = read(json.dumps({"type": kind, "data": {"prompt_id": "p", **data}}), "p", GRAPH)
    assert told
    assert (found.node_id if isinstance(node, str) and found else found) == node


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        *(("status", {}), ("execution_cached", {"nodes": []}), ("progress", {"node": "<b>"}), ("progress", {})),
        *(("executing", {"node": "1", "prompt_id": "q"}), (7, {}), ("progress_state", {"nodes": [], "prompt_id": 7})),
    ],
)
def test_a_message_that_says_nothing_of_the_prompt_is_passed_over(kind: Any, data: dict[str, Any]) -> None:
    assert read(json.dumps({"type": kind, "data": {"prompt_id": "p", **data}}), "p", GRAPH) == (False, None)


@pytest.fixture
def hearing() -> Iterator[Hearing]:
    hearing = Hearing(None, lambda chain_id, step_id: None)
    yield hearing
    hearing.close()


def test_a_redirect_is_not_followed_with_the_credentials(
    hearing: Hearing, studio: Studio, server_that: Callable[..., Misbehaving]
) -> None:
    other = server_that(lambda request: request.answer(200))
    there = server_that(lambda request: request.answer(302, Location=f"{other.url}/ws"))
    chain = studio.run(step("one"))
    (attempt,) = studio.attempts(chain, "one")
    server = Server("gpu-b", there.url, TOKEN, {"X-Api-Key": "k3y"})
    hearing.follow("c", "one", attempt, server, "us")
    until(lambda: len(there.headers_seen) >= 2)
    assert there.headers_seen[0]["X-Api-Key"] == "k3y"
    assert other.headers_seen == []


def test_a_chain_runs_over_tls_of_a_studio_with_a_token_and_headers_and_shows_them_nowhere(
    studio: Studio, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ca, certificate = authority(tmp_path)
    secrets = {"Authorization": f"Bearer {TOKEN}", "X-Api-Key": "k3y of ours"}
    with caplog.at_level("DEBUG"), serving(tmp_path / "secure", certificate) as secure:
        secure.node_types = studio.servers["gpu-b"].node_types
        secure.wants = secrets
        headers = {"X-Api-Key": secrets["X-Api-Key"]}
        studio.configure(studio.library.config.server("gpu-a"), Server("gpu-b", secure.url, TOKEN, headers, ca_file=ca))
        studio.servers["gpu-a"].away = True
        chain = studio.begin(step("two"))
        with studio.driving() as driver:
            until(lambda: secure.queued and secure.sockets)
            secure.tell("executing", node="1")
            until(lambda: driver.heard(chain.id))
            end(secure)
            studio.until(chain, "completed")
            slow = studio.begin(step("one", "two", server="gpu-b"), step("two"))
            until(lambda: secure.queue["queue_pending"])
            end(secure)
            until(lambda: len(secure.queued) == 3)
            control.cancel(studio.library, slow.id, actor="anna")
    paths = {request.path.split("/")[1] for request in secure.requests}
    assert paths >= {"upload", "view", "object_info", "prompt", "history", "queue", "interrupt", "ws"}
    assert all(request.headers[name] == value for request in secure.requests for name, value in secrets.items())
    for secret in (TOKEN, "k3y"):
        assert secret not in caplog.text
        assert secret not in str(studio.attempts(slow, "one"))
