"""SaveToArtifactDB against core SaveImage: the same picture, on one server, through POST /prompt."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import aiohttp
from measuring import Figure, figure, in_turns

from devtools import environment, pictures
from devtools.servers import ComfyServer

RUNS = 25
SIDE = 1024


def run() -> list[Figure]:
    """The time of a prompt that saves one picture, and the size of the file it writes."""
    with tempfile.TemporaryDirectory(prefix="artifact-db-bench-") as folder:
        server = ComfyServer(environment.comfyui(), Path(folder) / "server")
        (server.folder / "input" / "photo.png").write_bytes(pictures.photo(SIDE, SIDE))
        server.start()
        try:
            return asyncio.run(_measure(server))
        finally:
            server.stop()


async def _measure(server: ComfyServer) -> list[Figure]:
    client = uuid.uuid4().hex
    async with aiohttp.ClientSession(server.url) as session, session.ws_connect(f"/ws?clientId={client}") as socket:
        loop = asyncio.get_running_loop()
        figures = []
        for batch, goal in ((1, 1.0), (8, 0.6)):

            async def timed(node: str, batch: int = batch) -> float:
                return await _prompt(session, socket, client, node, batch)

            # in_turns is for plain functions; the event loop waits for it in a thread.
            def wait_for(node: str, timed: Any = timed) -> float:
                return float(asyncio.run_coroutine_threadsafe(timed(node), loop).result())

            ours, core = await asyncio.to_thread(
                in_turns,
                lambda: wait_for("SaveToArtifactDB"),
                lambda: wait_for("SaveImage"),
                runs=RUNS if batch == 1 else 7,
            )
            name = f"save {SIDE}x{SIDE}, batch {batch}"
            figures.append(figure(name, ours, core, goal=goal, unit="s", rival_name="core SaveImage"))
        sizes = await asyncio.to_thread(_sizes, server)
        figures.append(figure("size of the file", *sizes, goal=1.05, unit="bytes", rival_name="core SaveImage"))
        return figures


async def _prompt(session: Any, socket: Any, client: str, node: str, batch: int) -> float:
    """Seconds from POST /prompt to the message that the prompt has succeeded. Only the save is not cached."""
    prompt_id = uuid.uuid4().hex
    body = {"prompt": _graph(node, batch, prompt_id[:8]), "prompt_id": prompt_id, "client_id": client}
    began = time.perf_counter()
    async with session.post("/prompt", json=body) as answer:
        assert answer.status == 200, await answer.text()
    async for message in socket:
        if message.type is not aiohttp.WSMsgType.TEXT:
            continue
        event = json.loads(message.data)
        if event["data"].get("prompt_id") == prompt_id:
            assert event["type"] != "execution_error", event
            if event["type"] == "execution_success":
                return time.perf_counter() - began
    raise AssertionError("the server closed the connection")


def _graph(node: str, batch: int, prefix: str) -> dict[str, Any]:
    source = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
        "2": {"class_type": "RepeatImageBatch", "inputs": {"image": ["1", 0], "amount": batch}},
    }
    if node == "SaveImage":
        inputs: dict[str, Any] = {"images": ["2", 0], "filename_prefix": prefix}
    else:
        inputs = {"value": ["2", 0], "filename_prefix": prefix, "chain": "", "step": ""}
        inputs |= {"approval": "default", "tags": ""}
    return {**source, "3": {"class_type": node, "inputs": inputs}}


def _sizes(server: ComfyServer) -> tuple[float, float]:
    ours = [path.stat().st_size for path in (server.data / "store" / "files").rglob("*.png")]
    core = [path.stat().st_size for path in (server.folder / "output").rglob("*.png")]
    return statistics.median(ours), statistics.median(core)
