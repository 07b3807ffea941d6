"""What recording everything costs the prompts: the same prompts of SaveImage on one server, switched on and off."""

from __future__ import annotations

import time
import uuid

import requests
from measuring import Figure, figure, in_turns
from prompting import PHOTO, SIDE, Prompts, prompting

RUNS, PROMPTS = 7, 10
SECONDS = 60.0


def run() -> list[Figure]:
    """Seconds from the first POST to the end of the last prompt, queued all at once as a batch count does."""
    with prompting() as prompts:
        ours, without = in_turns(lambda: _timed(prompts, "all"), lambda: _timed(prompts, "nodes"), runs=RUNS)
        kept = _count(prompts)
        assert kept == (RUNS + 1) * PROMPTS, kept
    name = f"{PROMPTS} prompts that save {SIDE}x{SIDE}, all recorded"
    return [figure(name, ours, without, goal=1.1, unit="s", rival_name="the same prompts, nothing recorded")]


def _timed(prompts: Prompts, record: str) -> float:
    answer = requests.put(f"{prompts.server.url}/artifact-db/recording", json={"record": record}, timeout=60)
    assert answer.status_code == 200, answer.text
    before = _count(prompts)
    graphs = []
    for _ in range(PROMPTS):
        inputs = {"images": ["1", 0], "filename_prefix": uuid.uuid4().hex[:8]}
        graphs.append({"1": PHOTO, "2": {"class_type": "SaveImage", "inputs": inputs}})
    taken = prompts.run(*graphs)
    # Not measured, and not left to the next turn: the last of them is seen, and recorded, a moment after its end.
    time.sleep(1)
    end = time.monotonic() + SECONDS
    while record == "all" and _count(prompts) < before + PROMPTS:
        assert time.monotonic() < end
        time.sleep(0.05)
    return taken


def _count(prompts: Prompts) -> int:
    return len(requests.get(f"{prompts.server.url}/artifact-db/artifacts?limit=500", timeout=60).json()["items"])
