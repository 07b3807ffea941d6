"""Owns tags as a whole: which there are, how many artifacts have each, and putting them on and taking them off many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from peewee import SQL, NodeList, Tuple

from ..db import models
from ..db.querying import all_rows, all_tuples
from ..errors import Invalid, NotFound
from . import artifacts, decisions, identities, names, pages

if TYPE_CHECKING:
    from .opening import Library

MAX_IDS, MAX_TAGS = 500, 50
"""At most so many artifacts and so many tags at once."""


@dataclass(frozen=True)
class Tagged:
    """An artifact after its tags were changed: `tags` None where there is no such artifact."""

    id: str
    tags: tuple[str, ...] | None


def list_tags(library: Library, ask: pages.Ask, *, q: str | None = None) -> pages.Page[tuple[str, int]]:
    """Every tag in use with the number of artifacts that have it and are not in the trash, by name, whatever its case.

    Args:
        q: only those that begin so, whatever their case.
    Raises:
        Invalid: no tag begins so, or the cursor is none of this list.
    """
    table = models.TagCount
    folded = NodeList((table.tag, SQL("COLLATE NOCASE")))
    query = table.select(table.tag, table.count)
    if q is not None:
        begins = names.checked_tag(q, "q")
        query = query.where((folded >= begins) & (folded < begins + "\U0010ffff"))
    if ask.cursor is not None:
        (seen,) = pages.decoded(ask.cursor, 1)
        query = query.where(Tuple(folded, table.tag) > Tuple(seen, seen))
    with library.reading():
        rows = all_rows(query.order_by(folded, table.tag).limit(ask.limit + 1))
    shown = [(row["tag"], row["count"]) for row in rows[: ask.limit]]
    return pages.Page(shown, pages.encoded([shown[-1][0]]) if len(rows) > len(shown) else None)


def change_tags(
    library: Library, ids: Sequence[str], *, add: Sequence[str] = (), remove: Sequence[str] = (), by: str
) -> list[Tagged]:
    """Put tags on many artifacts and take others off, in one transaction with an event for each change.

    What has a tag already, or has not what is taken off, stays as it is; of what is not there nothing is changed.

    Returns:
        Each artifact once, in the order in which it was named first.
    Raises:
        Invalid: none or too many artifacts or tags, something that is no id or no tag, or a tag in both lists.
    """
    wanted = list(dict.fromkeys(identities.checked_id(one, "ids") for one in ids))
    added = list(dict.fromkeys(names.checked_tag(tag, "add") for tag in add))
    removed = list(dict.fromkeys(names.checked_tag(tag, "remove") for tag in remove))
    if not 1 <= len(wanted) <= MAX_IDS:
        raise Invalid(f"ids names 1 to {MAX_IDS} artifacts", field="ids")
    if not 1 <= len(added) + len(removed) <= MAX_TAGS:
        raise Invalid(f"add and remove name 1 to {MAX_TAGS} tags", field="add")
    if both := set(added) & set(removed):
        raise Invalid(f"{min(both)!r} is to be put on and taken off", field="remove")
    by = names.checked_text(by, "actor")
    with library.writing(by) as tx:
        for artifact_id in wanted:
            try:
                row = artifacts.row_of(artifact_id)
            except NotFound:
                continue
            for tag in added:
                decisions.put_tag(tx, row, tag, by)
            for tag in removed:
                decisions.take_tag(tx, row, tag)
        return _tagged(wanted)


def get_tags(library: Library, ids: Sequence[str]) -> list[Tagged]:
    """What the tags of artifacts are, as `change_tags` tells it.

    Raises:
        Invalid: something that is no id.
    """
    wanted = list(dict.fromkeys(identities.checked_id(one, "ids") for one in ids))
    with library.reading():
        return _tagged(wanted)


def _tagged(wanted: Sequence[str]) -> list[Tagged]:
    artifact, table = models.Artifact, models.Tag
    there = artifact.select(artifact.id).where(artifact.id.in_(wanted) & artifact.chain_deleted_at.is_null())
    tags: dict[str, list[str]] = {artifact_id: [] for (artifact_id,) in all_tuples(there)}
    query = table.select(table.artifact_id, table.tag).where(table.artifact_id.in_(list(tags)))
    for artifact_id, tag in all_tuples(query.order_by(table.tag)):
        tags[artifact_id].append(tag)
    return [Tagged(one, tuple(tags[one]) if one in tags else None) for one in wanted]
