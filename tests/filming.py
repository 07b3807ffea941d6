"""Makes real videos and sounds with PyAV, as small as they can be."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import numpy as np


def video(
    container: str = "mp4",
    codec: str = "h264",
    *,
    size: tuple[int, int] = (64, 48),
    frames: int = 10,
    rate: int = 24,
    pixels: str = "yuv420p",
    sound: str | None = None,
    tags: dict[str, str] | None = None,
    **options: str,
) -> bytes:
    """A film of a square that grows brighter, and with `sound` (a codec) of as much silence."""
    file = io.BytesIO()
    options = {"movflags": "use_metadata_tags"} | options if container in ("mp4", "mov") else options
    with av.open(file, "w", format=container, options=options) as made:
        for name, value in (tags or {}).items():
            made.metadata[name] = value
        stream: Any = made.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        heard: Any = made.add_stream(sound, rate=48000) if sound else None
        for number in range(frames):
            picture = np.full((size[1], size[0], 3), number * 20 % 256, dtype=np.uint8)
            made.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        made.mux(stream.encode())
        if heard is not None:
            made.mux(heard.encode(_silence(48000, frames / rate)))
            made.mux(heard.encode())
    return file.getvalue()


def sound(
    container: str = "flac",
    codec: str = "flac",
    *,
    rate: int = 44100,
    seconds: float = 0.5,
    tags: dict[str, str] | None = None,
) -> bytes:
    """Silence, in stereo."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as made:
        for name, value in (tags or {}).items():
            made.metadata[name] = value
        stream: Any = made.add_stream(codec, rate=rate, layout="stereo")
        made.mux(stream.encode(_silence(rate, seconds)))
        made.mux(stream.encode())
    return file.getvalue()


def _silence(rate: int, seconds: float) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((2, int(rate * seconds)), dtype=np.float32), "fltp", "stereo")
    frame.sample_rate = rate
    frame.time_base = Fraction(1, rate)
    frame.pts = 0
    return frame
