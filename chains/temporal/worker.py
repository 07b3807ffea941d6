"""Owns a worker of a Temporal server as a whole: workflows, activities and pump in one process, until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from ... import __version__
from ...errors import Unavailable
from ..records import Records
from .activities import Activities
from .pump import Pump
from .workflows import ChainWorkflow

AT_ONCE = 500
"""Activities that a worker has in hand at a time; those that wait for a prompt hold no thread."""

GRACE = timedelta(seconds=1)
"""What activities have to come to an end once a worker is stopped; others take over what has not."""

STICKY = timedelta(seconds=5)
"""For which a chain waits for the worker that has it in memory, before any other takes it."""

THROTTLE = timedelta(seconds=2)
"""At the least between two signs of life that reach Temporal."""


async def connect(address: str) -> Client:
    """A client of a Temporal server: `HOST:PORT`, or `HOST:PORT/NAMESPACE`.

    Raises:
        Unavailable: none answers there; the message says what to do.
    """
    target, _, namespace = address.partition("/")
    try:
        return await Client.connect(target, namespace=namespace or "default")
    except RuntimeError as error:
        raise Unavailable(
            f"no Temporal server answers at {target}: start one (`temporal server start-dev`), or name yours as "
            "`temporal` in artifact-db.toml"
        ) from error


def task_queue(records: Records) -> str:
    """Where the workers of a record find their work; those of others have others."""
    return f"artifact-db-{records.store_id()}"


@asynccontextmanager
async def working(records: Records, client: Client, *, longest: int | None = None) -> AsyncIterator[Worker]:
    """A worker at work; it is stopped at the end of the block.

    Args:
        longest: events of a history after which a chain goes on as a new one; None: what Temporal suggests.
    """
    queue = await asyncio.to_thread(task_queue, records)
    activities = Activities(records)
    worker = Worker(
        client,
        task_queue=queue,
        build_id=f"artifact-db {__version__}",
        workflows=[ChainWorkflow],
        activities=activities.all,
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=AT_ONCE,
        sticky_queue_schedule_to_start_timeout=STICKY,
        max_heartbeat_throttle_interval=THROTTLE,
        default_heartbeat_throttle_interval=THROTTLE,
        graceful_shutdown_timeout=GRACE,
    )
    # That the workflow is deterministic its tests show, in Temporal's sandbox, which would cost as much as it does.
    try:
        async with worker:
            pump = asyncio.create_task(Pump(records, client, queue, longest=longest).run())
            try:
                yield worker
            finally:
                pump.cancel()
                with suppress(asyncio.CancelledError):
                    await pump
    finally:
        await asyncio.to_thread(activities.close)


async def work(records: Records, stop: asyncio.Event, *, begun: Callable[[], None] = lambda: None) -> None:
    """Work for a record until `stop` is set.

    Args:
        begun: is called once it is at work.
    Raises:
        Unavailable: no Temporal server answers.
    """
    client = await connect(records.config.temporal)
    async with working(records, client):
        begun()
        await stop.wait()
