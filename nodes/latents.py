"""Owns the way between ComfyUI's LATENT and safetensors files, bit for bit. Nothing is ever pickled.

The file is what SaveLatent writes and LoadLatent reads, and has beside it what those forget: the noise mask, the place
in a batch, the type.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO

import torch
from comfy.nested_tensor import NestedTensor
from safetensors import SafetensorError
from safetensors.torch import load, save_file

from ..errors import WrongFileType
from .values import Encoding

TENSOR, VERSION = "latent_tensor", "latent_format_version_0"
KEPT = "artifact_db_latent"
"""Under this key of the header: what is no tensor, and how many tensors are nested in one."""

OLD_SCALE = 1.0 / 0.18215
"""What the latents of files without a version are multiplied by."""


def latents(value: dict[str, Any], file_format: str) -> list[Encoding]:
    """One file for a whole batch, as SaveLatent writes it."""
    tensors: dict[str, torch.Tensor] = {VERSION: torch.tensor([])}
    told: dict[str, Any] = {}
    nested: dict[str, int] = {}
    forgotten = []
    for key, held in value.items():
        name = TENSOR if key == "samples" else key
        if isinstance(held, torch.Tensor):
            tensors[name] = held
        elif isinstance(held, NestedTensor):
            nested[name] = len(held.tensors)
            tensors.update({f"{name}.{index}": tensor for index, tensor in enumerate(held.tensors)})
        elif _is_plain(held):
            told[key] = held
        else:
            forgotten.append(key)

    def write(path: Any, embedded: dict[str, str]) -> None:
        # Two that share memory would be refused.
        kept = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        header = {**embedded, KEPT: json.dumps({"told": told, "nested": nested})}
        save_file(kept, path, metadata=header)

    lost = f"a latent file cannot hold {', '.join(forgotten)}: left out" if forgotten else None
    return [Encoding(file_format, write, seeks=True, lost=lost)]


def from_latents(file: BinaryIO) -> dict[str, Any]:
    """A latent with everything that was saved of it.

    Raises:
        WrongFileType: it is damaged, or holds no latent.
    """
    data = file.read()
    try:
        tensors, told = load(data), _told(data)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise WrongFileType(f"the latent cannot be read: {error}", field="latent") from error
    has_version = tensors.pop(VERSION, None) is not None
    for name, count in told["nested"].items():
        parts = [tensors.pop(f"{name}.{index}", None) for index in range(count)]
        if any(part is None for part in parts):
            raise WrongFileType("the latent cannot be read: a part of it is missing", field="latent")
        tensors[name] = NestedTensor(parts)
    if TENSOR not in tensors:
        raise WrongFileType("the file holds tensors, and no latent", field="latent")
    samples = tensors.pop(TENSOR)
    if not has_version:
        samples = samples.float() * OLD_SCALE
    return {"samples": samples, **tensors, **told["told"]}


def _told(data: bytes) -> dict[str, Any]:
    size = int.from_bytes(data[:8], "little")
    told = json.loads((json.loads(data[8 : 8 + size]).get("__metadata__") or {}).get(KEPT, "{}"))
    found = {"told": told.get("told") or {}, "nested": told.get("nested") or {}}
    if not all(type(count) is int and 0 < count <= 64 for count in found["nested"].values()):
        raise ValueError("its header is malformed")
    return {"told": dict(found["told"]), "nested": dict(found["nested"])}


def _is_plain(value: Any) -> bool:
    """Whether a value is the same after it was JSON."""
    try:
        return bool(json.loads(json.dumps(value)) == value)
    except (TypeError, ValueError):
        return False
