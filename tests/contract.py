"""Holds answers of the hub against openapi.json, and remembers which answers were seen.

It knows the document and nothing of the program: what is asked and what comes back are all that it looks at.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

PREFIX = "/artifact-db"
METHODS = ("get", "head", "post", "put", "patch", "delete")
DOCUMENT: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parent.parent / "server_routes" / "openapi.json").read_text(encoding="utf-8")
)

SEEN: set[tuple[str, str]] = set()
"""Operation and status of every answer that was checked in this run."""

_NAME = "urn:contract"
_REGISTRY: Registry[Any] = Registry().with_resource(_NAME, Resource(DOCUMENT, DRAFT202012))
FORMATS = FormatChecker(formats=())


@FORMATS.checks("uuid")
def _is_uuid(value: Any) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) is not None


@FORMATS.checks("date-time")
def _is_time(value: Any) -> bool:
    written = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    return not isinstance(value, str) or re.fullmatch(written, value) is not None


@FORMATS.checks("uri")
def _is_uri(value: Any) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme and urlsplit(value).netloc)


@FORMATS.checks("uri-reference")
def _is_reference(value: Any) -> bool:
    return not isinstance(value, str) or value == "about:blank" or value.startswith(f"{PREFIX}/")


@dataclass(frozen=True)
class Operation:
    """One method of one path, with where it stands in the document."""

    method: str
    path: str
    pointer: tuple[str, ...]

    @property
    def described(self) -> dict[str, Any]:
        found: dict[str, Any] = _at(self.pointer)
        return found

    @property
    def name(self) -> str:
        return str(self.described["operationId"])

    @property
    def permission(self) -> str | None:
        return self.described.get("x-permission")

    @property
    def planned(self) -> bool:
        return bool(self.described.get("x-planned"))

    @property
    def bodies(self) -> set[str]:
        return set(self.described.get("requestBody", {}).get("content", {}))

    @property
    def successes(self) -> set[str]:
        return {status for status in self.described["responses"] if status < "400"}


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation of the document."""
    return tuple(
        Operation(method.upper(), path, ("paths", path, method))
        for path, item in DOCUMENT["paths"].items()
        for method in METHODS
        if method in item
    )


def operation(method: str, path: str) -> Operation | None:
    """The operation that a request is one of; a HEAD that is not described is the GET without its body."""
    found = [op for op in operations() if _pattern(op.path).fullmatch(path)]
    for wanted in (method, "GET" if method == "HEAD" else method):
        for op in found:
            if op.method == wanted:
                return op
    return None


def check(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raise AssertionError unless this answer is one that the document describes for this request.

    Args:
        path: below the prefix, without a query.
    """
    op = operation(method, path)
    label = f"{method} {path} answered {status} {body[:500]!r}"
    if op is None:
        assert status in (401, 403, 404, 405), f"{label}, and is no operation of the contract"
        if method != "HEAD":
            validate(json.loads(body), "components", "schemas", "Problem")
        return
    assert str(status) in op.described["responses"], f"{label}, which {op.name} does not document"
    SEEN.add((op.name, str(status)))
    pointer = _resolved((*op.pointer, "responses", str(status)))
    answer = _at(pointer)
    _check_headers(answer.get("headers", {}), (*pointer, "headers"), headers, label)
    if method == "HEAD" or "content" not in answer:
        assert body == b"", f"{label}: no body is documented"
        return
    _check_body(answer["content"], (*pointer, "content"), headers, body, label)


def validate(value: Any, *pointer: str) -> None:
    """Raise AssertionError unless a value is as the schema at this place of the document says."""
    place = "/".join(part.replace("~", "~0").replace("/", "~1") for part in pointer)
    errors = list(_validator(f"{_NAME}#/{place}").iter_errors(value))
    assert not errors, "; ".join(f"{error.json_path}: {error.message}" for error in errors) + f" (in {value!r:.500})"


def references(node: Any = DOCUMENT) -> Iterator[str]:
    """Every `$ref` below a node."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def at(reference: str) -> Any:
    """What a `$ref` leads to; KeyError where it leads nowhere."""
    return _at(_parts(reference))


def _check_headers(declared: Any, pointer: tuple[str, ...], sent: Mapping[str, str], label: str) -> None:
    for name in declared:
        place = _resolved((*pointer, name))
        header = _at(place)
        if name not in sent:
            assert not header.get("required"), f"{label}: the header {name} is missing"
            continue
        value: Any = sent[name]
        if header["schema"].get("type") == "integer":
            value = int(value)
        validate(value, *place, "schema")


def _check_body(content: Any, pointer: tuple[str, ...], headers: Mapping[str, str], body: bytes, label: str) -> None:
    sent = headers["Content-Type"].partition(";")[0]
    declared = [name for name in content if fnmatch.fnmatch(sent, name.partition(";")[0])]
    assert declared, f"{label} as {sent}; documented: {', '.join(content)}"
    if sent.endswith("json") and "schema" in content[declared[0]]:
        validate(json.loads(body, parse_constant=_no_constant), *pointer, declared[0], "schema")


def _no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


@cache
def _validator(reference: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": reference}, registry=_REGISTRY, format_checker=FORMATS)


@cache
def _pattern(path: str) -> re.Pattern[str]:
    # An asset is the one thing whose name has folders.
    return re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", path.replace("{asset}", ".+")))


def _resolved(pointer: tuple[str, ...]) -> tuple[str, ...]:
    reference = _at(pointer).get("$ref")
    return pointer if reference is None else _parts(reference)


def _parts(reference: str) -> tuple[str, ...]:
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in reference.removeprefix("#/").split("/"))


def _at(pointer: tuple[str, ...]) -> Any:
    node: Any = DOCUMENT
    for part in pointer:
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node
