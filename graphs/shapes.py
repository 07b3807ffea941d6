"""Owns what kind of node something is, told by the names of its inputs: samplers, generators, conditionings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .values import Inputs, Reading

POSITIVE, NEGATIVE = "positive", "negative"
SEEDS = ("seed", "noise_seed")
EMBEDDINGS = ("text_embeds", "prompt_embeds", "hyvid_embeds", "text_embeddings")
"""Conditionings of nodes that keep both prompts in one."""

BESIDE = frozenset(
    {"model", "clip", "vae", "guider", "noise", "sampler", "sigmas", "control_net", "upscale_model", "audio_vae"}
)
"""Inputs of a sampler that no earlier output comes through."""

_SETTINGS = frozenset({"steps", "cfg", "sampler_name", "scheduler", "denoise", "sampler", "sigmas", "guidance_scale"})
_STEERED = frozenset({POSITIVE, "guider", "conditioning", *EMBEDDINGS})
_FED = frozenset({"noise", "latent_image", "latent", "samples"})
_CONDITIONING = re.compile(r"conditioning(_\w+)?|conds?|cond_?(\d+|positive|negative|pos|neg|a|b)")
_PROMPTS = ("prompt", "text_prompt", "positive_prompt", "prompt_text")


def is_conditioning(name: str) -> bool:
    """Whether an input of this name takes a conditioning."""
    return name in (POSITIVE, NEGATIVE, *EMBEDDINGS) or _CONDITIONING.fullmatch(name) is not None


def is_sampler(inputs: Inputs, *, vague: bool = False) -> bool:
    """Whether a node makes something out of noise. Of a vague one only what is connected is known."""
    names = inputs.keys()
    if names & _STEERED:
        return len(names & {*SEEDS, *_SETTINGS, *_FED}) >= (1 if vague else 2)
    return any(seed in inputs for seed in SEEDS) and len(names & _SETTINGS) >= 2


def prompt_of_generator(reading: Reading, inputs: Inputs) -> Any:
    """The text that a node makes something of by itself, such as one that asks a service; None for other nodes."""
    short = short_names(inputs)
    if any(map(is_conditioning, inputs)):
        return None
    named = (short[name] for name in _PROMPTS if name in short)
    return next((value for value in named if isinstance(value, str) or reading.link(value)), None)


def short_names(inputs: Inputs) -> Mapping[str, Any]:
    """Inputs by the last part of their names: those of nested ones have dots."""
    return {name.rpartition(".")[2]: value for name, value in inputs.items()}
