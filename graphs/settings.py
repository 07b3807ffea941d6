"""Owns what a sampler was set to: at the sampler itself, or at the nodes for noise, guider, sampler and schedule.

Each function answers None where the graph certainly has no such setting.
"""

from __future__ import annotations

from typing import Any

from .shapes import SEEDS
from .values import MAX_NAME, OK, PARTIAL, UNKNOWN, Inputs, Reading, Told

_LONGEST_SCHEDULE = 64
"""Nodes that a schedule goes through."""


def seed(reading: Reading, inputs: Inputs) -> Told | None:
    """What the noise was drawn from; None where the sampler adds none."""
    if inputs.get("add_noise") in ("disable", False):
        return None
    own = _number(reading, inputs, SEEDS)
    if own is not None or "noise" not in inputs:
        return own
    noise = behind(reading, inputs["noise"])
    if noise is None:
        return Told(UNKNOWN)
    return _number(reading, noise, SEEDS) or (Told(UNKNOWN) if noise else None)


def steps(reading: Reading, inputs: Inputs) -> Told | None:
    """How many steps there are; where a schedule was cut or changed on the way, those of the whole, as partial."""
    own = _number(reading, inputs, ("steps",))
    if own is not None or "sigmas" not in inputs:
        return own
    schedule, changed = _schedule(reading, inputs["sigmas"])
    if schedule is None:
        return Told(UNKNOWN)
    told = _number(reading, reading.inputs(schedule), ("steps",)) or _listed_steps(reading.inputs(schedule))
    return Told(PARTIAL, told.value) if told.state == OK and changed else told


def denoise(reading: Reading, inputs: Inputs) -> Told | None:
    """How much of the noise is taken away; 1 is all of it."""
    own = _number(reading, inputs, ("denoise",))
    if own is not None or "sigmas" not in inputs:
        return own
    schedule, changed = _schedule(reading, inputs["sigmas"])
    told = None if schedule is None else _number(reading, reading.inputs(schedule), ("denoise",))
    return Told(PARTIAL, told.value) if told is not None and told.state == OK and changed else told


def scheduler(reading: Reading, inputs: Inputs) -> Told | None:
    """The schedule's name; where a node of its own stands for it, that node's class."""
    if "scheduler" in inputs:
        return reading.name(inputs["scheduler"])
    if "sigmas" not in inputs:
        return None
    schedule, _ = _schedule(reading, inputs["sigmas"])
    if schedule is None:
        return Told(UNKNOWN)
    inner = reading.inputs(schedule)
    return reading.name(inner["scheduler"]) if "scheduler" in inner else _class(reading, schedule)


def sampler(reading: Reading, inputs: Inputs) -> Told | None:
    """The method's name; where a node of its own stands for it, that node's class."""
    if "sampler_name" in inputs:
        return reading.name(inputs["sampler_name"])
    if "sampler" not in inputs:
        return None
    if isinstance(inputs["sampler"], str):
        return reading.name(inputs["sampler"])
    links, certain = reading.source(inputs["sampler"])
    if len(links) != 1 or not certain:
        return Told(UNKNOWN)
    inner = reading.inputs(links[0][0])
    if "sampler_name" in inner:
        return reading.name(inner["sampler_name"])
    return Told(UNKNOWN) if any(map(reading.link, inner.values())) else _class(reading, links[0][0])


def cfg(reading: Reading, inputs: Inputs) -> Told | None:
    """How strongly the prompt steers; of several strengths the first, as partial."""
    own = _number(reading, inputs, ("cfg", "guidance_scale"))
    if own is not None or "guider" not in inputs:
        return own
    guider = behind(reading, inputs["guider"])
    if guider is None:
        return Told(UNKNOWN)
    several = [name for name in guider if name.startswith("cfg")]
    told = _number(reading, guider, several)
    return Told(PARTIAL, told.value) if told is not None and told.state == OK and len(several) > 1 else told


def behind(reading: Reading, value: Any) -> Inputs | None:
    """The inputs of the one node that a value comes from; None where that is not certain."""
    links, certain = reading.source(value)
    return reading.inputs(links[0][0]) if len(links) == 1 and certain else None


def _class(reading: Reading, node_id: str) -> Told:
    """The class of a node stands for the setting that it is; one that may have a name in it does not."""
    return Told(UNKNOWN) if reading.is_vague(node_id) else Told(OK, reading.class_of(node_id)[:MAX_NAME])


def _number(reading: Reading, inputs: Inputs, names: Any) -> Told | None:
    name = next((name for name in names if name in inputs), None)
    return None if name is None else reading.number(inputs[name])


def _schedule(reading: Reading, value: Any) -> tuple[str | None, bool]:
    """The node that made a schedule, and whether others cut or changed it; None where it cannot be told."""
    for passed in range(_LONGEST_SCHEDULE):
        links, certain = reading.source(value)
        if len(links) != 1 or not certain:
            return None, True
        here = links[0][0]
        inputs = reading.inputs(here)
        if "steps" in inputs or isinstance(inputs.get("sigmas"), str):
            return here, passed > 0
        if "sigmas" not in inputs:
            return None, True
        value = inputs["sigmas"]
    return None, True


def _listed_steps(inputs: Inputs) -> Told:
    """A schedule that is written out has one number more than it has steps."""
    numbers = inputs["sigmas"].replace(",", " ").split()
    return Told(OK, len(numbers) - 1) if len(numbers) > 1 else Told(UNKNOWN)
