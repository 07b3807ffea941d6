"""Owns the record of a hub as an engine on another machine has it: every question and every word goes over HTTP.

Bytes stream: from the hub through this process to the servers that it speaks to, and through a store of its own, where
nothing stays, from them to the hub. A hub that is away is `Unavailable`, which an engine waits for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from ..comfyui_client.connections import Connections
from ..errors import ArtifactDBError, BadConfiguration, Conflict, DeliveryFailed, NotUsable, StoreFailed, Unavailable
from ..library import arrivals, artifacts, collecting, identities
from ..library.delivering import bring
from ..library.standings import Standings
from ..library.underway import Underway
from ..library.views import Artifact, Attempt, Chain, Drive, Event, Transfer, View, Workflow
from ..storage.local import Store
from . import problems
from .asking import Call, checked
from .hub import HubBackend

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..comfyui_client import History
    from ..config import Config
    from ..library.arrivals import Arrived
    from ..library.attempts import Ending
    from ..library.inputs import Inputs

V = TypeVar("V", bound=View)

RETRIES = 2
"""How often a call is tried again at once: the engine asks again by itself, and others are not to wait meanwhile."""

PAGE = 200

_PASSING = (
    *(problems.HubUnreachable, problems.HubFailed, problems.BadConfiguration, problems.NotBuilt),
    *(problems.Denied, problems.Forbidden),
)
"""What is the hub's matter, or its operator's, and no step's: it passes once somebody has mended it."""


class HubRecords:
    """What `chains.records` asks for, of a hub; may be used by several threads. Its token has the role `record`."""

    def __init__(self, config: Config, *, backoff: float = 0.5) -> None:
        """`config` is this process's: it names the hub, and the servers, under the hub's names, that are spoken to.

        Raises:
            BadConfiguration: it names no hub. StoreFailed: the folder for what is on its way cannot be made.
        """
        if config.hub is None:
            raise BadConfiguration("the configuration names no hub")
        self.config = config
        self.connections = Connections()
        self.store = Store(config.store)
        self.store.open()
        with self.store.abandoned():
            pass  # What others left behind that were killed was on its way, and is fetched again.
        hub = config.hub
        self._hub = HubBackend(hub.url, token=hub.token, ca_file=hub.ca_file, retries=RETRIES, backoff=backoff)
        self._collections = Underway()
        self._deliveries = Underway()

    def close(self) -> None:
        """Give connections back."""
        self._hub.close()
        self.connections.close()
        self.store.close()

    def store_id(self) -> str:
        return str(self._call("store_id"))

    def seconds_since(self, at: str) -> float:
        return identities.seconds_since(at) + self._hub.ahead

    def get_chain(self, chain_id: str) -> Chain:
        return _view(Chain, self._ask("get_chain", path={"chain_id": chain_id}))

    def get_drive(self, chain_id: str) -> Drive | None:
        return _maybe(Drive, self._call("get_drive", chain_id=chain_id))

    def list_driven(self, *, engine: str, chain_ids: Sequence[str] | None = None) -> list[tuple[str, bool]]:
        found = self._call("list_driven", engine=engine, chain_ids=None if chain_ids is None else list(chain_ids))
        return [(chain_id, is_live) for chain_id, is_live in found]

    def last_seq(self) -> int:
        return int(self._call("last_seq"))

    def list_events(self, *, after: int, limit: int) -> list[Event]:
        found = self._ask("list_events", query={"after": after, "limit": limit})
        return [_view(Event, one) for one in found["items"]]

    def get_standings(self, chain_id: str) -> Standings:
        told = self._call("get_standings", chain_id=chain_id)
        steps = {
            workflow_id: (_view(Workflow, workflow), _maybe(Attempt, attempt), _maybe(Artifact, current))
            for workflow_id, (workflow, attempt, current) in told["steps"].items()
        }
        return Standings(_view(Chain, told["chain"]), steps)

    def conclude_chain(self, chain_id: str, *, status: str, error: str | None, revision: int | None = None) -> None:
        self._call("conclude_chain", chain_id=chain_id, status=status, error=error, revision=revision)

    def is_driven_by(self, chain_id: str, *, temporal_workflow_id: str, temporal_run_id: str) -> None:
        ids = {"temporal_workflow_id": temporal_workflow_id, "temporal_run_id": temporal_run_id}
        self._call("is_driven_by", chain_id=chain_id, **ids)

    def cancel_chain(self, chain_id: str) -> list[Attempt]:
        return [_view(Attempt, one) for one in self._call("cancel_chain", chain_id=chain_id)]

    def expire(self, chain_id: str, step_id: str) -> None:
        self._call("expire", chain_id=chain_id, step_id=step_id)

    def find_step(self, workflow_id: str) -> tuple[Workflow | None, Attempt | None]:
        workflow, newest = self._call("find_step", workflow_id=workflow_id)
        return _maybe(Workflow, workflow), _maybe(Attempt, newest)

    def create_workflow(self, **columns: Any) -> Workflow:
        return _view(Workflow, self._call("create_workflow", **columns))

    def skip(self, workflow_id: str, *, reason: str) -> None:
        self._call("skip", workflow_id=workflow_id, reason=reason)

    def fail(self, workflow_id: str, *, error: str) -> None:
        self._call("fail", workflow_id=workflow_id, error=error)

    def sent_before(self, attempt: Attempt) -> Attempt | None:
        if attempt.number == 1:
            return None
        before = (one for one in self._attempts(attempt.workflow_id) if one["number"] < attempt.number)
        return next((_view(Attempt, one) for one in before if one["workflow_definition"] is not None), None)

    def get_overrides(self, attempt: Attempt) -> dict[str, Any]:
        found = (one["overrides"] for one in self._attempts(attempt.workflow_id) if one["id"] == attempt.id)
        return dict(next(found, {}))

    def begin_attempt(self, step: dict[str, Any], *, server: str, overrides: dict[str, Any] | None) -> Attempt:
        return _view(Attempt, self._call("begin_attempt", step=step, server=server, overrides=overrides))

    def prepare(self, attempt_id: str, **written: Any) -> Attempt:
        return _view(Attempt, self._call("prepare", attempt_id=attempt_id, **written))

    def acknowledge(self, attempt_id: str) -> None:
        self._call("acknowledge", attempt_id=attempt_id)

    def conclude(self, attempt_id: str, *, status: str, error: str | None) -> None:
        self._call("conclude", attempt_id=attempt_id, status=status, error=error)

    def move(self, attempt_id: str, *, server: str) -> None:
        self._call("move", attempt_id=attempt_id, server=server)

    def withdraw(self, attempt_id: str, *, reason: str) -> None:
        self._call("withdraw", attempt_id=attempt_id, reason=reason)

    def get_artifact(self, artifact_id: str) -> Artifact:
        return _view(Artifact, self._ask("get_artifact", path={"artifact_id": artifact_id}))

    def list_heads(self, workflow_id: str) -> list[Artifact]:
        heads: list[Artifact] = []
        query: dict[str, Any] = {"heads": 1, "limit": PAGE}
        while True:
            page = self._ask("list_workflow_artifacts", path={"workflow_id": workflow_id}, query=query)
            heads += [_view(Artifact, one) for one in page["items"]]
            if page["next_cursor"] is None:
                return artifacts.current_first(heads)
            query["cursor"] = page["next_cursor"]

    def read(self, artifact: Artifact) -> bytes:
        if (reason := artifacts.why_not_usable(artifact)) is not None:
            raise NotUsable(f"artifact {artifact.id} is not usable: {reason}", artifact=artifact)
        with self._open(artifact) as source:
            return source.read(artifact.file_size)

    def deliver(self, attempt: Attempt, artifact_id: str) -> str:
        begun = self._call("begin_delivery", attempt_id=attempt.id, artifact_id=artifact_id)
        transfer, artifact = _view(Transfer, begun["transfer"]), _view(Artifact, begun["artifact"])
        if transfer.status != "completed":
            transfer = self._deliver(transfer, artifact, begun["known"])
        if transfer.status != "completed" or transfer.target_filename is None:
            raise Conflict("another process is delivering it at this moment", transfer=transfer)
        return transfer.target_filename

    def report(self, reports: Sequence[dict[str, Any]]) -> None:
        self._call("report", reports=list(reports))

    def collect(self, attempt: Attempt, history: History, *, patient: bool) -> None:
        server = self.config.server(attempt.server_address)
        where = collecting.Where(attempt.workflow_id, attempt.id, server, attempt.prompt_id)
        with self._collections.alone(server.name, attempt.prompt_id):
            collecting.collect(self, where, history, patient=patient)

    def recorded_outputs(self, attempt_id: str) -> list[str]:
        return list(self._call("recorded_outputs", attempt_id=attempt_id))

    def delivered_names(self, *, server: str, prompt_id: str) -> list[str]:
        return list(self._call("delivered_names", server=server, prompt_id=prompt_id))

    def is_size_of_any(self, size: int) -> bool:
        return bool(self._call("is_size_of_any", size=size))

    def recognised(self, hashes: Sequence[str], *, server: str, prompt_id: str) -> Inputs:
        return dict(self._call("recognised", hashes=list(hashes), server=server, prompt_id=prompt_id))

    def record(self, workflow_id: str, arrived: Sequence[Arrived], ending: Ending) -> None:
        """Hand in what arrived; the hub takes all of it or nothing, and none of it twice."""
        record = {
            "attempt_id": ending.attempt_id,
            "outputs": [_output(one) for one in arrived],
            "ending": {
                "status": ending.status,
                "error": ending.error,
                "workflow_definition": ending.workflow_definition,
                "extra_pnginfo": ending.extra_pnginfo,
                "client_id": ending.client_id,
                "inputs": {door: list(ids) for door, ids in ending.inputs.items()},
            },
        }
        files = [(self.store.staging / one.placement.part, one.placement.local_filename) for one in arrived]
        try:
            self._ask("record_outputs", body={"record": record}, files=files)
        finally:
            arrivals.discard(self.store, arrived)

    def _deliver(self, begun: Transfer, artifact: Artifact, known: Sequence[str]) -> Transfer:
        """Make a delivery that the hub has written down, and tell it how that ended."""
        try:
            target = self.config.server(begun.target_server)
            with self._deliveries.alone(target.name, artifact.sha256):  # The second finds what the first sent.
                subfolder, read = begun.target_subfolder, lambda: self._open(artifact)
                name = bring(self.connections, target, artifact, read, subfolder=subfolder, known=known)
        except Unavailable:
            raise  # There is nobody to tell it to: the next try goes on.
        except ArtifactDBError as error:
            self._call("end_delivery", transfer_id=begun.id, number=begun.attempts, error=str(error))
            if isinstance(error, StoreFailed):
                raise DeliveryFailed(str(error), server=begun.target_server) from error
            raise
        receipt = {"target_filename": name, "sha256": artifact.sha256}
        return _view(Transfer, self._call("end_delivery", transfer_id=begun.id, number=begun.attempts, **receipt))

    @contextmanager
    def _open(self, artifact: Artifact) -> Iterator[BinaryIO]:
        with closing(cast("Generator[bytes]", self._hub.bytes_of(artifact.id))) as pieces:
            yield cast(BinaryIO, _Download(pieces, artifact))

    def _attempts(self, workflow_id: str) -> list[dict[str, Any]]:
        """The attempts of a workflow as the contract has them, newest first."""
        return list(self._ask("get_workflow", path={"workflow_id": workflow_id})["attempts"])

    def _call(self, name: str, **arguments: Any) -> Any:
        return self._ask("call_engine", path={"call": name}, body={"arguments": arguments})["result"]

    def _ask(self, operation: str, *, body: Mapping[str, Any] | None = None, **call: Any) -> Any:
        with _worded():
            return self._hub.ask(Call(operation, body=checked(body or {}), **call))


class _Download:
    """The bytes of an artifact as they come from the hub, to be read once: other bytes than were recorded are none."""

    def __init__(self, pieces: Iterator[bytes], artifact: Artifact) -> None:
        self._pieces = pieces
        self._artifact = artifact
        self._hash = hashlib.sha256()
        self._left = artifact.file_size
        self._buffer = b""

    def read(self, size: int) -> bytes:
        """The next bytes, `size` at most; as many unless there are no more.

        Raises:
            Unavailable: the hub is away. StoreFailed: it gives others than it has recorded.
        """
        gathered = [self._buffer]
        length = len(self._buffer)
        with _worded():
            while length < size and (piece := next(self._pieces, b"")):
                gathered.append(piece)
                length += len(piece)
        data = b"".join(gathered)
        data, self._buffer = data[:size], data[size:]
        self._hash.update(data)
        self._left -= len(data)
        if self._left < 0 or (self._left == 0 and self._hash.hexdigest() != self._artifact.sha256):
            raise StoreFailed(f"the hub gives other bytes of artifact {self._artifact.id} than it has recorded")
        return data


@contextmanager
def _worded() -> Iterator[None]:
    """A hub's problems as an engine knows them."""
    try:
        yield
    except _PASSING as problem:
        raise Unavailable(f"the hub: {problem}") from problem
    except problems.Problem as problem:
        if problem.artifact is not None:
            problem.data["artifact"] = _view(Artifact, problem.artifact.asdict())
        raise


def _view(cls: type[V], told: Mapping[str, Any]) -> V:
    """A view from JSON, without what no outside program is told."""
    row = {**dict.fromkeys(one.name for one in fields(cls)), **told}
    return cls.of({**row, "tags": tuple(row["tags"])} if cls is Artifact else row)


def _maybe(cls: type[V], told: Mapping[str, Any] | None) -> V | None:
    return None if told is None else _view(cls, told)


def _output(one: Arrived) -> dict[str, Any]:
    """An output as the contract's `NewOutput` has it; what its bytes tell the hub reads from them."""
    new = one.as_artifact()
    return {
        "artifact_id": new.artifact_id,
        "output_key": new.output_key,
        "filename": new.filename,
        "sha256": one.placement.sha256,
        "file_format": new.file_format if one.output.text is not None else None,
        "node_id": new.node_id,
        "subfolder": new.subfolder,
        "comfy_folder_type": new.comfy_folder_type,
        "once": new.once,
    }
