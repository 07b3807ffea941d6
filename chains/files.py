"""Owns the text of a chain file: YAML, of which JSON is a part, as plain values with the place of each.

Of YAML only what JSON has: anchors, aliases and tags are refused, since a few lines of them can stand for anything, and
a word such as `no` or `on` is a text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]
"""The way to a value: keys and positions, from the outside in."""

LARGEST = 4 * 1024 * 1024
"""Characters; workflows may stand in the file itself."""

DEEPEST = 64

_NULL = re.compile(r"~|null|Null|NULL|\Z")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Place:
    """A line and a column, both counted from 1."""

    line: int
    column: int


class NotAFile(ValueError):
    """The text is not YAML, or uses more of it than JSON has; `place` is where."""

    def __init__(self, message: str, place: Place | None) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True)
class Tree:
    """Plain values, and where they stand. A tree that came over HTTP has no places."""

    value: Any
    places: Mapping[Path, Place] = field(default_factory=dict)

    def place(self, path: Path) -> Place | None:
        """Where a value stands; of one that is missing, where it is missed."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path)


def read(text: str) -> Tree:
    """The values of a chain file.

    Raises:
        NotAFile: it is too large, too deep, not YAML, or more than JSON has.
    """
    if len(text) > LARGEST:
        raise NotAFile(f"the file has {len(text)} characters; {LARGEST} at most", None)
    try:
        _refuse_more_than_json(yaml.parse(text, Loader=yaml.SafeLoader))
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        what = ", ".join(part for part in (error.context, error.problem) if part)
        raise NotAFile(f"not YAML: {what}", _place(error.problem_mark or error.context_mark)) from error
    except yaml.YAMLError as error:
        raise NotAFile(f"not YAML: {error}", None) from error
    if root is None:
        raise NotAFile("the file is empty", None)
    places: dict[Path, Place] = {}
    return Tree(_value(root, (), places), places)


def scalar(text: str) -> Any:
    """What one word stands for, as it would in a file: a number, true, false, null, or itself."""
    try:
        return _scalar(text, Place(1, 1))
    except NotAFile:
        return text


def _refuse_more_than_json(events: Iterator[Any]) -> None:
    depth = documents = 0
    for event in events:
        place = _place(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise NotAFile("one chain for each file: this is a second document", place)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise NotAFile("anchors and aliases (& and *) are not taken; write it out", place)
        if getattr(event, "tag", None) not in (None, "!"):
            raise NotAFile(f"tags ({event.tag}) are not taken", place)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise NotAFile(f"lists and mappings lie deeper than {DEEPEST} in each other", place)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _value(node: Any, path: Path, places: dict[Path, Place]) -> Any:
    place = places.setdefault(path, _place(node.start_mark) or Place(1, 1))
    if isinstance(node, yaml.SequenceNode):
        return [_value(inner, (*path, at), places) for at, inner in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, inner in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise NotAFile("a key is a text", _place(key_node.start_mark))
            # A key is what is written there: 2.10 is no number.
            key = str(key_node.value)
            if key in found:
                raise NotAFile(f"the key {key!r} stands here twice", _place(key_node.start_mark))
            here = (*path, key)
            places[here] = _place(key_node.start_mark) or place
            found[key] = _value(inner, here, places)
        return found
    return _scalar(str(node.value), place) if node.style is None else str(node.value)


def _scalar(text: str, place: Place) -> Any:
    """What a plain word stands for, as in YAML 1.2: 010 is ten, `no` a word, 12:30 a text."""
    if _NULL.fullmatch(text):
        return None
    if _BOOLEAN.fullmatch(text):
        return text.lower() == "true"
    if _INTEGER.fullmatch(text) and len(text) < 1000:
        return int(text)
    if _NUMBER.fullmatch(text) and text not in (".", "+.", "-."):
        number = float(text)
        if not math.isfinite(number):
            raise NotAFile(f"{text} is larger than any number", place)
        return number
    return text


def _place(mark: Any) -> Place | None:
    return Place(mark.line + 1, mark.column + 1) if mark is not None else None
