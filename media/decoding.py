"""Owns how films and sounds are decoded: by FFmpeg in this process, of one known format and with well-known decoders.

Of a file only its own bytes are read: FFmpeg gets an open file, no name, so that nothing in it leads anywhere else.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error

from . import weighing
from .images import MALFORMED
from .limits import TOO_LARGE, UNREADABLE, CannotBeShown, Patience
from .streams import DEMUXERS

DECODERS = frozenset(
    [
        "h264",
        "hevc",
        "vp8",
        "vp9",
        "libvpx",
        "libvpx-vp9",
        "av1",
        "libdav1d",
        "libaom-av1",
        "mpeg4",
        "mpeg2video",
        "mjpeg",
        "prores",
        "dnxhd",
        "ffv1",
        "png",
        "theora",
        "rawvideo",
        "v210",
        "aac",
        "mp3",
        "mp3float",
        "opus",
        "libopus",
        "vorbis",
        "flac",
        "alac",
        "ac3",
        "eac3",
        "pcm_u8",
        "pcm_s16le",
        "pcm_s16be",
        "pcm_s24le",
        "pcm_s24be",
        "pcm_s32le",
        "pcm_s32be",
        "pcm_f32le",
        "pcm_f32be",
        "pcm_f64le",
        "pcm_f64be",
        "pcm_alaw",
        "pcm_mulaw",
    ]
)

MAX_PIXELS = 8192 * 4608
"""Of a film's frame. A decoder keeps several of them."""

MAX_READ = 256 * 1024 * 1024
"""Bytes that are read of one file: what comes after is as if it were not there."""

MAX_DAMAGED = 200
"""Pieces in a row that cannot be decoded, before no more are tried."""


class _Bounded:
    """A file that ends when patience does, or when enough of it was read."""

    def __init__(self, file: BinaryIO, patience: Patience) -> None:
        self._file = file
        self._patience = patience
        self._left = MAX_READ
        self.tell = file.tell

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            # A file whose lengths are wrong leads to before its beginning; FFmpeg can live with that.
            return -errno.EINVAL

    def read(self, size: int) -> bytes:
        if self._patience.is_over:
            return b""
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


@contextmanager
def opened(source: Path, file_format: str, kind: str, patience: Patience) -> Iterator[tuple[Any, Any]]:
    """A container and its stream of a kind, `video` or `audio`.

    Raises:
        CannotBeShown: it has none, it is too large, its codec is none that we decode, or it cannot be read.
        OSError: the operating system refuses to read it.
    """
    limits = {
        "codec_whitelist": ",".join(sorted(DECODERS)),
        "protocol_whitelist": "",
        "max_pixels": str(MAX_PIXELS),
        "probesize": str(4 * 1024 * 1024),
        "analyzeduration": "2000000",
        "max_streams": "64",
    }
    try:
        weighing.weigh(source, DEMUXERS[file_format])
    except weighing.TooHeavy as error:
        raise CannotBeShown(TOO_LARGE) from error
    try:
        with (
            source.open("rb") as file,
            av.open(
                _Bounded(file, patience),
                mode="r",
                format=DEMUXERS[file_format],
                options=limits,
                metadata_errors="replace",
            ) as container,
        ):
            yield container, _stream(container, kind)
    except av.error.FFmpegError as error:
        raise CannotBeShown(UNREADABLE) from error
    except MALFORMED as error:
        raise CannotBeShown(UNREADABLE) from error


def _stream(container: Any, kind: str) -> Any:
    streams = [one for one in container.streams if one.type == kind and not _is_cover(one)]
    if not streams:
        nothing = f"no {'picture' if kind == 'video' else 'sound'} in it"
        raise CannotBeShown(nothing if container.streams else UNREADABLE)
    stream = streams[0]
    context = stream.codec_context
    if context is None or context.codec.name not in DECODERS:
        raise CannotBeShown("in a codec that is not shown")
    if kind == "video" and context.width * context.height > MAX_PIXELS:
        raise CannotBeShown(TOO_LARGE)
    # One thread: each would hold frames of its own, and there are two of us.
    context.thread_count = 1
    context.options = {"max_pixels": str(MAX_PIXELS)}
    return stream


def _is_cover(stream: Any) -> bool:
    """A sound's cover is a stream of one picture."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def decoded(container: Any, stream: Any, patience: Patience) -> Iterator[Any]:
    """The frames from where the container is, without what cannot be decoded, until the end or that of patience."""
    damaged = 0
    packets = container.demux(stream)
    while damaged < MAX_DAMAGED and not patience.is_over:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            return  # It is cut off.
        if packet is None:
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            damaged += 1
            continue
        if frames:
            damaged = 0
        yield from frames


def seconds(container: Any, stream: Any) -> float:
    """How long it says it lasts; 0 when it does not say."""
    if stream.duration and stream.time_base:
        return max(0.0, float(stream.duration * stream.time_base))
    return max(0.0, float(container.duration or 0) / av.time_base)


def sought(container: Any, stream: Any, at: float) -> bool:
    """Go to the last place before a time, in seconds from the start, from where can be decoded; False: it cannot."""
    start = stream.start_time or 0
    try:
        container.seek(start + int(at / float(stream.time_base)), stream=stream)
    except av.error.FFmpegError:
        return False
    return True
