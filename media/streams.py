"""Owns what the header of a video or a sound says: size, rate, length, codecs.

FFmpeg's readers follow playlists, patterns and links to other files when they are let. They are not: only the one
reader of the format that the bytes showed is tried, it is handed an open file, and no protocol is allowed to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import av.container
import av.error
import av.stream

from . import weighing
from .images import MALFORMED

DEMUXERS = {
    **dict.fromkeys(("mp4", "mov", "m4a"), "mov"),
    **dict.fromkeys(("webm", "mkv"), "matroska"),
    **{"flac": "flac", "mp3": "mp3", "wav": "wav", "ogg": "ogg"},
}
"""FFmpeg's reader of each format."""

UNREADABLE = (av.error.FFmpegError, OSError, *MALFORMED)
"""What opening a damaged file raises."""

COUNTED = 64 * 1024 * 1024
"""Bytes up to which a file's frames are counted one by one where its header does not say how many there are."""

_OPTIONS = {
    "protocol_whitelist": "",
    "probesize": str(4 * 1024 * 1024),  # bytes
    "analyzeduration": "2000000",  # microseconds
    "max_streams": "100",
}
_LONGEST = 10_000_000.0
_TIMEOUT = 20.0


@contextmanager
def opened(path: Path, file_format: str) -> Iterator[av.container.InputContainer]:
    """A container whose header is read.

    Raises:
        weighing.TooHeavy: it is not to be opened. One of `UNREADABLE`: it cannot be.
    """
    weighing.weigh(path, DEMUXERS[file_format])
    with (
        path.open("rb") as file,
        av.open(
            file,
            mode="r",
            format=DEMUXERS[file_format],
            options=_OPTIONS,
            metadata_errors="replace",
            timeout=_TIMEOUT,
        ) as container,
    ):
        yield container


def describe(path: Path, file_format: str) -> dict[str, Any]:
    """Size, rate, length and codecs, as far as the header says; a `note` when it cannot be read.

    Returns:
        `width`, `height` (pixels), `fps`, `duration` (seconds), `frames`, `video_codec`, `pixel_format`, `bit_depth`,
        `audio_codec`, `sample_rate` (Hz), `channels`.
    """
    if file_format not in DEMUXERS:
        return {"note": "not a format that can be read"}
    try:
        with opened(path, file_format) as container:
            found = {
                **_video(container, path.stat().st_size),
                **_audio(container),
                "duration": _seconds(container.duration, 1 / av.time_base),
            }
    except weighing.TooHeavy as error:
        return {"note": str(error)}
    except UNREADABLE as error:
        return {"note": f"its header cannot be read ({type(error).__name__})"}
    known = {name: value for name, value in found.items() if value is not None}
    if "video_codec" not in known and "audio_codec" not in known:
        known["note"] = "no picture and no sound in it"
    return known


def _video(container: av.container.InputContainer, size: int) -> dict[str, Any]:
    # The cover of a sound is a stream of one picture.
    cover = av.stream.Disposition.attached_pic
    stream = next((one for one in container.streams.video if not one.disposition & cover), None)
    if stream is None:
        return {}
    context = stream.codec_context
    pixels = context.format
    found: dict[str, Any] = {
        "width": context.width or None,
        "height": context.height or None,
        "video_codec": context.codec.canonical_name,
        "fps": _rate(stream.average_rate),
        "frames": stream.frames or None,
    }
    if pixels is not None:
        found.update(pixel_format=pixels.name, bit_depth=max(part.bits for part in pixels.components))
    if found["frames"] is None and size <= COUNTED:
        found["frames"] = sum(1 for packet in container.demux(stream) if packet.size) or None
    return found


def _audio(container: av.container.InputContainer) -> dict[str, Any]:
    stream = next(iter(container.streams.audio), None)
    if stream is None:
        return {}
    context = stream.codec_context
    return {
        "audio_codec": context.codec.canonical_name,
        "sample_rate": context.sample_rate or None,
        "channels": context.layout.nb_channels or None,
    }


def _rate(rate: Any) -> float | None:
    value = float(rate) if rate else 0.0
    return round(value, 3) if 0 < value < 100_000 else None


def _seconds(value: int | None, unit: float) -> float | None:
    seconds = value * unit if value is not None else -1.0
    return round(seconds, 6) if math.isfinite(seconds) and 0 <= seconds <= _LONGEST else None
