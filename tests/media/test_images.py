"""What is known of a picture from its header: nothing is decoded, and no file can break it."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from comfyui_artifact_db.media.images import describe
from comfyui_artifact_db.media.kinds import HEAD_SIZE, classify
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "ICO")


def made(name: str, *, frames: int = 1) -> bytes:
    pictures = [Image.new("RGB", (32, 24), (number * 40, 30, 7)) for number in range(frames)]
    file = io.BytesIO()
    more = {"save_all": True, "append_images": pictures[1:]} if frames > 1 else {}
    pictures[0].save(file, name, **more)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, *chunks: bytes) -> bytes:
    """A PNG that says it is of this size, in a few bytes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def described(folder: Path, data: bytes) -> dict[str, object]:
    path = folder / "picture"
    path.write_bytes(data)
    return describe(path, classify(data[:HEAD_SIZE]).file_format)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_picture_tells_its_size_and_mode(tmp_path: Path, name: str) -> None:
    found = described(tmp_path, made(name))
    assert (found["width"], found["height"], found["animated"]) == (32, 24, False)
    assert found["mode"] in ("RGB", "P")
    assert "note" not in found


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "AVIF"])
def test_a_moving_picture_says_how_many_frames_it_has_and_how_long_they_are_shown(tmp_path: Path, name: str) -> None:
    pictures = [Image.new("RGB", (32, 24), (number * 40, 30, 7)) for number in range(5)]
    file = io.BytesIO()
    pictures[0].save(file, name, save_all=True, append_images=pictures[1:], duration=100)
    found = described(tmp_path, file.getvalue())
    assert (found["animated"], found["frames"], found["width"], found["height"]) == (True, 5, 32, 24)
    assert (found["duration"], found["fps"]) == (pytest.approx(0.5), pytest.approx(10))


@pytest.mark.parametrize("frames", [1, 3])
def test_the_pictures_of_a_tiff_are_counted(tmp_path: Path, frames: int) -> None:
    found = described(tmp_path, made("TIFF", frames=frames))
    assert (found["frames"], found["animated"]) == (frames, frames > 1)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *(("PNG", mode) for mode in ("1", "L", "I;16", "RGB", "RGBA", "LA", "P")),
        *(("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
        *(("WEBP", mode) for mode in ("RGB", "RGBA")),
        *(("TIFF", mode) for mode in ("1", "L", "I;16", "RGB", "RGBA", "CMYK", "P")),
        *(("BMP", mode) for mode in ("RGB", "1")),
        *(("GIF", mode) for mode in ("P",)),
    ],
)
@pytest.mark.parametrize("lossless", [False, True])
def test_the_mode_is_what_pillow_calls_it(tmp_path: Path, name: str, mode: str, lossless: bool) -> None:
    file = io.BytesIO()
    Image.new(mode, (31, 17)).save(file, name, **({"lossless": True} if lossless and name == "WEBP" else {}))
    found = described(tmp_path, file.getvalue())
    with Image.open(file) as opened:
        assert (found["width"], found["height"], found["mode"]) == (*opened.size, opened.mode)
    # Pillow writes palettes of few colours in fewer bits.
    assert found["bit_depth"] == {"1": 1, "I;16": 16, "P": found["bit_depth"]}.get(mode, 8)


def test_sixteen_bits_of_a_coloured_png_are_told(tmp_path: Path) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
    found = described(tmp_path, b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    assert (found["mode"], found["bit_depth"]) == ("RGB", 16)


def test_a_gif_of_a_hundred_thousand_frames_is_counted(tmp_path: Path) -> None:
    one = b"\x21\xf9\4\0\5\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 8, 8, 0) + b"\2\2\x4c\1\0"
    data = b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x80, 0, 0) + b"\0" * 6 + one * 100_000 + b";"
    found = described(tmp_path, data)
    assert (found["frames"], found["duration"], found["fps"]) == (100_000, 5000.0, 20.0)


def test_folders_of_a_tiff_that_all_point_at_the_same_bytes_are_not_read(tmp_path: Path) -> None:
    entries = b"".join(struct.pack("<HHII", 40_000 + tag % 20_000, 7, 50_000_000, 8) for tag in range(65_000))
    size = struct.pack("<HHIIHHII", 256, 4, 1, 8, 257, 4, 1, 9)
    data = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 65_002) + size + entries + struct.pack("<I", 8)
    found = described(tmp_path, data + b"\0" * 1_000_000)
    assert (found["width"], found["height"], found["frames"]) == (8, 9, 1)


def test_a_jpeg_with_a_hundred_megabytes_before_its_size_is_described(tmp_path: Path) -> None:
    segment = b"\xff\xe1\xff\xffExif\0\0" + b"\0" * 65_527
    plain = made("JPEG")
    found = described(tmp_path, plain[:2] + segment * 1600 + plain[2:])
    assert (found["width"], found["height"]) == (32, 24)


@pytest.mark.parametrize(
    ("width", "height"), [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (16_385, 16_384)]
)
def test_a_header_that_promises_a_bomb_is_told_and_nothing_is_decoded(tmp_path: Path, width: int, height: int) -> None:
    assert described(tmp_path, png_of(width, height))["note"] == "too large to be shown"


def test_a_large_picture_is_described_without_a_warning(tmp_path: Path) -> None:
    assert described(tmp_path, png_of(12_000, 12_000))["width"] == 12_000


def test_a_text_that_unpacks_to_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    text = chunk(b"zTXt", b"prompt\0\0" + zlib.compress(b"x" * 200_000_000, 1))
    found = described(tmp_path, png_of(8, 8, text))
    assert (found["width"], found["height"], found["mode"], found["bit_depth"]) == (8, 8, "RGB", 8)


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"<svg/>", b"%PDF-", b"\0" * 5000, b"P6 9 9 255\n"]
)
def test_what_is_no_picture_has_a_note(tmp_path: Path, data: bytes) -> None:
    assert "note" in described(tmp_path, data) or data.startswith(b"P6")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("frames", [1, 3])
def test_a_picture_that_is_cut_off_anywhere_is_described_or_noted(tmp_path: Path, name: str, frames: int) -> None:
    data = made(name, frames=frames if name in ("PNG", "GIF", "WEBP", "TIFF") else 1)
    for length in range(0, len(data), max(1, len(data) // 60)):
        found = described(tmp_path, data[:length])
        assert "note" in found or name == "ICO" or (found["width"], found["height"]) == (32, 24)


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(st.sampled_from(FORMATS), st.integers(1, 3), st.data())
def test_a_picture_with_any_byte_changed_is_described_or_noted(
    tmp_path_factory: pytest.TempPathFactory, name: str, frames: int, data: st.DataObject
) -> None:
    picture = bytearray(made(name, frames=frames if name in ("PNG", "GIF", "WEBP", "TIFF") else 1))
    for _ in range(data.draw(st.integers(1, 4))):
        picture[data.draw(st.integers(0, min(len(picture), 400) - 1))] = data.draw(st.integers(0, 255))
    found = described(tmp_path_factory.getbasetemp(), bytes(picture))
    assert "note" in found or {"width", "height", "mode", "animated"} <= set(found)


def test_a_file_that_is_not_there_has_a_note(tmp_path: Path) -> None:
    assert "note" in describe(tmp_path / "gone.png", "png")
