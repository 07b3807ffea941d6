"""`artifact-db worker`: drives the chains that were given to the engine `temporal`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ..chains.records import LocalRecords, Records
from ..client.engine import HubRecords
from ..config import load_config
from ..errors import Unavailable
from ..library.examining import INSTALL_TEMPORALIO
from . import shells


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "worker",
        help="drive chains through a Temporal server",
        description="Works until it is stopped on the chains that were started with `--engine temporal`, or with "
        '`"engine": "temporal"` over REST. Several share the work; what one that dies was at, another goes on with. '
        "The server is `temporal` in the configuration. Where that names a `hub`, it needs no database: it asks "
        "the hub, with the token that `hub_token_env` names and the role `record`, and speaks to the servers itself.",
    )
    parser.set_defaults(run=work, log_level=logging.INFO)


def work(options: argparse.Namespace, folder: Path | None) -> int:
    """Work until the program is told to stop.

    Raises:
        Unavailable: temporalio is not installed, or neither Temporal nor the hub answers; the message says what to do.
        BadConfiguration: `temporal` is no address.
    """
    try:
        from ..chains.temporal import worker
    except ImportError as error:
        raise Unavailable(f"a worker needs temporalio ({error}): {INSTALL_TEMPORALIO}") from error
    with _records(folder) as records, suppress(KeyboardInterrupt):
        begun = partial(_say, records.config.temporal.address)
        asyncio.run(_until_stopped(partial(worker.work, records, begun=begun)))
    return 0


@contextmanager
def _records(folder: Path | None) -> Iterator[Records]:
    """What it works for: the hub that the configuration names, else the database."""
    config = load_config(folder)
    if config.hub is not None:
        with closing(HubRecords(config)) as records:
            yield records
        return
    with shells.opened(folder) as library:
        library.prepare()
        yield LocalRecords(library)


async def _until_stopped(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows has only the KeyboardInterrupt.
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await work(stop)


def _say(address: str) -> None:
    """Once it is at work, for a person or a program that waits for it."""
    print(f"Working for {address}", flush=True)
