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
MAX_DEPTH = 16
"""How deep subgraphs lie in one another."""

_LONGEST = 256
"""Reroutes, subgraph borders and bypassed nodes that one connection goes through."""

_MUTED, _BYPASSED = 2, 4
_INPUT_NODE, _OUTPUT_NODE = -10, -20
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
    """
    graph: Graph = {}
    vague: set[str] = set()
    root = _Scope.of(workflow, _definitions(workflow))
    for scope, node in root.everything():
        node_id, kind = f"{scope.prefix}{node['id']}", node.get("type")
        if len(graph) >= MAX_NODES:
            vague.update(graph)
            break
        if kind in _NOTES or node.get("mode") in (_MUTED, _BYPASSED) or not isinstance(kind, str):
            continue
        widgets, known = _widgets(node)
        inputs: Json = {**widgets}
        for place in _places(node, "inputs"):
            if place.get("link") is not None and (value := scope.origin(place["link"])) is not _NOTHING:
                inputs[str(place.get("name"))] = value
        graph[node_id] = {"class_type": kind, "inputs": inputs}
        if not known:
            vague.add(node_id)
    return Converted(graph, frozenset(vague))


_NOTHING: Any = object()
"""What comes from a muted node, or from an input of a subgraph that nothing is connected to: a widget keeps its own."""


@dataclass
class _Scope:
    """The nodes of a workflow, or of one use of a subgraph."""

    nodes: dict[Any, Json]
    links: dict[Any, tuple[Any, int]]
    definitions: dict[str, Json]
    definition: Json
    prefix: str = ""
    around: _Scope | None = None
    instance: Json = field(default_factory=dict)
    depth: int = 0

    @classmethod
    def of(cls, found: Any, definitions: dict[str, Json], **more: Any) -> _Scope:
        found = found if isinstance(found, dict) else {}
        nodes = {node["id"]: node for node in _dicts(found.get("nodes")) if isinstance(node.get("id"), (int, str))}
        return cls(nodes, dict(_links(found.get("links"))), definitions, found, **more)

    def inside(self, node: Json) -> _Scope | None:
        """The scope of a node that stands for a subgraph; None for every other."""
        definition = self.definitions.get(node["type"]) if isinstance(node.get("type"), str) else None
        if definition is None or self.depth >= MAX_DEPTH:
            return None
        prefix = f"{self.prefix}{node['id']}:"
        return _Scope.of(definition, self.definitions, prefix=prefix, around=self, instance=node, depth=self.depth + 1)

    def everything(self) -> Iterator[tuple[_Scope, Json]]:
        """All nodes but those that stand for subgraphs, each with its scope."""
        waiting = [self]
        while waiting:
            scope = waiting.pop()
            for node in scope.nodes.values():
                inner = scope.inside(node)
                if inner is None:
                    yield scope, node
                elif node.get("mode") not in (_MUTED, _BYPASSED):
                    waiting.append(inner)

    def origin(self, link: Any) -> Any:
        """Where a connection begins, past all that only the editor knows: a link, a value, or nothing.

        None stands for a value that is there and not known.
        """
        scope: _Scope = self
        for _ in range(_LONGEST):
            begin = scope.links.get(link) if isinstance(link, (int, str)) else None
            if begin is None:
                return _NOTHING
            node_id, slot = begin
            if node_id == _INPUT_NODE:
                place = scope._outer_input(slot)
                if place is not None and scope.around is not None and place.get("link") is not None:
                    scope, link = scope.around, place["link"]
                    continue
                return scope._outer_widget(slot)
            node = scope.nodes.get(node_id)
            if node is None or node.get("mode") == _MUTED:
                return _NOTHING
            inner = scope.inside(node)
            if node.get("mode") == _BYPASSED or node.get("type") == "Reroute":
                link = _through(node, slot)
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
        inputs = _dicts(self.definition.get("inputs"))
        name = inputs[slot].get("name") if 0 <= slot < len(inputs) else None
        return next((place for place in _places(self.instance, "inputs") if place.get("name") == name), None)

    def _outer_widget(self, slot: int) -> Any:
        """The value that the node for this subgraph holds for a widget inside; `_NOTHING` where it holds none.

        It saves the values of all inputs of the subgraph that lead to widgets, in their order.
        """
        values = self.instance.get("widgets_values")
        if not values:
            return _NOTHING
        widgets = {
            place.get("link") for node in self.nodes.values() for place in _places(node, "inputs") if "widget" in place
        }
        led = [
            number
            for number, place in enumerate(_dicts(self.definition.get("inputs")))
            if not widgets.isdisjoint(_list(place.get("linkIds")))
        ]
        if not isinstance(values, list) or len(values) != len(led):
            return None
        return values[led.index(slot)] if slot in led else _NOTHING

    def _inner_output(self, slot: int) -> Any:
        """The connection inside this subgraph that ends at one of its outputs."""
        outputs = _dicts(self.definition.get("outputs"))
        ids = _list(outputs[slot].get("linkIds")) if 0 <= slot < len(outputs) else []
        return ids[0] if ids else None


def _definitions(workflow: Any) -> dict[str, Json]:
    found = workflow.get("definitions") if isinstance(workflow, dict) else None
    listed = _dicts(found.get("subgraphs")) if isinstance(found, dict) else []
    return {one["id"]: one for one in listed if isinstance(one.get("id"), str)}


def _links(found: Any) -> Iterator[tuple[Any, tuple[Any, int]]]:
    """Connections by their ids: the node and the output that each begins at. They are lists, in subgraphs objects."""
    for link in found if isinstance(found, list) else ():
        if isinstance(link, dict):
            link = [link.get("id"), link.get("origin_id"), link.get("origin_slot")]
        if not isinstance(link, list) or len(link) < 3:
            continue
        if isinstance(link[0], (int, str)) and isinstance(link[1], (int, str)) and type(link[2]) is int:
            yield link[0], (link[1], link[2])


def _through(node: Json, slot: int) -> Any:
    """The connection that a bypassed node passes on: of the first input of the output's type."""
    outputs, inputs = _places(node, "outputs"), _places(node, "inputs")
    wanted = outputs[slot].get("type") if 0 <= slot < len(outputs) else None
    if node.get("type") == "Reroute":
        return inputs[0].get("link") if inputs else None
    fitting = [place for place in inputs if place.get("type") == wanted]
    same = [inputs[slot]] if slot < len(inputs) and inputs[slot].get("type") == wanted else []
    return next((place.get("link") for place in [*same, *fitting]), None)


def _widgets(node: Json) -> tuple[Json, bool]:
    """The values of a node's widgets by their names, and whether they are all known."""
    values = node.get("widgets_values")
    names = [place["widget"].get("name") for place in _places(node, "inputs") if isinstance(place.get("widget"), dict)]
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


def _places(node: Json, name: str) -> list[Json]:
    return _dicts(node.get(name))


def _list(found: Any) -> list[int | str]:
    return [one for one in found if isinstance(one, (int, str))] if isinstance(found, list) else []


def _dicts(found: Any) -> list[Json]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
