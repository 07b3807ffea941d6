"""Owns records that are kept at a hub: what is made here is handed over, what is loaded comes from there.

The rules are the hub's. Here are files on their way, durable until it has them, and copies of what was loaded.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..client import problems
from ..client.asking import Call
from ..client.hub import HubBackend
from ..client.records import Artifact as Told
from ..comfyui_client import History
from ..config import Config
from ..errors import ArtifactDBError, BadConfiguration, Unavailable
from ..graphs.walking import Graph
from ..library import attempts, capturing, handovers, identities, inputs, recording, witnessing
from ..library.inputs import Inputs
from ..library.loads import Wanted
from ..library.recording import NewArtifact, Recorded
from ..library.runs import Run
from ..library.views import Artifact
from ..storage.identities import identify
from ..storage.local import Intent, Placement, Store
from .interface import Recorder
from .loaded import Loaded
from .outbox import Letter, Outbox

logger = logging.getLogger("artifact_db.records")

T = TypeVar("T")

PATIENCE = 8.0
"""Seconds that a node waits for the hub to have its files; after that they follow by themselves."""

TIMEOUT, UPLOAD_TIMEOUT = 15.0, 120.0
"""Seconds without a byte after which the hub is taken to be away; and once it has files, which it makes durable."""


class RefusedByHub(ArtifactDBError):
    """The hub will not have a record as it stands. It stays here, with its files."""

    code = "refused_by_hub"


class HubRecorder(Recorder):
    """The hub that the configuration names."""

    keeper = "the hub"

    def __init__(self, config: Config) -> None:
        """Begin with what processes that are gone have left; nothing waits for the hub.

        Raises:
            StoreFailed: the store's folder cannot be made or written.
        """
        if config.hub is None:
            raise BadConfiguration("hub is not configured")
        self._url = config.hub.url
        self._wants_all = config.record == "all"
        hub = config.hub
        told: dict[str, Any] = {"token": hub.token, "ca_file": hub.ca_file, "actor": witnessing.ACTOR, "retries": 0}
        self._hub = HubBackend(hub.url, **told, timeout=TIMEOUT, patience=UPLOAD_TIMEOUT)
        self.store = Store(config.store)
        self.store.open()
        self.store.is_known_as(identify(config.store, identities.new_id()))
        self._loaded = Loaded(config.store)
        self._outbox = Outbox(self.store, self._hub, self._url)
        self._lock = threading.Lock()
        self._witnesses: dict[str, Intent] = {}
        self._recorded: set[str] = set()
        logger.info("everything is recorded into the hub %s; on its way it lies in %s", self._url, config.store)

    @property
    def store_id(self) -> str | None:
        return self._outbox.store_id

    def record(
        self, outputs: Sequence[tuple[NewArtifact, Placement]], *, actor: str, workflow_id: str, run: Run
    ) -> Recorded:
        letters = self._post(run, outputs, actor=actor, workflow_id=workflow_id)
        ids = tuple(output.artifact_id for output, _ in outputs)
        for letter in letters:
            if not letter.looked_at.wait(PATIENCE):
                self._outbox.is_slow(letter, f"the hub {self._url} has not taken the files within {PATIENCE:g} s")
            if letter.refused is not None:
                raise RefusedByHub(
                    f"the hub {self._url} refused the record: {letter.refused}. Nothing is lost: files and record are "
                    "kept here, `artifact-db doctor` names them, and they are sent again"
                )
            if letter.answer is None:
                logger.warning("the record of %d artifact(s) waits for the hub: %s", len(ids), letter.waits)
                return Recorded(workflow_id, ids, deferred=letter.waits)
        answered = [one["workflow_id"] for letter in letters for one in letter.answer or ()]
        return Recorded(next(iter(answered), workflow_id), ids)

    def capture(self, run: Run, history: History, folder: Path, *, went_in: Inputs, for_good: bool) -> int:
        # What a cached node made came long before; what the hub has of this prompt already, it knows itself.
        wanted = [one for one in capturing.results(history) if one.node_id not in history.cached]
        arrived, missing = capturing.gather(self.store, wanted, history, folder, for_good=for_good)
        if arrived or missing:
            outputs = [(one.as_artifact(), one.placement) for one in arrived]
            self._post(
                run,
                outputs,
                actor=run.requested_by or witnessing.ACTOR,
                workflow_id=identities.new_id(),
                ending=capturing.ended(history, missing, went_in),
            )
        return len(arrived)

    def finish(self, run: Run, status: str, error: str | None, *, actor: str, went_in: Inputs) -> None:
        with self._lock:
            recorded = run.prompt_id in self._recorded
            self._recorded.discard(run.prompt_id)
        if recorded:
            ending = attempts.Ending(None, status, error, inputs=went_in)
            self._post_ending(run, ending, actor)
        with self._lock:
            witness = self._witnesses.pop(run.prompt_id, None)
        if witness is not None:
            super().strike(witness)

    def mark_lost(self, run: Run, message: str) -> None:
        self._post_ending(run, attempts.Ending(None, "outcome_unknown", message), run.requested_by or witnessing.ACTOR)

    def witness(self, run: Run) -> Intent:
        with self._lock:
            if run.prompt_id not in self._witnesses:
                intent = self.store.promise(witnessing.KIND, (), witnessing.promised(run))
                self._witnesses[run.prompt_id] = intent
            return self._witnesses[run.prompt_id]

    def strike(self, witness: Intent) -> None:
        with self._lock:
            self._witnesses = {id: intent for id, intent in self._witnesses.items() if intent.path != witness.path}
        super().strike(witness)

    def settle_left(self, server_address: str, *, before: str, known: Callable[[str], bool]) -> int:
        # Of each prompt that something was recorded of there is a witness, which the outbox finds.
        return 0

    def went_in(
        self, folders: Mapping[str, Path], graph: Graph, outputs: Iterable[str], *, server: str, prompt_id: str
    ) -> Inputs:
        """The hashes of files, of which the hub will know which artifacts they are."""
        try:
            hashes = inputs.hashes_of(folders, graph, outputs, self._is_size_of_any)
        except ArtifactDBError as error:
            logger.debug("what went into prompt %s cannot be asked: %s", prompt_id, error)
            return {}
        return {handovers.READ: hashes} if hashes else {}

    def waiting(self) -> int:
        return 0  # How a prompt ended is sent after what it recorded.

    def records_all(self) -> bool:
        if self._wants_all:
            return True
        if (away := self._outbox.away) is not None:
            raise Unavailable(away)
        return bool(self._ask(Call("get_recording"))["record"] == "all")

    def find(self, wanted: Wanted, *, last_approved: bool) -> Artifact:
        return self._view(self._find(wanted, last_approved=last_approved))

    def take(self, wanted: Wanted, *, last_approved: bool) -> Artifact:
        body = self._find(wanted, last_approved=last_approved, usable=True)
        told = self._hub.artifact(body)
        self._reaching(lambda: self._loaded.take(told, self._hub.bytes_of(told.id)))
        return self._view(body)

    def get(self, artifact_id: str) -> Artifact:
        return self._view(self._ask(Call("get_artifact", path={"artifact_id": artifact_id})))

    def path(self, artifact: Artifact) -> Path:
        return Path(artifact.local_path)

    def close(self) -> None:
        self._outbox.stop()
        self._hub.close()
        self.store.close()

    def _post(
        self,
        run: Run,
        outputs: Sequence[tuple[NewArtifact, Placement]],
        *,
        actor: str,
        workflow_id: str,
        ending: attempts.Ending | None = None,
    ) -> list[Letter]:
        """Promise outputs and send them, as many together as a hub takes; the last of them tell how it ended."""
        self.witness(run)
        with self._lock:
            self._recorded.add(run.prompt_id)
        letters = []
        for start in range(0, len(outputs) or 1, handovers.MOST_OUTPUTS):
            some = outputs[start : start + handovers.MOST_OUTPUTS]
            last = ending if start + len(some) == len(outputs) else None
            body = recording.promised([output for output, _ in some], actor, workflow_id, run, last)
            intent = self.store.promise(recording.KIND, [placement for _, placement in some], body)
            letters.append(self._outbox.post(intent))
        return letters

    def _post_ending(self, run: Run, ending: attempts.Ending, actor: str) -> None:
        body = recording.promised([], actor, identities.new_id(), run, ending)
        self._outbox.post(self.store.promise(recording.KIND, (), body))

    def _is_size_of_any(self, size: int) -> bool:
        if (away := self._outbox.away) is not None:
            raise Unavailable(away)
        query = {"min_size": size, "max_size": size, "limit": 1}
        return bool(self._ask(Call("list_artifacts", query=query))["items"])

    def _find(self, wanted: Wanted, **how: bool) -> Any:
        names = {name: value for name, value in vars(wanted).items() if value}
        return self._ask(Call("find_output", query={**names, **{name: True for name, on in how.items() if on}}))

    def _ask(self, call: Call) -> Any:
        return self._reaching(lambda: self._hub.ask(call))

    def _reaching(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except (problems.HubUnreachable, problems.HubFailed) as error:
            raise Unavailable(f"the hub {self._url} is away, try again when it is back: {error}") from error
        except problems.BytesChanged as error:
            raise Unavailable(f"what came from the hub {self._url} broke off, or was changed on its way") from error
        except (problems.Denied, problems.Forbidden) as error:
            raise RefusedByHub(f"the hub {self._url} refuses this machine; see hub_token_env: {error}") from error

    def _view(self, body: Mapping[str, Any]) -> Artifact:
        """An artifact as the library hands it out; its bytes lie among the loaded ones."""
        path = self._loaded.path(Told.from_json(body))
        absent = dict.fromkeys(("file_mtime_ns", "file_inode", "chain_deleted_at"))
        return Artifact.of({**body, **absent, "local_path": str(path), "tags": tuple(body["tags"])})
