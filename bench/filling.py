"""Owns filling a database with many artifacts before its server starts, recorded through the library as by a node."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import identities, recording, runs, thumbnails
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.storage.local import Placement
from PIL import Image

DISTINCT = 300
"""How many pictures differ; the rest share bytes and thumbnails with these, and still have URLs of their own."""

AT_ONCE = 250
"""Artifacts in a transaction."""


def fill(data: Path, count: int, *, seed: int = 1) -> None:
    """Record `count` pictures that wait for a decision, and make their thumbnails.

    Args:
        data: the server's folder of ours, `user/__artifact_db`.
    """
    library = open_library(load_config(data))
    library.prepare()
    try:
        outputs = _outputs(library, count, random.Random(seed))
        for number in range(0, count, AT_ONCE):
            run = runs.Run("bench", f"prompt-{number}", "text-to-image")
            recorded = recording.record(
                library,
                list(islice(outputs, AT_ONCE)),
                actor="bench",
                workflow_id=identities.new_id(),
                run=run,
            )
            if number <= DISTINCT:
                for artifact_id in recorded.artifact_ids:
                    thumbnails.thumbnail(library, artifact_id)
    finally:
        library.close()


def _outputs(library: Library, count: int, chance: random.Random) -> Iterator[tuple[recording.NewArtifact, Placement]]:
    day = identities.now()[:10]
    sizes = [(64, 64), (128, 96), (96, 160), (192, 192), (256, 144), (256, 256)]
    kept: list[Placement] = []
    for number in range(count):
        artifact_id = identities.new_id()
        width, height = sizes[number % DISTINCT % len(sizes)]
        if number < DISTINCT:
            with library.store.receiving() as part:
                part.write(_picture(width, height, chance))
                placement = library.store.finish(part, artifact_id=artifact_id, extension="png", day=day)
            kept.append(placement)
        else:
            same = kept[number % DISTINCT]
            placement = library.store.same_bytes(
                same.local_path, same.sha256, same.size, artifact_id=artifact_id, day=day
            )
        key = f"9:images:{number % AT_ONCE}"
        metadata = {"width": width, "height": height, "mode": "RGB"}
        name = f"ComfyUI_{number:05}_.png"
        new = recording.NewArtifact(artifact_id, key, name, "image", "png", metadata, node_id="9", status="pending")
        yield new, placement


def _picture(width: int, height: int, chance: random.Random) -> bytes:
    """A PNG of soft colours with grain: as hard to decode as a photo of that size."""
    soft = Image.frombytes("RGB", (4, 4), chance.randbytes(48)).resize((width, height), Image.Resampling.BICUBIC)
    grain = Image.effect_noise((width, height), 24).convert("RGB")
    file = io.BytesIO()
    Image.blend(soft, grain, 0.2).save(file, "PNG")
    return file.getvalue()
