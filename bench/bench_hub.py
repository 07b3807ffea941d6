"""Recording into a hub against recording into a database of its own: the same prompts, on two servers side by side."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Any

from commanding import Shell  # of the tests, which `measuring` has made importable
from measuring import Figure, figure, in_turns
from prompting import PHOTO, SIDE, Prompts, prompting

BATCHES = ((1, 25), (8, 7))
"""Pictures of a prompt, and runs."""

GOAL = 1.3


def run() -> list[Figure]:
    """The time of a prompt that saves pictures, which are durable in the database when it ends, either way."""
    figures = []
    with (
        tempfile.TemporaryDirectory(prefix="artifact-db-bench-") as folder,
        Shell(Path(folder)).serving() as hub,
        prompting(f'hub = "{hub.url}"\n') as ours,
        prompting() as own,
    ):
        for batch, runs in BATCHES:
            taken = in_turns(lambda b=batch: ours.run(_graph(b)), lambda b=batch: own.run(_graph(b)), runs=runs)
            name = f"record {SIDE}x{SIDE} through a hub, batch {batch}"
            figures.append(figure(name, *taken, goal=GOAL, unit="s", rival_name="a database of its own"))
        assert _left(ours) == [], _left(ours)
    return figures


def _graph(batch: int) -> dict[str, Any]:
    """A prompt of which only the save is not cached."""
    inputs = {"value": ["2", 0], "filename_prefix": uuid.uuid4().hex[:8], "chain": "", "step": ""}
    repeated = {"class_type": "RepeatImageBatch", "inputs": {"image": ["1", 0], "amount": batch}}
    save = {"class_type": "SaveToArtifactDB", "inputs": {**inputs, "approval": "default", "tags": ""}}
    return {"1": PHOTO, "2": repeated, "3": save}


def _left(prompts: Prompts) -> list[str]:
    """The pictures that are still on their way."""
    return [path.name for path in (prompts.server.data / "store" / "staging").rglob("*.part")]
