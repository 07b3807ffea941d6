"""Owns what is written into files about their making: by ComfyUI, by its well-known extensions, by our own nodes.

Nothing of it is believed: texts are bounded before they are unpacked or parsed, a graph is told by its shape whatever
its name says, and what cannot be read is a note.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from . import boxes, chunks, exif, headers
from .images import MALFORMED
from .kinds import Kind

MAX_TEXT = 8 * 1024 * 1024
"""Bytes or letters of one text; graphs with pictures in their widgets reach a few megabytes."""

MAX_TEXTS = 4
"""How many times that all texts of a file may have together."""

MAX_PARAMETERS = 256 * 1024

NAMES = ("prompt", "workflow", "parameters", "artifact_db")
_HOLDING = ("comment", "usercomment", "description", "imagedescription")
"""Texts without a name of their own, which may hold any of these."""

_NAMED = re.compile(r"\s*(prompt|workflow|artifact_db)\s*:\s*(?=[{\[\"])", re.IGNORECASE)
_KEYWORD = 80
_DECODER = json.JSONDecoder(parse_constant=lambda _: None)


@dataclass(frozen=True)
class Embedded:
    """`prompt`: the graph in API format. `workflow`: the graph as the editor has it. `parameters`: a text in the way of
    A1111. `artifact_db`: what our own nodes say. `notes`: what was there and could not be read, in a few words."""

    prompt: dict[str, Any] | None = None
    workflow: dict[str, Any] | None = None
    parameters: str | None = None
    artifact_db: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()


def read(path: Path, kind: Kind) -> Embedded:
    """What a file says about its making; never an error, in bounded time and memory."""
    finder = _Finder()
    source = _SOURCES.get(kind.file_format)
    if source is not None:
        try:
            for name, text in source(path, kind.file_format, finder):
                finder.take(name, text)
        except (OSError, headers.Unreadable, *MALFORMED) as error:
            finder.note(f"what is embedded cannot be read ({type(error).__name__})")
    return finder.found()


def is_graph(value: Any) -> bool:
    """Whether a value has the shape of a graph in API format: nodes by their ids, each with its class."""
    if not isinstance(value, dict) or not value:
        return False
    return all(isinstance(node, dict) for node in value.values()) and any(
        "class_type" in node for node in value.values()
    )


def is_workflow(value: Any) -> bool:
    """Whether a value has the shape of a graph as the editor saves it."""
    return isinstance(value, dict) and isinstance(value.get("nodes"), list)


@dataclass
class _Finder:
    """Takes texts one by one, and keeps the first of each name that has its shape."""

    kept: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    room: int = MAX_TEXTS * MAX_TEXT

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def fits(self, length: int, name: str) -> bool:
        """Whether a text of this length is still read; a note when it is not."""
        if length <= min(MAX_TEXT, self.room):
            self.room -= length
            return True
        self.note(f"the embedded {name} is too large")
        return False

    def take(self, name: str, text: str) -> None:
        name, text = name.lower(), text.encode("utf-8", "replace").decode()
        if len(text) > MAX_TEXT:
            self.note(f"the embedded {name} is too large")
        elif name == "parameters":
            self._keep_parameters(text)
        elif name in NAMES:
            value = _parsed(text)
            if value is None:
                self.note(f"the embedded {name} is not JSON")
            self._keep(name, value)
        elif name in _HOLDING:
            self._look_inside(text)

    def found(self) -> Embedded:
        return Embedded(**self.kept, notes=tuple(self.notes))

    def _look_inside(self, text: str) -> None:
        """A text that may be a graph, several under their names, one behind its name, parameters, or a remark."""
        if named := _NAMED.match(text):
            self.take(named.group(1), text[named.end() :])
        elif text.lstrip().startswith("{") and (value := _parsed(text)) is not None:
            if is_graph(value) or is_workflow(value):
                self._keep("prompt", value)
            elif isinstance(value, dict):
                for name in NAMES:
                    inner = value.get(name)
                    if isinstance(inner, str):
                        self.take(name, inner)
                    else:
                        self._keep(name, inner)
        elif "Steps: " in text:
            self._keep_parameters(text)

    def _keep_parameters(self, text: str) -> None:
        if len(text) > MAX_PARAMETERS:
            self.note("the embedded parameters are too large")
        elif text.strip():
            self.kept.setdefault("parameters", text)

    def _keep(self, name: str, value: Any) -> None:
        if name == "artifact_db" and isinstance(value, dict):
            self.kept.setdefault(name, value)
        elif is_workflow(value):
            self.kept.setdefault("workflow", value)
        elif is_graph(value):
            self.kept.setdefault("prompt", value)


def _parsed(text: str) -> Any:
    """The JSON value that a text begins with, since some write several behind each other; None where there is none."""
    with suppress(ValueError, RecursionError):
        value, _ = _DECODER.raw_decode(text, len(text) - len(text.lstrip()))
        if "\\ud" in text or "\\uD" in text:
            # Halves of surrogate pairs, which no database takes.
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        return value
    return None


Source = Callable[[Path, str, _Finder], Iterator[tuple[str, str]]]


def _of_png(path: Path, _format: str, finder: _Finder) -> Iterator[tuple[str, str]]:
    with path.open("rb") as file:
        for part in chunks.of_png(file):
            if part.kind == b"eXIf":
                yield from _of_exif(part, file, finder)
            elif part.kind in (b"tEXt", b"zTXt", b"iTXt", b"comf"):
                keyword, zero, _ = part.read(file, _KEYWORD).partition(b"\0")
                name = keyword.decode("latin-1").lower()
                if zero and name in (*NAMES, *_HOLDING) and finder.fits(part.length, name):
                    data = part.read(file, part.length)[len(keyword) + 1 :]
                    text = _unpacked(part.kind, data, finder, name)
                    if text is not None:
                        yield name, text


def _unpacked(kind: bytes, data: bytes, finder: _Finder, name: str) -> str | None:
    packed = False
    if kind == b"zTXt":
        packed, data = True, data[1:]
    elif kind == b"iTXt":
        packed, data = data[:1] == b"\1", data[2:]
        data = data.partition(b"\0")[2].partition(b"\0")[2]  # behind the language and the translated keyword
    if packed:
        inflating = zlib.decompressobj()
        data = inflating.decompress(data, min(MAX_TEXT, finder.room) + 1)
        if not finder.fits(len(data), name):
            return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _of_riff(path: Path, _: str, finder: _Finder) -> Iterator[tuple[str, str]]:
    with path.open("rb") as file:
        for part in chunks.of_riff(file):
            if part.kind == b"EXIF":
                yield from _of_exif(part, file, finder)


def _of_jpeg(path: Path, _: str, finder: _Finder) -> Iterator[tuple[str, str]]:
    with path.open("rb") as file:
        for part in chunks.of_jpeg(file):
            if part.kind == b"\xe1" and part.read(file, 6) == b"Exif\0\0":
                yield from _of_exif(part, file, finder)
            elif part.kind == b"\xfe" and finder.fits(part.length, "comment"):
                yield "comment", part.read(file, part.length).decode("utf-8", "replace")


def _of_iso(path: Path, _: str, finder: _Finder) -> Iterator[tuple[str, str]]:
    with path.open("rb") as file:
        pieces = boxes.still(file, path.stat().st_size).exif
        block = b""
        for start, length in pieces:
            if not finder.fits(length, "EXIF"):
                return
            file.seek(start)
            block += file.read(length)
    # Before the block stands how far behind it begins.
    yield from _texts_of(block[4 + int.from_bytes(block[:4], "big") :])


def _of_exif(part: chunks.Part, file: BinaryIO, finder: _Finder) -> Iterator[tuple[str, str]]:
    if finder.fits(part.length, "EXIF"):
        yield from _texts_of(part.read(file, part.length))


def _texts_of(block: bytes) -> Iterator[tuple[str, str]]:
    """Extensions use whichever tag is free: the text says what it is."""
    for _, text in exif.texts(block):
        yield "comment", text


def _of_streams(path: Path, file_format: str, finder: _Finder) -> Iterator[tuple[str, str]]:
    from . import streams, weighing

    try:
        with streams.opened(path, file_format) as container:
            tags = [container.metadata, *(stream.metadata for stream in container.streams)]
    except (weighing.TooHeavy, *streams.UNREADABLE):
        return  # as its facts say
    for names in tags:
        for name, text in names.items():
            if name.lower() in (*NAMES, *_HOLDING) and finder.fits(len(text), name.lower()):
                yield name, text


def _of_latent(path: Path, _: str, finder: _Finder) -> Iterator[tuple[str, str]]:
    yield from _strings(headers.safetensors_header(path).get("__metadata__"), finder)


def _of_model(path: Path, _: str, finder: _Finder) -> Iterator[tuple[str, str]]:
    asset = headers.glb_header(path).get("asset")
    yield from _strings(asset.get("extras") if isinstance(asset, dict) else None, finder)


def _strings(values: Any, finder: _Finder) -> Iterator[tuple[str, str]]:
    for name, text in values.items() if isinstance(values, dict) else ():
        if isinstance(text, str) and finder.fits(len(text), name):
            yield name, text


_SOURCES: dict[str, Source] = {
    **{
        "png": _of_png,
        "webp": _of_riff,
        "jpg": _of_jpeg,
        "avif": _of_iso,
        "heic": _of_iso,
        "latent": _of_latent,
        "glb": _of_model,
    },
    **dict.fromkeys(("mp4", "mov", "m4a", "webm", "mkv", "flac", "mp3", "ogg", "wav"), _of_streams),
}
