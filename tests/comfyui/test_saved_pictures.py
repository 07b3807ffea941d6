"""SaveToArtifactDB keeps what SaveImage would have written, and shows it as PreviewImage would have shown it."""

from __future__ import annotations

import hashlib
import io
import json
import os

import pytest
from comfyui_graphs import Graph
from comfyui_studio import Studio, pixels
from PIL import Image

WORKFLOW = {"id": "6f1c", "nodes": [{"id": 9, "title": "Größe ✓"}], "version": 0.4}


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("size", [(24, 16), (1, 1), (97, 33)])
def test_but_for_its_own_text_chunk_its_files_are_byte_for_byte_those_of_save_image(
    studio: Studio, channels: int, size: tuple[int, int]
) -> None:
    graph = Graph()
    picture = graph.picture(channels=channels, width=size[0], height=size[1])
    save, core = graph.save(picture), graph.write(picture)
    outcome = studio.run(graph, pnginfo={"workflow": WORKFLOW, "note": "é"})
    (ours,), (theirs,) = outcome.ids(save), studio.written(outcome, core)
    assert pixels(theirs)[:2] == ({3: "RGB", 4: "RGBA"}[channels], size)
    chunks = chunks_of(studio.data(ours))
    assert [chunk for chunk in chunks if not chunk[4:].startswith(b"tEXtartifact_db\0")] == chunks_of(theirs)
    assert len(chunks) == len(chunks_of(theirs)) + 1


def chunks_of(png: bytes) -> list[bytes]:
    """A PNG file in pieces: its signature, then each chunk with its length and sum."""
    found, rest = [png[:8]], png[8:]
    while rest:
        size = int.from_bytes(rest[:4], "big") + 12
        found.append(rest[:size])
        rest = rest[size:]
    return found


@pytest.mark.parametrize("kind", ["a photo", "flat colours", "tiles"])
def test_large_files_hold_the_same_pixels_and_are_as_small(studio: Studio, kind: str) -> None:
    graph = Graph()
    if kind == "a photo":
        picture = graph.picture(width=512, height=512)
    elif kind == "flat colours":
        picture = graph.add("EmptyImage", width=512, height=512, batch_size=1, color=0x336699)
    else:
        tile = graph.picture(width=16, height=512)
        rows = tile
        for _ in range(4):  # 16 times the same beside itself
            rows = graph.add(
                "ImageStitch", image1=rows, image2=rows, direction="right",
                match_image_size=True, spacing_width=0, spacing_color="white",
            )  # fmt: skip
        picture = rows
    save, core = graph.save(picture), graph.write(picture)
    outcome = studio.run(graph)
    (ours,), (theirs,) = outcome.ids(save), studio.written(outcome, core)
    assert pixels(studio.data(ours)) == pixels(theirs)
    assert len(studio.data(ours)) <= 1.05 * len(theirs)


def test_its_text_chunks_say_what_was_queued(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.picture())
    (artifact_id,) = studio.run(graph, pnginfo={"workflow": WORKFLOW}).ids(save)
    with Image.open(io.BytesIO(studio.data(artifact_id))) as picture:
        chunks = dict(picture.info)
    assert set(chunks) == {"prompt", "workflow", "artifact_db"}
    assert json.loads(chunks["prompt"]) == graph
    assert json.loads(chunks["workflow"]) == WORKFLOW
    workflow_id = studio.artifact(artifact_id)["workflow_id"]
    assert json.loads(chunks["artifact_db"]) == {"artifact_id": artifact_id, "workflow_id": workflow_id, "inputs": []}


def test_a_file_says_which_artifacts_went_into_it(studio: Studio) -> None:
    source = studio.saved()
    graph = Graph()
    save = graph.save(graph.load(artifact_id=source["id"]))
    (artifact_id,) = studio.run(graph).ids(save)
    with Image.open(io.BytesIO(studio.data(artifact_id))) as picture:
        assert json.loads(picture.info["artifact_db"])["inputs"] == [source["id"]]


def test_a_picture_of_one_channel_is_grey(studio: Studio) -> None:
    graph = Graph()
    grey, colours = graph.picture(seed=7, channels=1), graph.picture(seed=7)
    save, core = graph.save(grey), graph.write(colours)
    outcome = studio.run(graph)
    with Image.open(io.BytesIO(studio.written(outcome, core)[0])) as picture:
        red = picture.getchannel("R").tobytes()
    (artifact_id,) = outcome.ids(save)
    assert pixels(studio.data(artifact_id)) == ("L", (24, 16), red)


def test_values_outside_of_the_range_are_clipped_as_save_image_clips_them(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.picture(width=64))
    (artifact_id,) = studio.run(graph).ids(save)
    shown = pixels(studio.data(artifact_id))[2]
    assert 0 in shown
    assert 255 in shown
    assert len(set(shown)) > 200


def test_the_value_goes_on_unchanged(studio: Studio) -> None:
    graph = Graph()
    picture = graph.picture(batch=2)
    save = graph.save(picture)
    before, after = graph.write(picture, "before"), graph.write(save[0], "after")
    outcome = studio.run(graph)
    assert [pixels(file) for file in studio.written(outcome, before)] == [
        pixels(file) for file in studio.written(outcome, after)
    ]


def test_what_is_shown_are_temporary_copies_that_view_serves(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.picture(batch=2), filename_prefix="previews/shot")
    outcome = studio.run(graph)
    shown = outcome.ui(save)["images"]
    assert [image["type"] for image in shown] == ["temp", "temp"]
    assert [image["subfolder"] for image in shown] == ["previews", "previews"]
    for image, artifact_id in zip(shown, outcome.ids(save), strict=True):
        assert studio.ask("GET", "/view", 200, params=image).content == studio.data(artifact_id)


def test_overwriting_a_temporary_copy_leaves_the_artifact_alone(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.picture())
    outcome = studio.run(graph)
    (image,), (artifact_id,) = outcome.ui(save)["images"], outcome.ids(save)
    copy = studio.server.folder / "temp" / image["subfolder"] / image["filename"]
    assert not copy.is_symlink()
    assert copy.stat().st_nlink == 1
    assert os.path.samefile(copy, studio.stored(artifact_id)) is False
    copy.write_bytes(b"something else")
    assert hashlib.sha256(studio.data(artifact_id)).hexdigest() == studio.artifact(artifact_id)["sha256"]


@pytest.mark.parametrize(
    ("prefix", "subfolder", "name"),
    [
        ("shot", "", "shot_00001_.png"),
        ("film/take 2/shot é", "film/take 2", "shot é_00001_.png"),
        ("%width%x%height%/%batch_num%", "24x16", "0_00001_.png"),
        ("./shots/./a", "shots", "a_00001_.png"),
        (" ends with blanks  ", "", "ends with blanks_00001_.png"),
    ],
)
def test_the_prefix_names_the_picture_as_in_save_image(studio: Studio, prefix: str, subfolder: str, name: str) -> None:
    graph = Graph()
    save = graph.save(graph.picture(), filename_prefix=prefix)
    outcome = studio.run(graph)
    (image,), (artifact_id,) = outcome.ui(save)["images"], outcome.ids(save)
    assert (image["subfolder"], image["filename"]) == (subfolder, name)
    artifact = studio.artifact(artifact_id)
    assert (artifact["subfolder"], artifact["filename"]) == (subfolder, name)
    assert studio.ask("GET", "/view", 200, params=image).content == studio.data(artifact_id)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no files of such names")
def test_a_prefix_that_no_label_can_have_makes_one_that_can(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.picture(), filename_prefix="shot:1/ /c:a")
    outcome = studio.run(graph)
    (artifact_id,) = outcome.ids(save)
    artifact = studio.artifact(artifact_id)
    assert (artifact["subfolder"], artifact["filename"]) == ("shot:1/_", "c_a_00001_.png")


def test_the_date_in_a_prefix_is_that_of_save_image(studio: Studio) -> None:
    graph = Graph()
    picture = graph.picture()
    save, core = graph.save(picture, filename_prefix="%year%-%month%"), graph.write(picture, "%year%-%month%")
    outcome = studio.run(graph)
    assert outcome.ui(save)["images"][0]["filename"] == outcome.ui(core)["images"][0]["filename"]


def test_names_count_on_and_do_not_meet(studio: Studio) -> None:
    graph = Graph()
    first = graph.save(graph.picture(batch=2), filename_prefix="counted")
    second = graph.save(graph.picture(batch=2), filename_prefix="counted")
    outcome = studio.run(graph)
    shown = [image["filename"] for node in (first, second) for image in outcome.ui(node)["images"]]
    assert sorted(shown) == [f"counted_{number:05}_.png" for number in range(1, 5)]
