"""Owns what an engine asks of the record, and tells it: a port, so that the step logic is the same wherever that lies.

`LocalRecords` is a library in this process; `client.engine` has the one of a hub over HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ..library import (
    artifacts,
    attempts,
    chains,
    collecting,
    driving,
    events,
    executing,
    identities,
    standings,
    stores,
    transfers,
    workflows,
)
from ..library.driving import DRIVER
from ..library.views import Artifact, Attempt, Chain, Drive, Event, Workflow
from . import rounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..comfyui_client import History
    from ..comfyui_client.connections import Connections
    from ..config import Config
    from ..library.opening import Library
    from ..library.standings import Standings


class Records(Protocol):
    """The calls of an engine. Each is safe to do again, and raises what the library's function of its name does.

    Also `Unavailable`, where the record cannot be reached: that passes, and nothing was decided by it.
    """

    @property
    def config(self) -> Config:
        """The configuration of this process: its servers are those that it speaks to."""

    @property
    def connections(self) -> Connections:
        """This process's connections to them."""

    def store_id(self) -> str:
        """The id of the store, which no other record has."""

    def seconds_since(self, at: str) -> float:
        """Seconds from a time that the record gave to now, by its own clock; negative where it is still to come."""

    def get_chain(self, chain_id: str) -> Chain: ...

    def get_drive(self, chain_id: str) -> Drive | None: ...

    def list_driven(self, *, engine: str, chain_ids: Sequence[str] | None = None) -> list[tuple[str, bool]]:
        """The chains of an engine, each with whether there is something to drive: none where it has ended or is trash.

        Of these chains; None: all that have not ended.
        """

    def last_seq(self) -> int:
        """The number of the newest event; 0 when there is none."""

    def list_events(self, *, after: int, limit: int) -> list[Event]: ...

    def get_standings(self, chain_id: str) -> Standings:
        """How the steps of a chain stand, without definitions and parameters."""

    def conclude_chain(self, chain_id: str, *, status: str, error: str | None, revision: int | None = None) -> None:
        """As `driving.conclude`."""

    def is_driven_by(self, chain_id: str, *, temporal_workflow_id: str, temporal_run_id: str) -> None:
        """Say which workflow of Temporal drives a chain."""

    def cancel_chain(self, chain_id: str) -> list[Attempt]:
        """As `executing.cancel`, because Temporal was asked to."""

    def expire(self, chain_id: str, step_id: str) -> None:
        """As `rounds.expire`."""

    def find_step(self, workflow_id: str) -> tuple[Workflow | None, Attempt | None]:
        """As `workflows.find_step`."""

    def create_workflow(
        self,
        *,
        id: str,
        chain_id: str,
        step_id: str,
        workflow_name: str,
        requires_approval: bool,
        workflow_definition: dict[str, Any],
        **temporal: str,
    ) -> Workflow: ...

    def skip(self, workflow_id: str, *, reason: str) -> None:
        """The step does not run in this chain; what has begun stays as it is."""

    def fail(self, workflow_id: str, *, error: str) -> None:
        """The step cannot even begin; what was cancelled or skipped stays as it is."""

    def sent_before(self, attempt: Attempt) -> Attempt | None:
        """The last attempt before this one whose prompt may have come to its server; None where there is none."""

    def get_overrides(self, attempt: Attempt) -> dict[str, Any]:
        """What was asked for in place of the definition's parameters: `node_id.input` to values."""

    def begin_attempt(self, step: dict[str, Any], *, server: str, overrides: dict[str, Any] | None) -> Attempt:
        """As `executing.begin_attempt`, of the workflow that `create_workflow` makes of these columns."""

    def prepare(
        self,
        attempt_id: str,
        *,
        parameters: dict[str, Any],
        workflow_definition: dict[str, Any],
        artifact_ids: Sequence[str],
    ) -> Attempt:
        """Write down what is about to be queued; from then on its prompt may have come to its server."""

    def acknowledge(self, attempt_id: str) -> None:
        """Its server has taken it: it is executing."""

    def conclude(self, attempt_id: str, *, status: str, error: str | None) -> None:
        """Say how an attempt ended whose outputs nobody collects; one that has ended stays as it is."""

    def move(self, attempt_id: str, *, server: str) -> None:
        """Another server is to run it than the one that it was begun for, which was sent nothing yet."""

    def withdraw(self, attempt_id: str, *, reason: str) -> None:
        """It does not run, since what one before it made could be had after all."""

    def get_artifact(self, artifact_id: str) -> Artifact: ...

    def list_heads(self, workflow_id: str) -> list[Artifact]:
        """The head of each output of a step, the current artifact first."""

    def read(self, artifact: Artifact) -> bytes:
        """The bytes of a small artifact, proven to be usable.

        Raises:
            NotUsable, Gone.
        """

    def deliver(self, attempt: Attempt, artifact_id: str) -> str:
        """As `transfers.deliver_for`."""

    def report(self, reports: Sequence[dict[str, Any]]) -> None:
        """How far prompts are now, for people to look at: what `library.reports` takes. Nothing depends on it."""

    def collect(self, attempt: Attempt, history: History, *, patient: bool) -> None:
        """As `collecting.collect_attempt`."""


class LocalRecords:
    """The record that a library in this process has open."""

    def __init__(self, library: Library, *, by: str = DRIVER) -> None:
        """`by`: whom the log names for what is done."""
        self.library = library
        self.by = by

    @property
    def config(self) -> Config:
        return self.library.config

    @property
    def connections(self) -> Connections:
        return self.library.connections

    def store_id(self) -> str:
        return stores.id_of(self.library)

    def seconds_since(self, at: str) -> float:
        return identities.seconds_since(at)

    def get_chain(self, chain_id: str) -> Chain:
        return chains.get_chain(self.library, chain_id)

    def get_drive(self, chain_id: str) -> Drive | None:
        return driving.get_drive(self.library, chain_id)

    def list_driven(self, *, engine: str, chain_ids: Sequence[str] | None = None) -> list[tuple[str, bool]]:
        return driving.list_driven(self.library, engine=engine, chain_ids=chain_ids)

    def last_seq(self) -> int:
        return events.last_seq(self.library)

    def list_events(self, *, after: int, limit: int) -> list[Event]:
        return events.list_events(self.library, after=after, limit=limit)

    def get_standings(self, chain_id: str) -> Standings:
        return standings.get_standings(self.library, chain_id)

    def conclude_chain(self, chain_id: str, *, status: str, error: str | None, revision: int | None = None) -> None:
        driving.conclude(self.library, chain_id, status=status, error=error, revision=revision, by=self.by)

    def is_driven_by(self, chain_id: str, *, temporal_workflow_id: str, temporal_run_id: str) -> None:
        chains.update_chain(
            *(self.library, chain_id),
            actor=self.by,
            temporal_workflow_id=temporal_workflow_id,
            temporal_run_id=temporal_run_id,
        )

    def cancel_chain(self, chain_id: str) -> list[Attempt]:
        return executing.cancel(self.library, chain_id, by="temporal")

    def expire(self, chain_id: str, step_id: str) -> None:
        rounds.expire(self.library, self, chain_id, step_id)

    def find_step(self, workflow_id: str) -> tuple[Workflow | None, Attempt | None]:
        return workflows.find_step(self.library, workflow_id)

    def create_workflow(self, **columns: Any) -> Workflow:
        workflow, _ = workflows.create_workflow(self.library, actor=self.by, **columns)
        return workflow

    def skip(self, workflow_id: str, *, reason: str) -> None:
        executing.skip(self.library, workflow_id, reason=reason, by=self.by)

    def fail(self, workflow_id: str, *, error: str) -> None:
        executing.fail(self.library, workflow_id, error=error, by=self.by)

    def sent_before(self, attempt: Attempt) -> Attempt | None:
        return attempts.sent_before(self.library, attempt)

    def get_overrides(self, attempt: Attempt) -> dict[str, Any]:
        return executing.get_overrides(self.library, attempt.id)

    def begin_attempt(self, step: dict[str, Any], *, server: str, overrides: dict[str, Any] | None) -> Attempt:
        return executing.begin_attempt(self.library, step, server=server, overrides=overrides, by=self.by)

    def prepare(self, attempt_id: str, **written: Any) -> Attempt:
        return executing.prepare(self.library, attempt_id, by=self.by, **written)

    def acknowledge(self, attempt_id: str) -> None:
        executing.acknowledge(self.library, attempt_id, by=self.by)

    def conclude(self, attempt_id: str, *, status: str, error: str | None) -> None:
        executing.conclude(self.library, attempt_id, status=status, error=error, by=self.by)

    def move(self, attempt_id: str, *, server: str) -> None:
        executing.move(self.library, attempt_id, server=server, by=self.by)

    def withdraw(self, attempt_id: str, *, reason: str) -> None:
        executing.withdraw(self.library, attempt_id, reason=reason, by=self.by)

    def get_artifact(self, artifact_id: str) -> Artifact:
        return artifacts.get_artifact(self.library, artifact_id)

    def list_heads(self, workflow_id: str) -> list[Artifact]:
        return artifacts.list_heads(self.library, workflow_id)

    def read(self, artifact: Artifact) -> bytes:
        artifacts.require_usable(self.library, artifact)
        store = self.library.store
        with store.reading(store.relative(artifact.local_path)) as file:
            return file.read()

    def deliver(self, attempt: Attempt, artifact_id: str) -> str:
        return transfers.deliver_for(self.library, attempt, artifact_id, by=self.by)

    def report(self, reports: Sequence[dict[str, Any]]) -> None:
        self.library.reports.tell(reports)

    def collect(self, attempt: Attempt, history: History, *, patient: bool) -> None:
        collecting.collect_attempt(self.library, attempt, history, by=self.by, patient=patient)
