"""What files say of their making is found wherever ComfyUI and its extensions write it, and no file can break that."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db.media import embedded
from comfyui_artifact_db.media.embedded import MAX_TEXT, Embedded
from comfyui_artifact_db.media.kinds import HEAD_SIZE, classify
from filming import sound, video
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

GRAPH = {"3": {"class_type": "KSampler", "inputs": {"seed": 7, "model": ["4", 0]}, "is_changed": [float("nan")]}}
TAKEN = {"3": {"class_type": "KSampler", "inputs": {"seed": 7, "model": ["4", 0]}, "is_changed": [None]}}
WORKFLOW = {"nodes": [{"id": 3, "type": "KSampler"}], "links": [], "version": 0.4}
PARAMETERS = "a cat\nNegative prompt: a dog\nSteps: 20, Sampler: Euler, Seed: 7"
IMAGE_DESCRIPTION, MAKE, MODEL, USER_COMMENT, EXIF = 0x010E, 0x010F, 0x0110, 0x9286, 0x8769


def read(folder: Path, data: bytes, name: str = "file") -> Embedded:
    path = folder / name
    path.write_bytes(data)
    return embedded.read(path, classify(data[:HEAD_SIZE], name))


def picture(name: str, **how: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, name, **how)
    return file.getvalue()


def info(**texts: str) -> PngInfo:
    made = PngInfo()
    for name, text in texts.items():
        made.add_text(name, text)
    return made


def tagged(tags: dict[int, Any], comment: bytes | None = None) -> bytes:
    made = Image.Exif()
    made.update(tags)
    if comment is not None:
        made.get_ifd(EXIF)[USER_COMMENT] = comment
    return made.tobytes()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(*chunks: bytes) -> bytes:
    plain = picture("PNG")
    return plain[:33] + b"".join(chunks) + plain[33:]


def as_comfyui_tags() -> dict[int, str]:
    """The way of SaveAnimatedWEBP: the name, a colon, JSON; in whatever tag is next."""
    return {MODEL: f"prompt:{json.dumps(GRAPH)}", MAKE: f"workflow:{json.dumps(WORKFLOW)}"}


# -- where it is written


def test_saved_by_save_image(tmp_path: Path) -> None:
    data = picture("PNG", pnginfo=info(prompt=json.dumps(GRAPH), workflow=json.dumps(WORKFLOW)))
    assert read(tmp_path, data) == Embedded(TAKEN, WORKFLOW)


def test_saved_by_our_own_node(tmp_path: Path) -> None:
    told = {"artifact_id": "0192", "parents": ["0191"]}
    data = picture("PNG", pnginfo=info(prompt=json.dumps(GRAPH), artifact_db=json.dumps(told)))
    assert read(tmp_path, data) == Embedded(TAKEN, artifact_db=told)


@pytest.mark.parametrize("packed", [False, True])
def test_international_and_packed_texts_of_a_png(tmp_path: Path, packed: bool) -> None:
    made = PngInfo()
    made.add_itxt("parameters", "ein Kätzchen €", "de", "Parameter", zip=packed)
    made.add_text("prompt", json.dumps(GRAPH), zip=packed)
    assert read(tmp_path, picture("PNG", pnginfo=made)) == Embedded(TAKEN, parameters="ein Kätzchen €")


def test_saved_by_save_animated_png_behind_the_pixels(tmp_path: Path) -> None:
    made = PngInfo()
    made.add(b"comf", b"prompt\0" + json.dumps(GRAPH).encode(), after_idat=True)
    made.add(b"comf", b"workflow\0" + json.dumps(WORKFLOW).encode(), after_idat=True)
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 90, 180)]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:], pnginfo=made)
    assert read(tmp_path, file.getvalue()) == Embedded(TAKEN, WORKFLOW)


@pytest.mark.parametrize("name", ["WEBP", "JPEG", "AVIF"])
def test_saved_by_save_animated_webp_and_those_who_do_the_same(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, picture(name, exif=tagged(as_comfyui_tags()))) == Embedded(TAKEN, WORKFLOW)


@pytest.mark.parametrize("name", ["WEBP", "JPEG", "AVIF", "PNG"])
def test_capitals_and_several_values_behind_each_other(tmp_path: Path, name: str) -> None:
    tags = {
        MAKE: "Prompt:" + json.dumps(GRAPH),
        IMAGE_DESCRIPTION: "Workflow:" + json.dumps(WORKFLOW) + json.dumps({"more": 1}),
    }
    assert read(tmp_path, picture(name, exif=tagged(tags))) == Embedded(TAKEN, WORKFLOW)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (json.dumps({"prompt": GRAPH, "workflow": WORKFLOW}), Embedded(TAKEN, WORKFLOW)),
        (json.dumps({"prompt": json.dumps(GRAPH), "workflow": WORKFLOW}), Embedded(TAKEN, WORKFLOW)),
        (json.dumps(WORKFLOW), Embedded(workflow=WORKFLOW)),
        (json.dumps(GRAPH), Embedded(TAKEN)),
        (PARAMETERS, Embedded(parameters=PARAMETERS)),
        ("{a|b} cat\nSteps: 20, Seed: 1", Embedded(parameters="{a|b} cat\nSteps: 20, Seed: 1")),
        ("On the beach", Embedded()),
        ("{not json}", Embedded()),
        ("", Embedded()),
    ],
)
@pytest.mark.parametrize("charset", ["UNICODE-be", "UNICODE-le", "ASCII", "none"])
@pytest.mark.parametrize("name", ["WEBP", "JPEG", "AVIF"])
def test_a_user_comment_holds_it_in_many_ways(
    tmp_path: Path, name: str, charset: str, text: str, found: Embedded
) -> None:
    comment = {
        "UNICODE-be": b"UNICODE\0" + text.encode("utf-16-be"),
        "UNICODE-le": b"UNICODE\0" + text.encode("utf-16-le"),
        "ASCII": b"ASCII\0\0\0" + text.encode(),
        "none": text.encode(),
    }[charset]
    assert read(tmp_path, picture(name, exif=tagged({}, comment))) == found


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "h264"), ("mov", "h264"), ("webm", "libvpx-vp9"), ("matroska", "h264")]
)
def test_saved_by_the_video_nodes(tmp_path: Path, container: str, codec: str) -> None:
    own = {"prompt": json.dumps(GRAPH), "workflow": json.dumps(WORKFLOW)}
    suite = {"comment": json.dumps({"prompt": json.dumps(GRAPH), "workflow": WORKFLOW})}
    for tags in (own, suite):
        assert read(tmp_path, video(container, codec, tags=tags)) == Embedded(TAKEN, WORKFLOW)


@pytest.mark.parametrize(
    ("container", "codec"), [("flac", "flac"), ("mp3", "libmp3lame"), ("ogg", "libopus"), ("matroska", "libopus")]
)
def test_saved_by_the_sound_nodes(tmp_path: Path, container: str, codec: str) -> None:
    tags = {"prompt": json.dumps(GRAPH), "workflow": json.dumps(WORKFLOW)}
    assert read(tmp_path, sound(container, codec, rate=48000, tags=tags)) == Embedded(TAKEN, WORKFLOW)


def test_saved_by_save_latent(tmp_path: Path) -> None:
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({"__metadata__": {"prompt": json.dumps(GRAPH)}, "latent_tensor": tensor}).encode()
    data = struct.pack("<Q", len(header)) + header + b"\0" * 4
    assert read(tmp_path, data, "ComfyUI_00001_.latent") == Embedded(TAKEN)


def test_saved_by_save_glb(tmp_path: Path) -> None:
    header = json.dumps({"asset": {"version": "2.0", "extras": {"prompt": json.dumps(GRAPH)}}}).encode()
    data = b"glTF" + struct.pack("<IIII", 2, 20 + len(header), len(header), 0x4E4F534A) + header
    assert read(tmp_path, data) == Embedded(TAKEN)


# -- what is not to be believed


def test_a_graph_is_told_by_its_shape_and_not_by_its_name(tmp_path: Path) -> None:
    swapped = info(prompt=json.dumps(WORKFLOW), workflow=json.dumps(GRAPH))
    assert read(tmp_path, picture("PNG", pnginfo=swapped)) == Embedded(TAKEN, WORKFLOW)
    other = info(prompt=json.dumps({"a": 1}), workflow=json.dumps([1]), artifact_db="7")
    assert read(tmp_path, picture("PNG", pnginfo=other)) == Embedded()


def test_what_is_not_json_is_noted(tmp_path: Path) -> None:
    found = read(tmp_path, picture("PNG", pnginfo=info(prompt="a cat", workflow="{")))
    assert found == Embedded(notes=("the embedded prompt is not JSON", "the embedded workflow is not JSON"))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "1" * 100_000, '{"1":{"class_type":' * 50_000])
def test_json_that_is_made_to_break_readers_is_noted(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, picture("PNG", pnginfo=info(prompt=text)))
    assert found == Embedded(notes=("the embedded prompt is not JSON",))


def test_halves_of_surrogate_pairs_become_question_marks(tmp_path: Path) -> None:
    text = '{"1": {"class_type": "X", "inputs": {"text": "\\ud83d and \\ud83d\\ude00"}}}'
    found = read(tmp_path, picture("PNG", pnginfo=info(prompt=text))).prompt
    assert found is not None
    assert found["1"]["inputs"]["text"] == "? and 😀"


def test_texts_that_unpack_to_bombs_cost_little_and_are_noted(tmp_path: Path) -> None:
    bomb = zlib.compress(b"x" * 400_000_000, 1)
    texts = [chunk(b"zTXt", b"prompt\0\0" + bomb), chunk(b"iTXt", b"workflow\0\1\0\0\0" + bomb)]
    data = png_with(*texts)
    tracemalloc.start()
    found = read(tmp_path, data)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.notes == ("the embedded prompt is too large", "the embedded workflow is too large")
    assert most < 5 * MAX_TEXT + len(data)


def test_a_hundred_megabytes_of_exif_are_not_read(tmp_path: Path) -> None:
    block = tagged({MAKE: "x" * 100_000_000})
    riff = b"WEBPEXIF" + struct.pack("<I", len(block)) + block
    path = tmp_path / "a.webp"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(riff)) + riff)
    tracemalloc.start()
    found = embedded.read(path, classify(path.read_bytes()[:HEAD_SIZE]))
    assert found.notes == ("the embedded EXIF is too large",)
    tracemalloc.stop()


def test_tags_that_all_point_at_the_same_bytes_are_copied_so_many_times_only(tmp_path: Path) -> None:
    count, size = 60_000, 1_000_000
    entries = b"".join(struct.pack("<HHII", 0x010F, 2, size, 8) for _ in range(count))
    block = b"II*\0" + struct.pack("<I", 8 + size) + b"x" * size + struct.pack("<H", count) + entries
    tracemalloc.start()
    assert read(tmp_path, png_with(chunk(b"eXIf", block))) == Embedded()
    assert tracemalloc.get_traced_memory()[1] < 40_000_000
    tracemalloc.stop()


def test_a_million_texts_are_not_all_read(tmp_path: Path) -> None:
    many = chunk(b"tEXt", b"comment\0hello") * 500_000
    assert read(tmp_path, png_with(many)) == Embedded()


@pytest.mark.parametrize("name", ["PNG", "WEBP", "JPEG", "AVIF"])
def test_a_file_that_is_cut_off_anywhere_says_what_it_can(tmp_path: Path, name: str) -> None:
    more = {"pnginfo": info(prompt=json.dumps(GRAPH))} if name == "PNG" else {"exif": tagged(as_comfyui_tags())}
    data = picture(name, **more)
    found = [read(tmp_path, data[:length]) for length in [*range(0, len(data), 3), len(data)]]
    assert {None if one.prompt is None else "whole" for one in found} == {None, "whole"}
    assert all(one.prompt in (None, TAKEN) for one in found)


@settings(max_examples=400, derandomize=True, database=None, deadline=None)
@given(st.sampled_from(["PNG", "WEBP", "JPEG", "AVIF"]), st.data())
def test_a_file_with_any_bytes_changed_breaks_nothing(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    more = {"pnginfo": info(prompt=json.dumps(GRAPH))} if name == "PNG" else {"exif": tagged(as_comfyui_tags())}
    changed = bytearray(picture(name, **more))
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    assert isinstance(read(tmp_path_factory.getbasetemp(), bytes(changed)), Embedded)


def test_a_file_that_is_not_there_has_a_note(tmp_path: Path) -> None:
    kind = classify(picture("PNG"))
    assert embedded.read(tmp_path / "gone.png", kind).notes == ("what is embedded cannot be read (FileNotFoundError)",)
