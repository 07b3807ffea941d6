"""Owns records that are kept here: each call is one of the library's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ..comfyui_client import History
from ..graphs.walking import Graph
from ..library import artifacts, attempts, capturing, inputs, loads, recording, switches, witnessing
from ..library.inputs import Inputs
from ..library.loads import Wanted
from ..library.opening import Library
from ..library.recording import NewArtifact, Recorded
from ..library.runs import Run
from ..library.views import Artifact
from ..storage.identities import identity
from ..storage.local import Intent, Placement
from .interface import Recorder


class LocalRecorder(Recorder):
    """A library of this process, which is somebody else's to close."""

    keeper = "the database"

    def __init__(self, library: Library) -> None:
        self.library = library
        self.store = library.store
        self._store_id: str | None = None

    @property
    def store_id(self) -> str | None:
        if self._store_id is None:  # The first record that is made has given it one.
            self._store_id = identity(self.store.root)
        return self._store_id

    def record(
        self, outputs: Sequence[tuple[NewArtifact, Placement]], *, actor: str, workflow_id: str, run: Run
    ) -> Recorded:
        return recording.record(
            self.library, outputs, actor=actor, workflow_id=workflow_id, run=run, keep_when_unavailable=True
        )

    def capture(self, run: Run, history: History, folder: Path, *, went_in: Inputs, for_good: bool) -> int:
        return capturing.capture(self.library, run, history, folder, went_in=went_in, for_good=for_good)

    def finish(self, run: Run, status: str, error: str | None, *, actor: str, went_in: Inputs) -> None:
        attempts.finish(
            self.library,
            server_address=run.server_address,
            prompt_id=run.prompt_id,
            status=status,
            error=error,
            actor=actor,
            inputs=went_in,
        )

    def mark_lost(self, run: Run, message: str) -> None:
        witnessing.mark_lost(self.library, run, message)

    def witness(self, run: Run) -> Intent:
        return witnessing.witness(self.library, run)

    def settle_left(self, server_address: str, *, before: str, known: Callable[[str], bool]) -> int:
        return witnessing.settle_left(self.library, server_address, before=before, known=known, by=witnessing.ACTOR)

    def went_in(
        self, folders: Mapping[str, Path], graph: Graph, outputs: Iterable[str], *, server: str, prompt_id: str
    ) -> Inputs:
        return inputs.of_folders(self.library, folders, graph, outputs, server=server, prompt_id=prompt_id)

    def waiting(self) -> int:
        return len(self.library.deferred)

    def records_all(self) -> bool:
        return switches.get_recording(self.library).record == "all"

    def find(self, wanted: Wanted, *, last_approved: bool) -> Artifact:
        return loads.find(self.library, wanted, last_approved=last_approved)

    def take(self, wanted: Wanted, *, last_approved: bool) -> Artifact:
        return loads.take(self.library, wanted, last_approved=last_approved)

    def get(self, artifact_id: str) -> Artifact:
        return artifacts.get_artifact(self.library, artifact_id)

    def path(self, artifact: Artifact) -> Path:
        return self.store.path(self.store.relative(artifact.local_path))

    def close(self) -> None:
        """The library stays open."""
