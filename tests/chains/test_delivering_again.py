"""What a step needs is one transfer however often it is tried; a refusal that will not pass fails the step at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import processes
import pytest
from aiohttp import web
from chaining import Studio, step
from comfyui_artifact_db.config import Config
from comfyui_artifact_db.db import models
from comfyui_artifact_db.library import attempts, decisions, pages, transfers
from comfyui_artifact_db.library.views import Transfer
from comfyui_servers_that import ComfyUI
from commanding import servers_of
from making import png
from tampering import tamper
from waiting import until

Spoil = Callable[[Path], None]


@pytest.fixture
def gpu_b(studio: Studio) -> ComfyUI:
    return studio.servers["gpu-b"]


def listed(studio: Studio) -> list[Transfer]:
    """All transfers, the oldest first."""
    return list(transfers.list_transfers(studio.library, pages.Ask()).items)[::-1]


def answers(status: int) -> Spoil:
    """What a server does to an upload: it keeps nothing of it, and answers this."""

    def refuse(path: Path) -> None:
        path.unlink()
        raise type("Refusal", (web.HTTPException,), {"status_code": status})

    return refuse


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:9])


REFUSALS: dict[str, tuple[Spoil, str]] = {
    "401": (answers(401), "check token_env of server 'gpu-b'"),
    "403": (answers(403), "check token_env of server 'gpu-b'"),
    "413": (answers(413), "--max-upload-size"),
    "507": (answers(507), "its disk is full; make room there, then retry"),
    "a file cut short": (truncate, "check its disk, then retry"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_that_will_not_pass_fails_the_step_at_once_and_says_what_to_do(
    studio: Studio, gpu_b: ComfyUI, kind: str
) -> None:
    gpu_b.after_storing, advice = REFUSALS[kind]
    chain = studio.run(step("one", server="gpu-a"), step("two", "one", server="gpu-b"), status="failed")
    assert advice in str(chain.error_message)
    (transfer,) = listed(studio)
    assert (transfer.status, transfer.attempts) == ("failed", 1)
    assert transfer.error_message is not None
    assert chain.error_message == f"step two: {transfer.error_message}"
    assert [one.status for one in studio.attempts(chain, "two")] == ["failed"]
    assert gpu_b.queued == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again_on_the_same_transfer(studio: Studio, gpu_b: ComfyUI, status: int) -> None:
    gpu_b.after_storing = answers(status)
    chain = studio.begin(step("one", server="gpu-a"), step("two", "one", server="gpu-b"))
    with studio.driving():
        until(lambda: [one.attempts >= 3 for one in listed(studio)] == [True])
        until(lambda: f"answered with status {status}" in str(listed(studio)[0].error_message))
        gpu_b.after_storing = lambda path: None
        studio.until(chain, "completed")
    (transfer,) = listed(studio)
    assert (transfer.status, transfer.error_message) == ("completed", None)
    assert transfer.attempts > 3
    assert [one.status for one in studio.attempts(chain, "two")] == ["completed"]


def test_of_two_inputs_the_one_that_has_arrived_is_not_sent_again_with_the_other(
    studio: Studio, gpu_b: ComfyUI
) -> None:
    both = {"7.text": "{{ right.output.image }}"}
    chain = studio.begin(
        step("left", server="gpu-a"),
        step("right", server="gpu-a"),
        step("end", "left", "right", server="gpu-b", parameters=both),
    )
    second = [False]

    def refuse_the_second(path: Path) -> None:
        if second[0]:
            answers(503)(path)
        second[0] = True

    gpu_b.after_storing = refuse_the_second
    with studio.driving():
        until(lambda: any(one.attempts > 2 for one in listed(studio)))
        gpu_b.after_storing = lambda path: None
        studio.until(chain, "completed")
    assert [(one.status, one.attempts > 2) for one in listed(studio)] == [("completed", False), ("completed", True)]


def test_each_attempt_has_a_delivery_of_its_own_which_sends_nothing_twice(studio: Studio, gpu_b: ComfyUI) -> None:
    failures = iter((False, True, False))
    studio.fails = lambda graph: next(failures)
    retry = {"attempts": 2, "backoff": 0.01}
    studio.run(step("one", server="gpu-a"), step("two", "one", server="gpu-b", retry=retry))
    assert [(one.status, one.attempts) for one in listed(studio)] == [("completed", 1)] * 2
    assert len(gpu_b.fields) == 1


def test_a_step_that_may_run_anywhere_goes_where_its_file_is_taken(studio: Studio, gpu_b: ComfyUI) -> None:
    gpu_b.after_storing = answers(413)
    a = studio.servers["gpu-a"]
    a.queue["queue_running"] = [[0, "other", {}, {}, []]]  # so that gpu-b is asked first
    chain = studio.run(step("one", server="gpu-a"), step("two", "one"))
    assert [(one.target_server, one.status) for one in listed(studio)] == [("gpu-b", "failed"), ("gpu-a", "completed")]
    assert studio.workflow(chain, "two").server_address == "gpu-a"


def test_a_step_whose_file_no_server_takes_fails_once_each_was_asked(studio: Studio) -> None:
    for server in studio.servers.values():
        server.after_storing = answers(413)
    chain = studio.run(step("one"), step("two", "one"), status="failed")
    assert "--max-upload-size" in str(chain.error_message)
    assert sorted((one.target_server, one.attempts) for one in listed(studio)) == [("gpu-a", 1), ("gpu-b", 1)]


def test_bytes_that_changed_meanwhile_fail_the_step_that_needs_them(studio: Studio, gpu_b: ComfyUI) -> None:
    chain = studio.begin(step("one", server="gpu-a", requires_approval=True), step("two", "one", server="gpu-b"))
    with studio.driving():
        studio.until(chain, "awaiting_approval")
    made = studio.current(chain, "one")
    before = Path(made.local_path).read_bytes()
    decisions.approve(studio.library, made.id, by="ann")
    tamper(made, png(4711), unseen=True)
    with studio.driving():
        chain = studio.until(chain, "failed")
    assert "its bytes are not those that were recorded" in str(chain.error_message)
    assert gpu_b.fields == []
    tamper(made, before, unseen=True)  # for the fixture, which looks at every file


@pytest.mark.engine("local")
def test_a_delivery_whose_driver_was_killed_in_its_middle_is_gone_on_with_at_once_by_the_next(
    studio: Studio, gpu_b: ComfyUI, config: Config
) -> None:
    urls = servers_of(studio.servers)
    (config.folder / "artifact-db.toml").write_text(urls)
    come, go_on = threading.Event(), threading.Event()

    def hold(path: Path) -> None:
        path.unlink()
        come.set()
        go_on.wait(60)

    gpu_b.after_storing = hold
    chain = studio.begin(step("one", server="gpu-a"), step("two", "one", server="gpu-b"))
    with processes.started("driving", config.folder):
        assert come.wait(60)
    gpu_b.after_storing = lambda path: None
    go_on.set()
    (cut,) = listed(studio)
    assert (cut.status, cut.attempts) == ("uploading", 1)
    with studio.library.database.writing():
        models.Lease.delete().execute()  # as if the seconds of the killed one's lease had passed
    with studio.driving():
        studio.until(chain, "completed")
    (transfer,) = listed(studio)
    assert (transfer.id, transfer.status, transfer.attempts) == (cut.id, "completed", 2)
    assert transfer.receipt_sha256 == studio.current(chain, "one").sha256
    assert len(gpu_b.queued) == len(attempts.list_attempts(studio.library, studio.workflow(chain, "two").id)) == 1
