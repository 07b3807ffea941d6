"""What kind of file some bytes are is told by the bytes, whatever the file is called."""

from __future__ import annotations

import io
import json
import struct
import wave
from collections.abc import Callable

import pytest
from comfyui_artifact_db.media.kinds import HEAD_SIZE, OTHER, Kind, classify, of_format
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

SAFE_INLINE = {"image", "video", "audio"}


def picture(name: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 30, 7)).save(file, name)
    return file.getvalue()


def wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(44100)
        sound.writeframes(b"\0\0" * 100)
    return file.getvalue()


def box(kind: bytes, data: bytes) -> bytes:
    """A box of an ISO base media file: size, type, content."""
    return struct.pack(">I", 8 + len(data)) + kind + data


def iso(brand: bytes) -> bytes:
    return box(b"ftyp", brand + b"\0\0\x02\0" + b"isomiso2avc1mp41") + box(b"moov", box(b"mvhd", b"\0" * 100))


def element(identity: bytes, data: bytes) -> bytes:
    """An element of a Matroska file: id, size, content."""
    return identity + bytes([0x80 | len(data)]) + data


def matroska(kind: bytes) -> bytes:
    header = b"".join(
        [
            *(element(b"\x42\x86", b"\x01"), element(b"\x42\xf7", b"\x01"), element(b"\x42\xf2", b"\x04")),
            *(element(b"\x42\xf3", b"\x08"), element(b"\x42\x82", kind), element(b"\x42\x87", b"\x04")),
        ]
    )
    return element(b"\x1a\x45\xdf\xa3", header) + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"


def flac() -> bytes:
    return b"fLaC" + b"\x80\0\0\x22" + b"\x10\0\x10\0" + b"\0" * 30


def ogg() -> bytes:
    return b"OggS\0\x02" + b"\0" * 20 + b"\x01\x13OpusHead\x01\x02" + b"\0" * 20


def latent() -> bytes:
    header = json.dumps({"latent_tensor": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\0" * 4


def glb() -> bytes:
    return b"glTF" + struct.pack("<II", 2, 12)


MADE: dict[str, Callable[[], bytes]] = {
    **{name: lambda name=name: picture(name) for name in ("png", "gif", "bmp", "tiff", "webp")},
    "jpg": lambda: picture("JPEG"),
    **{"wav": wav, "flac": flac, "ogg": ogg, "glb": glb},
    "mp4": lambda: iso(b"isom"),
    "mov": lambda: iso(b"qt  "),
    "m4a": lambda: iso(b"M4A "),
    "webm": lambda: matroska(b"webm"),
    "mkv": lambda: matroska(b"matroska"),
    "mp3": lambda: b"ID3\x04\0\0\0\0\0\0\xff\xfb\x90\x64" + b"\0" * 100,
    "pdf": lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
}
TYPES = {
    **dict.fromkeys(("png", "gif", "bmp", "tiff", "webp", "jpg"), "image"),
    **dict.fromkeys(("mp4", "mov", "webm", "mkv"), "video"),
    **dict.fromkeys(("wav", "flac", "ogg", "mp3", "m4a"), "audio"),
    **{"glb": "3d", "pdf": "other"},
}

SCRIPTED = {
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "svg after xml": b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<!DOCTYPE svg PUBLIC 'x' 'y'>\n<svg/>",
    "svg in capitals": b"  \n\t<SVG ONLOAD=alert(1)>",
    "html": b"<!DOCTYPE html><html><script>alert(1)</script>",
    "html in the middle": b"GIF8" + b"a" * 500 + b"<html><body onload=alert(1)>",
    "script": b"<script>alert(1)</script>",
    "iframe": b"text < iframe src=x>",
    "xhtml": b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>",
    "xml": b"<?xml version='1.0'?><x xmlns:h='http://www.w3.org/1999/xhtml'/>",
    "js": b"alert(document.domain) // \xc3\xbc",
    "mhtml": b"MIME-Version: 1.0\nContent-Type: multipart/related\n\n",
    "pdf": b"%PDF-1.4 /OpenAction",
    "utf-16 html": "<html><script>alert(1)</script>".encode("utf-16"),
    "gzipped svg": b"\x1f\x8b\x08\0\0\0\0\0",
}
NAMES = ["x.png", "x.svg", "x.mp4", "x.latent", "x.json", "x", "x.PNG", "x.html.png", "png", ".png"]


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("filename", ["", "x.txt", "x.html", "x.safetensors", "x.json"])
def test_a_real_file_is_what_its_bytes_say_whatever_it_is_called(name: str, filename: str) -> None:
    kind = classify(MADE[name]()[:HEAD_SIZE], filename)
    assert (kind.file_format, kind.file_type) == (name, TYPES[name])


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow writes no AVIF")
def test_avif_is_a_picture_and_no_film() -> None:
    assert classify(picture("AVIF")[:HEAD_SIZE]).file_format == "avif"


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"msf1", b"hevc"])
def test_a_phones_heic_is_no_film(brand: bytes) -> None:
    kind = classify(iso(brand), "x.heic")
    assert kind.file_type != "video"
    assert not kind.inline


@pytest.mark.parametrize("name", SCRIPTED)
@pytest.mark.parametrize("filename", NAMES)
def test_what_may_carry_script_is_never_shown_in_place_however_it_is_called(name: str, filename: str) -> None:
    kind = classify(SCRIPTED[name], filename)
    assert not kind.inline
    assert kind.file_type not in SAFE_INLINE or kind.file_format == "svg"


@pytest.mark.parametrize(
    ("name", "file_format"),
    [("svg", "svg"), ("svg after xml", "svg"), ("svg in capitals", "svg"), ("html", "html"), ("script", "html"),
     ("xhtml", "html"), ("xml", "xml"), ("js", "txt"), ("pdf", "pdf"), ("utf-16 html", "bin"), ("gzipped svg", "bin")],
)  # fmt: skip
def test_markup_is_told_for_what_it_is(name: str, file_format: str) -> None:
    assert classify(SCRIPTED[name], "x.png").file_format == file_format


def test_only_formats_without_script_are_shown_in_place() -> None:
    shown = {
        name for name in [*MADE, "avif", "svg", "html", "xml", "json", "txt", "latent", "bin"] if of_format(name).inline
    }
    assert shown == {*("png", "jpg", "webp", "gif", "avif", "mp4", "webm", "flac", "mp3", "wav", "ogg")}
    for name in shown:
        assert of_format(name).media_type.split("/")[0] in SAFE_INLINE


@pytest.mark.parametrize("filename", ["x.latent", "x.safetensors", "X.LATENT"])
def test_a_latent_is_one_by_its_name_and_its_header(filename: str) -> None:
    assert classify(latent(), filename).file_type == "latent"
    assert classify(latent(), "x.png").file_type != "latent"
    assert classify(b"\x80\x04\x95pickled data", filename).file_type == "other"
    assert classify(b"\xff" * 8 + b"{", filename).file_type == "other"
    assert classify(b"", filename) == OTHER


@pytest.mark.parametrize("letter", ["ü", "暗", "🐉"])
def test_a_text_that_is_cut_inside_a_letter_is_a_text(letter: str) -> None:
    for shift in range(len(letter.encode())):
        data = (b"a" * shift + letter.encode() * HEAD_SIZE)[:HEAD_SIZE]
        assert classify(data).file_format == "txt"


def test_a_broken_letter_elsewhere_is_no_text() -> None:
    assert classify(b"\xfcbel").file_format == "bin"
    assert classify(("ü" * 10).encode()[:-1]).file_format == "bin"
    assert classify((b"a" * 4000 + b"\xff" + b"a" * 95)[:HEAD_SIZE]).file_format == "bin"
    assert classify(b"nul \0 nul").file_format == "bin"


@pytest.mark.parametrize(
    ("data", "filename", "file_format"),
    [
        (b'{"a": 1}', "", "json"),
        (b" \n[1, 2]", "x.txt", "json"),
        (b'{"a": 1', "", "txt"),
        (b'{"a": 1', "x.json", "json"),
        (b"{not json}", "", "txt"),
        (b"7", "", "txt"),
        (b"ein Drache, feuerspeiend", "x.png", "txt"),
        (b"BM is how this text begins", "", "txt"),
        (b"\xef\xbb\xbfwith a mark", "", "txt"),
        (b"a < b and c > d", "", "txt"),
        (b"", "x.png", "bin"),
        (b"\0", "x.txt", "bin"),
        (b"RIFF\0\0\0\0AVI LIST", "", "bin"),
        (b"\x89PNG", "x.png", "bin"),
    ],
)
def test_texts_and_what_is_nothing(data: bytes, filename: str, file_format: str) -> None:
    assert classify(data, filename).file_format == file_format


def test_a_text_of_nothing_but_brackets_is_told_without_being_followed() -> None:
    assert classify(b"[" * (HEAD_SIZE - 1)).file_format == "txt"
    assert classify(b'{"a":' * 800).file_format == "txt"


def test_a_format_that_was_recorded_is_the_same_kind_and_an_unknown_one_is_other() -> None:
    for name in MADE:
        assert of_format(name) == classify(MADE[name]()[:HEAD_SIZE])
    assert of_format(None) == of_format("exe") == of_format("") == OTHER


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(NAMES))
def test_any_bytes_are_some_kind(data: bytes, filename: str) -> None:
    kind = classify(data, filename)
    assert isinstance(kind, Kind)
    assert of_format(kind.file_format) == kind
