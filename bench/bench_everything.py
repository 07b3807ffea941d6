"""What recording everything costs the prompts: the same prompts of SaveImage on one server, switched on and off."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import aiohttp
from measuring import Figure, figure, in_turns

from devtools import environment, pictures
from devtools.servers import ComfyServer

RUNS, PROMPTS = 7, 10
SIDE = 1024
SECONDS = 60.0


def run() -> list[Figure]:
    """Seconds from the first POST to the end of the last prompt, queued all at once as a batch count does."""
    with tempfile.TemporaryDirectory(prefix="artifact-db-bench-") as folder:
        server = ComfyServer(environment.comfyui(), Path(folder) / "server")
        (server.folder / "input" / "photo.png").write_bytes(pictures.photo(SIDE, SIDE))
        server.start()
        try:
            return [asyncio.run(_measure(server))]
        finally:
            server.stop()


async def _measure(server: ComfyServer) -> Figure:
    client = uuid.uuid4().hex
    async with aiohttp.ClientSession(server.url) as session, session.ws_connect(f"/ws?clientId={client}") as socket:
        loop = asyncio.get_running_loop()

        def timed(record: str) -> float:
            return float(asyncio.run_coroutine_threadsafe(_prompts(session, socket, client, record), loop).result())

        ours, without = await asyncio.to_thread(in_turns, lambda: timed("all"), lambda: timed("nodes"), runs=RUNS)
        kept = await _count(session)
        assert kept == (RUNS + 1) * PROMPTS, kept
    name = f"{PROMPTS} prompts that save {SIDE}x{SIDE}, all recorded"
    return figure(name, ours, without, goal=1.1, unit="s", rival_name="the same prompts, nothing recorded")


async def _prompts(session: Any, socket: Any, client: str, record: str) -> float:
    async with session.put("/artifact-db/recording", json={"record": record}) as answer:
        assert answer.status == 200, await answer.text()
    before = await _count(session)
    ids = [uuid.uuid4().hex for _ in range(PROMPTS)]
    began = time.perf_counter()
    for prompt_id in ids:
        body = {"prompt": _graph(prompt_id[:8]), "prompt_id": prompt_id, "client_id": client}
        async with session.post("/prompt", json=body) as answer:
            assert answer.status == 200, await answer.text()
    waited_for = set(ids)
    async for message in socket:
        event = json.loads(message.data) if message.type is aiohttp.WSMsgType.TEXT else {"type": ""}
        assert event["type"] != "execution_error", event
        if event["type"] == "execution_success":
            waited_for.discard(event["data"]["prompt_id"])
        if not waited_for:
            break
    taken = time.perf_counter() - began
    # Not measured, and not left to the next turn: the last of them is seen, and recorded, a moment after its end.
    await asyncio.sleep(1)
    end = time.monotonic() + SECONDS
    while record == "all" and await _count(session) < before + PROMPTS:
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
    return taken


async def _count(session: Any) -> int:
    async with session.get("/artifact-db/artifacts?limit=500") as answer:
        return len((await answer.json())["items"])


def _graph(prefix: str) -> dict[str, Any]:
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }
