"""Owns the walk from an output upstream: all nodes that lead to it, and the samplers on the way of its content."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .shapes import BESIDE, is_conditioning, is_sampler, prompt_of_generator
from .values import Reading


@dataclass(frozen=True)
class Found:
    """What leads to an output, the nearest first; of a switch only the way that is taken.

    `samplers`: those that its content came through. `generators`: nodes that make something of a text by themselves.
    `steering`: samplers, generators, and all that is beside the content: prompts, models, noise.
    `whole`: nothing was left out.
    """

    nodes: tuple[str, ...]
    steering: frozenset[str]
    samplers: tuple[str, ...]
    generators: tuple[str, ...]
    whole: bool


def leading_to(reading: Reading, node_id: str) -> Found:
    """What leads to the output of a node."""
    nodes, whole = _walk(reading, node_id, lambda _, __: True)
    content, content_whole = _walk(reading, node_id, lambda here, name: not _is_beside(reading, here, name))
    inputs = {here: reading.inputs(here) for here in content}
    samplers = tuple(here for here in content if is_sampler(inputs[here], vague=reading.is_vague(here)))
    generators = tuple(here for here in content if prompt_of_generator(reading, inputs[here]) is not None)
    steering = frozenset(nodes).difference(content).union(samplers, generators)
    return Found(nodes, steering, samplers, generators, whole and content_whole)


def _is_beside(reading: Reading, node_id: str, name: str) -> bool:
    """Whether an input is what a sampler is steered or fed with: prompts, models, noise lead to no earlier output."""
    return (name in BESIDE or is_conditioning(name)) and is_sampler(
        reading.inputs(node_id), vague=reading.is_vague(node_id)
    )


def _walk(reading: Reading, node_id: str, follow: Callable[[str, str], bool]) -> tuple[tuple[str, ...], bool]:
    seen: dict[str, None] = {}
    waiting = deque([node_id])
    while waiting:
        here = waiting.popleft()
        if here in seen:
            continue
        if reading.spent():
            return tuple(seen), False
        seen[here] = None
        waiting.extend(_sources(reading, here, follow))
    return tuple(seen), True


def _sources(reading: Reading, node_id: str, follow: Callable[[str, str], bool]) -> Iterator[str]:
    ways = reading.ways(node_id)
    for name, value in reading.inputs(node_id).items() if ways is None else (("", way) for way in ways[0]):
        link = reading.link(value)
        if link is not None and follow(node_id, name):
            yield link[0]
