"""Owns what a worker does for chains: the stages of a step and the looks at a chain, each safe to do again.

An activity that waits for a server holds no thread meanwhile, and says every few seconds that it is alive.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from temporalio import activity

from ...db.statuses import FINISHED_CHAIN
from ...errors import ArtifactDBError, Conflict, Invalid, NotFound
from .. import control, progress, rounds, steps
from ..driven import Chain
from ..hearing import Hearing
from ..lanes import Lanes
from ..records import Records
from ..servers import Servers
from ..stages import OVER, Next, Stage
from .messages import Look, Turn

logger = logging.getLogger("artifact_db.chains")

T = TypeVar("T")

ALIVE_SECONDS = 2.0
"""How often an activity says that it is alive."""

REPORT_SECONDS = 1.0
"""How often it tells how far the prompts are that it follows."""

BETWEEN = 0.1
"""Seconds between two looks whether a step is free."""

KNOWN = 500
"""Chains of which a worker remembers what it has parsed."""


class Activities:
    """What one worker does, for one record. `_at_work` has the steps it is at, and what says that a prompt ended."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._servers = Servers(records)
        self._loop = asyncio.get_running_loop()
        self._lanes = Lanes()
        self._hearing = Hearing(None, self._prompt_ended)
        self._chains: dict[str, Chain] = {}
        self._at_work: dict[tuple[str, str], asyncio.Event] = {}

    @property
    def all(self) -> Sequence[Callable[..., Any]]:
        """For a worker to register."""
        return (
            *(self.look, self.conclude, self.cancel),
            *(self.create_workflow, self.upload_artifact_to_server),
            *(self.execute_prompt, self.download_and_store_artifacts),
        )

    async def report(self) -> None:
        """Tell the record again and again how far prompts are; that it cannot be told harms nobody."""
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            if reports := [{"chain_id": heard.chain_id, **heard.plain()} for heard in self._hearing.all()]:
                try:
                    await self._loop.run_in_executor(self._lanes.of(""), self._records.report, reports)
                except ArtifactDBError as error:
                    logger.debug("how far prompts are cannot be told: %s", error)

    def close(self) -> None:
        """Work no more."""
        self._hearing.close()
        self._lanes.close()

    @activity.defn
    async def look(self, chain_id: str) -> Look:
        """How a chain stands, and what there is to do; what nobody else has to do is done at once."""
        info = activity.info()
        ids: dict[str, Any] = {
            "temporal_workflow_id": str(info.workflow_id),
            "temporal_run_id": str(info.workflow_run_id),
        }
        return await self._in_thread(lambda: self._look(chain_id, ids))

    @activity.defn
    async def conclude(self, chain_id: str) -> str:
        """Write down how a chain ended; returns its status."""
        return await self._in_thread(lambda: self._conclude(chain_id))

    @activity.defn
    async def cancel(self, chain_id: str) -> str:
        """Cancel a chain whose workflow was cancelled; returns its status."""
        return await self._in_thread(lambda: self._cancel(chain_id))

    @activity.defn
    async def create_workflow(self, chain_id: str, step_id: str) -> Turn:
        """Begin an attempt of a step."""
        return await self._stage(Stage.BEGIN, chain_id, step_id)

    @activity.defn
    async def upload_artifact_to_server(self, chain_id: str, step_id: str) -> Turn:
        """Deliver to its server what a step needs, and fill in its graph."""
        return await self._stage(Stage.DELIVER, chain_id, step_id)

    @activity.defn
    async def execute_prompt(self, chain_id: str, step_id: str) -> Turn:
        """Queue the prompt of a step, and follow it until it has ended."""
        return await self._stage(Stage.EXECUTE, chain_id, step_id)

    @activity.defn
    async def download_and_store_artifacts(self, chain_id: str, step_id: str) -> Turn:
        """Record what the prompt of a step made."""
        return await self._stage(Stage.COLLECT, chain_id, step_id)

    async def _stage(self, stage: Stage, chain_id: str, step_id: str) -> Turn:
        """Go on with a stage until it is over."""
        key = (chain_id, step_id)
        while key in self._at_work:  # Temporal lost sight of it once, and here it is not over yet.
            await _alive(asyncio.sleep(BETWEEN))
        ended = self._at_work[key] = asyncio.Event()
        try:
            while True:
                ended.clear()
                server = self._server(chain_id, step_id)
                following = await self._in_thread(lambda: self._advance(stage, chain_id, step_id), server)
                if following.stage is not stage or stage is Stage.BEGIN:
                    return Turn(following.stage.value if following.stage else None, following.wait)
                with suppress(asyncio.TimeoutError):
                    await _alive(asyncio.wait_for(ended.wait(), following.wait))
        finally:
            del self._at_work[key]
            if stage is Stage.EXECUTE:
                self._hearing.leave(chain_id, step_id)

    def _advance(self, stage: Stage, chain_id: str, step_id: str) -> Next:
        try:
            chain = self._chain(chain_id)
            step = next(step for step in chain.definition.steps if step.id == step_id)
            looks_back = stage is Stage.DELIVER or (stage is Stage.BEGIN and step.condition is not None)
            done = progress.look(chain).done if looks_back else {}
            return steps.advance(chain, step, done, stage)
        except NotFound:
            return OVER  # It is in the trash, or gone.

    def _look(self, chain_id: str, ids: dict[str, Any]) -> Look:
        seq = self._records.last_seq()
        try:
            chain = self._chain(chain_id)
            chain.temporal = ids
            found = progress.look(chain)
            if (found.row.temporal_workflow_id, found.row.temporal_run_id) != tuple(ids.values()):
                self._records.is_driven_by(chain_id, **ids)
            self._hearing.keep(chain_id, found.under_way)
            if found.status in FINISHED_CHAIN:
                return Look(found.status, seq, has_ended=True)
            wait = rounds.settle(chain, found)
            return Look(found.status, seq, ready=[step.id for step in found.ready], wait=wait)
        except NotFound:
            return Look("gone", seq)
        except Invalid as error:
            self._records.conclude_chain(chain_id, status="failed", error=str(error))
            return Look("failed", seq, has_ended=True)

    def _conclude(self, chain_id: str) -> str:
        try:
            chain = self._chain(chain_id)
            found = progress.look(chain)
            if found.status in FINISHED_CHAIN:
                status, error, revision = found.status, found.error, found.row.revision
                self._records.conclude_chain(chain_id, status=status, error=error, revision=revision)
            return found.status
        except NotFound:
            return "gone"
        except Invalid:
            return "failed"
        finally:
            self._chains.pop(chain_id, None)

    def _cancel(self, chain_id: str) -> str:
        with suppress(Conflict, NotFound):  # It has ended, or is gone.
            control.interrupt(self._records, self._records.cancel_chain(chain_id))
            return self._records.get_chain(chain_id).status
        return "gone"

    def _chain(self, chain_id: str) -> Chain:
        chain = self._chains.get(chain_id)
        if chain is None:
            chain = self._chains[chain_id] = Chain.load(self._records, chain_id, self._servers, self._hearing)
            while len(self._chains) > KNOWN:
                self._chains.pop(next(iter(self._chains)))
        return chain

    def _server(self, chain_id: str, step_id: str) -> str:
        """The server that a step names, as far as its chain is known here."""
        chain = self._chains.get(chain_id)
        return chain.definition.step(step_id).server if chain is not None else ""

    async def _in_thread(self, work: Callable[[], T], server: str = "") -> T:
        """Do what blocks in a thread, saying meanwhile that it is alive; it comes to its end also when cancelled.

        Args:
            server: which one is spoken to, where it is known.
        """
        future = self._loop.run_in_executor(self._lanes.of(server), work)
        try:
            return await _alive(asyncio.shield(future))
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    def _prompt_ended(self, chain_id: str, step_id: str) -> None:
        """Go on with a step now: its server said that its prompt has ended."""

        def wake() -> None:
            if (ended := self._at_work.get((chain_id, step_id))) is not None:
                ended.set()

        self._loop.call_soon_threadsafe(wake)


async def _alive(work: Awaitable[T]) -> T:
    """Await, and say every few seconds that the activity is alive."""
    task = asyncio.ensure_future(work)
    try:
        while True:
            done, _ = await asyncio.wait([task], timeout=ALIVE_SECONDS)
            if done:
                return task.result()
            if not activity.info().is_local:
                activity.heartbeat()
    except asyncio.CancelledError:
        task.cancel()
        raise
