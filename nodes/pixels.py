"""Owns the way between ComfyUI's pictures and masks, which are tensors, and files."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps, ImageSequence
from PIL.PngImagePlugin import PngInfo

from ..errors import WrongFileType
from ..media.images import MAX_PIXELS
from . import embedding
from .values import Encoding

COMPRESS_LEVEL = 4
"""What SaveImage uses."""

SAMPLE_BANDS, BAND = 4, 8
"""A picture is judged by so many bands of so many rows."""

ALLOWANCE = 1.02
"""How much larger a file may be for being written in half the time."""

MASK_FACT = "mask"
"""What an artifact's metadata says of a grey picture that is a mask."""

_DAMAGED = (OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, OverflowError)
"""What Pillow's readers raise for files that are cut off or malformed."""


def pictures(images: torch.Tensor, file_format: str, quality: int) -> list[Encoding]:
    """One file for each picture of a batch, [count, height, width, channels] of 0 to 1.

    They are clipped and cut down to 8 bits as SaveImage does it.
    """
    channels = images.shape[3]

    def picture(index: int) -> Image.Image:
        pixels = images[index].detach().mul(255.0).clamp_(0.0, 255.0).to(torch.uint8).cpu().numpy()
        return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)

    no_alpha = "JPEG has no alpha channel: it was left out" if file_format == "jpeg" and channels == 4 else None
    return [
        replace(_encoding(partial(picture, index), file_format, quality), lost=no_alpha) for index in range(len(images))
    ]


def masks(values: torch.Tensor, file_format: str, quality: int) -> list[Encoding]:
    """One grey file for each mask of a batch, [count, height, width] of 0 to 1: white is 1, rounded to 8 bits."""
    height, width = values.shape[-2:]
    values = values.reshape(-1, height, width)

    def picture(index: int) -> Image.Image:
        pixels = values[index].detach().float().mul(255.0).round_().clamp_(0.0, 255.0).to(torch.uint8)
        return Image.fromarray(pixels.cpu().numpy())

    return [
        replace(_encoding(partial(picture, index), file_format, quality), facts={MASK_FACT: True})
        for index in range(len(values))
    ]


def _encoding(make: Callable[[], Image.Image], file_format: str, quality: int) -> Encoding:
    if file_format == "png":
        return Encoding("png", lambda file, embedded: _write_png(make(), file, embedding.as_png(embedded)))

    def write(file: Any, embedded: dict[str, str]) -> None:
        picture, largest = make(), embedding.LARGEST_EXIF if file_format == "jpeg" else None
        how: dict[str, Any] = {"quality": quality, "exif": embedding.as_exif(embedded, largest)}
        if file_format == "webp" and quality == 100:
            how.update(lossless=True, exact=True)
        if file_format == "jpeg" and picture.mode == "RGBA":
            picture = picture.convert("RGB")
        picture.save(file, file_format.upper(), **how)

    return Encoding("jpg" if file_format == "jpeg" else file_format, write)


def _write_png(picture: Image.Image, file: Any, info: PngInfo) -> None:
    _save_png(picture, file, _strategy(picture), info)


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
    _save_png(picture, file, strategy)
    return file.tell()


def _save_png(picture: Image.Image, file: Any, strategy: int, info: PngInfo | None = None) -> None:
    picture.save(file, "PNG", pnginfo=info, compress_level=COMPRESS_LEVEL, compress_type=strategy)


def from_picture(file: BinaryIO, *, is_mask: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture as LoadImage gives it; `is_mask` one whose white is a mask.

    Returns:
        The frames [count, height, width, 3] of 0 to 1, and their masks [count, height, width], 1 where transparent;
        64 x 64 of zeros for each frame without an alpha channel.
    Raises:
        WrongFileType: it is damaged, or has more pixels than are ever decoded here.
    """
    try:
        images, masks = _frames(file, is_mask)
    except (Image.DecompressionBombError, *_DAMAGED) as error:
        raise WrongFileType(f"the picture cannot be read: {error}", field="image") from error
    return torch.stack(images), torch.stack(masks)


def _frames(file: BinaryIO, is_mask: bool) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
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
            masks.append(_tensor(upright.convert("L")) if is_mask else _mask(upright))
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
