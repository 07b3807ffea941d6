"""Owns a worker of a Temporal server as a whole: workflows, activities and pump in one process, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.service import TLSConfig
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from ... import __version__
from ...config import Temporal
from ...errors import BadConfiguration, Unavailable
from ..records import Records
from .activities import Activities
from .pump import Pump
from .workflows import ChainWorkflow

logger = logging.getLogger("artifact_db.chains")

AWAY_SECONDS = 5.0
"""After which a worker begins again that could not go on."""

BEGINNING = 0.01
"""Seconds between two looks whether it has begun."""

AT_ONCE = 500
"""Activities that a worker has in hand at a time; those that wait for a prompt hold no thread."""

GRACE = timedelta(seconds=1)
"""What activities have to come to an end once a worker is stopped; others take over what has not."""

STICKY = timedelta(seconds=5)
"""For which a chain waits for the worker that has it in memory, before any other takes it."""

THROTTLE = timedelta(seconds=2)
"""At the least between two signs of life that reach Temporal."""


async def connect(server: Temporal) -> Client:
    """A client of a Temporal server.

    Raises:
        BadConfiguration: its address is none, or a file for it cannot be read. Unavailable: none answers there, or it
            refuses this machine. The messages say what to do.
    """
    tls = _tls(server) if server.is_secured else False
    try:
        return await Client.connect(server.target, namespace=server.namespace, api_key=server.api_key, tls=tls)
    except ValueError as error:
        message = f"temporal = {server.address!r}: write HOST:PORT, or HOST:PORT/NAMESPACE ({error})"
        raise BadConfiguration(message) from error
    except RuntimeError as error:
        raise Unavailable(_why_not(server, str(error))) from error


def _tls(server: Temporal) -> TLSConfig:
    def read(file: Path | None, key: str) -> bytes | None:
        try:
            return None if file is None else file.read_bytes()
        except OSError as error:
            raise BadConfiguration(f"{key} {file} cannot be read: {error.strerror}") from error

    return TLSConfig(
        server_root_ca_cert=read(server.ca_file, "temporal_ca_file"),
        client_cert=read(server.cert_file, "temporal_cert_file"),
        client_private_key=read(server.key_file, "temporal_key_file"),
    )


_CALLED = "call error after connection"
_OPEN = (
    "it does not answer without TLS; name what it asks for: temporal_api_key_env, or temporal_cert_file and "
    "temporal_key_file, or temporal_ca_file"
)
_REASONS = {
    "NoCertificatesPresented": "temporal_cert_file holds no certificate in PEM format",
    "InvalidCertificate": "its certificate is not believed; put the authority that signed it into temporal_ca_file",
    "InvalidContentType": "it does not speak TLS; leave out temporal_api_key_env, _ca_file, _cert_file and _key_file",
    _CALLED: "it refuses this machine; look at temporal_api_key_env, or temporal_cert_file and temporal_key_file",
}
"""What to say where Temporal's library tells of this; the first that fits."""


def _why_not(server: Temporal, told: str) -> str:
    """Why there is no connection, and what to do."""
    reason = next((reason for sign, reason in _REASONS.items() if sign in told), None)
    if _CALLED in told and not server.is_secured:
        reason = _OPEN
    if reason is not None:
        return f"the Temporal server at {server.target}: {reason}"
    return (
        f"no Temporal server answers at {server.target}: start one (`temporal server start-dev`), or name yours as "
        "`temporal` in artifact-db.toml"
    )


def task_queue(records: Records) -> str:
    """Where the workers of a record find their work; those of others have others."""
    return f"artifact-db-{records.store_id()}"


@asynccontextmanager
async def working(
    records: Records, client: Client, *, longest: int | None = None
) -> AsyncIterator[asyncio.Future[Any]]:
    """A worker at work, which is stopped at the end of the block; given is what ends when it cannot go on.

    Args:
        longest: events of a history after which a chain goes on as a new one; None: what Temporal suggests.
    Raises:
        RuntimeError: Temporal's server went away as it began, or refuses it.
    """
    queue = await asyncio.to_thread(task_queue, records)
    activities = Activities(records)
    # That the workflow is deterministic its tests show, in Temporal's sandbox, where each turn would be dearer.
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
    running = asyncio.create_task(worker.run())
    pump = asyncio.create_task(Pump(records, client, queue, longest=longest).run())
    reporting = asyncio.create_task(activities.report())
    try:
        while not (worker.is_running or running.done()):  # noqa: ASYNC110 - it tells nobody by itself
            await asyncio.sleep(BEGINNING)
        if worker.is_running:
            yield asyncio.ensure_future(asyncio.wait([running, pump], return_when=asyncio.FIRST_COMPLETED))
    finally:
        pump.cancel()
        reporting.cancel()
        await worker.shutdown()
        await asyncio.wait([running, pump, reporting])
        await asyncio.to_thread(activities.close)
    running.result()
    if not pump.cancelled():
        pump.result()


async def work(records: Records, stop: asyncio.Event, *, begun: Callable[[], None] = lambda: None) -> None:
    """Work for a record until `stop` is set. Where Temporal's server, or the hub, is away for long, it is waited for.

    Args:
        begun: is called once it is at work.
    Raises:
        BadConfiguration, Unavailable: as `connect`, when it begins.
    """
    client = await connect(records.config.temporal)
    stopped: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
    while not stop.is_set():
        try:
            async with working(records, client) as running:
                begun()
                await asyncio.wait([running, stopped], return_when=asyncio.FIRST_COMPLETED)
        except (RuntimeError, Unavailable) as error:
            logger.warning("Temporal, or what it works for, is away, and is asked again: %s", error)
            await asyncio.wait([stopped], timeout=AWAY_SECONDS)
