"""Chains over two real servers: what a step costs above its prompt, also beside a script that copies files; and many.

A prompt's own time is what ComfyUI itself tells, from `execution_start` to `execution_success` in its history. What
lies between the end of one and the start of the next is what is compared: noticing, fetching, deciding, delivering,
queueing. Of the steps of a chain the median counts: every ten seconds ComfyUI collects Python's garbage after a prompt,
and answers nobody for a fifth of a second.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import requests
from bench_bytes import ALLOWED, post
from bench_lag import ALLOWED as ALLOWED_LAG
from bench_lag import PACK
from commanding import Shell, servers_of
from direct_flow import CarefulFlow, DirectFlow
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
Flow = Callable[[bytes], float]
"""Runs ten steps, beginning with a picture; gives the seconds that a step took above its prompt."""

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
        trivial = [_chain(hub_url, servers, next(tiny)) for _ in range(RUNS + 1)][1:]
        careful = _careful(folder, servers)
        fresh = _beside(servers, lambda picture: _chain(hub_url, servers, picture), careful, lambda: next(photos))
        same = next(photos)
        again = _beside(servers, lambda picture: _chain(hub_url, servers, picture), careful, lambda: same)
    return [
        figure(
            *("a trivial step, above its prompt", statistics.median(trivial), LIMIT),
            **{"goal": 1.0, "unit": "s", "rival_name": f"{LIMIT * 1000:.0f} ms"},
        ),
        figure("a step with a photo, above its prompt", **fresh, goal=1.5, unit="s"),
        figure("the same again with the same photos", **again, goal=0.8, unit="s"),
    ]


def _beside(servers: dict[str, ComfyServer], ours: Flow, careful: Flow, picture: Callable[[], bytes]) -> dict[str, Any]:
    """A chain's step beside those of the two scripts, in turns; what a figure says of them."""
    least: list[float] = []

    def rival() -> float:
        least.append(careful(picture()))
        return _direct(servers, picture())

    took, direct = in_turns(lambda: ours(picture()), rival, runs=RUNS)
    name = "a script that downloads, uploads and waits on the websocket"
    besides = f"{name}; one that also keeps and reads back: {statistics.median(least[1:]) * 1000:.0f} ms"
    return {"ours": took, "rival": direct, "rival_name": besides}


def _by_workers(folder: Path, servers: dict[str, ComfyServer]) -> Figure:
    """A hub, a worker and a Temporal server in a process each; the hub drives the same chain itself in turns."""
    (folder / "workers").mkdir()
    shell, tiny = Shell(folder / "workers"), _photos(TINY)
    shell.data.mkdir(parents=True)
    with temporal_in(None) as temporal:
        (shell.data / "artifact-db.toml").write_text(f'temporal = "{temporal.address}"\n{servers_of(servers)}')
        with shell.serving() as hub, shell.working():
            through, alone = in_turns(
                lambda: _chain(hub.url, servers, next(tiny), engine="temporal"),
                lambda: _chain(hub.url, servers, next(tiny)),
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
    """The seconds from the end of a prompt to the start of the next, of a chain of ten steps over two servers."""
    definition = _definition(_recorded(hub_url, picture), STEPS)
    chain = _ended(hub_url, _start(hub_url, definition, engine), pause=0.5)
    return _between([(servers[step["server_address"]].url, step["prompt_id"]) for step in chain["workflows"]])


def _direct(servers: dict[str, ComfyServer], picture: bytes) -> float:
    """As `_chain`, of the script."""
    return _flow(servers, picture, DirectFlow)


def _careful(folder: Path, servers: dict[str, ComfyServer]) -> Flow:
    """As `_direct`, of the careful one, which keeps files in this folder and remembers what it has sent."""
    kept, sent = folder / "kept", dict[tuple[str, str], str]()
    kept.mkdir()
    return lambda picture: _flow(servers, picture, lambda urls: CarefulFlow(urls, kept, sent))


def _flow(servers: dict[str, ComfyServer], picture: bytes, begin: Callable[[list[str]], DirectFlow]) -> float:
    urls = [servers[name].url for name in NAMES]

    async def flow() -> list[tuple[str, str]]:
        async with begin(urls) as script:
            _, ran = await script.run([(urls[number % 2], _graph()) for number in range(STEPS)], picture)
            return ran

    return _between(asyncio.run(flow()))


def _between(ran: Sequence[tuple[str, str]]) -> float:
    """The median of the seconds between prompts that ran one after the other, as their servers tell."""
    assert len(ran) == STEPS
    times = []
    for url, prompt_id in ran:
        status = requests.get(f"{url}/history/{prompt_id}", timeout=60).json()[prompt_id]["status"]
        told = {event: data["timestamp"] / 1000 for event, data in status["messages"]}
        times.append((told["execution_start"], told["execution_success"]))
    times.sort()
    return statistics.median(start - end for (_, end), (start, _) in pairwise(times))


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
