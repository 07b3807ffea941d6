"""Owns how ComfyUI's VIDEO becomes a file. It is passed on frame by frame or packet by packet, never held whole.

What is a file already keeps its streams wherever they fit, and then loses nothing. What is still pictures is encoded as
SaveVideo and SaveWEBM encode it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import torch
from av.error import FFmpegError
from comfy.model_management import throw_exception_if_processing_interrupted
from comfy_api.latest import Input, InputImpl

from ..errors import WrongFileType
from ..storage.files import remove
from . import sounds
from .values import Encoding

FAMILIES = {"mp4": {"mp4", "mov", "m4a"}, "webm": {"webm", "matroska"}}
STREAMS = {
    "mp4": {"h264", "hevc", "av1", "vp9", "mpeg4", "aac", "mp3", "opus", "flac", "ac3", "eac3", "alac"},
    "webm": {"vp8", "vp9", "av1", "opus", "vorbis"},
}
ENCODERS = {"mp4": ("libx264", "aac"), "webm": ("libvpx-vp9", "libopus")}
OPTIONS = {"mp4": {"movflags": "use_metadata_tags"}, "webm": {}}
"""Without that one, an mp4 file takes no tags but its own."""

_EXTENSIONS = {"mov": "mov", "matroska": "mkv", "avi": "avi", "gif": "gif", "mpegts": "ts", "flv": "flv", "ogg": "ogv"}


def videos(video: Any, file_format: str, quality: int, *, any_format: bool) -> list[Encoding]:
    """One file. `any_format`: a webm file may stay one, though mp4 is what others become."""
    if isinstance(video, InputImpl.VideoFromComponents):
        write = partial(_write_components, video, file_format, quality)
    else:
        held = _fitting(video)
        file_format = held if any_format and held else file_format
        write = partial(_write_copy if held == file_format else _write_again, video, file_format, quality)
    return [Encoding(file_format, write, seeks=True)]


def _fitting(video: Input.Video) -> str | None:
    """The format whose files a video's streams can go into as they are."""
    try:
        with av.open(video.get_stream_source(), "r") as container:
            codecs = {_codec(stream) for stream in (*container.streams.video, *container.streams.audio)}
            names = set(container.format.name.split(","))
    except (FFmpegError, ValueError) as error:
        raise WrongFileType(f"the video cannot be read: {error}", field="value") from error
    return next((one for one, family in FAMILIES.items() if names & family and codecs <= STREAMS[one]), None)


def _codec(stream: Any) -> str:
    """What a stream is encoded as; a codec's own name is that of the program which decodes it."""
    return str(stream.codec_context.codec.canonical_name)


def _write_copy(video: Input.Video, file_format: str, _: int, path: Path, texts: dict[str, str]) -> None:
    video.save_to(str(path), metadata={key: json.loads(text) for key, text in texts.items()})


def _write_again(video: Input.Video, file_format: str, quality: int, path: Path, texts: dict[str, str]) -> None:
    # Only the video itself knows which part of its file it is.
    whole = path.with_name(f"{path.name}.{_same_container(video)}")
    try:
        video.save_to(str(whole))
        with av.open(str(whole), "r") as source, _writing(path, file_format, texts) as target:
            _transcode(source, target, file_format, quality)
    finally:
        remove(whole)


def _same_container(video: Input.Video) -> str:
    names = video.get_container_format().split(",")
    return next((extension for name, extension in _EXTENSIONS.items() if name in names), "mkv")


def _writing(path: Path, file_format: str, texts: dict[str, str]) -> Any:
    container = av.open(str(path), "w", format=file_format, options=OPTIONS[file_format])
    container.metadata.update(texts)
    return container


def _write_components(video: Any, file_format: str, quality: int, path: Path, texts: dict[str, str]) -> None:
    components = video.get_components()
    images, sound = components.images, components.audio
    rate = Fraction(components.frame_rate).limit_denominator(1_000_000)
    with _writing(path, file_format, texts) as target:
        pictures = _add_pictures(target, file_format, quality, rate, images.shape[2], images.shape[1])
        heard = None
        if sound is not None and sound["waveform"].numel():
            samples = sound["waveform"].reshape(-1, *sound["waveform"].shape[-2:])[0]
            samples = samples[:, : math.ceil(sound["sample_rate"] / rate * len(images))]
            heard = _add_sound(target, file_format, quality, int(sound["sample_rate"]), len(samples))
        for index, image in enumerate(images):
            throw_exception_if_processing_interrupted()
            frame = _frame(image)
            frame.pts, frame.time_base = index, 1 / rate
            target.mux(pictures.encode(frame))
        target.mux(pictures.encode(None))
        if heard is not None:
            for frame in sounds.frames(samples, int(sound["sample_rate"])):
                target.mux(heard.encode(frame))
            target.mux(heard.encode(None))


def _frame(image: torch.Tensor) -> Any:
    """One picture, [height, width, channels] of 0 to 1, cut down to 8 bits as SaveVideo does it; without its alpha."""
    pixels = image[..., :3].detach().mul(255).clamp_(0, 255).byte().cpu()
    return av.VideoFrame.from_ndarray(pixels.expand(-1, -1, 3).contiguous().numpy(), format="rgb24")


def _add_pictures(target: Any, file_format: str, quality: int, rate: Fraction, width: int, height: int) -> Any:
    if file_format == "mp4":
        options = {"crf": str(min(51, 13 + round((100 - quality) / 2)))}
    else:
        options = {"crf": str(min(63, 17 + round((100 - quality) * 0.7))), "deadline": "good", "cpu-used": "4"}
        options["row-mt"] = "1"
    stream = target.add_stream(ENCODERS[file_format][0], rate=rate, options=options)
    stream.width, stream.height = width, height
    # Half as many colours in each direction need an even number of pixels.
    stream.pix_fmt = "yuv420p" if width % 2 == 0 and height % 2 == 0 else "yuv444p"
    if file_format == "webm":
        stream.bit_rate = 0
    return stream


def _add_sound(target: Any, file_format: str, quality: int, rate: int, channels: int) -> Any:
    stream = sounds.add_stream(target, ENCODERS[file_format][1], rate, channels)
    stream.bit_rate = sounds.kilobits(quality) * 1000
    return stream


def _transcode(source: Any, target: Any, file_format: str, quality: int) -> None:
    """Every stream of pictures and sound into another kind of file: copied where it fits, else encoded anew."""
    timed = set(source.format.name.split(",")) & set().union(*FAMILIES.values())
    ways: dict[int, Any] = {}
    encoded = set()
    for stream in (*source.streams.video[:1], *source.streams.audio):
        if timed and _codec(stream) in STREAMS[file_format]:
            ways[stream.index] = target.add_stream_from_template(template=stream, opaque=True)
            continue
        encoded.add(stream.index)
        if stream.type == "audio":
            channels = min(stream.codec_context.channels, len(sounds.LAYOUTS))
            ways[stream.index] = _add_sound(target, file_format, quality, stream.codec_context.sample_rate, channels)
        else:
            rate = Fraction(stream.average_rate or 25)
            ways[stream.index] = _add_pictures(target, file_format, quality, rate, stream.width, stream.height)
            ways[stream.index].codec_context.time_base = stream.time_base
    for packet in source.demux([source.streams[index] for index in ways]):
        throw_exception_if_processing_interrupted()
        way = ways[packet.stream.index]
        if packet.stream.index in encoded:
            for frame in _decoded(packet):
                target.mux(way.encode(frame))
        elif packet.dts is not None:
            if not packet.duration and packet.stream.type == "video" and packet.stream.average_rate:
                # Matroska does not say how long a frame lasts, and mp4 would end before the last one.
                packet.duration = round(1 / (packet.stream.average_rate * packet.time_base))
            packet.stream = way
            target.mux(packet)
    for index in encoded:
        target.mux(ways[index].encode(None))


def _decoded(packet: Any) -> Iterator[Any]:
    """The frames of a packet; one that is broken is left out, as players do."""
    with suppress(FFmpegError):
        for frame in packet.decode():
            if isinstance(frame, av.VideoFrame):
                frame.pict_type = 0
            yield frame
