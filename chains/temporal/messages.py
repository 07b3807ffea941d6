"""Owns what goes between workflow, activities and pump: plain values, and the names under which Temporal has them.

Histories of chains that run hold these names and members: they are only ever added to.
"""

from __future__ import annotations

from dataclasses import dataclass, field

PREFIX = "artifact-db-chain-"


def workflow_id(chain_id: str) -> str:
    """The id of a chain's workflow: the same for whoever starts it, so that there is only one."""
    return PREFIX + chain_id


def chain_id_of(workflow_id: str) -> str:
    """The chain that a workflow is of."""
    return workflow_id.removeprefix(PREFIX)


@dataclass(frozen=True)
class Run:
    """What a workflow is started with. `longest`: events that its history has before it goes on as a new one; None:
    what Temporal suggests.
    """

    chain_id: str
    longest: int | None = None


@dataclass(frozen=True)
class Heard:
    """An event of the log that speaks of the chain; whoever hears it looks at the rows."""

    seq: int
    action: str = ""
    entity_type: str = ""
    entity_id: str = ""


@dataclass(frozen=True)
class Look:
    """How a chain stands. `seq`: the last event that was there before; `wait`: seconds until to look again.

    `status` is `gone` for a chain that is in the trash, or was emptied out of it.
    """

    status: str
    seq: int
    has_ended: bool = False
    ready: list[str] = field(default_factory=list)
    wait: float | None = None


@dataclass(frozen=True)
class Turn:
    """What a step's activity leaves to do: the next one, after so many seconds; None: to look at the chain again."""

    stage: str | None
    wait: float = 0.0
