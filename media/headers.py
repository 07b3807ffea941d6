"""Owns formats whose header is JSON with its length before it: latents (safetensors) and models (GLB).

They are read by hand, sizes checked before anything is believed; nothing is ever unpickled.
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any, BinaryIO

MAX_HEADER = 8 * 1024 * 1024
"""Bytes of JSON; what nodes write beside the numbers, the graph for example, has a few of them."""

LATENT = "latent_tensor"
"""What SaveLatent calls its tensor."""

_BITS = {
    **{"F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "BF16": 16, "F16": 16, "I16": 16, "U16": 16},
    **{"F8_E4M3": 8, "F8_E5M2": 8, "I8": 8, "U8": 8, "BOOL": 8},
}


class Unreadable(Exception):
    """The header of a file cannot be believed; its text says why, in a few words."""


def latent(path: Path) -> dict[str, Any]:
    """`shape` and `dtype` of the latent, and how many `tensors` there are; or a `note`."""
    try:
        header = safetensors_header(path)
        room = path.stat().st_size
        tensors = {name: value for name, value in header.items() if name != "__metadata__"}
        sizes = {name: _size(value) for name, value in tensors.items()}
        if sum(sizes.values()) > room:
            raise Unreadable("it promises more than the file holds")
    except (Unreadable, OSError) as error:
        return {"note": _note(error)}
    name = LATENT if LATENT in tensors else next(iter(tensors), None)
    found: dict[str, Any] = {"tensors": len(tensors)}
    if name is not None and (name == LATENT or len(tensors) == 1):
        found |= {"shape": tensors[name]["shape"], "dtype": tensors[name]["dtype"]}
    return found


def model(path: Path) -> dict[str, Any]:
    """How many `meshes`, `materials` and `animations` a GLB has; or a `note`."""
    try:
        header = glb_header(path)
    except (Unreadable, OSError) as error:
        return {"note": _note(error)}
    counted = ("meshes", "materials", "animations")
    return {name: len(header[name]) for name in counted if isinstance(header.get(name), list)}


def safetensors_header(path: Path) -> dict[str, Any]:
    """The JSON that a safetensors file begins with.

    Raises:
        Unreadable, OSError.
    """
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", _exactly(file, 8))
        return _object(file, length)


def glb_header(path: Path) -> dict[str, Any]:
    """The JSON that a GLB file begins with.

    Raises:
        Unreadable, OSError.
    """
    with path.open("rb") as file:
        magic, version, _, length, kind = struct.unpack("<4sIIII", _exactly(file, 20))
        if magic != b"glTF" or kind != 0x4E4F534A:  # "JSON"
            raise Unreadable("its header cannot be read")
        if version != 2:
            raise Unreadable(f"it is of version {version}, which is not read")
        return _object(file, length)


def _object(file: BinaryIO, length: int) -> dict[str, Any]:
    if length > MAX_HEADER:
        raise Unreadable("its header is too large")
    try:
        found = json.loads(_exactly(file, length))
    except (ValueError, RecursionError) as error:
        raise Unreadable("its header cannot be read") from error
    if not isinstance(found, dict):
        raise Unreadable("its header cannot be read")
    return found


def _exactly(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise Unreadable("it is cut off")
    return data


def _size(tensor: Any) -> int:
    """Bytes that a tensor takes, by its shape; its own word for it has to be the same."""
    try:
        shape, (begin, end) = tensor["shape"], tensor["data_offsets"]
        if not all(type(side) is int and 0 <= side < 2**40 for side in [*shape, begin, end]) or len(shape) > 16:
            raise Unreadable("its header cannot be believed")
        size: int = math.prod(shape) * _BITS[tensor["dtype"]] // 8
    except (TypeError, LookupError, ValueError) as error:
        raise Unreadable("its header cannot be believed") from error
    if end - begin != size:
        raise Unreadable("its header cannot be believed")
    return size


def _note(error: Exception) -> str:
    return str(error) if isinstance(error, Unreadable) else f"it cannot be read ({type(error).__name__})"
