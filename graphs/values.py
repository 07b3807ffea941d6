"""Owns how a value in a graph is found that does not stand in the node itself: through primitives, reroutes, switches.

A value is told only where the graph says it. What other nodes compute is not known before they run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["ok", "partial", "unknown shape"]
Link = tuple[str, int]
Inputs = Mapping[str, Any]
Ways = tuple[list[Any], bool]

OK: State = "ok"
PARTIAL: State = "partial"
UNKNOWN: State = "unknown shape"

MAX_STEPS = 100_000
"""How many links are followed for one description, however the graph is made."""

MAX_LETTERS = 64 * 1024
"""A text is told up to here."""

MAX_NAME = 512
"""Letters of a name."""

_DEEPEST = 48
"""How far one value is followed; beyond, it is not told."""

_TEXTS = (
    "value",
    "text",
    "string",
    "prompt",
    "populated_text",
    "STRING",
    "String",
    "Text",
    "str",
    "ckpt_name",
    "lora_name",
)
_NUMBERS = ("value", "int", "float", "number", "seed", "noise_seed", "INT", "FLOAT", "Number", "Value", "steps", "cfg")
_FLAGS = ("value", "boolean", "bool", "switch", "BOOLEAN", "Boolean")
_NAMES: dict[type, tuple[str, ...]] = {str: _TEXTS, float: _NUMBERS, bool: _FLAGS}
_HARMLESS = frozenset(
    {"control_after_generate", "control_before_generate", "text_0", "text2", "min", "max", "step", "round", "last_seed"}
)
"""What a primitive may have beside its value."""

_CONDITIONS = ("switch", "boolean", "condition", "bool", "value")
_BRANCHES = (("on_true", "on_false"), ("if_true", "if_false"), ("true", "false"), ("tt_value", "ff_value"))
_SELECTORS = ("select", "index", "Input", "input_index", "selected")
_NUMBERED = re.compile(r"([A-Za-z_]*?)_?(\d+)")
_REROUTES = frozenset({"", "*", "any", "anything", "any_input", "input"})


@dataclass(frozen=True)
class Told:
    """A value and how sure it is: `PARTIAL` is a part of it, or one of several; `UNKNOWN` has none."""

    state: State
    value: Any = None


class Reading:
    """A graph in API format while it is read, and how many steps that may still take."""

    def __init__(self, graph: Mapping[str, Any], vague: frozenset[str] = frozenset()) -> None:
        self._graph = graph
        self._vague = vague
        self._left = MAX_STEPS
        self._letters = 64 * MAX_LETTERS
        self._ways: dict[str, Ways | None] = {}
        self._known: dict[tuple[Link, type], Told] = {}

    def link(self, value: Any) -> Link | None:
        """The node and the output that a value comes from; None for what stands in the node itself."""
        if isinstance(value, list) and len(value) == 2 and type(value[1]) is int and isinstance(value[0], (str, int)):
            node_id = str(value[0])
            return (node_id, value[1]) if node_id in self._graph else None
        return None

    def inputs(self, node_id: str) -> Inputs:
        """The inputs of a node; none where it is malformed."""
        node = self._graph.get(node_id)
        inputs = node.get("inputs") if isinstance(node, dict) else None
        return inputs if isinstance(inputs, dict) else {}

    def is_vague(self, node_id: str) -> bool:
        """Whether a node may have inputs that are not known."""
        return node_id in self._vague

    def class_of(self, node_id: str) -> str:
        """The class of a node; empty where it is malformed."""
        node = self._graph.get(node_id)
        return str(node.get("class_type") or "") if isinstance(node, dict) else ""

    def spent(self, steps: int = 1) -> bool:
        """Counts steps; whether there are none left."""
        self._left -= steps
        return self._left < 0

    def ways(self, node_id: str) -> Ways | None:
        """Which inputs a switch or a reroute lets through, and whether that is certain; None for every other node."""
        if node_id not in self._ways:
            self._ways[node_id] = self._ways_of(node_id)
        return self._ways[node_id]

    def _ways_of(self, node_id: str) -> Ways | None:
        inputs = self.inputs(node_id)
        if len(inputs) == 1:
            ((name, value),) = inputs.items()
            is_reroute = name in _REROUTES or "reroute" in self.class_of(node_id).lower()
            return ([value], True) if is_reroute and self.link(value) else None
        return self._branches(inputs) or self._selected(inputs) or self._first_there(inputs)

    def source(self, value: Any) -> tuple[list[Link], bool]:
        """The nodes that a value comes from, past reroutes and switches, and whether it is certain which."""
        found: list[Link] = []
        certain, seen, waiting = True, set[Link](), [value]
        while waiting:
            here = self.link(waiting.pop())
            if here is None or here in seen:
                continue
            seen.add(here)
            if self.spent():
                return found, False
            ways = self.ways(here[0])
            if ways is None:
                found.append(here)
            else:
                waiting.extend(reversed(ways[0]))
                certain = certain and ways[1]
        return found, certain

    def text(self, value: Any) -> Told:
        """A text, wherever it stands."""
        told = self._value(value, str, 0)
        if told.value is not None and len(told.value) > MAX_LETTERS:
            return Told(PARTIAL, told.value[:MAX_LETTERS])
        return told

    def name(self, value: Any) -> Told:
        """A name or a file's name, wherever it stands; what is too long for one is not told."""
        told = self._value(value, str, 0)
        return told if told.state == OK and len(told.value) <= MAX_NAME else Told(UNKNOWN)

    def number(self, value: Any) -> Told:
        """A number, wherever it stands."""
        return self._value(value, float, 0)

    def flag(self, value: Any) -> Told:
        """A yes or no, wherever it stands."""
        return self._value(value, bool, 0)

    def _value(self, value: Any, wanted: type, depth: int) -> Told:
        link = self.link(value)
        if link is None:
            return Told(OK, value) if _is(value, wanted) else Told(UNKNOWN)
        if (link, wanted) not in self._known:
            # What leads back to itself meets this, and is not told.
            self._known[link, wanted] = Told(UNKNOWN)
            self._known[link, wanted] = self._behind(link, wanted, depth)
        return self._known[link, wanted]

    def _behind(self, link: Link, wanted: type, depth: int) -> Told:
        if depth > _DEEPEST or self.spent():
            return Told(UNKNOWN)
        ways = self.ways(link[0])
        if ways is not None:
            values, certain = ways
            return self._value(values[0], wanted, depth + 1) if certain and values else Told(UNKNOWN)
        if link[1] != 0:
            return Told(UNKNOWN)
        inputs = self.inputs(link[0])
        if wanted is str and (joined := self._joined(inputs, depth)):
            return joined
        named = [name for name in _NAMES[wanted] if name in inputs]
        if "populated_text" in named:  # what wildcards became
            return self._value(inputs["populated_text"], wanted, depth + 1)
        if len(named) == 1 and not self.is_vague(link[0]) and not set(inputs) - _HARMLESS - set(named):
            return self._value(inputs[named[0]], wanted, depth + 1)
        return Told(UNKNOWN)

    def _joined(self, inputs: Inputs, depth: int) -> Told | None:
        """A text put together of others, in the ways of ComfyUI's own nodes."""
        if set(inputs) == {"string_a", "string_b", "delimiter"}:
            names = ("string_a", "string_b", "delimiter")
            first, second, between = (self._value(inputs[name], str, depth + 1) for name in names)
            parts = [part.value for part in (first, second) if part.value]
            if not parts and UNKNOWN in (first.state, second.state):
                return Told(UNKNOWN)
            whole = {first.state, second.state, between.state} == {OK}
            text = (between.value or "\n").join([first.value, second.value] if whole else parts)
            return self._within(Told(OK if whole else PARTIAL, text[: MAX_LETTERS + 1]))
        if set(inputs) == {"string", "find", "replace"}:
            text, find, by = (self._value(inputs[name], str, depth + 1) for name in ("string", "find", "replace"))
            if {text.state, find.state, by.state} == {OK} and find.value and len(by.value) <= MAX_LETTERS:
                return self._within(Told(OK, text.value.replace(find.value, by.value, 100)[: MAX_LETTERS + 1]))
            return Told(UNKNOWN)
        return None

    def _within(self, told: Told) -> Told:
        """The same, while what was put together so far is not too much."""
        self._letters -= len(told.value)
        return told if self._letters >= 0 else Told(UNKNOWN)

    def _branches(self, inputs: Inputs) -> Ways | None:
        for yes, no in _BRANCHES:
            if yes in inputs or no in inputs:
                condition = next((name for name in _CONDITIONS if name in inputs), None)
                if condition is None:
                    return None
                told = self.flag(inputs[condition])
                if told.state == OK:
                    chosen = yes if told.value else no
                    return [inputs[chosen]] if chosen in inputs else [], True
                return [inputs[name] for name in (yes, no) if name in inputs], False
        return None

    def _selected(self, inputs: Inputs) -> Ways | None:
        selector = next((name for name in _SELECTORS if name in inputs), None)
        numbered = {} if selector is None else dict(_numbered(inputs, self))
        if selector is None or len(numbered) < 2:
            return None
        told = self.number(inputs[selector])
        if told.state == OK and told.value in numbered:
            return [numbered[told.value]], True
        return list(numbered.values()), False

    def _first_there(self, inputs: Inputs) -> Ways | None:
        """The first input of several like `any_01` that is connected; what was muted is not in the graph."""
        names = [name for name in sorted(inputs) if name.startswith("any_")]
        if not names or len(names) < len(inputs):
            return None
        return [inputs[name] for name in names if self.link(inputs[name])][:1], True


def _numbered(inputs: Inputs, reading: Reading) -> Iterator[tuple[int, Any]]:
    """Linked inputs such as `input1` or `image_2`, by their numbers, where they all have one name."""
    found = [
        (match.group(1), int(match.group(2)[:9]), value)
        for name, value in inputs.items()
        if (match := _NUMBERED.fullmatch(name)) and reading.link(value)
    ]
    if len({name for name, _, _ in found}) == 1:
        for _, number, value in found:
            yield number, value


def _is(value: Any, wanted: type) -> bool:
    if wanted is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, wanted)
