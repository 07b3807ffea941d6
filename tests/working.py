"""Real Temporal servers, and workers that drive chains through them."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from comfyui_artifact_db.chains.temporal import worker
from comfyui_artifact_db.chains.temporal.messages import workflow_id
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.servers import Temporal as TemporalServer
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

T = TypeVar("T")

SECONDS = 60.0


def program(name: str) -> str:
    """A program of the developer's environment."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert found, f"{name} is in devtools/requirements-dev.txt: install those"
    return found


def _free_ports() -> list[str]:
    """Two ports that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return [str(taken.getsockname()[1]) for taken in (one, other)]


class Temporal:
    """A Temporal server in a process of its own, which keeps what it knows in a folder, or in memory."""

    def __init__(self, folder: Path | None) -> None:
        self._keeping = [] if folder is None else ["--db-filename", str(folder / "temporal.db")]
        self._ports = _free_ports()
        self._process: subprocess.Popen[bytes] | None = None
        self._was_there = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._ports[0]}"

    def start(self) -> None:
        """Start it, or start it again with what it knew."""
        process = self._launch()
        end = time.monotonic() + SECONDS
        while asyncio.run(_is_away(self.address)):
            assert time.monotonic() < end, "Temporal did not come up"
            if process.poll() is not None:  # Somebody else has taken a port of it meanwhile.
                self._ports = self._ports if self._was_there else _free_ports()
                process = self._launch()
        self._was_there = True

    def _launch(self) -> subprocess.Popen[bytes]:
        port, http = self._ports
        self._process = subprocess.Popen(
            [
                *(program("temporal"), "server", "start-dev", "--headless", "--ip", "127.0.0.1"),
                *("--port", port, "--http-port", http, "--log-level", "never"),
                *self._keeping,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return self._process

    def is_running(self, chain_id: str) -> bool:
        """Whether the workflow of a chain has not ended."""
        return self._told(chain_id).status is WorkflowExecutionStatus.RUNNING

    def at_work(self, chain_id: str) -> set[str]:
        """Which workers are at an activity of a chain now."""
        return {one.last_worker_identity for one in self._told(chain_id).raw_description.pending_activities}

    def ask(self, question: Callable[[Client], Awaitable[T]]) -> T:
        """What its server answers."""

        async def answer() -> T:
            return await question(await worker.connect(TemporalServer(self.address)))

        return asyncio.run(answer())

    def _told(self, chain_id: str) -> WorkflowExecutionDescription:
        return self.ask(lambda client: client.get_workflow_handle(workflow_id(chain_id)).describe())

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


class Skipping:
    """A Temporal server whose time goes by as a test says."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="time-skipping")
        self._thread.start()
        path = program("temporal-test-server")
        self._env = self._wait(WorkflowEnvironment.start_time_skipping(test_server_existing_path=path))

    @property
    def address(self) -> str:
        return str(self._env.client.service_client.config.target_host)

    def now(self) -> datetime:
        return self._wait(self._env.get_current_time())

    def skip(self, **time: float) -> None:
        """Let time go by, at once."""
        self._wait(self._env.sleep(timedelta(**time)))

    def close(self) -> None:
        self._wait(self._env.shutdown())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()

    def _wait(self, question: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(question, self._loop).result(SECONDS)


async def _is_away(address: str) -> bool:
    try:
        await worker.connect(TemporalServer(address))
    except Exception:
        await asyncio.sleep(0.05)
        return True
    return False


@contextmanager
def temporal_in(folder: Path | None) -> Iterator[Temporal]:
    """A server for as long as the block lasts."""
    server = Temporal(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def a_worker(library: Library, server: TemporalServer, *, longest: int | None = None) -> Iterator[None]:
    """A worker in a thread of this process, at work from the first line of the block on."""
    loop = asyncio.new_event_loop()
    begun, stop = threading.Event(), asyncio.Event()
    failed: list[BaseException] = []

    async def work() -> None:
        async with worker.working(library, await worker.connect(server), longest=longest):
            begun.set()
            await stop.wait()

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(work())
            loop.run_until_complete(loop.shutdown_default_executor())
        except BaseException as error:
            failed.append(error)
        finally:
            begun.set()
            loop.close()

    thread = threading.Thread(target=run, name="artifact-db-worker")
    thread.start()
    begun.wait(SECONDS)
    try:
        if failed:
            raise failed[0]
        yield
    finally:
        if not failed:
            loop.call_soon_threadsafe(stop.set)
        thread.join(SECONDS)
        assert not thread.is_alive(), "the worker did not end"
        assert not failed, failed
