"""Owns the way between ComfyUI's AUDIO and files. Sound is passed to an encoder second by second."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, BinaryIO

import av
import numpy as np
import torch
from av.error import FFmpegError

from ..errors import Invalid, WrongFileType
from .values import Encoding

LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}

RATES = {
    "libmp3lame": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    "aac": (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000),
    "libopus": (48000,),
}
"""Samples a second that an encoder takes; what is not listed takes any."""

_KILOBITS = ((95, 320), (85, 256), (70, 192), (50, 160), (30, 128), (0, 96))


def sounds(value: Mapping[str, Any], file_format: str, quality: int) -> list[Encoding]:
    """One file for each sound of a batch, [count, channels, samples] of -1 to 1.

    flac holds 16 bits where they are enough to give the very same samples back, and 24 otherwise; wav 16 bits or 32-bit
    floats by the same rule, which is every sample exactly.

    Raises:
        Invalid: it has more channels than a file of this format can hold, or none.
    """
    waveform, rate = value["waveform"], int(value["sample_rate"])
    waveform = waveform.reshape(math.prod(waveform.shape[:-2]), *waveform.shape[-2:])
    channels = waveform.shape[1]
    if channels not in LAYOUTS:
        raise Invalid(f"the sound has {channels} channels; 1 to {len(LAYOUTS)} can be kept", field="value")
    return [
        Encoding(file_format, partial(_write, waveform[index], rate, file_format, quality), seeks=True)
        for index in range(len(waveform))
    ]


def _write(samples: torch.Tensor, rate: int, file_format: str, quality: int, path: Any, texts: dict[str, str]) -> None:
    with av.open(str(path), "w", format=file_format) as container:
        container.metadata.update(texts if file_format != "wav" else {})
        if file_format == "mp3":
            stream = add_stream(container, "libmp3lame", rate, min(len(samples), 2))
            stream.bit_rate = kilobits(quality) * 1000
            samples = samples if samples.shape[1] else samples.new_zeros(len(samples), 1)  # It holds no sound of none.
            depth = "fltp"
        else:
            depth = _depth(samples, file_format)
            codec = {"flac": "flac", "s16": "pcm_s16le", "flt": "pcm_f32le"}
            stream = add_stream(container, codec["flac" if file_format == "flac" else depth], rate, len(samples))
            stream.codec_context.format = depth
        container.start_encoding()  # Also of a sound without samples, of which no frame comes.
        for frame in frames(samples, rate, depth):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _depth(samples: torch.Tensor, file_format: str) -> str:
    """The smallest format of samples that holds these exactly, or else as exactly as the file's format can."""
    scaled = samples.float() * 32768.0
    exact = bool(((scaled == scaled.round()) & (scaled >= -32768.0) & (scaled <= 32767.0)).all())
    return "s16" if exact else "s32" if file_format == "flac" else "flt"


def kilobits(quality: int) -> int:
    """Thousands of bits a second for a quality of 1 to 100."""
    return next(kilobits for least, kilobits in _KILOBITS if quality >= least)


def add_stream(container: Any, codec: str, rate: int, channels: int) -> Any:
    """A stream for sound, at this rate or the next one that its encoder takes."""
    taken = RATES.get(codec, (rate,))
    rate = min((one for one in taken if one >= rate), default=taken[-1])
    return container.add_stream(codec, rate=rate, layout=LAYOUTS[channels])


def frames(samples: torch.Tensor, rate: int, depth: str = "fltp") -> Iterator[Any]:
    """Sound, [channels, samples], second by second as an encoder takes it."""
    layout = LAYOUTS[len(samples)]
    for start in range(0, samples.shape[1], rate):
        piece = samples[:, start : start + rate].detach().float().cpu()
        if depth in ("s16", "s32"):
            # A 24-bit sample is the upper part of one of 32 bits.
            bits, shift = (15, 0) if depth == "s16" else (23, 8)
            whole = (piece.double() * 2.0**bits).round_().clamp_(-(2.0**bits), 2.0**bits - 1)
            piece = whole.to(torch.int32).mul_(1 << shift).to(torch.int16 if depth == "s16" else torch.int32)
        array = piece.numpy()
        if not depth.endswith("p"):
            array = array.T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(array), format=depth, layout=layout)
        frame.sample_rate, frame.pts = rate, start
        yield frame


def from_sound(file: BinaryIO) -> dict[str, Any]:
    """A sound as LoadAudio gives it: `waveform` [1, channels, samples] and `sample_rate`.

    Raises:
        WrongFileType: it is damaged, or there is no sound in it.
    """
    pieces: list[torch.Tensor] = []
    try:
        with av.open(file) as container:
            if not container.streams.audio:
                raise WrongFileType("there is no sound in the file", field="audio")
            stream = container.streams.audio[0]
            rate, channels, duration = stream.codec_context.sample_rate, stream.codec_context.channels, stream.duration
            for frame in container.decode(stream):
                piece = torch.from_numpy(frame.to_ndarray())
                pieces.append(_floats(piece if frame.format.is_planar else piece.reshape(-1, channels).t()))
    except (FFmpegError, RuntimeError, ValueError) as error:
        raise WrongFileType(f"the sound cannot be read: {error}", field="audio") from error
    if not pieces:
        if duration is not None:
            raise WrongFileType("there is no sound in the file", field="audio")
        pieces.append(torch.zeros(channels, 0))
    return {"waveform": torch.cat(pieces, dim=1).unsqueeze(0).contiguous(), "sample_rate": rate}


def _floats(samples: torch.Tensor) -> torch.Tensor:
    if samples.dtype.is_floating_point:
        return samples.float()
    if samples.dtype == torch.uint8:
        return (samples.float() - 128.0) / 128.0
    return samples.float() / float(2 ** (8 * samples.element_size() - 1))
