"""Owns which row a shortened id or a name means. An id may be shortened to eight characters that one row only has."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_tuples, first_row
from ..errors import Invalid, NotFound
from . import identities

if TYPE_CHECKING:
    from .opening import Library

SHORTEST = 8

_KINDS = {"artifact": models.Artifact, "workflow": models.Workflow, "chain": models.Chain}
_PREFIX = re.compile(r"[0-9a-f-]{8,36}\Z")


def artifact_id(library: Library, text: str) -> str:
    """The id of the artifact that a whole or shortened id means.

    Raises:
        Invalid: it is no beginning of an id, or of several. NotFound: of none.
    """
    return find(library, text, ("artifact",))[1]


def find_chain(library: Library, word: str) -> str:
    """The id of the chain that a word means: its name (the newest run of it), else its id, or the beginning of it.

    Raises:
        NotFound: there is none. Invalid: several chains' ids begin so.
    """
    chain = models.Chain
    with library.reading():
        called = chain.select(chain.id).where((chain.name == word) & chain.deleted_at.is_null())
        newest = first_row(called.order_by(chain.started_at.desc(), chain.id.desc()))
    if newest is not None:
        return str(newest["id"])
    if _PREFIX.match(word.strip().lower()) is not None:
        with suppress(NotFound):
            return find(library, word, ("chain",))[1]
    raise NotFound(f"no chain is called {word!r}, and no id begins so")


def find(
    library: Library, text: str, kinds: tuple[str, ...] = tuple(_KINDS), *, trash: bool = False
) -> tuple[str, str]:
    """What a whole or shortened id means: `artifact`, `workflow` or `chain`, and its id.

    Args:
        trash: among the artifacts and chains in the trash; else what went into it with its chain is not meant.
    Raises:
        Invalid: it is no beginning of an id, or of several. NotFound: of none.
    """
    prefix = text.strip().lower()
    if _PREFIX.match(prefix) is None:
        raise Invalid(f"{text!r} is no id: give at least its first {SHORTEST} characters", field="id")
    with library.reading():
        found = [(kind, id) for kind in kinds for id in _beginning_with(_KINDS[kind], prefix, trash)]
    if not found:
        raise NotFound(f"no {' or '.join(kinds)} {text}")
    if len(found) > 1:
        raise Invalid(f"{text} begins the ids of several: {found[0][1]}, {found[1][1]}; give more of it", field="id")
    return found[0]


def _beginning_with(model: Any, prefix: str, trash: bool) -> list[str]:
    whole = models.Chain.deleted_at if model is models.Chain else model.chain_deleted_at
    there = whole.is_null()
    if trash:
        there = (
            models.Chain.purged_at.is_null() & ~there if model is models.Chain else there & ~model.deleted_at.is_null()
        )
    if identities.is_id(prefix):
        return [id for (id,) in all_tuples(model.select(model.id).where((model.id == prefix) & there))]
    # "g" follows the last hexadecimal digit: a range that the index of the ids answers.
    query = model.select(model.id).where((model.id >= prefix) & (model.id < f"{prefix}g") & there)
    return [id for (id,) in all_tuples(query.order_by(model.id).limit(2))]
