"""What a step made and could not be had at once is collected again; its prompt is queued once in any case."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from chaining import Studio, step
from comfyui_artifact_db.chains import prompts, steps
from comfyui_artifact_db.library import collecting, executing, fetching
from comfyui_artifact_db.library.views import Chain
from comfyui_servers_that import ComfyUI
from making import png
from waiting import until

Behave = Callable[[web.Request], Awaitable[web.StreamResponse]]
FILE = "made_00001_.png"


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long before the next try."""
    monkeypatch.setattr(fetching, "WAITS", (0.01,))
    monkeypatch.setattr(prompts, "LATEST", 0.05)


@pytest.fixture
def gpu_a(studio: Studio) -> ComfyUI:
    return studio.servers["gpu-a"]


def refuses(code: int) -> Behave:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=code)

    return answer


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100000"})
    await response.prepare(request)
    await response.write(b"the beginning")
    assert request.transport is not None
    request.transport.close()
    return response


def told(studio: Studio, chain: Chain, step_id: str) -> list[str]:
    return [one.status for one in studio.attempts(chain, step_id)]


@pytest.mark.parametrize("behave", [refuses(500), refuses(503), cut], ids=["500", "503", "cut"])
def test_a_file_that_does_not_come_at_once_is_asked_for_again(studio: Studio, gpu_a: ComfyUI, behave: Behave) -> None:
    studio.pictures = 2
    gpu_a.instead[FILE] = behave
    chain = studio.begin(step("one", server="gpu-a", retry={"attempts": 3, "backoff": 0.01}), step("two", "one"))
    with studio.driving():
        until(lambda: gpu_a.views().count(FILE) >= 5)
        workflow = studio.workflow(chain, "one")
        assert workflow.status == "executing"
        assert f"1 output is missing: 9:images:0 ({FILE})" in str(workflow.error_message)
        assert [one.filename for one in studio.heads(chain, "one")] == ["made_00002_.png"], "what came is kept"
        del gpu_a.instead[FILE]
        studio.until(chain, "completed")
    assert told(studio, chain, "one") == ["completed"]
    assert studio.workflow(chain, "one").error_message is None
    assert {one.filename for one in studio.heads(chain, "one")} == {FILE, "made_00002_.png"}
    assert gpu_a.views().count("made_00002_.png") == 1
    assert sum(len(server.queued) for server in studio.servers.values()) == 2


def test_a_server_that_is_away_when_its_prompt_has_ended_is_waited_for(studio: Studio, gpu_a: ComfyUI) -> None:
    async def goes(request: web.Request) -> web.StreamResponse:
        gpu_a.away = True
        return await cut(request)

    gpu_a.instead[FILE] = goes
    chain = studio.begin(step("one", server="gpu-a"))
    with studio.driving():
        until(lambda: gpu_a.away)
        asked = len(gpu_a.requests)
        until(lambda: len(gpu_a.requests) > asked + 5)
        gpu_a.instead.clear()
        gpu_a.away = False
        studio.until(chain, "completed")
    assert (told(studio, chain, "one"), len(gpu_a.queued)) == (["completed"], 1)


def test_a_server_that_comes_back_too_late_still_tells_what_became_of_its_prompt(
    studio: Studio, gpu_a: ComfyUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "AWAY", 0.2)
    gpu_a.runs = None
    chain = studio.begin(step("one", server="gpu-a", retry={"attempts": 9, "backoff": 0.05}))
    with studio.driving():
        until(lambda: gpu_a.queued and told(studio, chain, "one") == ["executing"])
        gpu_a.away = True
        until(lambda: told(studio, chain, "one")[0] == "outcome_unknown")
        asked = gpu_a.queued[0]
        picture = gpu_a.file("late.png", png(77))
        gpu_a.ran(asked["prompt_id"], {"9": {"images": [picture]}}, graph=asked["prompt"])
        gpu_a.away = False
        studio.until(chain, "completed")
    first, *others = studio.attempts(chain, "one")
    assert first.status == "completed"
    assert {one.status for one in others} <= {"failed", "skipped"}
    assert others[-1].error_message == "not run: what attempt 1 made could be collected after all"
    assert studio.current(chain, "one").filename == "late.png"
    assert len([one for one in gpu_a.queued if one["prompt_id"] == first.prompt_id]) == 1
    assert {one["prompt_id"] for one in gpu_a.queued} & {one.prompt_id for one in others} == set()


def test_a_prompt_that_its_server_still_runs_is_not_queued_beside_itself(
    studio: Studio, gpu_a: ComfyUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "AWAY", 0.2)
    gpu_a.runs = None
    chain = studio.begin(step("one", server="gpu-a"))
    with studio.driving():
        until(lambda: gpu_a.queued and told(studio, chain, "one") == ["executing"])
        gpu_a.away = True
        studio.until(chain, "failed")
        gpu_a.away = False
        executing.resume(studio.library, chain.id, by="anna")
        asked = len(gpu_a.requests)
        until(lambda: len(gpu_a.requests) > asked + 6)
        (prompt,) = gpu_a.queued
        picture = gpu_a.file("late.png", png(77))
        gpu_a.ran(prompt["prompt_id"], {"9": {"images": [picture]}}, graph=prompt["prompt"])
        studio.until(chain, "completed")
    assert told(studio, chain, "one") == ["completed", "skipped"]
    assert len(gpu_a.queued) == 1


def test_a_file_that_is_gone_fails_the_step_by_its_name(studio: Studio, gpu_a: ComfyUI) -> None:
    gpu_a.instead[FILE] = refuses(404)
    chain = studio.run(step("one", server="gpu-a"), step("two", "one"), status="failed")
    assert FILE in str(chain.error_message)
    assert "does not have this file any more" in str(chain.error_message)
    assert gpu_a.views().count(FILE) == 1


@pytest.mark.parametrize("by", ["resume", "retry", "collect"])
def test_what_was_given_up_is_collected_when_somebody_says_so(
    studio: Studio, gpu_a: ComfyUI, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setattr(prompts, "COLLECTING", 0.0)
    gpu_a.instead[FILE] = refuses(500)
    one = step("one", server="gpu-a", retry={"attempts": 3, "backoff": 0.01})
    chain = studio.run(one, step("two", "one", server="gpu-a"), status="failed")
    assert FILE in str(chain.error_message)
    (attempt,) = studio.attempts(chain, "one")
    assert len(gpu_a.queued) == 1, "its server knows the prompt: it is not run again"
    gpu_a.instead.clear()
    if by == "collect":
        collecting.download_and_store_artifacts(
            studio.library, attempt.workflow_id, server="gpu-a", prompt_id=attempt.prompt_id, by="anna"
        )
    if by == "retry":
        executing.retry(studio.library, attempt.workflow_id, parameters=None, by="anna")
    else:
        executing.resume(studio.library, chain.id, by="anna")
    with studio.driving():
        studio.until(chain, "completed")
    assert told(studio, chain, "one") == (["completed"] if by == "collect" else ["completed", "skipped"])
    assert studio.current(chain, "one").filename == FILE
    assert len(gpu_a.queued) == 2, "one for each step"


def test_with_other_parameters_it_is_another_prompt(
    studio: Studio, gpu_a: ComfyUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompts, "COLLECTING", 0.0)
    gpu_a.instead[FILE] = refuses(500)
    chain = studio.run(step("one", server="gpu-a"), status="failed")
    executing.retry(studio.library, studio.workflow(chain, "one").id, parameters={"7.seed": 5}, by="anna")
    with studio.driving():
        studio.until(chain, "completed")
    assert told(studio, chain, "one") == ["failed", "completed"]
    assert [asked["prompt"]["7"]["inputs"]["seed"] for asked in gpu_a.queued] == [0, 5]


def test_a_step_that_was_sent_nowhere_yet_moves_to_a_server_that_is_there(studio: Studio) -> None:
    gpu_a, gpu_b = studio.servers.values()
    studio.fails = lambda graph: True
    chain = studio.run(step("one"), status="failed")
    studio.fails = lambda graph: False
    (first,) = studio.attempts(chain, "one")
    assert first.server_address == "gpu-a"
    gpu_a.away = True
    executing.resume(studio.library, chain.id, by="anna")
    with studio.driving():
        studio.until(chain, "completed")
    assert [one.server_address for one in studio.attempts(chain, "one")] == ["gpu-a", "gpu-b"]
    assert len(gpu_b.queued) == 1
