"""Owns everything that can be wrong with a chain's definition, found as a whole before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from ..errors import Invalid
from . import expressions, files
from .definitions import ANY, ApprovalTimeout, Definition, Retry, Step, in_levels, upstream
from .fields import Fields
from .files import NotAFile, Tree
from .problems import IDENTIFIER, ChainInvalid, Problem

MOST_STEPS = 1000
MOST_ATTEMPTS = 100
LARGEST_WORKFLOW = 64 * 1024 * 1024
"""Bytes of a workflow's file; graphs may have pictures in their widgets."""

ATTRIBUTES = ("output", "outputs", "status", "skipped")
"""What a template may ask of a step."""

_CHAIN = ("name", "description", "parameters", "steps")
_STEP = (
    *("id", "workflow", "workflow_name", "server", "depends_on", "inputs", "parameters", "condition"),
    *("requires_approval", "approval_timeout", "retry", "timeout", "on_error"),
)


def check_file(path: Path, *, servers: Collection[str]) -> Definition:
    """The definition in a chain file; its workflows lie beside it.

    Raises:
        ChainInvalid: everything that is wrong, with lines. Invalid: the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}", field="chain") from error
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} is not a text in UTF-8", field="chain") from error
    try:
        tree = files.read(text)
    except NotAFile as error:
        raise ChainInvalid([Problem("", str(error), error.place)]) from error
    return check(tree, servers=servers, folder=path.parent)


def check(tree: Tree, *, servers: Collection[str] | None, folder: Path | None = None) -> Definition:
    """A definition, once nothing is wrong with it.

    Args:
        servers: the configured servers' names; None takes any, as of a chain that was checked when it began.
        folder: where workflows lie that are named; None takes no names of files, only graphs that stand in it.
    Raises:
        ChainInvalid: everything that is wrong.
    """
    checking = _Checking(tree, servers, folder)
    definition = checking.chain()
    if checking.problems or definition is None:
        raise ChainInvalid(checking.problems)
    return definition


class _Checking(Fields):
    """One definition being checked. Each check that fails leaves a problem, and what can be told without it goes on."""

    def __init__(self, tree: Tree, servers: Collection[str] | None, folder: Path | None) -> None:
        super().__init__(tree)
        self.servers = servers
        self.folder = folder
        self.parameters: dict[str, Any] = {}
        self.depends_on: dict[str, tuple[str, ...]] = {}

    def chain(self) -> Definition | None:
        value = self.tree.value
        if not isinstance(value, dict):
            self.wrong((), "a chain is a mapping with `name` and `steps`")
            return None
        self.known(value, _CHAIN, ())
        name = self.named(value, "name", ())
        description = self.text(value, "description", ())
        self.parameters = self._parameters(value.get("parameters"))
        tables = value.get("steps")
        if not isinstance(tables, list) or not 1 <= len(tables) <= MOST_STEPS:
            self.wrong(("steps",), f"a list of 1 to {MOST_STEPS} steps")
            return None
        self._dependencies(tables)
        steps = [self._step(table, ("steps", at)) for at, table in enumerate(tables)]
        if self.problems or name is None:
            return None
        return Definition(name, tuple(step for step in steps if step), description, self.parameters)

    def _parameters(self, value: Any) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.wrong(("parameters",), "a mapping of names to their defaults")
            return {}
        for name, default in value.items():
            if not IDENTIFIER.match(name):
                self.wrong(("parameters", name), "a parameter's name has letters, digits and _, and no digit first")
            if expressions.is_template(default):
                self.wrong(("parameters", name), "a default is a plain value, not a template")
        return value

    def _dependencies(self, tables: list[Any]) -> None:
        """Who waits for whom: known before the steps are looked at one by one."""
        for at, table in enumerate(tables):
            path = ("steps", at)
            if not isinstance(table, dict):
                continue
            step_id = table.get("id")
            if not isinstance(step_id, str) or not IDENTIFIER.match(step_id):
                self.wrong((*path, "id"), "an id has letters, digits and _, and no digit first: templates name it")
                continue
            if step_id in self.depends_on:
                self.wrong((*path, "id"), f"another step is called {step_id!r} already")
            if step_id in self.parameters:
                self.wrong((*path, "id"), f"a parameter is called {step_id!r}: templates could not tell the two apart")
            named = table.get("depends_on", [])
            is_list = isinstance(named, list) and all(isinstance(other, str) for other in named)
            if not is_list:
                self.wrong((*path, "depends_on"), "a list of ids of steps")
            self.depends_on.setdefault(step_id, tuple(dict.fromkeys(named)) if is_list else ())
        for at, table in enumerate(tables):
            if isinstance(table, dict) and isinstance(table.get("depends_on"), list):
                for number, other in enumerate(table["depends_on"]):
                    if isinstance(other, str) and other not in self.depends_on:
                        self.wrong(("steps", at, "depends_on", number), f"no step is called {other!r}")
        _, never = in_levels(self.depends_on)
        if never:
            cycle = _cycle(self.depends_on, never)
            at = next(at for at, table in enumerate(tables) if isinstance(table, dict) and table.get("id") == cycle[0])
            self.wrong(("steps", at, "depends_on"), f"these wait for each other: {' → '.join(cycle)}")

    def _step(self, table: Any, path: files.Path) -> Step | None:
        if not isinstance(table, dict):
            self.wrong(path, "a step is a mapping with `id` and `workflow`")
            return None
        self.known(table, _STEP, path)
        step_id = table.get("id")
        graph, workflow_name = self._workflow(table, path)
        server = table.get("server", ANY)
        if not isinstance(server, str) or (self.servers is not None and server not in (ANY, *self.servers)):
            known = ", ".join(sorted(self.servers or ())) or "none"
            self.wrong((*path, "server"), f"no server {server!r} is configured (configured: {known}; or `{ANY}`)")
        condition = self.text(table, "condition", path)
        if condition is not None:
            self._expression(partial(expressions.used_in_condition, condition), (*path, "condition"), step_id)
        return Step(
            id=str(step_id),
            workflow=graph or {},
            workflow_name=(self.named(table, "workflow_name", path) if "workflow_name" in table else workflow_name)
            or str(step_id),
            server=str(server),
            depends_on=self.depends_on.get(str(step_id), ()),
            requires_approval=bool(self.flag(table, "requires_approval", path)),
            approval_timeout=self._approval_timeout(table, path),
            inputs=self._widgets(table, "inputs", path, graph, only_texts=True),
            parameters=self._widgets(table, "parameters", path, graph),
            condition=condition,
            retry=self._retry(table.get("retry"), (*path, "retry")),
            timeout=self.duration(table, "timeout", path),
            on_error="continue" if self.one_of(table, "on_error", ("fail", "continue"), path) == "continue" else "fail",
        )

    def _workflow(self, table: dict[str, Any], path: files.Path) -> tuple[dict[str, Any] | None, str | None]:
        here = (*path, "workflow")
        named = table.get("workflow")
        if isinstance(named, dict):
            return self._graph(named, here), None
        if not isinstance(named, str) or not named.strip():
            self.wrong(here if "workflow" in table else path, "`workflow` is the name of a file, or a graph itself")
            return None, None
        if self.folder is None:
            self.wrong(here, "over HTTP a workflow is a graph itself: files of the hub cannot be named")
            return None, None
        file = self.folder / named
        try:
            if file.stat().st_size > LARGEST_WORKFLOW:
                self.wrong(here, f"{named} has more than {LARGEST_WORKFLOW} bytes")
                return None, None
            graph = json.loads(file.read_bytes())
        except OSError as error:
            self.wrong(here, f"{named} cannot be read: {error.strerror}")
            return None, None
        except (ValueError, RecursionError) as error:
            self.wrong(here, f"{named} is not JSON: {error}")
            return None, None
        return self._graph(graph, here), PurePath(named).stem

    def _graph(self, graph: Any, path: files.Path) -> dict[str, Any] | None:
        if isinstance(graph, dict) and isinstance(graph.get("nodes"), list) and "links" in graph:
            self.wrong(path, "this is a graph as ComfyUI's canvas saves it; export it with File → Export (API)")
            return None
        is_graph = (
            isinstance(graph, dict)
            and graph
            and all(
                isinstance(node, dict)
                and isinstance(node.get("class_type"), str)
                and isinstance(node.get("inputs", {}), dict)
                for node in graph.values()
            )
        )
        if not is_graph:
            self.wrong(path, "a graph in API format maps the ids of nodes to `class_type` and `inputs`")
            return None
        return {node_id: {"inputs": {}, **node} for node_id, node in graph.items()}

    def _widgets(
        self,
        table: dict[str, Any],
        key: str,
        path: files.Path,
        graph: dict[str, Any] | None,
        *,
        only_texts: bool = False,
    ) -> dict[str, Any]:
        values = table.get(key)
        if values is None:
            return {}
        if not isinstance(values, dict):
            self.wrong((*path, key), "a mapping of `node_id.input` to values")
            return {}
        for name, value in values.items():
            here = (*path, key, name)
            node_id, dot, input_name = name.partition(".")
            if not dot or not input_name:
                self.wrong(here, "a key is `node_id.input`, such as 7.text")
            elif graph is not None and node_id not in graph:
                self.wrong(here, f"the workflow has no node {node_id!r} (it has {_some(graph)})")
            elif graph is not None and input_name not in graph[node_id].get("inputs", {}):
                node = f"node {node_id} ({graph[node_id]['class_type']})"
                self.wrong(here, f"{node} has no input {input_name!r} (it has {_some(graph[node_id]['inputs'])})")
            if only_texts and not isinstance(value, str):
                self.wrong(here, "a file, or the id of an artifact: a text")
            else:
                self._expression(partial(expressions.used_in, value), here, table.get("id"))
        return values

    def _expression(self, look: Callable[[], Mapping[str, set[str]]], path: files.Path, step_id: Any) -> None:
        try:
            used = look()
        except expressions.BadExpression as error:
            self.wrong(path, f"the template cannot be read: {error}")
            return
        before = upstream(self.depends_on, step_id) if isinstance(step_id, str) else set()
        for name, attributes in sorted(used.items()):
            if name in self.parameters:
                continue
            if name not in self.depends_on:
                self.wrong(path, f"{name!r} is neither a parameter of the chain nor a step")
            elif name not in before:
                self.wrong(path, f"it uses step {name!r}, which it does not wait for: add it to depends_on")
            else:
                for attribute in sorted(attributes - set(ATTRIBUTES)):
                    self.wrong(path, f"a step has no {attribute!r} (it has {', '.join(ATTRIBUTES)})")

    def _approval_timeout(self, table: dict[str, Any], path: files.Path) -> ApprovalTimeout | None:
        value, here = table.get("approval_timeout"), (*path, "approval_timeout")
        if value is None:
            return None
        if not isinstance(value, dict):
            self.wrong(here, "a mapping of `after` (such as 3d) and `then` (fail or approve)")
            return None
        self.known(value, ("after", "then"), here)
        after = self.duration(value, "after", here)
        then = self.one_of(value, "then", ("fail", "approve"), here)
        for key in ("after", "then"):
            if key not in value:
                self.wrong(here, f"{key} is missing")
        if not table.get("requires_approval"):
            self.wrong(here, "there is nothing to wait for without `requires_approval: true`")
        return ApprovalTimeout(after, then or "fail") if after is not None else None

    def _retry(self, value: Any, path: files.Path) -> Retry:
        if value is None:
            return Retry()
        if not isinstance(value, dict):
            self.wrong(path, "a mapping of `attempts` and `backoff`")
            return Retry()
        self.known(value, ("attempts", "backoff"), path)
        attempts = value.get("attempts", 1)
        if not isinstance(attempts, int) or isinstance(attempts, bool) or not 1 <= attempts <= MOST_ATTEMPTS:
            self.wrong((*path, "attempts"), f"a whole number from 1 to {MOST_ATTEMPTS}")
            attempts = 1
        backoff = self.duration(value, "backoff", path)
        return Retry(attempts, Retry.backoff if backoff is None else backoff)


def _some(named: Collection[str], most: int = 8) -> str:
    shown = ", ".join(list(named)[:most]) or "none"
    return f"{shown}, …" if len(named) > most else shown


def _cycle(depends_on: Mapping[str, tuple[str, ...]], never: list[str]) -> list[str]:
    """One cycle among steps that never run, from its first step back to it."""
    path, here = [], never[0]
    while here not in path:
        path.append(here)
        here = next(other for other in depends_on[here] if other in never)
    return [*path[path.index(here) :], here]
