"""What real ComfyUI nodes write into files is found again, and what made a picture is told of it, whoever brings it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from comfyui_artifact_db.media import embedded, facts
from comfyui_artifact_db.media.kinds import HEAD_SIZE, classify
from comfyui_graphs import Graph, Node
from comfyui_studio import Studio

WORKFLOW = {"nodes": [{"id": 1, "type": "EmptyImage"}], "links": [], "version": 0.4}
SETTINGS = {"steps": 30, "cfg": 4.5, "sampler_name": "heun", "scheduler": "simple"}
TOLD = {
    "prompt": {"state": "ok", "value": "a lighthouse"},
    "steps": {"state": "ok", "value": 30},
    "cfg": {"state": "ok", "value": 4.5},
    "sampler": {"state": "ok", "value": "heun"},
    "scheduler": {"state": "ok", "value": "simple"},
}


def every_writer(graph: Graph) -> list[Node]:
    frames = graph.add("EmptyImage", width=32, height=24, batch_size=3, color=random.getrandbits(24))
    audio = graph.add("EmptyAudio", duration=0.5, sample_rate=44100, channels=2)
    video = graph.add("CreateVideo", images=frames, fps=8.0, audio=audio)
    latent = graph.add("EmptyLatentImage", width=64, height=64, batch_size=1)
    webp = {"fps": 6.0, "lossless": True, "quality": 80, "method": "default"}
    return [
        graph.write(frames),
        graph.add("SaveAnimatedWEBP", images=frames, filename_prefix="d", **webp),
        graph.add("SaveAnimatedPNG", images=frames, filename_prefix="d", fps=6.0, compress_level=4),
        graph.add("SaveVideo", video=video, filename_prefix="d", format="mp4", codec="h264"),
        graph.add("SaveWEBM", images=frames, filename_prefix="d", codec="vp9", fps=8.0, crf=32.0),
        graph.add("SaveAudio", audio=audio, filename_prefix="d"),
        graph.add("SaveAudioMP3", audio=audio, filename_prefix="d", quality="V0"),
        graph.add("SaveLatent", samples=latent, filename_prefix="d"),
    ]


def test_what_comfyui_writes_into_files_is_found_again(gpu_b: Studio) -> None:
    graph = Graph()
    writers = every_writer(graph)
    outcome = gpu_b.run(graph, pnginfo={"workflow": WORKFLOW})
    seen = set()
    for node in writers:
        for value in outcome.ui(node).values():
            for one in value:
                if not isinstance(one, dict):
                    continue
                path = gpu_b.server.folder / "output" / one["subfolder"] / one["filename"]
                kind = classify(path.read_bytes()[:HEAD_SIZE], path.name)
                said = embedded.read(path, kind)
                assert said.prompt == outcome.entry["prompt"][2], path.name
                assert said.workflow == WORKFLOW, path.name
                assert said.notes == ()
                found = facts.describe(path, kind)
                assert "note" not in found
                assert {"width", "sample_rate", "shape"} & set(found)
                seen.add(kind.file_format)
    assert seen == {"png", "webp", "mp4", "webm", "flac", "mp3", "latent"}


def sampled(graph: Graph, save: bool) -> Node:
    seed = random.randrange(2**63, 2**64)
    picture = graph.add("TestsSampler", seed=seed, positive="a lighthouse", **SETTINGS)
    return graph.save(picture) if save else graph.write(picture)


def told(artifact: dict[str, Any], graph: Graph) -> None:
    """Every door says the same of the same graph."""
    found = artifact["metadata"]["generation"]
    assert found.pop("seed") == {"state": "ok", "value": str(graph["1"]["inputs"]["seed"])}
    assert found.pop("models") == {"state": "unknown shape"}
    assert found == TOLD


def test_the_node_tells_how_a_picture_was_generated(studio: Studio) -> None:
    graph = Graph()
    node = sampled(graph, save=True)
    (artifact_id,) = studio.run(graph).ids(node)
    artifact = studio.artifact(artifact_id)
    told(artifact, graph)
    facts_of_it = {name: value for name, value in artifact["metadata"].items() if name != "generation"}
    assert facts_of_it == facts.describe(studio.stored(artifact_id), classify(b"\x89PNG\r\n\x1a\n"))


@pytest.mark.parametrize("how", ["collected", "uploaded"])
def test_what_is_brought_in_tells_the_same(studio: Studio, how: str) -> None:
    graph = Graph()
    node = sampled(graph, save=False)
    outcome = studio.run(graph)
    workflow = studio.post("/workflows", {"workflow_name": "w", "server": "gpu-a"}, 201)["id"]
    if how == "collected":
        asked = {"server": "gpu-a", "prompt_id": outcome.prompt_id}
        (artifact,) = studio.post(f"/workflows/{workflow}/collect", asked)["items"]
    else:
        (data,) = studio.written(outcome, node)
        artifact = studio.upload(f"/workflows/{workflow}/artifacts", data, "a.png")
    told(artifact, graph)
