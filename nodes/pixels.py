"""Owns the way between ComfyUI's IMAGE tensors and files of pictures."""

from __future__ import annotations

import io
import json
import zlib
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps, ImageSequence
from PIL.PngImagePlugin import PngInfo

from ..errors import WrongFileType
from ..media.images import MAX_PIXELS

COMPRESS_LEVEL = 4
"""What SaveImage uses."""

SAMPLE_BANDS, BAND = 4, 8
"""A picture is judged by so many bands of so many rows."""

ALLOWANCE = 1.02
"""How much larger a file may be for being written in half the time."""

_DAMAGED = (OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, OverflowError)
"""What Pillow's readers raise for files that are cut off or malformed."""


def to_picture(image: torch.Tensor) -> Image.Image:
    """One picture of a batch, [height, width, channels] of 0 to 1, as SaveImage would write it: clipped to 8 bits."""
    pixels = image.detach().mul(255.0).clamp_(0.0, 255.0).to(torch.uint8).cpu().numpy()
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def write_png(picture: Image.Image, file: Any, info: PngInfo | None) -> None:
    """Encode a picture into a part of the store, or something that can be written to like one."""
    _save(picture, file, _strategy(picture), info)


def _strategy(picture: Image.Image) -> int:
    """How zlib is to look for repetitions: in photos there are none, and seeking them takes most of the time.

    SaveImage always seeks. Flat graphics need that; each picture is tried on a few of its rows.
    """
    width, height = picture.size
    if height < 4 * SAMPLE_BANDS * BAND:
        return zlib.Z_FILTERED
    sample = Image.new(picture.mode, (width, SAMPLE_BANDS * BAND))
    for band in range(SAMPLE_BANDS):
        top = height * (2 * band + 1) // (2 * SAMPLE_BANDS)
        sample.paste(picture.crop((0, top, width, top + BAND)), (0, band * BAND))
    plain, sought = (_size(sample, strategy) for strategy in (zlib.Z_RLE, zlib.Z_FILTERED))
    return zlib.Z_RLE if plain <= sought * ALLOWANCE else zlib.Z_FILTERED


def _size(picture: Image.Image, strategy: int) -> int:
    file = io.BytesIO()
    _save(picture, file, strategy)
    return file.tell()


def _save(picture: Image.Image, file: Any, strategy: int, info: PngInfo | None = None) -> None:
    picture.save(file, "PNG", pnginfo=info, compress_level=COMPRESS_LEVEL, compress_type=strategy)


def png_info(prompt: Any, extra_pnginfo: dict[str, Any] | None) -> PngInfo:
    """The text chunks that SaveImage embeds: `prompt`, and each key of `extra_pnginfo` (the UI's `workflow`)."""
    info = PngInfo()
    if prompt is not None:
        info.add_text("prompt", json.dumps(prompt))
    for key, value in (extra_pnginfo or {}).items():
        info.add_text(key, json.dumps(value))
    return info


def from_picture(file: BinaryIO) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture as LoadImage gives it.

    Returns:
        The frames [count, height, width, 3] of 0 to 1, and their masks [count, height, width], 1 where transparent;
        64 x 64 of zeros for each frame without an alpha channel.
    Raises:
        WrongFileType: it is damaged, or has more pixels than are ever decoded here.
    """
    try:
        images, masks = _frames(file)
    except (Image.DecompressionBombError, *_DAMAGED) as error:
        raise WrongFileType(f"the picture cannot be read: {error}", field="image") from error
    return torch.stack(images), torch.stack(masks)


def _frames(file: BinaryIO) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    images: list[torch.Tensor] = []
    masks, size = [], None
    with Image.open(file) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise ValueError(f"it has {picture.width} x {picture.height} pixels, too many to load")
        for frame in ImageSequence.Iterator(picture):
            upright = ImageOps.exif_transpose(frame)
            if upright.mode == "I":
                upright = upright.point(lambda value: value * (1 / 255))
            colours = upright.convert("RGB")
            size = size or colours.size
            if colours.size != size:
                continue
            images.append(_tensor(colours))
            masks.append(_mask(upright))
            if picture.format == "MPO":
                break  # the further pictures of an MPO are other views, not frames
    return images, masks


def _mask(picture: Image.Image) -> torch.Tensor:
    if "A" in picture.getbands():
        return 1.0 - _tensor(picture.getchannel("A"))
    if picture.mode == "P" and "transparency" in picture.info:
        return 1.0 - _tensor(picture.convert("RGBA").getchannel("A"))
    return torch.zeros((64, 64), dtype=torch.float32)


def _tensor(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(picture).astype(np.float32) / 255.0)
