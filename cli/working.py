"""`artifact-db worker`: drives the chains that were given to the engine `temporal`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import Unavailable
from ..library.opening import Library
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
    """
    try:
        import temporalio  # noqa: F401
    except ImportError as error:
        message = 'a worker needs temporalio: pip install "comfyui-artifact-db[temporal]"'
        raise Unavailable(message) from error
    with shells.opened(folder) as library:
        library.prepare()
        with suppress(KeyboardInterrupt):
            asyncio.run(_until_stopped(library))
    return 0


async def _until_stopped(library: Library) -> None:
    from ..chains.temporal import worker

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows has only the KeyboardInterrupt.
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await worker.work(library, stop, begun=lambda: print(f"Working for {library.config.temporal}", flush=True))
