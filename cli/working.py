"""`artifact-db worker`: drives the chains that were given to the engine `temporal`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import Unavailable
from . import shells


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "worker",
        help="drive chains through a Temporal server",
        description="Works until it is stopped on the chains that were started with `--engine temporal`, or with "
        '`"engine": "temporal"` over REST. Several share the work; what one that dies was at, another goes on with. '
        "The server is `temporal` in the configuration.",
    )
    parser.set_defaults(run=work, log_level=logging.INFO)


def work(options: argparse.Namespace, folder: Path | None) -> int:
    """Work until the program is told to stop.

    Raises:
        Unavailable: temporalio is not installed, or no Temporal server answers; the message says what to do.
        BadConfiguration: `temporal` is no address.
    """
    try:
        from ..chains.temporal import worker
    except ImportError as error:
        message = f'a worker needs temporalio ({error}): pip install "comfyui-artifact-db[temporal]"'
        raise Unavailable(message) from error
    with shells.opened(folder) as library:
        library.prepare()
        with suppress(KeyboardInterrupt):
            asyncio.run(_until_stopped(partial(worker.work, library, begun=partial(_say, library.config.temporal))))
    return 0


async def _until_stopped(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows has only the KeyboardInterrupt.
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await work(stop)


def _say(address: str) -> None:
    """Once it is at work, for a person or a program that waits for it."""
    print(f"Working for {address}", flush=True)
