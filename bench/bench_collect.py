"""Collecting from a real ComfyUI over REST, against curl of the same URLs into files that are fsynced."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import requests
from bench_bytes import ALLOWED, post
from commanding import Served, Shell
from measuring import Figure, figure, in_turns
from PIL import Image

from devtools import environment
from devtools.servers import ComfyServer

BATCH, NODES = 25, 4
SIDE = 1024
"""Pixels of each side: of noise, that is a PNG of 3 MB."""

FILM = 2 << 30
RUNS = 5


def run() -> list[Figure]:
    """Seconds to collect a prompt; and what the hub's memory grows by while it collects a film."""
    with tempfile.TemporaryDirectory(prefix="artifact-db-bench-") as folder:
        home = Path(folder)
        server = ComfyServer(environment.comfyui(), home / "comfyui", extension=False)
        (home / "home").mkdir()
        shell = Shell(home / "home")
        shell.data.mkdir(parents=True)
        (shell.data / "artifact-db.toml").write_text(f'[servers.gpu]\nurl = "{server.url}"\n')
        server.start()
        try:
            with shell.serving() as hub:
                return [_pictures(server, hub, home), _film(server, hub)]
        finally:
            server.stop()


def _pictures(server: ComfyServer, hub: Served, home: Path) -> Figure:
    prompt_id, images = _prompt(server, batch=BATCH, nodes=NODES, side=SIDE)
    sizes = [_place(server, image).stat().st_size for image in images]
    assert len(images) == BATCH * NODES
    assert min(sizes) > 2_500_000

    def ours() -> float:
        taken, artifacts = _collect(hub, prompt_id)
        assert sorted(artifact["file_size"] for artifact in artifacts) == sorted(sizes)
        return taken

    taken = in_turns(ours, lambda: _curl(server, images, home / "curl"), runs=RUNS)
    name = f"collect {len(images)} files of {sum(sizes) / len(sizes) / 1e6:.1f} MB"
    return figure(name, *taken, goal=1.2, unit="s", rival_name="curl of the same URLs into files, fsynced")


def _film(server: ComfyServer, hub: Served) -> Figure:
    """The hub has collected before, so that what it loads for its first collection is not counted."""
    prompt_id, (image,) = _prompt(server, batch=1, nodes=1, side=64)
    with _place(server, image).open("wb") as file:
        file.truncate(FILM)
    before = _memory(hub)
    # Its peak so far was that of the pictures: counted anew from here.
    Path(f"/proc/{hub.process.pid}/clear_refs").write_text("5")
    _, (artifact,) = _collect(hub, prompt_id)
    grown = _memory(hub, "VmHWM") - before
    assert artifact["file_size"] == FILM
    return figure(
        *("memory that a file of 2 GB takes", max(grown, 0.1), ALLOWED),
        **{"goal": 1.0, "unit": "MB", "rival_name": f"{ALLOWED} MB"},
    )


def _prompt(server: ComfyServer, *, batch: int, nodes: int, side: int) -> tuple[str, list[dict[str, str]]]:
    """A prompt that has saved pictures; its id and what its history says of them."""
    noise = Image.frombytes("RGB", (side, side), os.urandom(side * side * 3))
    noise.save(server.folder / "input" / f"noise{side}.png")
    graph: dict[str, Any] = {
        "1": {"class_type": "LoadImage", "inputs": {"image": f"noise{side}.png"}},
        "2": {"class_type": "RepeatImageBatch", "inputs": {"image": ["1", 0], "amount": batch}},
    }
    for node in range(3, 3 + nodes):
        inputs = {"images": ["2", 0], "filename_prefix": f"bench{side}_{node}"}
        graph[str(node)] = {"class_type": "SaveImage", "inputs": inputs}
    prompt_id = json.loads(_ask(server, "/prompt", {"prompt": graph}))["prompt_id"]
    while not (entry := json.loads(_ask(server, f"/history/{prompt_id}")).get(prompt_id)):
        time.sleep(0.1)
    assert entry["status"]["status_str"] == "success", entry["status"]
    return prompt_id, [image for shown in entry["outputs"].values() for image in shown["images"]]


def _ask(server: ComfyServer, path: str, body: Any = None) -> bytes:
    request = urllib.request.Request(server.url + path, None if body is None else json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as answer:
        return bytes(answer.read())


def _place(server: ComfyServer, image: dict[str, str]) -> Path:
    return server.folder / image["type"] / image["subfolder"] / image["filename"]


def _collect(hub: Served, prompt_id: str) -> tuple[float, list[dict[str, Any]]]:
    """Collect into a chain of its own, which goes again for good with its files: a prompt is recorded once."""
    _, chain = post(f"{hub.url}/chains", json.dumps({"name": "bench"}).encode())
    step = {"workflow_name": "bench", "chain_id": chain["id"], "step_id": "a"}
    _, workflow = post(f"{hub.url}/workflows", json.dumps(step).encode())
    body = json.dumps({"server": "gpu", "prompt_id": prompt_id}).encode()
    taken, answer = post(f"{hub.url}/workflows/{workflow['id']}/collect", body)
    requests.delete(f"{hub.url}/chains/{chain['id']}", timeout=60).raise_for_status()
    post(f"{hub.url}/trash/empty", json.dumps({"ids": [chain["id"]]}).encode())
    return taken, answer["items"]


def _curl(server: ComfyServer, images: list[dict[str, str]], folder: Path) -> float:
    folder.mkdir()
    targets = [folder / str(number) for number in range(len(images))]
    wanted = [
        f'url = "{server.url}/view?{urllib.parse.urlencode(image)}"\noutput = "{target}"\n'
        for image, target in zip(images, targets, strict=True)
    ]
    (folder / "wanted").write_text("".join(wanted))
    began = time.perf_counter()
    subprocess.run(["curl", "--fail", "--silent", "--config", str(folder / "wanted")], check=True)
    for target in targets:
        descriptor = os.open(target, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    taken = time.perf_counter() - began
    shutil.rmtree(folder)
    return taken


def _memory(hub: Served, name: str = "VmRSS") -> float:
    """MB of the hub's memory, now or at most (`VmHWM`) since its count was begun (Linux)."""
    status = Path(f"/proc/{hub.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1000
