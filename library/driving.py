"""Owns who drives a chain: which engine, with which parameters, and one process at a time under a lease.

A lease is renewed while its holder lives; one that has expired is anybody's. It guards against work done twice, not
against wrong work: everything that a driver does is safe to do again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_tuples, first_row, insert, listed
from ..db.statuses import FINISHED_CHAIN
from ..errors import Conflict, Invalid, NotFound
from . import chains, identities
from .views import Drive

if TYPE_CHECKING:
    from .opening import Library, Transaction

LEASE = 15.0
"""Seconds that a chain waits for a driver that has died."""

ENGINES = ("local", "temporal")
"""Which engines there are: that of whichever process opens the library, and the workers of a Temporal server."""

DRIVER = "chain"
"""The actor of what an engine does by itself."""


def checked_engine(engine: str) -> str:
    """The name of an engine that there is.

    Raises:
        Invalid: there is none of this name.
    """
    if engine not in ENGINES:
        raise Invalid(f"there is no engine {engine!r} (there are {', '.join(ENGINES)})", field="engine")
    return engine


def engine_of(name: str) -> str:
    """The actor of what an engine does that works for this hub on another machine, under a token of this name."""
    return f"{DRIVER} ({name})"


def is_engine(actor: str) -> bool:
    """Whether it was an engine that did something by itself, on this machine or another."""
    return actor == DRIVER or actor.startswith(f"{DRIVER} (")


def checked_outsider(name: str, field: str) -> str:
    """The name of somebody who is no engine: what those do is not news to them.

    Raises:
        Invalid: it is what the log calls an engine.
    """
    if is_engine(name):
        raise Invalid(f"{field} {name!r} is what the log calls engines of chains; use another name", field=field)
    return name


def start(
    library: Library,
    chain_id: str,
    *,
    engine: str,
    parameters: dict[str, Any],
    actor: str,
    source_chain_id: str | None = None,
) -> Drive:
    """Hand a chain to an engine, which begins at once. Asked again, it is the same drive.

    Raises:
        NotFound: there is no such chain. Invalid: there is no such engine.
        Conflict: it has ended, or was started with other parameters.
    """
    with library.writing(actor) as tx:
        return begin(
            tx, chain_id, engine=engine, parameters=parameters, started_by=actor, source_chain_id=source_chain_id
        )


def begin(
    tx: Transaction,
    chain_id: str,
    *,
    engine: str,
    parameters: dict[str, Any],
    started_by: str,
    source_chain_id: str | None = None,
) -> Drive:
    """As `start`, inside the caller's transaction."""
    checked_engine(engine)
    chain = chains.row_of(chain_id)
    existing = first_row(models.Drive.select().where(models.Drive.chain_id == chain["id"]))
    if existing is not None:
        if (existing["engine"], existing["parameters"]) != (engine, parameters):
            raise Conflict(f"chain {chain['id']} was started already, with another engine or other parameters")
        return Drive.of(existing)
    if chain["status"] in FINISHED_CHAIN:
        raise Conflict(f"chain {chain['id']} has ended: it is {chain['status']}")
    row = {
        "chain_id": chain["id"],
        "engine": engine,
        "parameters": parameters,
        "source_chain_id": source_chain_id,
        "started_by": started_by,
        "ended_at": None,
    }
    insert(models.Drive, row)
    after = {"engine": engine, "parameters": parameters, "source_chain_id": source_chain_id}
    tx.log("chain.started", "chain", chain["id"], chain_id=chain["id"], after=after)
    return Drive.of(row)


def get_drive(library: Library, chain_id: str) -> Drive | None:
    """How a chain is driven; None where no engine of ours does.

    Raises:
        NotFound: there is no such chain.
    """
    with library.reading():
        chain = chains.row_of(chain_id)
        row = first_row(models.Drive.select().where(models.Drive.chain_id == chain["id"]))
        return Drive.of(row) if row else None


def take(
    library: Library,
    holder: str,
    *,
    engine: str,
    most: int = 100,
    only: str | None = None,
    besides: Sequence[str] = (),
) -> list[str]:
    """Take chains that have not ended and that nobody else drives; returns their ids. It writes where there are some.

    Args:
        only: no other than this one.
        besides: the ids of those that the holder drives already.
    """
    drives, leases, table = models.Drive, models.Lease, models.Chain
    now = identities.now()
    until = identities.later(now, LEASE)
    held = leases.select(leases.chain_id).where((leases.expires_at > now) & (leases.holder != holder))
    is_open = drives.ended_at.is_null() & table.deleted_at.is_null() & table.status.not_in(FINISHED_CHAIN)
    free = drives.select(drives.chain_id).join(table)
    free = free.where((drives.engine == engine) & is_open)
    free = free.where(drives.chain_id.not_in(held) & drives.chain_id.not_in(listed(list(besides))))
    if only is not None:
        free = free.where(drives.chain_id == only)
    with library.reading():
        if not all_tuples(free.limit(1)):
            return []
    with library.writing(holder):
        ids = [chain_id for (chain_id,) in all_tuples(free.limit(most))]
        for chain_id in ids:
            leases.insert(chain_id=chain_id, holder=holder, expires_at=until).on_conflict_replace().execute()
        return ids


def list_driven(library: Library, *, engine: str, chain_ids: Sequence[str] | None = None) -> list[tuple[str, bool]]:
    """The chains of an engine, each with whether there is something to drive: not for one that has ended or is trash.

    Args:
        chain_ids: only these, ended or not; None: all that have not ended.
    """
    drives, table = models.Drive, models.Chain
    query = drives.select(drives.chain_id, drives.ended_at, table.deleted_at, table.status).join(table)
    query = query.where(drives.engine == engine)
    if chain_ids is None:
        query = query.where(drives.ended_at.is_null())
    else:
        query = query.where(drives.chain_id.in_(listed(list(chain_ids))))
    with library.reading():
        return [
            (chain_id, ended is None and deleted is None and status not in FINISHED_CHAIN)
            for chain_id, ended, deleted, status in all_tuples(query)
        ]


def keep(library: Library, holder: str, chain_ids: Sequence[str]) -> list[str]:
    """Renew leases; returns the ids of those that are the holder's still. One that had expired and is taken is lost."""
    leases = models.Lease
    held = leases.chain_id.in_(listed(list(chain_ids))) & (leases.holder == holder)
    with library.writing(holder):
        leases.update(expires_at=identities.later(identities.now(), LEASE)).where(held).execute()
        query = leases.select(leases.chain_id).where(held)
        return [chain_id for (chain_id,) in all_tuples(query)]


def give_back(library: Library, holder: str) -> None:
    """Give back every lease of a holder, so that others need not wait for them to expire."""
    with library.writing(holder):
        models.Lease.delete().where(models.Lease.holder == holder).execute()


def driver_of(library: Library, chain_id: str) -> str | None:
    """Who drives a chain at this moment."""
    leases = models.Lease
    with library.reading():
        query = leases.select(leases.holder).where(
            (leases.chain_id == chain_id) & (leases.expires_at > identities.now())
        )
        return next((holder for (holder,) in all_tuples(query)), None)


def conclude(
    library: Library, chain_id: str, *, status: str, error: str | None, revision: int | None = None, by: str = DRIVER
) -> None:
    """Say how a driven chain stands: `executing_level_N`, `awaiting_approval`, or how it ended.

    A chain that has ended stays so: whoever cancelled it has the last word. So does one that has changed since the
    `revision` at which it was looked at, as where somebody has a step run again: it is looked at again.
    """
    with library.writing(by) as tx:
        if revision in (None, chains.row_of(chain_id)["revision"]):
            settle(tx, chain_id, status=status, error=error)


def settle(tx: Transaction, chain_id: str, *, status: str, error: str | None = None) -> None:
    """As `conclude`, inside the caller's transaction."""
    chain = chains.row_of(chain_id)
    if chain["status"] in FINISHED_CHAIN or (chain["status"], chain["error_message"]) == (status, error):
        return
    level = status.removeprefix("executing_level_")
    columns: dict[str, Any] = {"status": status, "error_message": error}
    if level != status:
        columns["current_level"] = int(level)
    if status in FINISHED_CHAIN:
        models.Drive.update(ended_at=tx.at).where(models.Drive.chain_id == chain["id"]).execute()
    _change(tx, chain, columns)


def reopen(tx: Transaction, chain_id: str, *, waiting: bool = True) -> None:
    """A chain that failed goes on, because a step of it runs again; inside the caller's transaction.

    Args:
        waiting: also one that waits for a person. The row of one that goes on anyhow changes too: what an engine has
            seen of the chain before is no longer so.
    Raises:
        NotFound: no engine drives this chain. Conflict: it was cancelled.
    """
    chain = chains.row_of(chain_id)
    drive = first_row(models.Drive.select().where(models.Drive.chain_id == chain["id"]))
    if drive is None:
        raise NotFound(f"chain {chain['id']} is not driven by an engine of this hub")
    if chain["status"] == "cancelled":
        raise Conflict(f"chain {chain['id']} was cancelled; rerun it")
    models.Drive.update(ended_at=None).where(models.Drive.chain_id == chain["id"]).execute()
    if chain["status"] in FINISHED_CHAIN or (waiting and chain["status"] == "awaiting_approval"):
        _change(tx, chain, {"status": f"executing_level_{chain['current_level'] or 0}", "error_message": None})
    elif waiting:
        _change(tx, chain, {"status": chain["status"]})


def _change(tx: Transaction, chain: dict[str, Any], columns: dict[str, Any]) -> None:
    completed_at = tx.at if columns["status"] in FINISHED_CHAIN else None
    models.Chain.update(**columns, completed_at=completed_at, updated_at=tx.at, revision=chain["revision"] + 1).where(
        models.Chain.id == chain["id"]
    ).execute()
    before = {key: chain[key] for key in columns}
    tx.log("chain.updated", "chain", chain["id"], chain_id=chain["id"], before=before, after=columns)
