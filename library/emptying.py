"""Owns emptying the trash: for good, rows first and files after, a few at a time.

Nothing is ever half gone to those who ask. An artifact goes in one transaction. A chain is out of reach from its first
transaction on, which cannot be taken back; its rows follow in small ones, so that nobody waits long for the writer's
lock. What is interrupted anywhere is completed by the next process, from an intent that was there before.

Of an artifact stay its events, its place in lineages, and its version number, which is not used again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from peewee import EXCLUDED, SQL, fn

from ..db import models
from ..db.querying import all_rows, all_tuples, first_row
from ..errors import NotFound, TooNew, Unavailable
from ..storage.local import Intent
from . import artifacts, events, identities, names

if TYPE_CHECKING:
    from .opening import Library, Transaction

Row = dict[str, Any]

FILES, CHAIN = "purge", "purge_chain"
"""What an intent is about."""

PURGED = ("artifact.purged", "chain.purged")

BATCH = 200
"""Rows that go in one transaction, which is some hundredths of a second."""

_COLUMNS = tuple(
    models.Artifact._meta.fields[name]
    for name in (
        *("id", "workflow_id", "output_key", "version", "filename", "file_size", "sha256", "local_path"),
        *("deleted_at", "bytes_removed_at"),
    )
)


@dataclass(frozen=True)
class Emptied:
    """What went for good: artifacts, those of chains included, whole chains, and the bytes of their files."""

    artifacts: int = 0
    chains: int = 0
    bytes: int = 0

    def __add__(self, other: Emptied) -> Emptied:
        return Emptied(self.artifacts + other.artifacts, self.chains + other.chains, self.bytes + other.bytes)


def empty(
    library: Library, *, by: str, older_than: timedelta | None = None, ids: Sequence[str] | None = None
) -> Emptied:
    """Remove for good what is in the trash at this moment. Events stay.

    It is done in many transactions; one that is interrupted has removed a part, and the next call removes the rest.

    Args:
        older_than: only what has been in the trash for longer.
        ids: only these artifacts and chains; one that was emptied before is no matter.
    Raises:
        NotFound: one of the ids is not in the trash; nothing was removed.
        Unavailable, StoreFailed: it got as far as it did.
    """
    by = names.checked_text(by, "actor")
    until = identities.later(identities.now(), -older_than.total_seconds() if older_than else 0)
    wanted = None if ids is None else [identities.checked_id(each, "ids") for each in ids]
    with library.reading():
        chains = _chains(until, wanted)
        if wanted is not None:
            _refuse_unknown(wanted)
    done = Emptied()
    for chain_id in chains:
        done += _purge_chain(library, chain_id, until, by)
    while (batch := _purge(library, by, lambda: _in_trash(until, wanted), _tell_of_each)) is not None:
        done += batch
    return done


def complete_files(library: Library, intent: Intent) -> None:
    """Remove those files of an intent that no row names; where rows name them, the removal was never committed."""
    files: Row | list[str] = intent.record["files"]
    with library.reading():
        unnamed = artifacts.unnamed(list(files))
        # Written by the first release, it has a list and the hashes beside it.
        hashes = [files[path] for path in unnamed] if isinstance(files, dict) else intent.record.get("thumbnails", ())
        shared = {sha256 for (sha256,) in all_tuples(_having(hashes))}
    library.store.delete(*unnamed)
    for sha256 in sorted({sha256 for sha256 in hashes if sha256} - shared):
        library.thumbnails.forget(sha256)


def complete_chain(library: Library, intent: Intent) -> Emptied:
    """Remove the rows and files of a chain that is gone by its event; one of which no event says so stays."""
    chain_id, actor = intent.record["chain_id"], intent.record["actor"]
    done = Emptied()
    if not _is_purged(library, chain_id):
        return done
    tell = lambda tx, rows: _tell_of_chain(tx, chain_id, artifacts=len(rows))
    while (batch := _purge(library, actor, lambda: _inside(chain_id), tell)) is not None:
        done += batch
    while _purge_workflows(library, actor, chain_id):
        pass
    return done


def _purge_chain(library: Library, chain_id: str, until: str, by: str) -> Emptied:
    intent = library.store.promise(CHAIN, (), {"chain_id": chain_id, "actor": by})
    table = models.Chain
    with _seen_to(library, intent):
        with library.writing(by) as tx:
            row = first_row(table.select().where((table.id == chain_id) & _is_waiting(until)))
            if row is not None:
                table.update(purged_at=tx.at, revision=table.revision + 1).where(table.id == chain_id).execute()
                before = {name: row[name] for name in ("name", "status", "deleted_at")}
                tx.log("chain.purged", "chain", chain_id, chain_id=chain_id, before=before)
        return complete_chain(library, intent) + Emptied(chains=1) if row is not None else Emptied()


def _purge(
    library: Library, actor: str, choose: Callable[[], Any], tell: Callable[[Transaction, list[Row]], None]
) -> Emptied | None:
    """Remove the next few artifacts that `choose` selects, and then their files; None where there are no more."""
    with library.reading():
        chosen = all_rows(choose().limit(BATCH))
    if not chosen:
        return None
    # Promised before the lock is taken; of what somebody takes out of the trash in between, rows will name the files.
    intent = library.store.promise(FILES, (), {"files": {row["local_path"]: row["sha256"] for row in chosen}})
    with _seen_to(library, intent):
        with library.writing(actor) as tx:
            rows = all_rows(choose().where(models.Artifact.id.in_([row["id"] for row in chosen])))
            if rows:
                _delete(tx, rows, tell)
        complete_files(library, intent)
    size = sum(row["file_size"] or 0 for row in rows if row["bytes_removed_at"] is None)
    return Emptied(artifacts=len(rows), bytes=size)


@contextmanager
def _seen_to(library: Library, intent: Intent) -> Iterator[None]:
    """What fails in this block is completed, as far as it was committed, once the database is back, or at the next
    start.
    """
    try:
        yield
    except (TooNew, Unavailable) as error:
        library.deferred.add(library, intent, str(error))
        raise
    library.store.fulfilled(intent)


def _delete(tx: Transaction, rows: list[Row], tell: Callable[[Transaction, list[Row]], None]) -> None:
    ids = [row["id"] for row in rows]
    _keep_relations(ids)
    models.Artifact.delete().where(models.Artifact.id.in_(ids)).execute()
    tell(tx, rows)


def _purge_workflows(library: Library, actor: str, chain_id: str) -> bool:
    """Remove the next few workflows of a chain without artifacts, then the chain; returns whether there may be more."""
    workflow, chain = models.Workflow, models.Chain
    with library.writing(actor) as tx:
        query = workflow.select(workflow.id).where(workflow.chain_id == chain_id)
        ids = [workflow_id for (workflow_id,) in all_tuples(query.limit(BATCH))]
        workflow.delete().where(workflow.id.in_(ids)).execute()
        more = len(ids) == BATCH
        gone = 0 if more else chain.delete().where(chain.id == chain_id).execute()
        if ids or gone:
            _tell_of_chain(tx, chain_id, workflows=len(ids))
    return more


def _tell_of_each(tx: Transaction, rows: list[Row]) -> None:
    _keep_versions(rows)
    for row in rows:
        before = {
            name: row[name] for name in ("deleted_at", "output_key", "version", "filename", "file_size", "sha256")
        }
        tx.log("artifact.purged", "artifact", row["id"], workflow_id=row["workflow_id"], before=before)


def _tell_of_chain(tx: Transaction, chain_id: str, **counts: int) -> None:
    """`chain.purged` was the decision; this says how far it has come."""
    tx.log("chain.emptied", "chain", chain_id, chain_id=chain_id, after=counts)


def _keep_relations(ids: list[str]) -> None:
    """Write down between which artifacts these stood, so that no lineage ends at them as if there had been nothing."""
    table, used, kept = models.Artifact, models.Lineage, models.PurgedRelation
    columns = (kept.artifact_id, kept.ancestor_id, kept.relation)
    for field, relation in ((table.parent_artifact_id, "parent"), (table.source_artifact_id, "source")):
        for one in (table.id, field):
            query = table.select(table.id, field, SQL(f"'{relation}'")).where(one.in_(ids) & field.is_null(False))
            kept.insert_from(query, columns).on_conflict_ignore().execute()
    for one in (table.id, used.artifact_id):
        query = table.select(table.id, used.artifact_id, SQL("'input'"))
        query = query.join(used, on=(used.attempt_id == table.attempt_id)).where(one.in_(ids))
        kept.insert_from(query, columns).on_conflict_ignore().execute()


def _keep_versions(rows: list[Row]) -> None:
    table = models.PurgedVersion
    highest: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row["workflow_id"], row["output_key"])
        highest[key] = max(row["version"], highest.get(key, 0))
    values = [{"workflow_id": key[0], "output_key": key[1], "version": version} for key, version in highest.items()]
    table.insert_many(values).on_conflict(
        conflict_target=(table.workflow_id, table.output_key),
        update={table.version: fn.MAX(table.version, EXCLUDED.version)},
    ).execute()


def _chains(until: str, wanted: list[str] | None) -> list[str]:
    """The ids of the chains in the trash that are meant, what was deleted first first."""
    table = models.Chain
    query = table.select(table.id).where(_is_waiting(until))
    if wanted is not None:
        query = query.where(table.id.in_(wanted))
    return [chain_id for (chain_id,) in all_tuples(query.order_by(table.deleted_at, table.id))]


def _is_waiting(until: str) -> Any:
    table = models.Chain
    return table.deleted_at.is_null(False) & (table.deleted_at <= until) & table.purged_at.is_null()


def _in_trash(until: str, wanted: list[str] | None) -> Any:
    table = models.Artifact
    query = table.select(*_COLUMNS).where(
        table.deleted_at.is_null(False) & (table.deleted_at <= until) & table.chain_deleted_at.is_null()
    )
    if wanted is not None:
        query = query.where(table.id.in_(wanted))
    return query.order_by(table.deleted_at, table.id)


def _inside(chain_id: str) -> Any:
    table, workflow = models.Artifact, models.Workflow
    inside = workflow.select(workflow.id).where(workflow.chain_id == chain_id)
    return table.select(*_COLUMNS).where(table.workflow_id.in_(inside))


def _having(hashes: Sequence[str]) -> Any:
    """The hashes among these that some artifact still has."""
    table = models.Artifact
    return table.select(table.sha256).where(table.sha256.in_(list(hashes))).distinct()


def _is_purged(library: Library, chain_id: str) -> bool:
    table = models.Chain
    with library.reading():
        return bool(table.select().where((table.id == chain_id) & table.purged_at.is_null(False)).exists())


def _refuse_unknown(wanted: list[str]) -> None:
    artifact, chain = models.Artifact, models.Chain
    in_trash = artifact.deleted_at.is_null(False) & artifact.chain_deleted_at.is_null()
    for each in wanted:
        if not (
            artifact.select().where((artifact.id == each) & in_trash).exists()
            or chain.select().where((chain.id == each) & chain.deleted_at.is_null(False)).exists()
            or events.has(each, *PURGED)
        ):
            raise NotFound(f"nothing in the trash has the id {each}", id=each)
