"""Owns what is known of a file's content without showing it: one call for every kind, which no file can break.

Only headers are read, each by the reader of the format that the bytes showed, in bounded time and memory. What cannot
be read, or is not believed, is a `note` in a few words.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import headers, images, texts
from .kinds import Kind


def _stream(path: Path, file_format: str) -> dict[str, Any]:
    # FFmpeg takes a quarter of a second to load, which no command should wait for that shows no video.
    from . import streams

    return streams.describe(path, file_format)


_READERS: dict[str, Callable[[Path, str], dict[str, Any]]] = {
    "image": images.describe,
    "video": _stream,
    "audio": _stream,
    "latent": lambda path, _: headers.latent(path),
    "3d": lambda path, _: headers.model(path),
    "text": lambda path, _: texts.describe(path),
}


def describe(path: Path, kind: Kind) -> dict[str, Any]:
    """The facts of a file, by what it is.

    Returns:
        For pictures `width`, `height` (pixels), `mode`, `bit_depth`, `animated`, `frames`; for videos also `fps`,
        `duration` (seconds), `video_codec`, `audio_codec`, `pixel_format`; for sound `duration`, `sample_rate` (Hz),
        `channels`; for texts `characters`, `lines`; for latents `shape`, `dtype`; for models `meshes` and the like.
        What is not known is absent; `note` says what could not be read.
    """
    reader = _READERS.get(kind.file_type)
    return reader(path, kind.file_format) if reader else {}
