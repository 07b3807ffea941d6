"""Owns the way of what people decide from the event log to the workflows of Temporal, at least once.

It keeps no place in the log: at start, and whenever the database or Temporal was away, all chains that have not ended
are told to look. What comes twice, or from several workers, does no harm.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from ...errors import ArtifactDBError
from ...library import driving
from ...library.views import Event
from ..records import Records
from .messages import Heard, Run, chain_id_of, workflow_id
from .workflows import ChainWorkflow

logger = logging.getLogger("artifact_db.chains")

LISTEN_SECONDS = 0.1
"""How often it looks for new events."""

SWEEP_SECONDS = 15.0
"""How often it sees to it that every chain has its workflow: one may have been ended in Temporal by hand."""

AWAY_SECONDS = 1.0
"""After which it tries again where the database or Temporal is away."""

READ = 500
"""Events that are read at a time."""


class Pump:
    """Tells workflows what the log says, until it is cancelled."""

    def __init__(self, records: Records, client: Client, task_queue: str, *, longest: int | None = None) -> None:
        self._records = records
        self._client = client
        self._task_queue = task_queue
        self._longest = longest

    async def run(self) -> None:
        """Pump. Waits for what is away."""
        while True:
            try:
                await self._pump()
            except (ArtifactDBError, RPCError) as error:
                logger.warning("what is decided of chains waits: %s", error)
                await asyncio.sleep(AWAY_SECONDS)

    async def _pump(self) -> None:
        seen = await asyncio.to_thread(self._records.last_seq)
        await self._catch_up(Heard(seen))
        swept = time.monotonic()
        while True:
            heard = await asyncio.to_thread(self._records.list_events, after=seen, limit=READ)
            if heard:
                await self._tell([event for event in heard if not driving.is_engine(event.actor)])
                seen = heard[-1].seq
            if len(heard) < READ:
                await asyncio.sleep(LISTEN_SECONDS)
            if time.monotonic() - swept >= SWEEP_SECONDS:
                swept = time.monotonic()
                for chain_id, is_live in await self._driven(None):
                    if is_live:
                        await self._start(chain_id, None)

    async def _catch_up(self, heard: Heard) -> None:
        """Tell every chain that has not ended to look, and every workflow whose chain has ended meanwhile."""
        live = {chain_id for chain_id, is_live in await self._driven(None) if is_live}
        for chain_id in live:
            await self._start(chain_id, heard)
        try:
            running = f"TaskQueue = '{self._task_queue}' AND ExecutionStatus = 'Running'"
            async for one in self._client.list_workflows(running):
                if chain_id_of(one.id) not in live:
                    await self._signal(chain_id_of(one.id), heard)
        except RPCError as error:
            if error.status is not RPCStatusCode.UNIMPLEMENTED:  # as by a server that keeps no lists
                raise

    async def _tell(self, heard: Sequence[Event]) -> None:
        if not heard:
            return
        newest = {event.chain_id: event for event in heard if event.chain_id is not None}
        for chain_id, is_live in await self._driven(list(newest)):
            event = newest[chain_id]
            told = Heard(heard[-1].seq, event.action, event.entity_type, event.entity_id)
            await (self._start if is_live else self._signal)(chain_id, told)

    async def _driven(self, chain_ids: Sequence[str] | None) -> list[tuple[str, bool]]:
        return await asyncio.to_thread(self._records.list_driven, engine="temporal", chain_ids=chain_ids)

    async def _start(self, chain_id: str, heard: Heard | None) -> None:
        """Start a chain's workflow where none runs; it hears of this, also where one does."""
        await self._client.start_workflow(
            ChainWorkflow.run,
            Run(chain_id, self._longest),
            id=workflow_id(chain_id),
            task_queue=self._task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal=None if heard is None else "hear",
            start_signal_args=[] if heard is None else [heard],
        )

    async def _signal(self, chain_id: str, heard: Heard) -> None:
        try:
            await self._client.get_workflow_handle(workflow_id(chain_id)).signal(ChainWorkflow.hear, heard)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
