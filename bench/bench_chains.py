"""Chains over two real servers: what a step costs above its prompt, also beside a script that copies files; and many.

A prompt's own time is what ComfyUI itself tells, from `execution_start` to `execution_success` in its history. What is
left of the time from the request to the end is what is compared: deciding, delivering, queueing, noticing, fetching.
"""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
from bench_bytes import ALLOWED, post
from bench_lag import ALLOWED as ALLOWED_LAG
from bench_lag import PACK
from commanding import Shell, servers_of
from direct_flow import DirectFlow
from measuring import Figure, figure, in_turns
from PIL import Image, ImageChops
from working import temporal_in

from devtools import environment, pictures
from devtools.servers import ComfyServer

STEPS = 10
LIMIT = 0.060
"""Seconds that a step may take above its prompt's own execution."""

LIMIT_OF_TEMPORAL = 0.150
"""The same, where the workers of a Temporal server drive the chain."""

SIDE, TINY = 1024, 64
"""Pixels of each side of a photo that goes through a chain, which then is a PNG of 1.5 MB; and of a trivial picture."""

RUNS = 3
CROWD, CROWD_STEPS = 100, 2
CROWD_RUNS = 2
NAMES = ("gpu-a", "gpu-b")


def run() -> list[Figure]:
    """Seconds of a chain above its prompts; and the hub while a hundred chains run at once."""
    with tempfile.TemporaryDirectory(prefix="artifact-db-bench-") as folder, _servers(Path(folder)) as servers:
        return [*_alone(Path(folder), servers), _by_workers(Path(folder), servers), *_crowd(Path(folder), servers)]


@contextmanager
def _servers(folder: Path) -> Iterator[dict[str, ComfyServer]]:
    """Two ComfyUI servers without anything of ours."""
    servers = {name: ComfyServer(environment.comfyui(), folder / name, extension=False) for name in NAMES}
    try:
        for server in servers.values():
            server.launch()
        for server in servers.values():
            server.wait()
        time.sleep(3)  # ComfyUI goes on with its own start
        yield servers
    finally:
        for server in servers.values():
            server.stop()


def _alone(folder: Path, servers: dict[str, ComfyServer]) -> list[Figure]:
    """One chain at a time, on a hub in a process of its own."""
    (folder / "home").mkdir()
    shell = Shell(folder / "home")
    shell.data.mkdir(parents=True)
    (shell.data / "artifact-db.toml").write_text(servers_of(servers))
    with shell.serving() as hub:
        hub_url = hub.url
        tiny, photos = _photos(TINY), _photos(SIDE)
        trivial = [_chain(hub_url, servers, next(tiny)) / STEPS for _ in range(RUNS + 1)][1:]
        fresh = in_turns(
            lambda: _chain(hub_url, servers, next(photos)), lambda: _direct(servers, next(photos)), runs=RUNS
        )
        same = next(photos)
        again = in_turns(lambda: _chain(hub_url, servers, same), lambda: _direct(servers, same), runs=RUNS)
    rival_name = "a script that downloads, uploads and waits on the websocket"
    return [
        figure(
            *("a trivial step, above its prompt", statistics.median(trivial), LIMIT),
            **{"goal": 1.0, "unit": "s", "rival_name": f"{LIMIT * 1000:.0f} ms"},
        ),
        figure(f"{STEPS} steps with photos, above their prompts", *fresh, goal=1.5, unit="s", rival_name=rival_name),
        figure("the same again with the same photo", *again, goal=0.8, unit="s", rival_name=rival_name),
    ]


def _by_workers(folder: Path, servers: dict[str, ComfyServer]) -> Figure:
    """A hub, a worker and a Temporal server in a process each; the hub drives the same chain itself in turns."""
    (folder / "workers").mkdir()
    shell, tiny = Shell(folder / "workers"), _photos(TINY)
    shell.data.mkdir(parents=True)
    with temporal_in(None) as temporal:
        (shell.data / "artifact-db.toml").write_text(f'temporal = "{temporal.address}"\n{servers_of(servers)}')
        with shell.serving() as hub, shell.working():
            through, alone = in_turns(
                lambda: _chain(hub.url, servers, next(tiny), engine="temporal") / STEPS,
                lambda: _chain(hub.url, servers, next(tiny)) / STEPS,
                runs=RUNS,
            )
    limit = f"{LIMIT_OF_TEMPORAL * 1000:.0f} ms (by the hub itself: {alone * 1000:.0f} ms)"
    return figure(
        *("a trivial step through Temporal, above its prompt", through, LIMIT_OF_TEMPORAL),
        **{"goal": 1.0, "unit": "s", "rival_name": limit},
    )


def _crowd(folder: Path, servers: dict[str, ComfyServer]) -> list[Figure]:
    """A hundred chains at once, on a hub in a ComfyUI that does nothing else."""
    hub = ComfyServer(environment.comfyui(), folder / "hub", config=servers_of(servers))
    shutil.copytree(PACK, hub.folder / "custom_nodes" / "lag")
    hub.start()
    try:
        time.sleep(3)
        taken: list[float] = []
        grown: list[float] = []

        def busy() -> float:
            before = _memory(hub)
            _clear_peak(hub)
            began = time.perf_counter()
            worst = _worst(hub, lambda: _run_crowd(hub))
            taken.append(time.perf_counter() - began)
            grown.append(_memory(hub, "VmHWM") - before)
            return worst

        def idle() -> float:
            return _worst(hub, lambda: time.sleep(taken[-1] if taken else 5))

        lag, quiet = in_turns(busy, idle, runs=CROWD_RUNS)
    finally:
        hub.stop()
    limit = f"idle ({quiet * 1000:.0f} ms) plus {ALLOWED_LAG * 1000:.0f} ms"
    return [
        figure(
            *(f"memory that {CROWD} chains at once take", statistics.median(grown[1:]), ALLOWED),
            **{"goal": 1.0, "unit": "MB", "rival_name": f"{ALLOWED} MB"},
        ),
        figure(
            *("worst lag of the event loop meanwhile", lag, quiet + ALLOWED_LAG),
            **{"goal": 1.0, "unit": "s", "rival_name": limit},
        ),
    ]


def _photos(side: int) -> Iterator[bytes]:
    """Photos that nobody has seen before: one, moved on by a few pixels each time."""
    with Image.open(io.BytesIO(pictures.photo(side, side, seed=time.time_ns()))) as photo:
        while True:
            file = io.BytesIO()
            photo.save(file, "PNG", compress_level=4)
            yield file.getvalue()
            photo = ImageChops.offset(photo, 3, 1)


def _graph(picture: str = "none.png") -> dict[str, Any]:
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": picture}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "step"}},
    }


def _definition(artifact_id: str, count: int) -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    for number in range(count):
        step: dict[str, Any] = {"id": f"s{number}", "workflow": _graph(), "server": NAMES[number % 2]}
        if number == 0:
            step["inputs"] = {"1.image": artifact_id}
        else:
            step["depends_on"] = [f"s{number - 1}"]
            step["parameters"] = {"1.image": f"{{{{ s{number - 1}.output.image }}}}"}
        steps.append(step)
    return {"name": "bench", "steps": steps}


def _recorded(hub_url: str, picture: bytes) -> str:
    """A photo that the hub has; its id."""
    _, workflow = post(f"{hub_url}/workflows", b'{"workflow_name": "photos"}')
    answer = requests.post(
        f"{hub_url}/workflows/{workflow['id']}/artifacts", files={"file": ("photo.png", picture)}, timeout=60
    )
    answer.raise_for_status()
    return str(answer.json()["id"])


def _start(hub_url: str, definition: dict[str, Any], engine: str = "local") -> str:
    body = {"name": "bench", "chain_definition": definition, "run": True, "engine": engine}
    _, chain = post(f"{hub_url}/chains", json.dumps(body).encode())
    return str(chain["id"])


def _ended(hub_url: str, chain_id: str, *, pause: float) -> dict[str, Any]:
    while True:
        answer = requests.get(f"{hub_url}/chains/{chain_id}", timeout=60)
        answer.raise_for_status()
        chain: dict[str, Any] = answer.json()
        if chain["completed_at"] is not None:
            assert chain["status"] == "completed", chain
            return chain
        time.sleep(pause)


def _chain(hub_url: str, servers: dict[str, ComfyServer], picture: bytes, engine: str = "local") -> float:
    """The seconds of a chain of ten steps above its prompts, from the request until it is recorded as completed."""
    definition = _definition(_recorded(hub_url, picture), STEPS)
    began = time.time()
    chain = _ended(hub_url, _start(hub_url, definition, engine), pause=0.5)
    took = datetime.fromisoformat(chain["completed_at"].replace("Z", "+00:00")).timestamp() - began
    ran = [(servers[step["server_address"]].url, step["prompt_id"]) for step in chain["workflows"]]
    assert len(ran) == STEPS
    return took - _executing(ran)


def _direct(servers: dict[str, ComfyServer], picture: bytes) -> float:
    """As `_chain`, of the script."""
    urls = [servers[name].url for name in NAMES]

    async def flow() -> tuple[float, list[tuple[str, str]]]:
        async with DirectFlow(urls) as direct:
            began = time.time()
            _, ran = await direct.run([(urls[number % 2], _graph()) for number in range(STEPS)], picture)
            return time.time() - began, ran

    took, ran = asyncio.run(flow())
    return took - _executing(ran)


def _executing(ran: Iterable[tuple[str, str]]) -> float:
    """The seconds that prompts executed, as their servers tell."""
    total = 0.0
    for url, prompt_id in ran:
        status = requests.get(f"{url}/history/{prompt_id}", timeout=60).json()[prompt_id]["status"]
        told = {event: data["timestamp"] for event, data in status["messages"]}
        total += (told["execution_success"] - told["execution_start"]) / 1000
    return total


def _run_crowd(hub: ComfyServer) -> None:
    """Start a hundred chains side by side, and wait until all are completed."""
    hub_url = f"{hub.url}/artifact-db"
    definition = _definition(_recorded(hub_url, next(_photos(TINY))), CROWD_STEPS)
    started: list[str] = []
    threads = [threading.Thread(target=lambda: started.append(_start(hub_url, definition))) for _ in range(CROWD)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == CROWD
    for chain_id in started:
        chain = _ended(hub_url, chain_id, pause=0.5)
        assert [step["status"] for step in chain["workflows"]] == ["completed"] * CROWD_STEPS


def _worst(hub: ComfyServer, work: Any) -> float:
    requests.get(f"{hub.url}/bench/lag", timeout=30)
    work()
    return float(requests.get(f"{hub.url}/bench/lag", timeout=30).json()["worst"])


def _memory(hub: ComfyServer, name: str = "VmRSS") -> float:
    assert hub.process is not None
    status = Path(f"/proc/{hub.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1000


def _clear_peak(hub: ComfyServer) -> None:
    assert hub.process is not None
    Path(f"/proc/{hub.process.pid}/clear_refs").write_text("5")
