"""Owns what is switched while a hub runs: whether every prompt of its ComfyUI is recorded.

The configuration file is the operator's and is never written; where it says `record = "all"` there is nothing to
switch. The log is the table of switches: the newest event says how one stands, who put it there, and when.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..db import models
from ..db.querying import prepared
from ..errors import Conflict, Invalid

if TYPE_CHECKING:
    from .opening import Library

Record = Literal["nodes", "all"]

SWITCHED = "recording.switched"
_ENTITY_ID = "00000000-0000-0000-0000-000000000001"
"""What the log calls the one switch that there is, which has no row."""


@dataclass(frozen=True)
class Recording:
    """What is recorded of this ComfyUI's prompts: what our nodes are given, or everything.

    `decided_by` is configuration, switch, or default where nobody decided.
    """

    record: Record
    decided_by: str
    switched_by: str | None = None
    switched_at: str | None = None


def get_recording(library: Library) -> Recording:
    """Whether only what our nodes are given is recorded, or every output of every prompt."""
    if library.config.record == "all":
        return Recording("all", "configuration")
    with library.reading():
        return _switched()


def switch_recording(library: Library, record: str, *, by: str) -> Recording:
    """Record every output of every prompt from now on, or only what our nodes are given.

    Raises:
        Invalid: it is neither `all` nor `nodes`. Conflict: the configuration file says `all`.
    """
    if record not in ("nodes", "all"):
        raise Invalid("record is nodes or all", field="record")
    if library.config.record == "all":
        if record == "all":
            return Recording("all", "configuration")
        raise Conflict('artifact-db.toml says record = "all"; it is switched there')
    with library.writing(by) as tx:
        before = _switched().record
        if before != record:
            tx.log(SWITCHED, "recording", _ENTITY_ID, before={"record": before}, after={"record": record})
        return _switched()


def _switched() -> Recording:
    row = _newest.row(_ENTITY_ID)
    if row is None:
        return Recording("nodes", "default")
    record: Record = "all" if json.loads(row["after"])["record"] == "all" else "nodes"
    return Recording(record, "switch", row["actor"], row["at"])


@prepared
def _newest(entity_id: str) -> object:
    table = models.Event
    query = table.select(table.after, table.actor, table.at).where(table.entity_id == entity_id)
    return query.order_by(table.seq.desc()).limit(1)
