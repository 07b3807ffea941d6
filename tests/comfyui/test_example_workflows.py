"""The workflows that ComfyUI offers as this extension's templates, queued as they stand."""

from __future__ import annotations

import json
import math
import struct
import wave
from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db.graphs.editor import as_graph
from comfyui_studio import Studio
from commanding import ROOT

EXAMPLES = ROOT / "example_workflows"


def as_prompt(name: str) -> dict[str, Any]:
    """An example in API format, as the editor queues it."""
    graph, vague = as_graph(json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8")))
    assert not vague, f"{name}: nodes {vague} have other values than they have widgets"
    return graph


def saved_by(studio: Studio, name: str) -> dict[str, Any]:
    """What the only SaveToArtifactDB of an example has kept."""
    graph = as_prompt(name)
    (node_id,) = (node_id for node_id, node in graph.items() if node["class_type"] == "SaveToArtifactDB")
    (artifact_id,) = studio.server.run(graph, actor="anna")[node_id]["artifact_ids"]
    return dict(studio.server.get(f"/artifact-db/artifacts/{artifact_id}"))


def test_there_is_a_test_for_each_example() -> None:
    assert {path.stem for path in EXAMPLES.iterdir()} == {
        "load_approved",
        "save_and_review",
        "sound_to_review",
        "video_to_review",
    }


def test_a_picture_waits_and_the_next_graph_loads_it_once_it_is_approved(studio: Studio) -> None:
    picture = saved_by(studio, "save_and_review")
    assert (picture["file_type"], picture["approval_status"]) == ("image", "pending")
    studio.server.post(f"/artifact-db/artifacts/{picture['id']}/approve", {"approved_by": "anna"})
    negative = saved_by(studio, "load_approved")
    lineage = studio.server.get(f"/artifact-db/artifacts/{negative['id']}/lineage")
    assert picture["id"] in [one["artifact"]["id"] for one in lineage["ancestors"]]


def test_a_film_of_two_seconds_waits(studio: Studio) -> None:
    film = saved_by(studio, "video_to_review")
    assert (film["file_type"], film["approval_status"], film["file_format"]) == ("video", "pending", "mp4")
    assert film["metadata"]["duration"] == pytest.approx(2.0, abs=0.1)


def test_the_first_five_seconds_of_a_sound_wait(studio: Studio) -> None:
    sound(studio.server.folder / "input" / "sound.wav", seconds=6)
    take = saved_by(studio, "sound_to_review")
    assert (take["file_type"], take["approval_status"], take["file_format"]) == ("audio", "pending", "flac")
    assert take["metadata"]["duration"] == pytest.approx(5.0, abs=0.01)


def sound(path: Path, *, seconds: int, rate: int = 8000) -> None:
    """A tone."""
    samples = (int(12_000 * math.sin(index / 6)) for index in range(seconds * rate))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
