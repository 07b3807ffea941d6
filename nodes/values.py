"""Owns which kinds of values SaveToArtifactDB takes, and in which formats each can be kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from comfy_api.latest import Input
from PIL import features

from ..errors import Invalid


@dataclass(frozen=True)
class Kind:
    """One of ComfyUI's types. `key` is what its own nodes report such an output under; the first format is the default.

    A batch of pictures, masks or sounds is as many files, as ComfyUI's own nodes save it; a batch of latents is one.
    """

    name: str
    key: str
    formats: tuple[str, ...]


_PICTURES = ("png", "webp", "jpeg", *(("avif",) if features.check("avif") else ()))

IMAGE = Kind("IMAGE", "images", _PICTURES)
MASK = Kind("MASK", "images", _PICTURES)
VIDEO = Kind("VIDEO", "images", ("mp4", "webm"))
AUDIO = Kind("AUDIO", "audio", ("flac", "mp3", "wav"))
LATENT = Kind("LATENT", "latents", ("latent",))
TEXT = Kind("STRING", "text", ("txt", "json"))

KINDS = (IMAGE, MASK, VIDEO, AUDIO, LATENT, TEXT)
ANY_OF_THEM = ",".join(kind.name for kind in KINDS)
"""Their union as ComfyUI writes one: it fits, and is fitted by, each of them."""

FORMATS = ["default", *dict.fromkeys(name for kind in KINDS for name in kind.formats)]


@dataclass(frozen=True)
class Wanted:
    """What the widgets ask of an encoder: a format, and a quality of 1 to 100 for those that lose something."""

    file_format: str
    quality: int

    def of(self, kind: Kind) -> str:
        """The format that a value of this kind is to be kept in.

        Raises:
            Invalid: it cannot be kept in the one that is wanted.
        """
        if self.file_format == "default":
            return kind.formats[0]
        if self.file_format not in kind.formats:
            fitting = ", ".join(("default", *kind.formats))
            raise Invalid(
                f"format {self.file_format} does not fit a value that is {kind.name}; it fits: {fitting}"
                + ("; Create Video makes a video of pictures" if kind.name == "IMAGE" else ""),
                field="format",
            )
        return self.file_format


@dataclass(frozen=True)
class Encoding:
    """One file that is about to be written.

    `write` is given what to write to and the texts to embed: a file that only takes bytes, or, where the encoder goes
    back in what it has written (`seeks`), a path. `facts` are what nobody could tell from the file. `lost` says what
    the format cannot hold.
    """

    extension: str
    write: Callable[[Any, dict[str, str]], None]
    facts: dict[str, Any] = field(default_factory=dict)
    seeks: bool = False
    lost: str | None = None


def kind_of(value: Any) -> Kind:
    """What a value is, by its shape: links do not tell, where they come through nodes that take anything.

    Raises:
        Invalid: it is none of those that can be kept.
    """
    if isinstance(value, torch.Tensor) and 2 <= value.ndim <= 4:
        return IMAGE if value.ndim == 4 and 1 <= value.shape[3] <= 4 else MASK
    if isinstance(value, Mapping) and isinstance(value.get("waveform"), torch.Tensor):
        return AUDIO  # Some packs read the file only where somebody asks for it, and so give no dict.
    if isinstance(value, dict) and "samples" in value:
        return LATENT
    if isinstance(value, Input.Video):
        return VIDEO
    if isinstance(value, str):
        return TEXT
    raise Invalid(f"a {type(value).__name__} cannot be kept; accepted: {ANY_OF_THEM}", field="value")
