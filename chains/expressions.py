"""Owns templates and conditions: Jinja2's expressions in its sandbox, where a name that means nothing is an error.

What they may do is bounded, since they come from files that somebody else may have written: there are no statements,
and nothing small makes something huge.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.environment import TemplateExpression
from jinja2.exceptions import SecurityError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment


class BadExpression(ValueError):
    """A template or a condition that cannot be read, or cannot be filled in; its text says why."""


FILTERS = (
    *("abs", "capitalize", "count", "d", "default", "first", "float", "int", "join", "last", "length", "list", "lower"),
    *("max", "min", "replace", "reverse", "round", "sort", "string", "sum", "title", "tojson", "trim", "unique"),
    "upper",
)
"""Those of Jinja2 that make nothing much larger than what they are given."""


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(("*", "**", "%"))

    def is_safe_callable(self, obj: Any) -> bool:
        """Nothing is called: a method such as `ljust` makes a gigabyte of one letter."""
        return False

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if not (_is_number(left) and _is_number(right)):
            raise SecurityError(f"{operator} is for numbers")
        if operator == "**" and max(abs(left), abs(right)) > 64:
            raise SecurityError("a power of large numbers is not computed")
        return super().call_binop(context, operator, left, right)


_SANDBOX = _Sandbox(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
_SANDBOX.filters = {name: _SANDBOX.filters[name] for name in FILTERS}
_SANDBOX.globals = {}
_FIRST = "{{"
_SIGNS = (_FIRST, "{%", "{#")
_KEPT = 1024
"""Expressions that are kept as they were read: a chain has the same ones at each of its steps, and reading is slow."""


def is_template(value: Any) -> bool:
    """Whether there is anything to fill in."""
    return any(sign in text for text in _texts(value) for sign in _SIGNS)


def used_in(value: Any) -> dict[str, set[str]]:
    """The names that the templates in a value use, each with the attributes that are asked of it directly.

    Raises:
        BadExpression: a template cannot be read.
    """
    found: dict[str, set[str]] = {}
    for text in _texts(value):
        _look(_parsed(text), found)
    return found


def used_in_condition(condition: str) -> dict[str, set[str]]:
    """The same of a condition, which is one expression."""
    with _as_ours():
        _SANDBOX.compile_expression(condition)
    found: dict[str, set[str]] = {}
    _look(_parsed(f"{{{{ {condition} }}}}"), found)
    return found


def filled(value: Any, context: Mapping[str, Any]) -> Any:
    """A value with its templates filled in; one that is nothing but a single expression keeps the type that it gives.

    Raises:
        BadExpression: a name means nothing, the sandbox refuses, or it gives what JSON has not.
    """
    if isinstance(value, str):
        return _filled(value, context) if is_template(value) else value
    if isinstance(value, list):
        return [filled(inner, context) for inner in value]
    if isinstance(value, dict):
        return {key: filled(inner, context) for key, inner in value.items()}
    return value


def holds(condition: str, context: Mapping[str, Any]) -> bool:
    """Whether a condition is true.

    Raises:
        BadExpression: as `filled`.
    """
    return bool(_evaluated(condition, context))


def _filled(text: str, context: Mapping[str, Any]) -> Any:
    alone = _single(text)
    if alone is not None:
        return _plain(_evaluated(alone, context), text)
    _parsed(text)
    with _as_ours():
        return _SANDBOX.from_string(text).render(**context)


def _plain(value: Any, text: str) -> Any:
    """A value that may stand in a graph."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(value, float):
            raise BadExpression(f"{text.strip()} is {value}, which no widget takes") from error
        what = "no text, number, list or mapping of such; of a step's outputs name one: STEP.output.image"
        raise BadExpression(f"{text.strip()} is {what}") from error
    return value


def _evaluated(expression: str, context: Mapping[str, Any]) -> Any:
    with _as_ours():
        found = _compiled(expression)(**context)
        if isinstance(found, StrictUndefined):
            str(found)  # raises what is the matter with it
        return found


@lru_cache(maxsize=_KEPT)
def _compiled(expression: str) -> TemplateExpression:
    return _SANDBOX.compile_expression(expression, undefined_to_none=False)


@lru_cache(maxsize=_KEPT)
def _single(text: str) -> str | None:
    """The expression that a text is nothing but; None where there is more to it."""
    stripped = text.strip()
    if not stripped.startswith(_FIRST) or not stripped.endswith("}}"):
        return None
    pieces = [piece for output in _parsed(stripped).body for piece in getattr(output, "nodes", ())]
    if len(pieces) == 1 and not isinstance(pieces[0], nodes.TemplateData):
        return stripped[2:-2].strip("-+ \n\t")
    return None


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [text for inner in value.values() for text in _texts(inner)] if isinstance(value, dict) else []


def _parsed(text: str) -> nodes.Template:
    with _as_ours():
        template = _SANDBOX.parse(text)
    if not all(isinstance(node, nodes.Output) for node in template.body):
        raise BadExpression("templates are {{ expressions }}; {% statements %} are not taken")
    return template


def _look(template: nodes.Template, found: dict[str, set[str]]) -> None:
    with _as_ours():
        for name in find_undeclared_variables(template):
            found.setdefault(name, set())
    for attribute in template.find_all(nodes.Getattr):
        if isinstance(attribute.node, nodes.Name) and attribute.node.name in found:
            found[attribute.node.name].add(attribute.attr)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


@contextmanager
def _as_ours() -> Iterator[None]:
    """Errors of Jinja2, and of what an expression calls, as ours."""
    try:
        yield
    except BadExpression:
        raise
    except TemplateError as error:
        raise BadExpression(str(error.message or error)) from error
    except (ArithmeticError, TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise BadExpression(f"{error} ({type(error).__name__})") from error
