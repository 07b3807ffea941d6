"""Owns where an artifact comes from and what came of it: versions, inputs of attempts, and take-overs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_rows, all_tuples
from ..errors import Invalid
from . import artifacts
from .views import Artifact, Gone, Related

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

    `gone` are those that cannot be shown, since the trash was emptied of them or their chain is in it. The others are
    reached through them all the same.
    """

    artifact: Artifact
    ancestors: list[Related]
    descendants: list[Related]
    links: list[Link]
    gone: list[Gone]


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
        ancestors, above, lost = _related(library, row["id"], depth, limit, up=True)
        descendants, below, lost_too = _related(library, row["id"], depth, limit, up=False)
        return Lineage(artifacts.view(library, row), ancestors, descendants, above + below, lost + lost_too)


def get_version_history(library: Library, artifact_id: str) -> list[Artifact]:
    """An artifact and what it was edited from, back to the first version, by version number (recursive).

    Raises:
        NotFound: there is none with this id.
    """
    with library.reading():
        rows = _history(artifacts.row_of(artifact_id)["id"])
        while (older := _before_purged(rows[0]["id"])) is not None:
            rows = _history(older) + rows
        return artifacts.views(library, [row for row in rows if row["chain_deleted_at"] is None])


def _history(artifact_id: str) -> list[dict[str, Any]]:
    table = models.Artifact
    start = table.select(table.id, table.parent_artifact_id).where(table.id == artifact_id)
    history = start.cte("artifact_history", recursive=True, columns=("id", "parent_artifact_id"))
    step = table.select(table.id, table.parent_artifact_id).join(history, on=(table.id == history.c.parent_artifact_id))
    history = history.union(step)
    query = table.select().join(history, on=(table.id == history.c.id)).with_cte(history)
    return all_rows(query.order_by(table.version))


def _before_purged(artifact_id: str) -> str | None:
    """The next one up that is there, of an artifact whose parent went with the trash."""
    kept, seen = models.PurgedRelation, {artifact_id}
    while True:
        query = kept.select(kept.ancestor_id).where((kept.artifact_id == artifact_id) & (kept.relation == "parent"))
        parent: str | None = query.scalar()
        if parent is None or parent in seen:
            return None
        if models.Artifact.select().where(models.Artifact.id == parent).exists():
            return parent
        seen.add(parent)
        artifact_id = parent


def _related(
    library: Library, artifact_id: str, deepest: int | None, limit: int, *, up: bool
) -> tuple[list[Related], list[Link], list[Gone]]:
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
        there = models.Artifact.id.in_(ids) & models.Artifact.chain_deleted_at.is_null()
        rows = all_rows(models.Artifact.select().where(there))
        seen.update((artifact.id, artifact) for artifact in artifacts.views(library, rows))
    seen_or_start = {*seen, artifact_id}
    side = "ancestor" if up else "descendant"
    return (
        [Related(seen[other], *how) for other, how in found.items() if other in seen],
        [link for link in links if {link.origin, link.to} <= seen_or_start],
        [Gone(other, side, *how) for other, how in found.items() if other not in seen],
    )


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
    kept = models.PurgedRelation
    one, two = (kept.artifact_id, kept.ancestor_id) if up else (kept.ancestor_id, kept.artifact_id)
    yield from all_tuples(kept.select(two, kept.relation, one).where(one.in_(ids)))


def _batches(ids: list[str], size: int = 500) -> Iterator[list[str]]:
    return (ids[i : i + size] for i in range(0, len(ids), size))
