"""What is of the engine `temporal` alone: its workflows on a real server, also where somebody meddles with them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest
from chaining import Studio, step
from comfyui_artifact_db.chains.records import LocalRecords
from comfyui_artifact_db.chains.temporal import pump, worker
from comfyui_artifact_db.chains.temporal.messages import workflow_id
from comfyui_artifact_db.chains.temporal.workflows import ChainWorkflow
from comfyui_artifact_db.config import Temporal as Server
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.errors import BadConfiguration, Invalid, Unavailable
from comfyui_artifact_db.library import chains, decisions, executing
from comfyui_artifact_db.library.opening import open_library
from comfyui_artifact_db.library.views import Chain
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from waiting import until
from working import Temporal, a_worker

pytestmark = pytest.mark.engine("temporal")

REVIEWED = step("one", requires_approval=True)
HISTORIES = Path(__file__).with_name("histories")
"""Of chains that earlier versions drove; `temporal workflow show --workflow-id ID --output json` writes one."""


def history(temporal: Temporal, chain: Chain, run_id: str | None = None) -> WorkflowHistory:
    """What the server has written down of a chain's workflow: its newest run, or another."""
    return temporal.ask(lambda client: client.get_workflow_handle(workflow_id(chain.id), run_id=run_id).fetch_history())


def activities(found: WorkflowHistory) -> list[str]:
    """Those that went over the server, in their order."""
    scheduled = (event.activity_task_scheduled_event_attributes for event in found.events)
    return [one.activity_type.name for one in scheduled if one.activity_type.name]


def replay(*histories: WorkflowHistory) -> None:
    """Let the workflow do again what it did."""

    async def replayed() -> None:
        # It takes the package as it is loaded: the folder of the checkout may have any name.
        restrictions = SandboxRestrictions.default.with_passthrough_modules("comfyui_artifact_db")
        sandbox = SandboxedWorkflowRunner(restrictions=restrictions)
        replayer = Replayer(workflows=[ChainWorkflow], workflow_runner=sandbox)
        for one in histories:
            await replayer.replay_workflow(one)

    asyncio.run(replayed())


async def _runs(client: Client, chain: Chain) -> list[tuple[str, str]]:
    """The runs of a chain's workflow, with how each ended."""
    found = client.list_workflows(f"WorkflowId = '{workflow_id(chain.id)}'")
    return [(one.run_id, one.status.name) async for one in found if one.status is not None]


def test_each_stage_of_a_step_is_an_activity_and_the_rows_name_the_workflow(studio: Studio, temporal: Temporal) -> None:
    chain = studio.run(step("one"), step("two", "one"))
    assert chain.temporal_workflow_id == f"artifact-db-chain-{chain.id}"
    found = history(temporal, chain)
    assert found.run_id == chain.temporal_run_id
    stages = ["upload_artifact_to_server", "execute_prompt", "download_and_store_artifacts"]
    assert activities(found) == [*stages, *stages]
    for step_id in ("one", "two"):
        workflow = studio.workflow(chain, step_id)
        ids = (workflow.temporal_workflow_id, workflow.temporal_run_id)
        assert ids == (chain.temporal_workflow_id, chain.temporal_run_id)


def test_nothing_of_what_is_made_goes_through_temporal(studio: Studio, temporal: Temporal) -> None:
    parameters = {"7.text": "a very secret dragon"}
    chain = studio.run(step("one", parameters=parameters), step("two", "one"))
    told = b"".join(event.SerializeToString() for event in history(temporal, chain).events)
    assert chain.id.encode() in told
    for secret in ("secret", "dragon", studio.current(chain, "one").filename, "http://"):
        assert secret.encode() not in told


def test_while_a_person_thinks_no_activity_is_open(studio: Studio, temporal: Temporal) -> None:
    chain = studio.begin(REVIEWED, step("two", "one"))
    with studio.driving():
        studio.until(chain, "awaiting_approval")
        until(lambda: not temporal.at_work(chain.id))
        assert temporal.is_running(chain.id)


def test_a_long_history_goes_on_as_a_new_one_and_nothing_is_done_twice(studio: Studio, temporal: Temporal) -> None:
    steps = [step("s0"), *(step(f"s{number}", f"s{number - 1}") for number in range(1, 6))]
    chain = studio.begin({**steps[0], "requires_approval": True}, *steps[1:])
    runs = set()
    with studio.driving(longest=30):
        studio.until(chain, "awaiting_approval")
        runs.add(chains.get_chain(studio.library, chain.id).temporal_run_id)
        decisions.approve(studio.library, studio.current(chain, "s0").id, by="ada")
        runs.add(studio.until(chain, "completed").temporal_run_id)
    assert len(runs) == 2
    assert sum(len(server.queued) for server in studio.servers.values()) == len(steps)
    until(lambda: "COMPLETED" in dict(temporal.ask(lambda client: _runs(client, chain))).values())
    all_runs = temporal.ask(lambda client: _runs(client, chain))
    assert Counter(status for _, status in all_runs)["CONTINUED_AS_NEW"] >= 2
    replay(*(history(temporal, chain, run_id) for run_id, _ in all_runs))


def test_a_workflow_that_is_cancelled_in_temporal_cancels_its_chain_and_ends_the_prompt(
    studio: Studio, temporal: Temporal
) -> None:
    gpu_a = studio.servers["gpu-a"]
    gpu_a.runs = None
    chain = studio.begin(step("one", server="gpu-a"), step("two", "one"))
    with studio.driving():
        until(lambda: studio.statuses(chain).get("one") == "executing")
        temporal.ask(lambda client: client.get_workflow_handle(workflow_id(chain.id)).cancel())
        studio.until(chain, "cancelled")
        until(lambda: not temporal.is_running(chain.id))
    (attempt,) = studio.attempts(chain, "one")
    assert gpu_a.interrupted == [attempt.prompt_id]
    assert studio.workflow(chain, "one").error_message == "cancelled by temporal"


def test_a_chain_that_is_cancelled_ends_its_workflow(studio: Studio, temporal: Temporal) -> None:
    chain = studio.begin(REVIEWED, step("two", "one"))
    with studio.driving():
        studio.until(chain, "awaiting_approval")
        executing.cancel(studio.library, chain.id, by="ada")
        until(lambda: not temporal.is_running(chain.id))
    assert studio.statuses(chain) == {"one": "cancelled"}


def test_a_workflow_that_was_ended_by_hand_is_begun_again(
    studio: Studio, temporal: Temporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump, "SWEEP_SECONDS", 0.2)
    chain = studio.begin(REVIEWED, step("two", "one"))
    with studio.driving():
        first = studio.until(chain, "awaiting_approval").temporal_run_id
        temporal.ask(lambda client: client.get_workflow_handle(workflow_id(chain.id)).terminate())
        until(lambda: chains.get_chain(studio.library, chain.id).temporal_run_id != first)
        decisions.approve(studio.library, studio.current(chain, "one").id, by="ada")
        studio.until(chain, "completed")
    assert sum(len(server.queued) for server in studio.servers.values()) == 2


def test_a_chain_in_the_trash_has_no_workflow_and_gets_one_when_it_is_taken_out(
    studio: Studio, temporal: Temporal
) -> None:
    chain = studio.begin(REVIEWED, step("two", "one"))
    with studio.driving():
        studio.until(chain, "awaiting_approval")
        waiting = studio.current(chain, "one")
        chains.delete_chain(studio.library, chain.id, actor="ada")
        until(lambda: not temporal.is_running(chain.id))
        chains.undelete_chain(studio.library, chain.id, actor="ada")
        until(lambda: temporal.is_running(chain.id))
        decisions.approve(studio.library, waiting.id, by="ada")
        studio.until(chain, "completed")


def test_what_was_decided_while_no_worker_was_there_is_heard_when_one_comes(studio: Studio) -> None:
    chain = studio.run(REVIEWED, step("two", "one"), status="awaiting_approval")
    decisions.approve(studio.library, studio.current(chain, "one").id, by="ada")
    with studio.driving():
        studio.until(chain, "completed")


def test_the_workers_of_another_store_leave_a_chain_alone(studio: Studio, temporal: Temporal, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = open_library(load_config(tmp_path / "other", {}))
    chain = studio.begin(step("one"))
    with a_worker(LocalRecords(other), Server(temporal.address)):
        with studio.driving():
            studio.until(chain, "completed")
        assert other.config.store != studio.library.config.store
    other.close()


def test_the_histories_of_chains_that_ran_before_are_replayed_by_the_workflow_as_it_is_now() -> None:
    recorded = sorted(HISTORIES.glob("*.json"))
    assert len(recorded) >= 2
    replay(*(WorkflowHistory.from_json(path.stem, json.loads(path.read_text())) for path in recorded))


def test_an_engine_that_there_is_not_is_refused(studio: Studio) -> None:
    with pytest.raises(Invalid, match=r"no engine 'temporl' \(there are local, temporal\)"):
        studio.begin(step("one"), engine="temporl")


def test_without_a_temporal_server_it_is_said_what_to_do() -> None:
    with pytest.raises(Unavailable, match=r"no Temporal server answers at 127\.0\.0\.1:1: start one"):
        asyncio.run(worker.connect(Server("127.0.0.1:1")))
    with pytest.raises(BadConfiguration, match=r"temporal = '127\.0\.0\.1:99999': write HOST:PORT"):
        asyncio.run(worker.connect(Server("127.0.0.1:99999")))
