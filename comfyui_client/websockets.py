"""Owns what a server tells over its websocket of a prompt that runs: at which node it is, and how far.

It is told to whoever wants to know and decides nothing: a server that cannot be heard, or says nothing, does no harm.
This module imports aiohttp's client and requests; whoever wants ComfyUI to start fast imports it late.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp

from ..config import Server
from .sessions import trusted

__all__ = ["NodeProgress", "listen", "read"]

logger = logging.getLogger("artifact_db.comfyui_client")

LARGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes; previews come along, which nobody looks at."""

CONNECT_SECONDS = 10.0
HEARTBEAT_SECONDS = 30.0
WAITS = (1.0, 2.0, 5.0, 15.0)
"""Seconds before it is tried again to connect; the last repeats."""


@dataclass(frozen=True)
class NodeProgress:
    """The node that runs, by its id and class in the prompt's graph; how many of how many parts are done, if told."""

    node_id: str
    class_type: str
    value: float | None = None
    max: float | None = None


Tell = Callable[["NodeProgress | None"], None]
End = Callable[[], None]


async def listen(
    server: Server, client_id: str, prompt_id: str, graph: Mapping[str, Any], tell: Tell, ended: End
) -> None:
    """Tell of each change of a prompt that this client queued or is about to, until cancelled. It raises nothing.

    `ended` is called once the prompt stands in the server's history.
    """
    tries = 0
    while True:
        try:
            async with _session(server) as session:
                connecting = _connected(session, server, client_id)
                async with await asyncio.wait_for(connecting, CONNECT_SECONDS) as socket:
                    tries = 0
                    async for message in socket:
                        if message.type == aiohttp.WSMsgType.TEXT:
                            _hear(message.data, prompt_id, graph, tell, ended)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            # Only what kind of error it is: its text may hold what was sent.
            logger.debug("server %r is not heard: %s", server.name, type(error).__name__)
        tell(None)
        await asyncio.sleep(WAITS[min(tries, len(WAITS) - 1)])
        tries += 1


def read(text: str, prompt_id: str, graph: Mapping[str, Any]) -> tuple[bool, NodeProgress | None]:
    """Whether a message says where a prompt is, and where; None: at no node. Of nodes only the graph's are believed."""
    kind, data = _parsed(text, prompt_id)
    return _read(kind, data, graph)


def _parsed(text: str, prompt_id: str) -> tuple[Any, dict[str, Any]]:
    """The kind of a message and what it says; no kind where it is of another prompt, or is none."""
    with suppress(ValueError, RecursionError):
        message = json.loads(text)
        data = message.get("data") if isinstance(message, dict) else None
        # Who connects while a prompt runs is told its node without the prompt.
        if isinstance(data, dict) and data.get("prompt_id", prompt_id) == prompt_id:
            return message.get("type"), data
    return None, {}


def _read(kind: Any, data: dict[str, Any], graph: Mapping[str, Any]) -> tuple[bool, NodeProgress | None]:
    if kind == "progress_state" and isinstance(data.get("nodes"), dict):
        running = [one for one in data["nodes"].values() if isinstance(one, dict) and one.get("state") == "running"]
        found = [node for one in running if (node := _node(one, graph, "display_node_id", "node_id")) is not None]
        # Of several that run, that one says most which counts.
        return True, max(found, key=lambda node: node.max or 0, default=None)
    if kind == "executing":
        return True, _node(data, graph, "display_node", "node")
    if kind == "progress":
        node = _node(data, graph, "node")
        return node is not None, node
    ended = kind in ("execution_success", "execution_error", "execution_interrupted")
    return ended, None


def _node(told: Mapping[str, Any], graph: Mapping[str, Any], *names: str) -> NodeProgress | None:
    for name in names:
        node_id = told.get(name)
        if isinstance(node_id, str) and isinstance(node := graph.get(node_id), dict):
            value, most = _number(told.get("value")), _number(told.get("max"))
            counts = value is not None and most is not None and most > 1
            return NodeProgress(
                node_id,
                str(node.get("class_type")),
                min(value, most) if counts and value is not None and most is not None else None,
                most if counts else None,
            )
    return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        return None
    return value


def _hear(text: str, prompt_id: str, graph: Mapping[str, Any], tell: Tell, ended: End) -> None:
    kind, data = _parsed(text, prompt_id)
    told, node = _read(kind, data, graph)
    if told:
        tell(node)
    if kind == "executing" and data.get("node") is None:
        ended()  # The last that ComfyUI says of a prompt, after it has written its history.


def _session(server: Server) -> aiohttp.ClientSession:
    """For this origin alone: without proxies, cookies, and redirects, which would take the credentials elsewhere."""
    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(_refuse_redirect)
    return aiohttp.ClientSession(
        headers=server.credentials,
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[tracing],
    )


async def _refuse_redirect(*_: Any) -> None:
    raise aiohttp.ClientError("a redirect")


async def _connected(session: aiohttp.ClientSession, server: Server, client_id: str) -> Any:
    return await session.ws_connect(
        "ws" + server.url.removeprefix("http") + "/ws",
        params={"clientId": client_id},
        ssl=trusted(server) or True,
        heartbeat=HEARTBEAT_SECONDS,
        max_msg_size=LARGEST_MESSAGE,
    )
