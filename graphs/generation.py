"""Owns how an output was generated: which sampler made it, with which prompts, numbers and models, told by node shape.

Nothing is guessed. Each field says how sure it is: `ok`; `partial`, where something on the way was not understood, or
where several samplers in a row differ and the value is that of the nearest; `unknown shape`, where there is a sampler
but the field cannot be told. A field that the graph certainly has not is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import conditioning, models, settings, upstream
from .shapes import EMBEDDINGS, NEGATIVE, POSITIVE, is_conditioning, prompt_of_generator, short_names
from .values import MAX_NAME, OK, PARTIAL, UNKNOWN, Inputs, Reading, Told

Generation = dict[str, dict[str, Any]]

LARGEST_EXACT = 2**53 - 1
"""A larger number, such as a seed of 64 bits, is told as text: many readers of JSON would round it."""

MOST_SAMPLERS = 16
"""Samplers in a row that are looked at."""


def describe(graph: Mapping[str, Any], node_id: str, vague: frozenset[str] = frozenset()) -> Generation:
    """How the output of a node was generated.

    Args:
        graph: in API format; whatever was posted, also malformed, cyclic or huge.
        vague: nodes of which not all inputs are known; what is not found may then be there.
    Returns:
        `prompt`, `negative_prompt` (text), `seed`, `steps`, `cfg`, `guidance`, `denoise` (numbers), `sampler`,
        `scheduler` (names), `models` (`{"name", "kind"}`), `loras` (`{"name", "strength_model", "strength_clip"}`),
        each `{"state", "value"}`; without a value where the state is `unknown shape`.
    """
    reading = Reading(graph, vague)
    found = upstream.leading_to(reading, node_id)
    told: dict[str, Told | None] = {}
    named = models.models(reading, found.nodes)
    if found.samplers:
        samplers = [reading.inputs(here) for here in found.samplers[:MOST_SAMPLERS]]
        told = _of_samplers(reading, samplers)
        if not all(models.is_named(reading, _steering(reading, one, "model")) for one in samplers):
            named = Told(PARTIAL, named.value) if named and named.value else Told(UNKNOWN)
    elif found.generators:
        inputs = reading.inputs(found.generators[0])
        told = _of_generator(reading, inputs)
        named = _with_service(named, inputs)
    told |= {"models": named, "loras": models.loras(reading, found.nodes)}
    if vague & found.steering:
        told = {name: _of_vague(name, value) for name, value in told.items()}
    return {name: _json(value, found.whole) for name, value in told.items() if value is not None}


def agreed(told: list[Generation]) -> Generation:
    """What several outputs of a graph say alike, where it is not known which of them is meant.

    Those that say nothing are passed by. A field that they say differently, or that not all have, cannot be told.
    """
    told = [one for one in told if one]
    names = dict.fromkeys(name for one in told for name in one)
    alike = {name: all(one.get(name) == told[0].get(name) for one in told) for name in names}
    return {name: told[0][name] if alike[name] else {"state": UNKNOWN} for name in names}


def _of_vague(name: str, told: Told | None) -> Told | None:
    """What is told where some nodes may have more inputs than are known."""
    if told is None:
        return Told(UNKNOWN)
    return Told(PARTIAL, told.value) if name in ("models", "loras") and told.state == OK else told


def _json(told: Told, whole: bool) -> dict[str, Any]:
    if told.state == UNKNOWN:
        return {"state": UNKNOWN}
    value = told.value
    if isinstance(value, int) and abs(value) > LARGEST_EXACT:
        value = str(value)[:MAX_NAME]
    return {"state": told.state if whole else PARTIAL, "value": value}


def _of_samplers(reading: Reading, samplers: list[Inputs]) -> dict[str, Told | None]:
    """The fields of the nearest sampler, where those before it say nothing else."""
    each = [_of_sampler(reading, inputs) for inputs in samplers]
    fields = {name: _nearest([one[name] for one in each]) for name in each[0]}
    # One that adds no noise has no seed: what was drawn is said by the one before it.
    fields["seed"] = _nearest([one["seed"] for one in each if one["seed"] is not None])
    return fields


def _of_sampler(reading: Reading, inputs: Inputs) -> dict[str, Told | None]:
    positive, negative = (_steering(reading, inputs, role) for role in (POSITIVE, NEGATIVE))
    return {
        "prompt": Told(UNKNOWN) if positive is None else conditioning.prompt(reading, positive, POSITIVE, negative),
        "negative_prompt": None if negative is None else conditioning.prompt(reading, negative, NEGATIVE, positive),
        "seed": settings.seed(reading, inputs),
        "steps": settings.steps(reading, inputs),
        "cfg": settings.cfg(reading, inputs),
        "guidance": None if positive is None else conditioning.guidance(reading, positive),
        "sampler": settings.sampler(reading, inputs),
        "scheduler": settings.scheduler(reading, inputs),
        "denoise": settings.denoise(reading, inputs),
    }


def _nearest(told: list[Told | None]) -> Told | None:
    if not told or told[0] is None:
        return None
    differs = any(one is not None and one != told[0] for one in told[1:])
    return Told(PARTIAL, told[0].value) if differs and told[0].state == OK else told[0]


def _steering(reading: Reading, inputs: Inputs, name: str) -> Any:
    """An input of a sampler, or of its guider; None where neither has it."""
    if name in inputs:
        return inputs[name]
    if "guider" in inputs:
        inputs = settings.behind(reading, inputs["guider"]) or {}
        if name in inputs:
            return inputs[name]
    if name == POSITIVE:
        named = next((value for one, value in inputs.items() if is_conditioning(one) and one != NEGATIVE), None)
        if named is not None:
            return named
    return next((inputs[one] for one in EMBEDDINGS if one in inputs), None) if name != "model" else None


def _of_generator(reading: Reading, inputs: Inputs) -> dict[str, Told | None]:
    """A node that makes something of a text by itself, such as one that asks a service."""
    short = short_names(inputs)
    told: dict[str, Told | None] = {"prompt": reading.text(prompt_of_generator(reading, inputs))}
    if isinstance(short.get("negative_prompt"), str) or reading.link(short.get("negative_prompt")):
        told["negative_prompt"] = reading.text(short["negative_prompt"])
    for name in ("seed", "steps", "cfg"):
        if name in short:
            told[name] = reading.number(short[name])
    return told


def _with_service(named: Told | None, inputs: Inputs) -> Told | None:
    """The models that were told, and before them the one that a service was asked for."""
    short = short_names(inputs)
    service = short.get("model", short.get("model_name"))
    others = list(named.value or ()) if named else []
    if not isinstance(service, str) or len(service) > MAX_NAME or any(model["name"] == service for model in others):
        return named
    return Told(named.state if others and named else OK, [{"name": service, "kind": "model"}, *others])
