"""Owns what an engine holds of a chain that it drives."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import NotFound
from . import checking
from .definitions import Definition, Step
from .files import Tree
from .hearing import Hearing
from .servers import Servers

if TYPE_CHECKING:
    from .records import Records

_NAMESPACE = uuid.UUID("3d1a4f34-6f0d-5a53-9f43-2f4c2f5a7a11")


@dataclass
class Chain:
    """A chain that is being driven.

    `away` has since when a server has not answered, by its name, and since when outputs are missing, by their attempt;
    `given_up` the attempts whose outputs did not come: their prompts are not run again while their servers know them;
    `left` the servers from which an attempt has moved away, by its id; `temporal` the columns that say which workflow
    of Temporal drives it, where one does.
    """

    records: Records
    id: str
    definition: Definition
    parameters: dict[str, Any]
    servers: Servers
    hearing: Hearing | None = None
    away: dict[str, float] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)
    left: dict[str, set[str]] = field(default_factory=dict)
    temporal: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, records: Records, chain_id: str, servers: Servers, hearing: Hearing | None = None) -> Chain:
        """A chain that an engine drives, by what its rows hold.

        Args:
            hearing: listens to its prompts while they run.

        Raises:
            NotFound: there is none, or no engine drives it. ChainInvalid: its definition is none.
        """
        drive = records.get_drive(chain_id)
        if drive is None:
            raise NotFound(f"chain {chain_id} is not driven by an engine of this hub")
        definition = checking.check(Tree(records.get_chain(chain_id).chain_definition), servers=None)
        return cls(records, chain_id, definition, {**definition.parameters, **drive.parameters}, servers, hearing)

    def patience(self, what: str, soonest: float, longest: float = 5.0) -> float:
        """Seconds to wait for what is away; longer with time."""
        self.away.setdefault(what, time.monotonic())
        return min(longest, max(soonest, self.waited(what) / 4))

    def waited(self, what: str) -> float:
        """Seconds for which it has been away; 0 for what is there."""
        now = time.monotonic()
        return now - self.away.get(what, now)

    def workflow_id(self, step: Step) -> str:
        """The id of a step's workflow, the same for whoever drives the chain."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.id}/{step.id}"))
