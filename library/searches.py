"""Owns searching by words: every word of a query begins a word of an artifact's names. The engine's own syntax is not
spoken: what a person types is only ever words.
"""

from __future__ import annotations

from typing import Any

from peewee import JOIN, Expression

from ..db import models
from . import names

RECORDED = models.ArtifactSearch.rowid
"""Sorts what was found by when it was recorded, as it comes out of the index: no search has to sort all of it."""


def found(q: str) -> Any:
    """A query for the artifacts that have every word of `q`; signs that stand alone, such as a dash, are no words.

    Each row has `RECORDED` beside its columns.

    Raises:
        Invalid: it is empty, longer than 255 characters, or has control characters.
    """
    words = dict.fromkeys(names.checked_text(q, "q").split())
    # In quotes nothing is syntax. A sign alone matches nothing at all, and a query of nothing else should not either.
    spoken = [word for word in words if any(letter.isalnum() for letter in word)] or list(words)
    text = " ".join('"' + word.replace('"', '""') + '"*' for word in spoken)
    index, rows = models.ArtifactSearch, models.ArtifactSearchRow
    # CROSS JOIN keeps this order: from the index, which is read no further than the page needs, to the rows.
    query = index.select(index.rowid, *models.Artifact._meta.sorted_fields)
    query = query.join(rows, JOIN.CROSS).join(models.Artifact, JOIN.CROSS)
    joined = (rows.search_row == index.rowid) & (models.Artifact.id == rows.artifact_id)
    return query.where(joined & Expression(index.names, "MATCH", text))
