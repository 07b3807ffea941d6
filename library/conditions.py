"""Owns the filters of lists of artifacts as conditions of a query, and which of their indexes leads to a page."""

from __future__ import annotations

from typing import Any

from peewee import JOIN, SQL, fn

from ..db import models
from ..db.statuses import APPROVAL_STATUSES
from ..errors import Invalid
from . import identities, searches

_TRUE = SQL("TRUE")


def indexed(filters: dict[str, Any]) -> str | None:
    """The filter whose index leads to a page without sorting; None where there is none, or something narrower leads."""
    if "workflow" in filters or {"chain", "step"} <= set(filters):
        return None
    return next((kind for kind in ("chain", "tag", "step") if kind in filters), None)


def found(kind: str, value: Any) -> tuple[Any, tuple[Any, ...]]:
    """A query that reads what one filter lets through in the order of the list, and the keys of that order."""
    if kind == "chain":
        value = identities.checked_id(value, kind)
    index = models.ArtifactFilter
    query = index.select(*models.Artifact._meta.sorted_fields, index.artifact_id)
    # CROSS JOIN keeps this order, so that the index is read no further than the page needs.
    query = query.join(models.Artifact, JOIN.CROSS).where(models.Artifact.id == index.artifact_id)
    return query.where((index.kind == kind) & (index.value == value)), (index.created_at, index.artifact_id)


def for_search(filters: dict[str, Any], there: Any) -> searches.Filters:
    """The conditions of a search, and the indexes of those that may let few through, the likeliest first."""
    table, index = models.Artifact, models.ArtifactFilter
    for name in ("chain", "workflow"):
        if name in filters:
            filters[name] = identities.checked_id(filters[name], name)
    leads = [
        table.select(table.id).where(table.workflow_id == filters["workflow"])
        if kind == "workflow"
        else index.select(index.artifact_id).where((index.kind == kind) & (index.value == filters[kind]))
        for kind in ("workflow", "chain", "tag", "step")
        if kind in filters
    ]
    for names_of in (("status",), ("kind",), ("since", "until"), ("min_size", "max_size")):
        given = {name: filters[name] for name in names_of if name in filters}
        if given:
            leads.append(filtered(table.select(table.id), given))
    if "queue" in filters:
        leads.append(table.select(table.id).where(table.approval_status == "pending"))

    def narrow(query: Any) -> Any:
        return filtered(query.where(there), filters, led=True)

    narrow(table.select(table.id))  # A wrong value is refused even where nothing is found.
    return searches.Filters(narrow, tuple(leads))


def filtered(query: Any, wanted: dict[str, Any], *, led: bool = False) -> Any:
    """The query with these conditions; `led`: an index leads through it already, and each row is only looked at."""
    table = models.Artifact
    if (status := wanted.get("status")) is not None:
        if status not in APPROVAL_STATUSES:
            raise Invalid(f"status is one of {', '.join(APPROVAL_STATUSES)}", field="status")
        query = query.where(table.approval_status == status)
    if (kind := wanted.get("kind")) is not None:
        query = query.where(table.file_type == kind)
    if (workflow := wanted.get("workflow")) is not None:
        query = query.where(table.workflow_id == identities.checked_id(workflow, "workflow"))
    if "chain" in wanted or "step" in wanted:
        steps = models.Workflow.select(models.Workflow.id)
        if "chain" in wanted:
            steps = steps.where(models.Workflow.chain_id == identities.checked_id(wanted["chain"], "chain"))
        if "step" in wanted:
            steps = steps.where(models.Workflow.step_id == wanted["step"])
        of_them = (
            fn.EXISTS(steps.where(models.Workflow.id == table.workflow_id)) if led else table.workflow_id.in_(steps)
        )
        query = query.where(of_them)
    if (tag := wanted.get("tag")) is not None:
        tagged = models.Tag.select(models.Tag.artifact_id).where(models.Tag.tag == tag)
        query = query.where(
            fn.EXISTS(tagged.where(models.Tag.artifact_id == table.id)) if led else table.id.in_(tagged)
        )
    if "latest" in wanted:
        query = query.where(table.is_latest == _TRUE)
    if "queue" in wanted:
        query = query.where((table.approval_status == "pending") & (_is_newest_version() | (table.is_latest == _TRUE)))
    if "since" in wanted:
        query = query.where(table.created_at >= identities.checked_time(wanted["since"], "since"))
    if "until" in wanted:
        query = query.where(table.created_at < identities.checked_time(wanted["until"], "until"))
    if "min_size" in wanted:
        query = query.where(table.file_size >= wanted["min_size"])
    if "max_size" in wanted:
        query = query.where(table.file_size <= wanted["max_size"])
    return query


def _is_newest_version() -> Any:
    newer = models.Artifact.alias("newer")
    later = newer.select(SQL("1")).where(
        (newer.workflow_id == models.Artifact.workflow_id)
        & (newer.output_key == models.Artifact.output_key)
        & (newer.version > models.Artifact.version)
        & newer.deleted_at.is_null()
    )
    return ~fn.EXISTS(later)
