"""The calls for chains: recorded ones that a runner of your own drives, and those that an engine runs."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from ..db.statuses import FINISHED_CHAIN
from .asking import Asking, given
from .records import Chain, ChainDetails, ChainSummary

if TYPE_CHECKING:
    from typing_extensions import Unpack


class ChainChanges(TypedDict, total=False):
    """What `update_chain` changes; what is left out stays as it is."""

    status: str
    current_level: int
    error_message: str | None
    temporal_workflow_id: str | None
    temporal_run_id: str | None


class Chains(Asking):
    """Chains."""

    def create_chain(
        self,
        name: str,
        *,
        id: str | None = None,
        description: str | None = None,
        chain_definition: Mapping[str, Any] | None = None,
        run: bool = False,
        parameters: Mapping[str, Any] | None = None,
        engine: str | None = None,
        status: str | None = None,
        current_level: int | None = None,
        temporal_workflow_id: str | None = None,
        temporal_run_id: str | None = None,
    ) -> Chain:
        """Begin a chain; with `run` an engine runs its definition, which has the graphs of its steps in it.

        Args:
            id: a UUID of yours, which makes the call safe to repeat also by another process.
            parameters: values in place of the definition's defaults, where it is run.
            engine: which one runs it: `local`, the hub itself (where None), or `temporal`, the workers of a Temporal
                server, of which one has to work for that hub.
        Raises:
            Invalid: `errors` have all that is wrong with the definition. Conflict: the id is another chain's.
        """
        values = given(
            name=name,
            id=id,
            description=description,
            chain_definition=chain_definition,
            run=run,
            parameters=parameters,
            engine=engine,
            status=status,
            current_level=current_level,
            temporal_workflow_id=temporal_workflow_id,
            temporal_run_id=temporal_run_id,
        )
        return Chain.from_json(self._ask("create_chain", body=values))

    def get_chain(self, id: str) -> ChainDetails:
        """A chain with its steps.

        Raises:
            NotFound: there is none with this id.
        """
        return ChainDetails.from_json(self._ask("get_chain", path={"chain_id": id}))

    def list_chains(
        self, *, status: str | None = None, name: str | None = None, failed: bool = False, trash: bool = False
    ) -> Iterator[ChainSummary]:
        """Chains, the newest first; `failed` keeps those in which a step has failed."""
        query = {"status": status, "name": name, "failed": failed, "trash": trash}
        return self._pages("list_chains", ChainSummary.from_json, query=query)

    def update_chain(self, id: str, *, revision: int | None = None, **changes: Unpack[ChainChanges]) -> Chain:
        """Say how a chain stands that a runner of your own drives.

        Raises:
            NotFound, Invalid. StaleRevision: it has changed since `revision`.
        """
        return Chain.from_json(self._ask("update_chain", path={"chain_id": id}, body=changes, revision=revision))

    def cancel_chain(self, id: str, *, revision: int | None = None) -> Chain:
        """No further step begins, and prompts under way are ended.

        Raises:
            NotFound. Conflict: it has ended.
        """
        return Chain.from_json(self._ask("cancel_chain", path={"chain_id": id}, revision=revision))

    def resume_chain(self, id: str, *, revision: int | None = None) -> Chain:
        """Let a chain go on: one that failed tries the steps again that did.

        Raises:
            NotFound: there is no such chain, or no engine drives it. Conflict: it was cancelled, or is completed.
        """
        return Chain.from_json(self._ask("resume_chain", path={"chain_id": id}, revision=revision))

    def rerun_chain(
        self,
        id: str,
        *,
        from_step: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        new_id: str | None = None,
    ) -> Chain:
        """Run a chain again, as a new one that takes over what the steps before `from_step` made.

        Args:
            parameters: other values, by `STEP.node_id.input` or by the name of a parameter of the chain.
            new_id: a UUID of yours for the new chain.
        Raises:
            NotFound, Invalid. Conflict: it was not run by an engine, or a step to take over has not ended.
        """
        body = given(id=new_id, from_step=from_step, parameters=parameters)
        return Chain.from_json(self._ask("rerun_chain", path={"chain_id": id}, body=body))

    def delete_chain(self, id: str, *, revision: int | None = None) -> None:
        """Put a chain into the trash, with all workflows, artifacts and files.

        Raises:
            NotFound, StaleRevision.
        """
        self._ask("delete_chain", path={"chain_id": id}, revision=revision)

    def undelete_chain(self, id: str, *, revision: int | None = None) -> Chain:
        """Take it out of the trash.

        Raises:
            NotFound, StaleRevision. Gone: the trash was emptied of it.
        """
        return Chain.from_json(self._ask("undelete_chain", path={"chain_id": id}, revision=revision))

    def wait_for_chain(
        self, id: str, *, until: Collection[str] = FINISHED_CHAIN, timeout: float | None = None, poll: float = 0.5
    ) -> ChainDetails:
        """Wait until a chain has one of these statuses, or has ended.

        Args:
            until: add `awaiting_approval` to hear of it when somebody has to decide.
            timeout: seconds; None waits as long as it takes. poll: seconds between two looks.
        Raises:
            TimeoutError: it has none of them in time. NotFound: there is none with this id.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while (chain := self.get_chain(id)).status not in (*until, *FINISHED_CHAIN):
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"chain {id} is {chain.status} after {timeout:g} s")
            time.sleep(poll)
        return chain
