"""The calls for workflows: steps of chains and standalone runs, and the outputs that they made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

from . import problems
from .asking import Asking, given
from .records import Artifact, Workflow, WorkflowDetails, WorkflowStatus, WorkflowSummary

if TYPE_CHECKING:
    from typing_extensions import Unpack


class WorkflowChanges(TypedDict, total=False):
    """What `update_workflow` changes; what is left out stays as it is."""

    status: WorkflowStatus
    prompt_id: str
    server: str
    server_address: str
    error_message: str | None
    requires_approval: bool
    workflow_definition: Mapping[str, Any] | None
    parameters: Mapping[str, Any] | None
    temporal_workflow_id: str | None
    temporal_run_id: str | None


class Workflows(Asking):
    """Workflows."""

    def create_workflow(
        self,
        workflow_name: str,
        *,
        chain_id: str | None = None,
        step_id: str | None = None,
        id: str | None = None,
        server: str | None = None,
        server_address: str | None = None,
        prompt_id: str | None = None,
        status: WorkflowStatus | None = None,
        requires_approval: bool = False,
        workflow_definition: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        temporal_workflow_id: str | None = None,
        temporal_run_id: str | None = None,
    ) -> Workflow:
        """A step of a chain, or with no chain a standalone run.

        Args:
            id: a UUID of yours, which makes the call safe to repeat also by another process.
            server: the name or URL of a registered server; `server_address` is a label in its place.
            requires_approval: its outputs start as pending.
        Raises:
            NotFound: there is no such chain. UnknownServer, Invalid. Conflict: the id is another workflow's.
        """
        values = given(
            workflow_name=workflow_name,
            chain_id=chain_id,
            step_id=step_id,
            id=id,
            server=None if server is None else self._server_name(server),
            server_address=server_address,
            prompt_id=prompt_id,
            status=status,
            requires_approval=requires_approval,
            workflow_definition=workflow_definition,
            parameters=parameters,
            temporal_workflow_id=temporal_workflow_id,
            temporal_run_id=temporal_run_id,
        )
        return Workflow.from_json(self._ask("create_workflow", body=values))

    def get_workflow(self, id: str) -> WorkflowDetails:
        """A workflow with its attempts.

        Raises:
            NotFound: there is none with this id.
        """
        return WorkflowDetails.from_json(self._ask("get_workflow", path={"workflow_id": id}))

    def get_workflow_by_step(self, chain_id: str, step_id: str) -> WorkflowDetails:
        """The newest workflow of a step of a chain.

        Raises:
            NotFound: the chain has no workflow of that step yet.
        """
        query = {"chain": chain_id, "step": step_id, "limit": 1}
        for found in self._ask("list_workflows", query=query)["items"]:
            return self.get_workflow(found["id"])
        raise problems.told("not_found", f"chain {chain_id} has no workflow of step {step_id!r} yet", status=404)

    def get_workflows_by_chain(self, chain_id: str) -> list[WorkflowSummary]:
        """Every workflow of a chain, by step and then by age.

        Raises:
            NotFound: there is no such chain.
        """
        steps = self._ask("get_chain", path={"chain_id": chain_id})["workflows"]
        return [WorkflowSummary.from_json(step) for step in steps]

    def list_workflows(
        self,
        *,
        chain: str | None = None,
        step: str | None = None,
        status: WorkflowStatus | None = None,
        prompt_id: str | None = None,
        standalone: bool = False,
    ) -> Iterator[WorkflowSummary]:
        """Workflows, the newest first; `chain` is an id."""
        query = {"chain": chain, "step": step, "status": status, "prompt_id": prompt_id, "standalone": standalone}
        return self._pages("list_workflows", WorkflowSummary.from_json, query=query)

    def update_workflow(self, id: str, *, revision: int | None = None, **changes: Unpack[WorkflowChanges]) -> Workflow:
        """Say how a workflow stands. A new `prompt_id` begins a new attempt, a `status` is the newest attempt's too.

        Raises:
            NotFound, UnknownServer, Invalid. StaleRevision: it has changed since `revision`.
        """
        if "server" in changes:
            changes["server"] = self._server_name(changes["server"])
        path = {"workflow_id": id}
        return Workflow.from_json(self._ask("update_workflow", path=path, body=changes, revision=revision))

    def retry_workflow(
        self, id: str, *, parameters: Mapping[str, Any] | None = None, revision: int | None = None
    ) -> Workflow:
        """Run a step again that an engine drives: its outputs become the next versions.

        Args:
            parameters: `node_id.input` to values; None keeps those of the last attempt.
        Raises:
            NotFound, Invalid. Conflict: it runs at this moment, or its chain was cancelled.
        """
        body, path = given(parameters=parameters), {"workflow_id": id}
        return Workflow.from_json(self._ask("retry_workflow", path=path, body=body, revision=revision))

    def download_and_store_artifacts(
        self,
        workflow_id: str,
        server: str | None = None,
        prompt_id: str | None = None,
        *,
        include_temp: bool = False,
    ) -> list[Artifact]:
        """Download every output of a prompt that has ended, and record what is not recorded yet.

        Args:
            server, prompt_id: where it ran (a name or a URL), and as what; None: as the workflow says.
        Returns:
            The artifacts of the prompt, also those recorded before. The first is current where there was none.
        Raises:
            NotFound, UnknownServer. Conflict: it has not ended, or is unknown to the server (`data["state"]`).
            Incomplete: `missing` could not be had, the others are recorded. ServerFailed: nothing was changed.
        """
        if server is None or prompt_id is None:
            known = self._ask("get_workflow", path={"workflow_id": workflow_id})
            server, prompt_id = server or known["server_address"], prompt_id or known["prompt_id"]
        body = {"server": self._server_name(server), "prompt_id": prompt_id, **given(include_temp=include_temp)}
        found = self._ask("collect_outputs", path={"workflow_id": workflow_id}, body=body)
        return [self._backend.artifact(one) for one in found["items"]]

    @overload
    def get_latest_artifact(self, workflow_id: str, *, usable: Literal[True], at: str | None = None) -> Artifact: ...

    @overload
    def get_latest_artifact(
        self, workflow_id: str, *, usable: bool = False, at: str | None = None
    ) -> Artifact | None: ...

    def get_latest_artifact(self, workflow_id: str, *, usable: bool = False, at: str | None = None) -> Artifact | None:
        """The current artifact of a workflow; None while it has none.

        Args:
            usable: it is to go on from here: its state is asked for and its bytes are proven.
            at: a time; what was current then.
        Raises:
            NotFound: there is no such workflow; with `usable` also, it has no artifact.
            NotUsable: with `usable`, it is pending, rejected or changed; `artifact` is as it is now. Gone.
        """
        path, query = {"workflow_id": workflow_id}, given(usable=1 if usable else None, at=at)
        try:
            return self._artifact("get_latest_artifact", path=path, query=query)
        except problems.Gone:
            raise
        except problems.NotFound:
            if usable:
                raise
            self._ask("get_workflow", path=path)  # It says so where the workflow itself is not there.
            return None

    def list_workflow_artifacts(self, workflow_id: str, *, heads: bool = False) -> Iterator[Artifact]:
        """All versions of all outputs of a workflow, the newest first; `heads` keeps one for each output."""
        path, query = {"workflow_id": workflow_id}, {"heads": 1 if heads else None}
        return self._pages("list_workflow_artifacts", self._backend.artifact, path=path, query=query)
