"""Owns how servers are: each asked for a moment, all at once. A server that is away is an answer, not an error."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from ..config import Server
from ..errors import ServerFailed, ServerUnreachable
from .servers import ComfyUIServer

__all__ = ["Health", "look"]

TIMEOUT, DEADLINE = 3.0, 6.0
"""Seconds without a byte, and for a whole answer."""

MOST = 16
"""Servers that are asked at a time."""


@dataclass(frozen=True)
class Health:
    """`up`; `away`: it does not answer; `wrong`: it answers, and not as is asked. `error` says why, with what to do.

    `queue` counts the prompts that run or wait there; `version` is ComfyUI's; None where it is not known.
    """

    name: str
    status: Literal["up", "away", "wrong"]
    queue: int | None = None
    version: str | None = None
    error: str | None = None


def look(servers: Iterable[Server]) -> list[Health]:
    """How each of these servers is, in their order."""
    servers = list(servers)
    with ThreadPoolExecutor(max(1, min(MOST, len(servers))), thread_name_prefix="artifact-db-health") as pool:
        return list(pool.map(_look, servers))


def _look(server: Server) -> Health:
    try:
        with ComfyUIServer(server, timeout=TIMEOUT, deadline=DEADLINE) as client:
            queue, system = client.queue_length(), client.system_stats().get("system")
    except ServerFailed as error:
        status: Literal["away", "wrong"] = "away" if isinstance(error, ServerUnreachable) else "wrong"
        return Health(server.name, status, error=str(error))
    version = system.get("comfyui_version") if isinstance(system, dict) else None
    return Health(server.name, "up", queue, version[:64] if isinstance(version, str) else None)
