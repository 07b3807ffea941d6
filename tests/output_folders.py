"""Makes folders as a ComfyUI leaves them: real files of every kind, with their graphs in them, and broken ones."""

from __future__ import annotations

import json
import os
import socket
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy
from making import png
from PIL import Image
from PIL.PngImagePlugin import PngInfo

LONG_AGO = 1_600_000_000
"""Seconds since 1970: 2020-09-13T12:26:40Z."""


def graph(seed: int = 1) -> dict[str, Any]:
    """A graph in API format."""
    return {
        "3": {"class_type": "KSampler", "inputs": {"seed": seed, "steps": 20, "positive": ["6", 0]}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a dragon", "clip": ["4", 1]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "ComfyUI"}},
    }


def editor(seed: int = 1) -> dict[str, Any]:
    """The same as an editor has it."""
    return {"nodes": [{"id": 3, "type": "KSampler", "widgets_values": [seed]}], "links": [], "version": 0.4}


def picture(path: Path, seed: int = 1, *, at: float = LONG_AGO, shade: int | None = None, **graphs: Any) -> Path:
    """A PNG as SaveImage writes it; `at` is its time in seconds since 1970."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = PngInfo()
    for name, value in {"prompt": graph(seed), "workflow": editor(seed), **graphs}.items():
        if value is not None:
            told.add_text(name, value if isinstance(value, str) else json.dumps(value))
    shade = seed if shade is None else shade
    Image.new("RGB", (8, 8), (shade % 256, shade // 256 % 256, 9)).save(path, "PNG", pnginfo=told)
    return dated(path, at)


def dated(path: Path, at: float = LONG_AGO) -> Path:
    """Give a file a time."""
    os.utime(path, ns=(int(at * 1e9), int(at * 1e9)))
    return path


def exif(path: Path, seed: int, file_format: str) -> Path:
    """A WebP or JPEG as SaveAnimatedWEBP and others write it: the graphs in the camera's fields."""
    image = Image.new("RGB", (8, 8), (seed, 3, 3))
    told = image.getexif()
    told[0x0110] = f"prompt:{json.dumps(graph(seed))}"
    told[0x010F] = f"workflow:{json.dumps(editor(seed))}"
    image.save(path, file_format, exif=told)
    return dated(path)


def film(path: Path, seed: int) -> Path:
    """An mp4 as SaveVideo writes it: the graphs in its tags."""
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata["prompt"] = json.dumps(graph(seed))
        container.metadata["workflow"] = json.dumps(editor(seed))
        stream = container.add_stream("mpeg4", rate=8)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        for number in range(4):
            frame = av.VideoFrame.from_ndarray(numpy.full((16, 16, 3), number * 40 + seed, numpy.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return dated(path)


def sound(path: Path, seed: int) -> Path:
    """A flac as SaveAudio writes it: the graphs in its tags."""
    with av.open(str(path), "w", format="flac") as container:
        container.metadata["prompt"] = json.dumps(graph(seed))
        container.metadata["workflow"] = json.dumps(editor(seed))
        stream = container.add_stream("flac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(numpy.full((1, 800), seed, numpy.int16), "s16", "mono")
        frame.sample_rate, frame.time_base = 8000, Fraction(1, 8000)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return dated(path)


def text(path: Path, words: str = "a dragon") -> Path:
    path.write_text(words)
    return dated(path)


GOOD = ("a.png", "2024/ComfyUI_00002_.png", "b.webp", "c.jpg", "d.mp4", "e.flac", "notes.txt")
"""What `every_kind` makes."""


def every_kind(folder: Path) -> Path:
    """One file of every kind, in a folder that is made."""
    folder.mkdir()
    picture(folder / "a.png", 1)
    picture(folder / "2024" / "ComfyUI_00002_.png", 2)
    exif(folder / "b.webp", 3, "WEBP")
    exif(folder / "c.jpg", 4, "JPEG")
    film(folder / "d.mp4", 5)
    sound(folder / "e.flac", 6)
    text(folder / "notes.txt")
    return folder


BROKEN = {
    "cut.png": png()[:40],
    "nonsense.png": b"\x89PNG\r\n\x1a\n" + os.urandom(200),
    "cut.mp4": b"\0\0\0\x20ftypisom" + b"\0" * 20,
    "nothing.flac": b"fLaC" + b"\xff" * 60,
    "a.bin": bytes(range(256)),
}
"""Files that are not what they seem, and are kept all the same."""


def broken(folder: Path) -> Path:
    """Those files, in a folder that is made."""
    folder.mkdir()
    for name, data in BROKEN.items():
        (folder / name).write_bytes(data)
        dated(folder / name)
    picture(folder / "not json.png", 7, prompt="{", workflow="[1, 2]")
    picture(folder / "no text.png", 8, prompt='{"1": {"class_type": "\\ud800"}}')
    picture(folder / "deep.png", 9, prompt='{"a":' * 50_000)
    return folder


def left_out(folder: Path, elsewhere: Path) -> Path:
    """What nobody means to keep, in a folder that is made; returns a socket that is in it, which goes when closed."""
    (folder / ".cache").mkdir(parents=True)
    text(folder / ".cache" / "a.txt")
    text(folder / ".hidden.txt")
    text(folder / "half.mp4.tmp")
    text(folder / "Thumbs.db")
    (folder / "empty.png").touch()
    text(elsewhere)
    (folder / "link.txt").symlink_to(elsewhere)
    (folder / "up").symlink_to(elsewhere.parent, target_is_directory=True)
    with socket.socket(socket.AF_UNIX) as special:
        before = Path.cwd()
        os.chdir(folder)  # such a name has 108 bytes at most
        try:
            special.bind("s")
        finally:
            os.chdir(before)
    return folder
