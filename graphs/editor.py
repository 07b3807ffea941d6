"""Owns turning a graph as the editor saves it into one in API format, as far as it says what that would be.

The editor saves the values of widgets as a list; which value is which stands in the definitions of the nodes, which are
not in the file. A value is taken only where the node names all of its widgets. Nodes of which something is not known
are vague, and nothing is concluded from what they do not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .walking import Graph

MAX_NODES = 20_000
MAX_STEPS = 500_000
"""Nodes, inputs and connections that are looked at, however often subgraphs are used."""

MAX_SCOPES = 2_000
"""Uses of subgraphs."""

MAX_DEPTH = 16
"""How deep subgraphs lie in one another."""

_MAX_ID = 64
_LONGEST = 256
"""Reroutes, subgraph borders and bypassed nodes that one connection goes through."""

_MUTED, _BYPASSED = 2, 4
_INPUT_NODE = -10
_CONTROLS = ("fixed", "increment", "decrement", "randomize")
_NOTES = frozenset({"Note", "MarkdownNote"})

Json = dict[str, Any]


class Converted(NamedTuple):
    """A graph in API format, and the ids of its vague nodes."""

    graph: Graph
    vague: frozenset[str]


def as_graph(workflow: Any) -> Converted:
    """Convert a workflow; never an error, of what is malformed nothing comes.

    Nodes in subgraphs get the ids that ComfyUI gives them: those of the nodes around them before theirs, with colons.
    Of a workflow that is too large all is vague.
    """
    graph: Graph = {}
    vague: set[str] = set()
    whole = _Whole(workflow)
    for scope, node in whole.everything():
        node_id, kind = f"{scope.prefix}{node['id']}", node.get("type")
        if kind in _NOTES or node.get("mode") in (_MUTED, _BYPASSED) or not isinstance(kind, str):
            continue
        widgets, known = whole.widgets(node)
        inputs: Json = {**widgets}
        for place in whole.places(node, "inputs"):
            if place.get("link") is not None and (value := scope.origin(place["link"])) is not _NOTHING:
                inputs[str(place.get("name"))] = value
        graph[node_id] = {"class_type": kind, "inputs": inputs}
        if not known:
            vague.add(node_id)
        if len(graph) >= MAX_NODES:
            break
    return Converted(graph, frozenset(graph if whole.is_spent() or len(graph) >= MAX_NODES else vague))


_NOTHING: Any = object()
"""What comes from a muted node, or from an input of a subgraph that nothing is connected to: a widget keeps its own."""


class _Plan:
    """The nodes of a workflow or of a subgraph, taken apart once."""

    def __init__(self, found: Json) -> None:
        self.nodes = {node["id"]: node for node in _dicts(found.get("nodes")) if _is_id(node.get("id"))}
        self.links = dict(_links(found.get("links")))
        self.inputs, self.outputs = _dicts(found.get("inputs")), _dicts(found.get("outputs"))
        widgets = {
            place["link"]
            for node in self.nodes.values()
            for place in _dicts(node.get("inputs"))
            if "widget" in place and _is_id(place.get("link"))
        }
        led = [number for number, place in enumerate(self.inputs) if not widgets.isdisjoint(_ids(place.get("linkIds")))]
        self.widgets = {slot: number for number, slot in enumerate(led)}
        """The inputs of the subgraph that lead to widgets, each with its number among them."""


class _Whole:
    """A workflow while it is converted, and how many steps that may still take."""

    def __init__(self, workflow: Any) -> None:
        found = workflow if isinstance(workflow, dict) else {}
        self._root = _Scope(self, _Plan(found))
        definitions = found.get("definitions")
        listed = _dicts(definitions.get("subgraphs")) if isinstance(definitions, dict) else []
        self._definitions = {one["id"]: one for one in listed if isinstance(one.get("id"), str)}
        self._plans: dict[str, _Plan] = {}
        self._widgets: dict[int, tuple[Json, bool]] = {}
        self._left = MAX_STEPS

    def is_spent(self, steps: int = 0) -> bool:
        """Counts steps; whether there are none left."""
        self._left -= steps
        return self._left < 0

    def plan(self, kind: Any) -> _Plan | None:
        """The plan of a subgraph; None for every other kind of node."""
        if not isinstance(kind, str) or kind not in self._definitions:
            return None
        if kind not in self._plans:
            self._plans[kind] = _Plan(self._definitions[kind])
        return self._plans[kind]

    def places(self, node: Json, name: str) -> list[Json]:
        """The inputs or the outputs of a node."""
        found = node.get(name)
        if self.is_spent(1 + (len(found) if isinstance(found, list) else 0)):
            return []
        return _dicts(found)

    def widgets(self, node: Json) -> tuple[Json, bool]:
        """The values of a node's widgets by their names, and whether they are all known."""
        if id(node) not in self._widgets:
            self._widgets[id(node)] = _widgets(node)
        return self._widgets[id(node)]

    def everything(self) -> Iterator[tuple[_Scope, Json]]:
        """All nodes but those that stand for subgraphs, each with its scope."""
        waiting, scopes = [self._root], 1
        while waiting:
            scope = waiting.pop()
            for node in scope.plan.nodes.values():
                if self.is_spent(1):
                    return
                inner = scope.inside(node)
                if inner is None:
                    yield scope, node
                elif node.get("mode") not in (_MUTED, _BYPASSED):
                    scopes += 1
                    if scopes > MAX_SCOPES:
                        self.is_spent(MAX_STEPS)
                        return
                    waiting.append(inner)


@dataclass
class _Scope:
    """The nodes of the workflow, or of one use of a subgraph: by the node `instance` in the scope `around` it."""

    whole: _Whole
    plan: _Plan
    prefix: str = ""
    around: _Scope | None = None
    instance: Json = field(default_factory=dict)
    depth: int = 0

    def inside(self, node: Json) -> _Scope | None:
        """The scope of a node that stands for a subgraph; None for every other."""
        plan = self.whole.plan(node.get("type"))
        if plan is None or self.depth >= MAX_DEPTH:
            return None
        return _Scope(self.whole, plan, f"{self.prefix}{node['id']}:", self, node, self.depth + 1)

    def origin(self, link: Any) -> Any:
        """Where a connection begins, past all that only the editor knows: a link, a value, or nothing.

        None stands for a value that is there and not known.
        """
        scope: _Scope = self
        for _ in range(_LONGEST):
            begin = scope.plan.links.get(link) if _is_id(link) else None
            if begin is None:
                return _NOTHING
            node_id, slot = begin
            if node_id == _INPUT_NODE:
                place = scope._outer_input(slot)
                if place is not None and scope.around is not None and place.get("link") is not None:
                    scope, link = scope.around, place["link"]
                    continue
                return scope._outer_widget(slot)
            node = scope.plan.nodes.get(node_id)
            if node is None or node.get("mode") == _MUTED:
                return _NOTHING
            inner = scope.inside(node)
            if node.get("mode") == _BYPASSED or node.get("type") == "Reroute":
                link = _through(self.whole, node, slot)
            elif node.get("type") == "PrimitiveNode":
                values = node.get("widgets_values")
                return values[0] if isinstance(values, list) and values else None
            elif inner is not None:
                scope, link = inner, inner._inner_output(slot)
            else:
                return [f"{scope.prefix}{node_id}", slot]
        return None

    def _outer_input(self, slot: int) -> Json | None:
        """The input of the node that stands for this subgraph, of which a connection inside begins."""
        name = self.plan.inputs[slot].get("name") if 0 <= slot < len(self.plan.inputs) else None
        places = self.whole.places(self.instance, "inputs")
        return next((place for place in places if place.get("name") == name), None)

    def _outer_widget(self, slot: int) -> Any:
        """The value that the node for this subgraph holds for a widget inside; `_NOTHING` where it holds none.

        It saves the values of all inputs of the subgraph that lead to widgets, in their order.
        """
        values = self.instance.get("widgets_values")
        if not values:
            return _NOTHING
        if not isinstance(values, list) or len(values) != len(self.plan.widgets):
            return None
        return values[self.plan.widgets[slot]] if slot in self.plan.widgets else _NOTHING

    def _inner_output(self, slot: int) -> Any:
        """The connection inside this subgraph that ends at one of its outputs."""
        outputs = self.plan.outputs
        ids = _ids(outputs[slot].get("linkIds")) if 0 <= slot < len(outputs) else []
        return ids[0] if ids else None


def _links(found: Any) -> Iterator[tuple[Any, tuple[Any, int]]]:
    """Connections by their ids: the node and the output that each begins at. They are lists, in subgraphs objects."""
    for link in found if isinstance(found, list) else ():
        if isinstance(link, dict):
            link = [link.get("id"), link.get("origin_id"), link.get("origin_slot")]
        if not isinstance(link, list) or len(link) < 3:
            continue
        if _is_id(link[0]) and _is_id(link[1]) and type(link[2]) is int:
            yield link[0], (link[1], link[2])


def _through(whole: _Whole, node: Json, slot: int) -> Any:
    """The connection that a bypassed node passes on: of the first input of the output's type."""
    outputs, inputs = whole.places(node, "outputs"), whole.places(node, "inputs")
    wanted = outputs[slot].get("type") if 0 <= slot < len(outputs) else None
    if node.get("type") == "Reroute":
        return inputs[0].get("link") if inputs else None
    fitting = [place for place in inputs if place.get("type") == wanted]
    same = [inputs[slot]] if slot < len(inputs) and inputs[slot].get("type") == wanted else []
    return next((place.get("link") for place in [*same, *fitting]), None)


def _widgets(node: Json) -> tuple[Json, bool]:
    """The values of a node's widgets by their names, and whether they are all known."""
    values = node.get("widgets_values")
    names = [
        place["widget"].get("name") for place in _dicts(node.get("inputs")) if isinstance(place.get("widget"), dict)
    ]
    if isinstance(values, dict):
        return {str(name): value for name, value in values.items()}, True
    if not isinstance(values, list) or not values:
        return dict.fromkeys(map(str, names)), not names
    rest = [
        value
        for index, value in enumerate(values)
        # What the editor does with a number after each run is saved behind it, without a name.
        if not (value in _CONTROLS and index and isinstance(values[index - 1], (int, float)))
    ]
    if len(rest) != len(names):
        return dict.fromkeys(map(str, names)), False
    return dict(zip(map(str, names), rest, strict=True)), True


def _is_id(value: Any) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and len(value) <= _MAX_ID)


def _ids(found: Any) -> list[int | str]:
    return [one for one in found if _is_id(one)] if isinstance(found, list) else []


def _dicts(found: Any) -> list[Json]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
