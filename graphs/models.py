"""Owns which models and LoRAs an output was made with: loaders told by inputs that hold the names of model files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from .values import MAX_NAME, OK, PARTIAL, UNKNOWN, Inputs, Reading, Told

KINDS = {
    "ckpt_name": "checkpoint",
    "unet_name": "diffusion_model",
    "clip_name": "text_encoder",
    "text_encoder_name": "text_encoder",
    "text_encoder": "text_encoder",
    "vae_name": "vae",
    "control_net_name": "controlnet",
    "controlnet_name": "controlnet",
}
"""What an input's name, without a number behind it, says of the model; other names stand for themselves."""

MOST = 200
"""Models or LoRAs that are told."""

_FILE = re.compile(r"\.(safetensors|sft|ckpt|pt|pth|bin|gguf|onnx|engine)$", re.IGNORECASE)
_NUMBER = re.compile(r"_?\d+$")
_PRIMITIVE = frozenset({"value", "string", "text", "prompt"})
_NONE = frozenset({"", "none"})
_STRENGTHS = ("strength_model", "model_strength", "model_str", "lora_wt", "model_weight", "strength", "weight")
_CLIP_STRENGTHS = ("strength_clip", "clip_strength", "clip_str", "clip_weight", "strengthTwo")


def models(reading: Reading, node_ids: Iterable[str]) -> Told | None:
    """The models that these nodes load, each `{"name", "kind"}`; None where they certainly load none."""
    found: dict[tuple[str, str], None] = {}
    certain = True
    for node_id in node_ids:
        inputs = reading.inputs(node_id)
        for name, value in inputs.items():
            kind = _NUMBER.sub("", name)
            linked = kind in KINDS and kind.endswith("_name") and not isinstance(value, str)
            if "lora" in kind.lower() or kind in _PRIMITIVE or not (isinstance(value, str) or linked):
                continue
            told = reading.name(value)
            if told.state != OK:
                certain = certain and kind not in KINDS
            elif told.value.lower() not in _NONE and (kind in KINDS or _FILE.search(told.value)):
                found[(told.value, _kind(kind, inputs))] = None
    return _listed([{"name": name, "kind": kind} for name, kind in found], certain)


def loras(reading: Reading, node_ids: Iterable[str]) -> Told | None:
    """The LoRAs that these nodes apply, each `{"name", "strength_model", "strength_clip"}`; None where there is none.

    A strength that cannot be told is None; where only the model is changed, `strength_clip` is None too.
    """
    found: list[dict[str, Any]] = []
    certain = True
    for node_id in node_ids:
        for lora, sure in _of_node(reading, reading.inputs(node_id)):
            certain = certain and sure
            if lora is not None:
                found.append(lora)
    return _listed(found, certain)


def is_named(reading: Reading, given: Any) -> bool:
    """Whether the way of a model, through what changes it, ends at a node that names one."""
    seen: set[str] = set()
    while True:
        links, certain = reading.source(given)
        if len(links) != 1 or not certain or links[0][0] in seen or reading.spent():
            return False
        here = links[0][0]
        seen.add(here)
        inputs = reading.inputs(here)
        if reading.link(inputs.get("model")) is None:
            told = models(reading, [here])
            return told is not None and told.state == OK
        given = inputs["model"]


def _kind(name: str, inputs: Inputs) -> str:
    if set(inputs) == {"clip_name"}:
        return "clip_vision"  # a loader of text encoders has to be told which they are for
    return KINDS.get(name) or name.removesuffix("name").strip("_")[:40] or "model"


def _of_node(reading: Reading, inputs: Inputs) -> Iterator[tuple[dict[str, Any] | None, bool]]:
    for name, value in inputs.items():
        if isinstance(value, dict) and isinstance(value.get("lora"), str):
            if value.get("on", True) and value["lora"].lower() not in _NONE and len(value["lora"]) <= MAX_NAME:
                yield _lora(value["lora"], value.get("strength"), value.get("strengthTwo")), True
            continue
        plain, number = _NUMBER.sub("", name), (_NUMBER.search(name) or [""])[0]
        if plain not in ("lora_name", "lora") or not (isinstance(value, str) or reading.link(value)):
            continue
        if plain == "lora" and not (isinstance(value, str) and (_FILE.search(value) or value.lower() in _NONE)):
            continue
        if _switched_off(inputs, number):
            continue
        told = reading.name(value)
        if told.state != OK:
            yield None, False
        elif told.value.lower() not in _NONE:
            model, clip = (_strength(reading, inputs, names, number) for names in (_STRENGTHS, _CLIP_STRENGTHS))
            lora = _lora(told.value, model.value if model else None, clip.value if clip else None)
            yield lora, all(one is None or one.state == OK for one in (model, clip))


def _switched_off(inputs: Inputs, number: str) -> bool:
    """Whether a stack's own switch for this place is off, or the stack is said to be shorter."""
    if inputs.get(f"switch{number}") in ("Off", False):
        return True
    count = inputs.get("lora_count")
    return type(count) is int and bool(number) and int(number.strip("_")[:6]) > count


def _strength(reading: Reading, inputs: Inputs, names: tuple[str, ...], number: str) -> Told | None:
    name = next((name + number for name in names if name + number in inputs), None)
    return reading.number(inputs[name]) if name else None


def _lora(name: str, model: Any, clip: Any) -> dict[str, Any]:
    def number(value: Any) -> Any:
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    return {"name": name, "strength_model": number(model), "strength_clip": number(clip)}


def _listed(found: list[dict[str, Any]], certain: bool) -> Told | None:
    if not found:
        return None if certain else Told(UNKNOWN)
    return Told(OK if certain and len(found) <= MOST else PARTIAL, found[:MOST])
