"""What is known of a picture from its header: nothing is decoded, and no file can break it."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from comfyui_artifact_db.media.images import describe
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "ICO")


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
    return describe(path)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_picture_tells_its_size_and_mode(tmp_path: Path, name: str) -> None:
    found = described(tmp_path, made(name))
    assert (found["width"], found["height"], found["animated"]) == (32, 24, False)
    assert found["mode"] in ("RGB", "P")
    assert "note" not in found


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "TIFF"])
def test_a_moving_picture_says_so(tmp_path: Path, name: str) -> None:
    assert described(tmp_path, made(name, frames=3))["animated"] is True


@pytest.mark.parametrize(
    ("width", "height"), [(100_000, 100_000), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (16_385, 16_384)]
)
def test_a_header_that_promises_a_bomb_is_told_and_nothing_is_decoded(tmp_path: Path, width: int, height: int) -> None:
    assert described(tmp_path, png_of(width, height))["note"] == "too large to be shown"


def test_a_large_picture_is_described_without_a_warning(tmp_path: Path) -> None:
    assert described(tmp_path, png_of(12_000, 12_000))["width"] == 12_000


def test_a_text_that_unpacks_to_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    text = chunk(b"zTXt", b"prompt\0\0" + zlib.compress(b"x" * 200_000_000, 1))
    assert "note" in described(tmp_path, png_of(8, 8, text))


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
    assert "note" in describe(tmp_path / "gone.png")
