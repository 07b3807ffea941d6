"""Thumbnails of pictures as a hub makes them, proven, kept and in both sizes of a list, against bare Pillow."""

from __future__ import annotations

import io
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import artifacts, identities, recording, runs, thumbnails
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.media import thumbnails as media
from measuring import Figure, figure, in_turns
from PIL import Image

from devtools import pictures

DISTINCT = 4
"""Photos that are drawn; the others are made of them by turning."""
FORMATS = (("png", 1024), ("png", 2048), ("jpg", 2048), ("webp", 1024))
RUNS = 5
SIZES = ("small", "medium")


def run() -> list[Figure]:
    """Seconds for a thumbnail in both sizes, on as many threads on both sides."""
    with tempfile.TemporaryDirectory(prefix="artifact-db-bench-") as folder:
        library = open_library(load_config(Path(folder) / "hub", {}))
        library.prepare()
        try:
            ids = _record(library)
            sources = [Path(artifacts.get_artifact(library, artifact_id).local_path) for artifact_id in ids]
            target = Path(folder) / "bare"

            def ours() -> float:
                shutil.rmtree(library.store.root / "thumbnails", ignore_errors=True)
                began = time.perf_counter()
                asked = [thumbnails.begin(library, artifact_id)[1] for artifact_id in ids]
                assert all(future.result().path for future in asked)
                return (time.perf_counter() - began) / len(ids)

            def bare() -> float:
                shutil.rmtree(target, ignore_errors=True)
                target.mkdir()
                began = time.perf_counter()
                with ThreadPoolExecutor(thumbnails.WORKERS) as pool:
                    list(pool.map(lambda source: _bare(source, target), sources))
                return (time.perf_counter() - began) / len(sources)

            taken, rival = in_turns(ours, bare, runs=RUNS)
        finally:
            library.close()
    name = "a thumbnail of a picture, in both sizes"
    return [figure(name, taken, rival, goal=1 / 0.9, unit="s", rival_name="bare Pillow, the same files and threads")]


def _record(library: Library) -> list[str]:
    ids = []
    for seed in range(1, DISTINCT + 1):
        photo = Image.open(io.BytesIO(pictures.photo(1024, 1024, seed=seed))).convert("RGB")
        for file_format, side in FORMATS:
            for turn in (0, 90, 180):
                image = photo.resize((side, side)).rotate(turn)
                ids.append(_one(library, image, file_format))
    return ids


def _one(library: Library, image: Image.Image, file_format: str) -> str:
    artifact_id = identities.new_id()
    file = io.BytesIO()
    image.save(file, {"jpg": "JPEG"}.get(file_format, file_format.upper()))
    with library.store.receiving() as part:
        part.write(file.getvalue())
        placement = library.store.finish(
            part, artifact_id=artifact_id, extension=file_format, day=identities.now()[:10]
        )
    new = recording.NewArtifact(artifact_id, "9:images:0", f"bench.{file_format}", "image", file_format)
    run = runs.Run("bench", f"prompt-{artifact_id}", "text-to-image")
    workflow_id = identities.new_id()
    recording.record(library, [(new, placement)], actor="bench", workflow_id=workflow_id, run=run)
    return artifact_id


def _bare(source: Path, target: Path) -> None:
    """The least that makes the same two pictures of a file, with Pillow's own ways and as good."""
    with Image.open(source) as image:
        for size in reversed(SIZES):
            image.thumbnail((media.SIDES[size],) * 2, Image.Resampling.LANCZOS)
            image.save(target / f"{source.stem}.{size}.webp", quality=media.QUALITY)
