"""`artifact-db serve`: the hub, with the same routes as ComfyUI and no ComfyUI needed."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from .. import __version__
from ..config import load_config
from ..library.opening import SharedLibrary

DEFAULT_PORT = 8190

GRACE = 3.0
"""Seconds that requests under way have to finish once the program is told to stop. Streams end at once."""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("serve", help="serve the routes, without ComfyUI")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help="the port (default: %(default)s; 0: any)")
    parser.set_defaults(run=serve, log_level=logging.INFO)


def serve(options: argparse.Namespace, folder: Path | None) -> int:
    """Serve until the program is told to stop.

    Raises:
        BadConfiguration, TooNew, Unavailable, StoreFailed: it cannot start; the message says why.
    """
    shared = SharedLibrary()
    shared.configure(lambda: load_config(folder))
    try:
        shared.get().prepare()
        return _run(shared, options.host, options.port)
    finally:
        shared.close()


def _run(shared: SharedLibrary, host: str, port: int) -> int:
    from aiohttp import web

    from ..server_routes.application import application

    try:
        web.run_app(application(shared, __version__), host=host, port=port, print=_say, shutdown_timeout=GRACE)
    except OSError as error:
        print(f"artifact-db: cannot listen at {host}:{port}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _say(banner: str) -> None:
    """The first line of aiohttp's banner has the addresses; they are what a person or a program waits for."""
    for line in banner.splitlines():
        if "http" in line:
            print(line.replace("=", "").strip() + "/artifact-db", flush=True)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"a port is 0 to 65535, not {text!r}")
    return int(text)
