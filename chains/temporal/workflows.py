"""Owns in which order the activities of a chain are done, and what it waits for. Deterministic: it knows of no clock,
no row and no server but through activities and Temporal's timers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from ..stages import Stage
    from .messages import Heard, Look, Run, Turn

T = TypeVar("T")

SOON = timedelta(seconds=60)
"""For what asks the database alone, or servers how they are."""

LONG = timedelta(days=30)
"""For one that may wait for servers, and says meanwhile that it is alive."""

ALIVE = timedelta(seconds=10)
"""After so long without a sign of life an activity is done again, by another worker."""

AGAIN = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))
"""For workers that die and for what passes. A step that fails is tried again by its chain file's rule instead."""

PAUSE = 1.0
"""Seconds at the least between two looks at what others are at."""


@workflow.defn(name="artifact_db_chain")
class ChainWorkflow:
    """One chain, until it has ended."""

    def __init__(self) -> None:
        self._heard = 0
        self._working: dict[str, asyncio.Task[None]] = {}

    @workflow.signal
    def hear(self, heard: Heard) -> None:
        """The log speaks of this chain. Of what is lost or comes twice nothing depends: the rows are looked at."""
        self._heard = max(self._heard, heard.seq)

    @workflow.run
    async def run(self, run: Run) -> str:
        """Drive a chain; returns the status with which it ended."""
        try:
            return await self._drive(run)
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error):
                raise
            await asyncio.shield(self._cancel(run))
            raise

    async def _drive(self, run: Run) -> str:
        while True:
            look = await self._ask("look", run.chain_id, result=Look)
            if look.status == "gone" or look.has_ended:
                if self._working:
                    await workflow.wait(self._working.values())  # What is under way comes to its end first.
                    self._reap()
                    continue
                status = look.status
                if look.has_ended:
                    status = await self._ask("conclude", run.chain_id, result=str)
                if self._heard <= look.seq:
                    return status
                continue
            if self._is_long(run) and not self._working:
                workflow.continue_as_new(run)
            for step_id in look.ready:
                if step_id not in self._working and not self._is_long(run):
                    self._working[step_id] = asyncio.create_task(self._step(run, step_id))
            await self._wait(look.seq, look.wait, also=self._has_moved)
            self._reap()

    async def _step(self, run: Run, step_id: str) -> None:
        """Do the stages of a step, one after the other, until there is nothing more to do for its attempt.

        Where the history has grown long it ends before: in the next one the step is where its rows are.
        """
        stage: str | None = Stage.BEGIN.value
        while stage is not None and not self._is_long(run):
            turn = await self._do(stage, run.chain_id, step_id)
            if turn.wait > 0:
                await self._wait(self._heard, turn.wait if turn.stage else max(turn.wait, PAUSE))
            stage = turn.stage

    async def _do(self, stage: str, chain_id: str, step_id: str) -> Turn:
        if stage == Stage.BEGIN.value:
            return await self._ask(stage, chain_id, step_id, result=Turn)
        turn: Turn = await workflow.execute_activity(
            stage,
            args=[chain_id, step_id],
            result_type=Turn,
            start_to_close_timeout=LONG,
            heartbeat_timeout=ALIVE,
            retry_policy=AGAIN,
            summary=step_id,
        )
        return turn

    async def _cancel(self, run: Run) -> None:
        """Somebody has cancelled the workflow itself: then the chain is, and what is under way comes to its end."""
        await self._ask("cancel", run.chain_id, result=str)
        if self._working:
            await workflow.wait(self._working.values())

    async def _ask(self, activity: str, *ids: str, result: type[T]) -> T:
        """Do what asks the database alone, without a way over Temporal's server and back."""
        answer: T = await workflow.execute_local_activity(
            activity, args=ids, result_type=result, start_to_close_timeout=SOON, retry_policy=AGAIN
        )
        return answer

    async def _wait(self, seq: int, seconds: float | None, *, also: Callable[[], bool] = lambda: False) -> None:
        """Wait until the log speaks of the chain after an event, or so long, if there is a limit."""
        with suppress(asyncio.TimeoutError):
            await workflow.wait_condition(lambda: self._heard > seq or also(), timeout=seconds)

    def _has_moved(self) -> bool:
        return any(task.done() for task in self._working.values())

    def _reap(self) -> None:
        for step_id, task in list(self._working.items()):
            if task.done():
                del self._working[step_id]
                task.result()

    def _is_long(self, run: Run) -> bool:
        info = workflow.info()
        if run.longest is not None:
            return info.get_current_history_length() > run.longest
        return info.is_continue_as_new_suggested()
