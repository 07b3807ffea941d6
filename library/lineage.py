"""Owns where an artifact comes from and what came of it: versions, inputs of attempts, and take-overs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..db import models
from ..db.querying import all_rows, all_tuples
from ..errors import Invalid
from . import artifacts
from .views import Artifact, Related

if TYPE_CHECKING:
    from .opening import Library

MAX_RELATED = 10_000
"""How many ancestors, and how many descendants, one answer has at most."""


@dataclass(frozen=True)
class Link:
    """Two artifacts of a lineage that touch: `to` is an edit of `origin`, was made from it, or taken over from it."""

    origin: str
    to: str
    relation: str


@dataclass(frozen=True)
class Lineage:
    """`ancestors` and `descendants` are nearest first; an artifact reached in two ways stands once, at its nearest.

    `links` are all ways between the artifacts that stand here, `MAX_RELATED` up and as many down at most.
    """

    artifact: Artifact
    ancestors: list[Related]
    descendants: list[Related]
    links: list[Link]


def get_lineage(library: Library, artifact_id: str, *, depth: int | None = None, limit: int = MAX_RELATED) -> Lineage:
    """What an artifact was made from and what was made from it, across versions, workflows, chains and servers.

    Args:
        depth: how many steps to go at most; None goes to the first and to the last.
        limit: how many ancestors, and how many descendants, to give at most; the nearest.
    Raises:
        NotFound: there is none with this id. Invalid: `depth` or `limit` is not from 1 to `MAX_RELATED`.
    """
    for name, value in (("depth", depth), ("limit", limit)):
        if value is not None and not 1 <= value <= MAX_RELATED:
            raise Invalid(f"{name} is from 1 to {MAX_RELATED}", field=name)
    with library.reading():
        row = artifacts.row_of(artifact_id)
        ancestors, above = _related(library, row["id"], depth, limit, up=True)
        descendants, below = _related(library, row["id"], depth, limit, up=False)
        return Lineage(artifacts.view(library, row), ancestors, descendants, above + below)


def get_version_history(library: Library, artifact_id: str) -> list[Artifact]:
    """An artifact and what it was edited from, back to the first version, by version number (recursive).

    Raises:
        NotFound: there is none with this id.
    """
    table = models.Artifact
    with library.reading():
        row = artifacts.row_of(artifact_id)
        start = table.select(table.id, table.parent_artifact_id).where(table.id == row["id"])
        history = start.cte("artifact_history", recursive=True, columns=("id", "parent_artifact_id"))
        step = table.select(table.id, table.parent_artifact_id).join(
            history, on=(table.id == history.c.parent_artifact_id)
        )
        history = history.union(step)
        query = table.select().join(history, on=(table.id == history.c.id)).with_cte(history)
        return artifacts.views(library, all_rows(query.order_by(table.version)))


def _related(
    library: Library, artifact_id: str, deepest: int | None, limit: int, *, up: bool
) -> tuple[list[Related], list[Link]]:
    """Breadth first, a level at a time: a graph in which many ways lead to one artifact costs what it has, not more."""
    found: dict[str, tuple[str, str, int]] = {}
    links: dict[Link, None] = {}
    level, depth = [artifact_id], 1
    while level and len(found) < limit and (deepest is None or depth <= deepest):
        following = []
        for ids in _batches(level):
            for other, relation, of in _neighbours(ids, up=up):
                if other not in found and other != artifact_id and len(found) < limit:
                    found[other] = (relation, of, depth)
                    following.append(other)
                if other in found and len(links) < MAX_RELATED:
                    links[Link(other, of, relation) if up else Link(of, other, relation)] = None
        level, depth = following, depth + 1
    seen: dict[str, Artifact] = {}
    for ids in _batches(list(found)):
        rows = all_rows(models.Artifact.select().where(models.Artifact.id.in_(ids)))
        seen.update((artifact.id, artifact) for artifact in artifacts.views(library, rows))
    return [Related(seen[other], *how) for other, how in found.items()], list(links)


def _neighbours(ids: list[str], *, up: bool) -> Iterator[tuple[str, str, str]]:
    """The artifacts one step up or down from some: (the other one, its relation, the one it is related to)."""
    table, used = models.Artifact, models.Lineage
    for relation, field in (("parent", table.parent_artifact_id), ("source", table.source_artifact_id)):
        if up:
            query = table.select(field, table.id).where(table.id.in_(ids) & field.is_null(False))
        else:
            query = table.select(table.id, field).where(field.in_(ids))
        for other, of in all_tuples(query):
            yield other, relation, of
    columns, start = (
        ((used.artifact_id, table.id), table.id) if up else ((table.id, used.artifact_id), used.artifact_id)
    )
    query = table.select(*columns).join(used, on=(used.attempt_id == table.attempt_id)).where(start.in_(ids))
    for other, of in all_tuples(query):
        yield other, "input", of


def _batches(ids: list[str], size: int = 500) -> Iterator[list[str]]:
    return (ids[i : i + size] for i in range(0, len(ids), size))
