"""Owns the chain that the README shows: five steps, of which one waits for a person; it needs no model."""

from __future__ import annotations

import time
from typing import Any

from .servers import ComfyServer, ServerFailed

Json = dict[str, Any]

SECONDS = 60.0
ROUTES = "/artifact-db"


def config(port: int) -> str:
    """A configuration in which one server at this port of this machine has two names."""
    return "".join(f'[servers.{name}]\nurl = "http://127.0.0.1:{port}"\n\n' for name in ("gpu-a", "gpu-b"))


def run(server: ComfyServer, photo_id: str) -> str:
    """Run the chain with this photo until it waits; returns its name.

    Raises:
        ServerFailed: it came to another end, or to none in time.
    """
    body = {
        "name": "day-to-night",
        "chain_definition": {"name": "day-to-night", "steps": _steps(photo_id)},
        "run": True,
    }
    chain = server.post(f"{ROUTES}/chains", body)
    end = time.monotonic() + SECONDS
    while chain["status"] != "awaiting_approval":
        if chain["status"] in ("completed", "failed") or time.monotonic() > end:
            raise ServerFailed(f"the chain is {chain['status']}: {chain['error_message']}")
        time.sleep(0.2)
        chain = server.get(f"{ROUTES}/chains/{chain['id']}")
    return str(chain["name"])


def _steps(photo_id: str) -> list[Json]:
    blend = {"image1": ["1", 0], "image2": ["2", 0], "blend_factor": 0.5, "blend_mode": "screen"}
    both = {**_graph("comp", "ImageBlend", **blend), "2": _loaded()}
    half = {"upscale_method": "lanczos", "scale_by": 0.5}
    return [
        {
            **_step("plate", _graph("plate", "ImageScaleBy", **half), "gpu-a"),
            "inputs": {"1.image": photo_id},
        },
        _step("night", _graph("night", "ImageInvert"), "gpu-a", "plate"),
        {
            **_step("glow", _graph("glow", "ImageBlur", blur_radius=20, sigma=8.0), "gpu-b", "plate"),
            "requires_approval": True,
        },
        _step("comp", both, "gpu-b", "night", "glow"),
        {
            **_step("proxy", _graph("proxy", "ImageScaleBy", **half), "any", "comp"),
            "condition": "comp.output.meta.width > 256",
        },
    ]


def _step(step_id: str, graph: Json, server: str, *after: str) -> Json:
    loads = {f"{node}.image": f"{{{{ {other}.output.image }}}}" for node, other in enumerate(after, 1)}
    return {"id": step_id, "workflow": graph, "server": server, "depends_on": list(after), "parameters": loads}


def _graph(prefix: str, class_type: str, **inputs: Any) -> Json:
    loads = {} if "image1" in inputs else {"image": ["1", 0]}
    return {
        "1": _loaded(),
        "3": {"class_type": class_type, "inputs": {**loads, **inputs}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": prefix}},
    }


def _loaded() -> Json:
    return {"class_type": "LoadImage", "inputs": {"image": "photo.png"}}
