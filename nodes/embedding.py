"""Owns what is written into files beside what they show: the graph as ComfyUI embeds it, and where they come from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

OURS = "artifact_db"

MODEL, MAKE = 0x0110, 0x010F
"""The EXIF tags that ComfyUI puts the prompt, and from there downwards all the rest, into."""

MOST_TAGS = 8
"""Below them are tags that say how large a picture is."""

LARGEST_EXIF = 65_000
"""Bytes; a JPEG file takes 65,533 of them."""


def texts(prompt: Any, extra_pnginfo: dict[str, Any] | None) -> dict[str, str]:
    """What ComfyUI's own nodes embed: `prompt`, and each key of `extra_pnginfo` (the UI's `workflow`)."""
    found = {} if prompt is None else {"prompt": json.dumps(prompt)}
    return found | {str(key): json.dumps(value) for key, value in (extra_pnginfo or {}).items()}


def lineage(artifact_id: str, workflow_id: str, inputs: Sequence[str]) -> dict[str, str]:
    """What says of a file, wherever it goes, which artifact it is and which ones went into it."""
    return {OURS: json.dumps({"artifact_id": artifact_id, "workflow_id": workflow_id, "inputs": list(inputs)})}


def as_png(embedded: dict[str, str]) -> PngInfo:
    """Text chunks, as SaveImage writes them."""
    info = PngInfo()
    for key, text in embedded.items():
        info.add_text(key, text)
    return info


def as_exif(embedded: dict[str, str], largest: int | None = None) -> bytes:
    """EXIF tags, as SaveAnimatedWEBP writes them; of what is too large for a file only the lineage is left."""
    exif = Image.Exif()
    tag = MAKE
    for key, text in list(embedded.items())[-MOST_TAGS:]:
        if key == "prompt":
            exif[MODEL] = f"prompt:{text}"
        else:
            exif[tag] = f"{key}:{text}"
            tag -= 1
    data = exif.tobytes() if len(exif) else b""
    if largest is not None and len(data) > largest:
        return as_exif({key: text for key, text in embedded.items() if key == OURS})
    return data
