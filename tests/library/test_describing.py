"""What a new artifact's metadata says: facts and generation, from the graph or from the file, and never an error."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db.library import edits, uploads, workflows
from comfyui_artifact_db.library.describing import described, generated
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.media.embedded import Embedded
from comfyui_artifact_db.media.kinds import PNG, of_format
from making import Pictures, png
from PIL import Image
from PIL.PngImagePlugin import PngInfo


def graph(seed: Any = 7, text: Any = "a cat") -> dict[str, Any]:
    sampler = {"seed": seed, "steps": 20, "cfg": 8.0, "positive": ["2", 0], "latent_image": ["9", 0], "model": ["4", 0]}
    return {
        "1": {"class_type": "KSampler", "inputs": sampler},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["4", 1]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "base.safetensors"}},
    }


def picture(path: Path, **texts: str) -> Path:
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    Image.new("RGB", (16, 8)).save(path, "PNG", pnginfo=info)
    return path


FACTS = {"width": 16, "height": 8, "mode": "RGB", "bit_depth": 8, "animated": False, "frames": 1}


def test_the_graph_that_made_it_says_how(tmp_path: Path) -> None:
    found = described(picture(tmp_path / "a.png"), PNG, graph=graph(), node_id="3")
    told = found.pop("generation")
    assert found == FACTS
    assert (told["seed"]["value"], told["prompt"]["value"]) == (7, "a cat")


def test_without_a_graph_the_file_says_how(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", prompt=json.dumps(graph(seed=8)))
    assert described(path, PNG)["generation"]["seed"]["value"] == 8
    known = described(path, PNG, graph=graph(seed=9), node_id="3")
    assert known["generation"]["seed"]["value"] == 9
    read_already = described(path, PNG, embedded=Embedded(prompt=graph(seed=10)))
    assert read_already["generation"]["seed"]["value"] == 10


def test_of_several_outputs_in_an_embedded_graph_only_what_they_agree_on(tmp_path: Path) -> None:
    two = graph()
    two |= {f"1{key}": json.loads(json.dumps(one).replace('["', '["1')) for key, one in graph(seed=8).items()}
    told = described(picture(tmp_path / "a.png", prompt=json.dumps(two)), PNG)["generation"]
    assert told["prompt"] == {"state": "ok", "value": "a cat"}
    assert told["seed"] == {"state": "unknown shape"}


def test_a_workflow_of_the_editor_and_a_text_of_parameters_say_what_they_can(tmp_path: Path) -> None:
    nodes = [
        {"id": 1, "type": "KSampler", "widgets_values": [7, "fixed", 20], "outputs": [{"name": "LATENT", "links": [1]}],
         "inputs": [{"name": "positive", "link": 2}, {"name": "seed", "link": None, "widget": {"name": "seed"}},
                    {"name": "steps", "link": None, "widget": {"name": "steps"}}]},
        {"id": 2, "type": "CLIPTextEncode", "widgets_values": ["a cat"], "outputs": [{"links": [2]}],
         "inputs": [{"name": "text", "link": None, "widget": {"name": "text"}}]},
        {"id": 3, "type": "SaveImage", "inputs": [{"name": "images", "link": 1}]},
    ]  # fmt: skip
    workflow = {"nodes": nodes, "links": [[1, 1, 0, 3, 0, "IMAGE"], [2, 2, 0, 1, 0, "CONDITIONING"]]}
    told = described(picture(tmp_path / "a.png", workflow=json.dumps(workflow)), PNG)["generation"]
    assert (told["seed"]["value"], told["steps"]["value"], told["prompt"]["value"]) == (7, 20, "a cat")
    told = described(picture(tmp_path / "b.png", parameters="a dog\nSteps: 3, Seed: 4"), PNG)["generation"]
    assert (told["seed"]["value"], told["prompt"]["value"]) == (4, "a dog")


def test_notes_of_the_file_and_of_what_is_embedded(tmp_path: Path) -> None:
    assert described(picture(tmp_path / "a.png", prompt="{"), PNG) == {
        **FACTS,
        "note": "the embedded prompt is not JSON",
    }
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert set(described(tmp_path / "b.png", PNG)) == {"note"}
    assert described(tmp_path / "gone", of_format("bin")) == {}


def test_what_no_database_takes_is_not_in_it() -> None:
    told = generated(graph(seed=float("nan"), text="half \ud83d of it"), "3")
    text = json.dumps(told, allow_nan=False, ensure_ascii=False)
    assert "half ? of it" in text
    assert text.encode()


@pytest.mark.parametrize(
    "kind", ["png", "webp", "jpg", "avif", "mp4", "webm", "flac", "latent", "glb", "txt", "gif", "tiff"]
)
@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"RIFF", b"\xff\xd8\xff\xe1", b"{" * 5000])
def test_a_file_that_is_not_what_it_is_said_to_be_breaks_nothing(tmp_path: Path, kind: str, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    assert isinstance(described(tmp_path / "file", of_format(kind)), dict)


def test_an_edit_says_what_it_has_itself(library: Library, pictures: Pictures) -> None:
    parent = pictures.one(metadata={"generation": {"seed": {"state": "ok", "value": 1}}}, status="auto_approved")
    for data, seed in ((png(9), None), (_embedding(graph(seed=5)), 5)):
        with library.store.receiving() as part:
            part.write(data)
            edited = edits.edit(library, parent.id, part, PNG, by="ann", filename="e.png")
        assert edited.parent_artifact_id == parent.id
        assert edited.metadata.get("generation", {}).get("seed", {}).get("value") == seed


def test_an_upload_says_what_it_has_embedded_unless_the_client_says_otherwise(library: Library) -> None:
    workflow_id = workflows.create_workflow(library, workflow_name="w", actor="runner")[0].id
    for metadata, seed in ((None, 5), ({"generation": {"seed": {"state": "ok", "value": 6}}}, 6)):
        with library.store.receiving() as part:
            part.write(_embedding(graph(seed=5)))
            made, _ = uploads.upload(library, workflow_id, part, PNG, by="runner", filename="a.png", metadata=metadata)
        assert made.metadata["generation"]["seed"]["value"] == seed


def _embedding(prompt: dict[str, Any]) -> bytes:
    info = PngInfo()
    info.add_text("prompt", json.dumps(prompt))
    file = io.BytesIO()
    Image.new("RGB", (16, 8)).save(file, "PNG", pnginfo=info)
    return file.getvalue()
