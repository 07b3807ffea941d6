"""What is known of a file of any kind from its header: no other file is opened, and none can break it."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db.media.facts import describe
from comfyui_artifact_db.media.kinds import HEAD_SIZE, classify
from filming import sound, video


def described(folder: Path, data: bytes, name: str = "file") -> dict[str, Any]:
    path = folder / name
    path.write_bytes(data)
    return describe(path, classify(data[:HEAD_SIZE], name))


def latent(tensors: dict[str, Any], data: bytes) -> bytes:
    header = json.dumps(tensors).encode()
    return struct.pack("<Q", len(header)) + header + data


@pytest.mark.parametrize(
    ("container", "codec", "sounding", "told"),
    [
        ("mp4", "h264", "aac", ("h264", "aac")),
        ("mp4", "libsvtav1", None, ("av1", None)),
        ("mov", "h264", None, ("h264", None)),
        ("webm", "libvpx-vp9", "libopus", ("vp9", "opus")),
        ("matroska", "h264", "flac", ("h264", "flac")),
    ],
)
def test_a_video_tells_its_size_rate_length_and_codecs(
    tmp_path: Path, container: str, codec: str, sounding: str | None, told: tuple[str, str | None]
) -> None:
    found = described(tmp_path, video(container, codec, frames=12, rate=24, sound=sounding))
    assert (found["width"], found["height"], found["fps"], found["frames"]) == (64, 48, 24.0, 12)
    assert found["duration"] == pytest.approx(0.5, abs=0.05)
    assert (found["video_codec"], found.get("audio_codec")) == told
    assert (found["pixel_format"], found["bit_depth"]) == ("yuv420p", 8)
    assert found.get("sample_rate") == (48000 if sounding else None)
    assert "note" not in found


def test_ten_bits_are_told(tmp_path: Path) -> None:
    assert described(tmp_path, video("mp4", "libx265", pixels="yuv420p10le"))["bit_depth"] == 10


@pytest.mark.parametrize(
    ("container", "codec", "told", "rate"),
    [
        ("flac", "flac", "flac", 44100),
        ("mp3", "libmp3lame", "mp3", 44100),
        ("ogg", "libopus", "opus", 48000),
        ("wav", "pcm_s16le", "pcm_s16le", 44100),
        ("ipod", "aac", "aac", 44100),
    ],
)
def test_a_sound_tells_its_rate_channels_and_length(
    tmp_path: Path, container: str, codec: str, told: str, rate: int
) -> None:
    found = described(tmp_path, sound(container, codec, rate=rate))
    assert (found["audio_codec"], found["sample_rate"], found["channels"]) == (told, rate, 2)
    assert found["duration"] == pytest.approx(0.5, abs=0.1)
    assert "width" not in found


@pytest.mark.parametrize(
    ("text", "characters", "lines"), [("", 0, 0), ("a", 1, 1), ("ä\n€\n", 4, 2), ("one\ntwo", 7, 2), ("\ufeffx", 1, 1)]
)
def test_a_text_tells_its_characters_and_lines(tmp_path: Path, text: str, characters: int, lines: int) -> None:
    if text:
        assert described(tmp_path, text.encode()) == {"characters": characters, "lines": lines}


def test_a_latent_tells_its_shape(tmp_path: Path) -> None:
    tensor = {"dtype": "F32", "shape": [1, 4, 8, 8], "data_offsets": [0, 1024]}
    found = described(
        tmp_path, latent({"__metadata__": {"prompt": "{}"}, "latent_tensor": tensor}, b"\0" * 1024), "a.latent"
    )
    assert found == {"shape": [1, 4, 8, 8], "dtype": "F32", "tensors": 1}


@pytest.mark.parametrize(
    "tensor",
    [
        {"dtype": "F32", "shape": [1, 4, 8, 8], "data_offsets": [0, 1000]},
        {"dtype": "F32", "shape": [2**60], "data_offsets": [0, 1024]},
        {"dtype": "F32", "shape": [-1, -256], "data_offsets": [0, 1024]},
        {"dtype": "F32", "shape": [1, 4, 64, 64], "data_offsets": [0, 65536]},
        {"dtype": "pickle", "shape": [1], "data_offsets": [0, 1]},
        {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32"},
        [],
        None,
    ],
)
def test_a_latent_that_is_not_to_be_believed_has_a_note(tmp_path: Path, tensor: object) -> None:
    assert set(described(tmp_path, latent({"latent_tensor": tensor}, b"\0" * 1024), "a.latent")) == {"note"}
