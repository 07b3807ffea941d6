"""SaveToArtifactDB against core SaveImage: the same picture, on one server, through POST /prompt."""

from __future__ import annotations

import statistics
import uuid
from typing import Any

from measuring import Figure, figure, in_turns
from prompting import PHOTO, SIDE, prompting

from devtools.servers import ComfyServer

BATCHES = ((1, 25, 1.0), (8, 7, 0.6))
"""Pictures of a prompt, runs, and the goal."""


def run() -> list[Figure]:
    """The time of a prompt that saves one picture, of one that saves several, and the size of the file it writes."""
    with prompting() as prompts:
        figures = []
        for batch, runs, goal in BATCHES:
            taken = in_turns(
                lambda batch=batch: prompts.run(_graph("SaveToArtifactDB", batch)),
                lambda batch=batch: prompts.run(_graph("SaveImage", batch)),
                runs=runs,
            )
            name = f"save {SIDE}x{SIDE}, batch {batch}"
            figures.append(figure(name, *taken, goal=goal, unit="s", rival_name="core SaveImage"))
        sizes = _sizes(prompts.server)
    return [*figures, figure("size of the file", *sizes, goal=1.05, unit="bytes", rival_name="core SaveImage")]


def _graph(node: str, batch: int) -> dict[str, Any]:
    """A prompt of which only the save is not cached."""
    prefix = uuid.uuid4().hex[:8]
    if node == "SaveImage":
        inputs: dict[str, Any] = {"images": ["2", 0], "filename_prefix": prefix}
    else:
        inputs = {"value": ["2", 0], "filename_prefix": prefix, "chain": "", "step": ""}
        inputs |= {"approval": "default", "tags": ""}
    repeated = {"class_type": "RepeatImageBatch", "inputs": {"image": ["1", 0], "amount": batch}}
    return {"1": PHOTO, "2": repeated, "3": {"class_type": node, "inputs": inputs}}


def _sizes(server: ComfyServer) -> tuple[float, float]:
    ours = [path.stat().st_size for path in (server.data / "store" / "files").rglob("*.png")]
    core = [path.stat().st_size for path in (server.folder / "output").rglob("*.png")]
    return statistics.median(ours), statistics.median(core)
