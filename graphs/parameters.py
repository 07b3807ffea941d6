"""Owns the text in the way of A1111 that many programs embed: prompt, negative prompt, a last line of settings."""

from __future__ import annotations

import re
from typing import Any

from .values import MAX_LETTERS, MAX_NAME, OK, PARTIAL

_NEGATIVE = "Negative prompt:"
_SETTING = re.compile(r'\s*([A-Z][A-Za-z ]{0,40}): ("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)')
_LORA = re.compile(r"<lora:([^:<>]{1,200}):(-?[0-9.]{1,12})(?::(-?[0-9.]{1,12}))?>")
_NUMBERS = {"Seed": "seed", "Steps": "steps", "CFG scale": "cfg", "Denoising strength": "denoise"}
_NAMES = {"Sampler": "sampler", "Schedule type": "scheduler"}
_MOST_LORAS = 200


def describe(text: str) -> dict[str, dict[str, Any]]:
    """What the text says, in the words of `generation.describe`; empty where it is no such text."""
    lines = text.strip().split("\n")
    settings = dict(_SETTING.findall(lines[-1])) if lines else {}
    if "Steps" not in settings:
        return {}
    prompt, _, negative = "\n".join(lines[:-1]).partition(f"\n{_NEGATIVE}")
    if prompt.startswith(_NEGATIVE):
        prompt, negative = "", prompt.removeprefix(_NEGATIVE)
    told = {"prompt": _text(prompt), "negative_prompt": _text(negative)}
    for name, field in _NUMBERS.items():
        if (number := _number(settings.get(name, ""))) is not None:
            told[field] = {"state": OK, "value": number}
    for name, field in _NAMES.items():
        if settings.get(name) and len(settings[name]) <= MAX_NAME:
            told[field] = {"state": OK, "value": settings[name]}
    if (model := settings.get("Model")) and len(model) <= MAX_NAME:
        told["models"] = {"state": OK, "value": [{"name": model, "kind": "checkpoint"}]}
    loras = [_lora(*found) for found in _LORA.findall(prompt)[:_MOST_LORAS]]
    if loras:
        told["loras"] = {"state": OK, "value": loras}
    return told


def _text(text: str) -> dict[str, Any]:
    text = text.strip()
    return {"state": OK if len(text) <= MAX_LETTERS else PARTIAL, "value": text[:MAX_LETTERS]}


def _lora(name: str, model: str, clip: str) -> dict[str, Any]:
    return {"name": name, "strength_model": _number(model), "strength_clip": _number(clip or model)}


def _number(text: str) -> int | float | None:
    try:
        return int(text) if len(text) <= 30 else None
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e30 else None
