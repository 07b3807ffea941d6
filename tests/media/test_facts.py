"""What is known of a file of any kind from its header: no other file is opened, and none can break it."""

from __future__ import annotations

import json
import resource
import struct
from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db.media import streams
from comfyui_artifact_db.media.facts import describe
from comfyui_artifact_db.media.kinds import HEAD_SIZE, classify, of_format
from filming import sound, video
from hypothesis import given, settings
from hypothesis import strategies as st


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


def patched(data: bytes, table: bytes, place: int, *numbers: int) -> bytes:
    """A film one of whose tables says something else."""
    start = data.index(table) + place
    packed = struct.pack(f">{len(numbers)}I", *numbers)
    return data[:start] + packed + data[start + len(packed) :]


def test_a_film_that_promises_more_than_it_holds_is_not_opened(tmp_path: Path) -> None:
    data = patched(video(), b"stsz", 8, 1, 80_000_000)
    assert described(tmp_path, data) == {"note": "it promises more than the file holds"}
    data = patched(video(), b"stsz", 8, 0, 80_000_000)
    assert described(tmp_path, data) == {"note": "it promises too many frames"}


def test_a_fragment_that_promises_millions_of_frames_is_not_opened(tmp_path: Path) -> None:
    film = video(movflags="frag_keyframe+empty_moov+default_base_moof")
    assert described(tmp_path, film)["width"] == 64
    assert described(tmp_path, patched(film, b"trun", 8, 50_000_000)) == {"note": "it promises too many frames"}


def test_plain_sound_in_a_film_has_as_many_samples_as_it_likes(tmp_path: Path) -> None:
    found = described(tmp_path, sound("mov", "pcm_s16le", rate=48000, seconds=100))
    assert (found["audio_codec"], found["duration"]) == ("pcm_s16le", 100.0)


@pytest.mark.parametrize("playlist", [b"#EXTM3U\n#EXTINF:1,\n", b"ffconcat version 1.0\nfile ", b"<MPD><BaseURL>"])
@pytest.mark.parametrize("name", ["x.mp4", "x.webm", "x.m3u8", "x.flac"])
def test_a_playlist_leads_nowhere(tmp_path: Path, playlist: bytes, name: str) -> None:
    other = tmp_path / "secret.mp4"
    other.write_bytes(video())
    found = described(tmp_path, playlist + str(other).encode() + b"\n", name)
    assert set(found) == {"characters", "lines"}
    as_film = tmp_path / "as a film"
    as_film.write_bytes(playlist + str(other).encode() + b"\n")
    for file_format in ("mp4", "webm", "flac", "mp3", "ogg", "wav", "mkv", "mov"):
        assert not {"width", "duration", "video_codec"} & set(streams.describe(as_film, file_format))


def test_a_film_whose_frames_lie_in_another_file_is_not_followed(tmp_path: Path) -> None:
    data = patched(video(), b"url ", 4, 0)  # not in this file
    found = described(tmp_path, data)
    assert found.get("width", 64) == 64


FILMS = {
    "mp4": video(sound="aac"),
    "webm": video("webm", "libvpx-vp9", sound="libopus"),
    "flac": sound(),
    "mp3": sound("mp3", "libmp3lame"),
    "ogg": sound("ogg", "libopus", rate=48000),
    "wav": sound("wav", "pcm_s16le"),
}


@pytest.mark.parametrize("name", FILMS)
def test_a_film_that_is_cut_off_anywhere_is_described_or_noted(tmp_path: Path, name: str) -> None:
    data = FILMS[name]
    for length in range(16, len(data), max(1, len(data) // 25)):
        found = described(tmp_path, data[:length])
        assert "note" in found or {"duration", "sample_rate", "width"} & set(found)


@settings(max_examples=250, derandomize=True, database=None, deadline=None)
@given(st.sampled_from(sorted(FILMS)), st.data())
def test_a_film_with_any_bytes_changed_breaks_nothing(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    film = bytearray(FILMS[name])
    for _ in range(data.draw(st.integers(1, 8))):
        film[data.draw(st.integers(0, min(len(film), 3000) - 1))] = data.draw(st.integers(0, 255))
    assert described(tmp_path_factory.getbasetemp(), bytes(film)) is not None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1_500_000, "kilobytes"


@pytest.mark.parametrize("name", ["a.mp4", "a.flac", "a.latent", "a.glb", "a.txt", "a.png"])
def test_a_file_that_is_not_there_has_a_note(tmp_path: Path, name: str) -> None:
    assert set(describe(tmp_path / name, of_format(name[2:]))) == {"note"}
