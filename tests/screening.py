"""Makes real films that can be told apart frame by frame, sounds that are loud where they shall be, and long GIFs."""

from __future__ import annotations

import array
import io
import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import av
from PIL import Image

CODECS = {"mp4": "libx264", "mov": "mpeg4", "matroska": "mpeg4", "webm": "libvpx-vp9"}
FAST = {"libx264": {"preset": "ultrafast"}, "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}}


def grey(number: int, frames: int) -> tuple[int, int, int]:
    """Frames that grow lighter, from a dark one to a light one."""
    return (60 + 180 * number // max(1, frames - 1),) * 3


def film(
    container: str = "mp4",
    codec: str | None = None,
    *,
    frames: int = 24,
    size: tuple[int, int] = (64, 48),
    colour: Callable[[int, int], tuple[int, int, int]] = grey,
    picture: Image.Image | None = None,
    ratio: Fraction | None = None,
    key_every: int = 12,
    pixels: str = "yuv420p",
) -> bytes:
    """A film of frames of one colour each, told by their number and how many there are; or of one picture.

    Args:
        ratio: how wide a pixel is for its height.
        key_every: frames from one that stands alone to the next.
    """
    codec = codec or CODECS[container]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as made:
        stream: Any = made.add_stream(codec, rate=24)
        stream.width, stream.height = picture.size if picture else size
        stream.pix_fmt = pixels
        stream.gop_size = key_every
        stream.options = FAST.get(codec, {})
        if ratio is not None:
            stream.codec_context.sample_aspect_ratio = ratio
        for number in range(frames):
            image = picture or Image.new("RGB", size, colour(number, frames))
            made.mux(stream.encode(av.VideoFrame.from_image(image)))
        made.mux(stream.encode())
    return file.getvalue()


def sound(
    container: str = "wav",
    codec: str = "pcm_s16le",
    *,
    seconds: float = 4.0,
    rate: int = 8000,
    loud: Callable[[float], float] = lambda at: 1.0 if 0.25 <= at < 0.5 else 0.0,
    **options: str,
) -> bytes:
    """A tone whose loudness, from 0 to 1, is told by the share of the whole that is over."""
    samples = array.array("h")
    count = int(seconds * rate)
    for number in range(count):
        samples.append(int(28000 * loud(number / count) * math.sin(2 * math.pi * 440 * number / rate)))
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options) as made:
        stream: Any = made.add_stream(codec, rate=rate, layout="mono")
        for at in range(0, count, 960):
            some = samples[at : at + 960]
            frame = av.AudioFrame(format="s16", layout="mono", samples=len(some))
            frame.planes[0].update(some.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
            frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
            made.mux(stream.encode(frame))
        made.mux(stream.encode())
    return file.getvalue()


def gif(frames: Iterable[int], side: int = 4) -> bytes:
    """A GIF by hand: each frame is all of one of four greys."""
    palette = b"".join(bytes((value,) * 3) for value in (0, 85, 170, 255))
    head = b"GIF89a" + side.to_bytes(2, "little") * 2 + b"\xf1\0\0" + palette
    bodies = [_gif_frame(colour, side) for colour in range(4)]
    return head + b"".join(bodies[number] for number in frames) + b";"


def _gif_frame(colour: int, side: int) -> bytes:
    file = io.BytesIO()
    one = Image.new("P", (side, side), colour)
    one.putpalette(b"".join(bytes((value,) * 3) for value in (0, 85, 170, 255)))
    one.save(file, "GIF", optimize=False)
    data = file.getvalue()
    colours = 3 * 2 ** ((data[10] & 7) + 1)
    at = data.index(b",", 13 + colours)
    # With the palette that it was written with, which Pillow may have shortened.
    local = data[13 : 13 + colours]
    descriptor = data[at : at + 9] + bytes((0x80 | (data[10] & 7),))
    return b"!\xf9\x04\0\x04\0\0\0" + descriptor + local + data[at + 10 : -1]
