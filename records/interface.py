"""Owns what nodes ask for, wherever the records are kept: one set of calls, answered by a library here or by a hub."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from ..comfyui_client import History
from ..graphs.walking import Graph
from ..library.inputs import Inputs
from ..library.loads import Wanted
from ..library.recording import NewArtifact, Recorded
from ..library.runs import Run
from ..library.views import Artifact
from ..storage.local import Intent, Placement, Store


class Recorder(ABC):
    """The records of one ComfyUI. May be asked by several threads.

    `store` is where files are made durable before anything is promised of them.
    """

    keeper: ClassVar[str]
    """Who may be away: what messages call it."""

    store: Store

    @property
    @abstractmethod
    def store_id(self) -> str | None:
        """The store in which what is recorded lies, or will; None as long as nobody has said which one that is."""

    @abstractmethod
    def record(
        self, outputs: Sequence[tuple[NewArtifact, Placement]], *, actor: str, workflow_id: str, run: Run
    ) -> Recorded:
        """Record finished parts as artifacts of an execution. While the keeper is away, they are kept and follow.

        Raises:
            ArtifactDBError: they are refused; or the disk refuses, and nothing is left behind.
        """

    @abstractmethod
    def capture(self, run: Run, history: History, folder: Path, *, went_in: Inputs, for_good: bool) -> int:
        """Record what a prompt has put out and is not recorded yet: as `capturing.capture`."""

    @abstractmethod
    def finish(self, run: Run, status: str, error: str | None, *, actor: str, went_in: Inputs) -> None:
        """Say how a prompt ended, on every attempt that holds it and is open."""

    @abstractmethod
    def mark_lost(self, run: Run, message: str) -> None:
        """Say that how a prompt ended will never be known: as `witnessing.mark_lost`."""

    @abstractmethod
    def witness(self, run: Run) -> Intent:
        """Write down that a prompt runs, until it is struck."""

    def strike(self, witness: Intent) -> None:
        """The end of the prompt is in the record."""
        self.store.fulfilled(witness)

    @abstractmethod
    def settle_left(self, server_address: str, *, before: str, known: Callable[[str], bool]) -> int:
        """Settle what earlier processes of this ComfyUI have left executing; returns how many attempts there were."""

    @abstractmethod
    def went_in(
        self, folders: Mapping[str, Path], graph: Graph, outputs: Iterable[str], *, server: str, prompt_id: str
    ) -> Inputs:
        """The artifacts that the files are which a graph reads: as `inputs.of_folders`."""

    @abstractmethod
    def waiting(self) -> int:
        """How many records wait for the keeper."""

    @abstractmethod
    def records_all(self) -> bool:
        """Whether every output of every prompt is recorded. Raises ArtifactDBError where that cannot be asked."""

    @abstractmethod
    def find(self, wanted: Wanted, *, last_approved: bool) -> Artifact:
        """The artifact that is meant, by its state: as `loads.find`. Unavailable: the keeper is away."""

    @abstractmethod
    def take(self, wanted: Wanted, *, last_approved: bool) -> Artifact:
        """The same, usable, and its bytes proven and at hand in `path`: as `loads.take`."""

    @abstractmethod
    def get(self, artifact_id: str) -> Artifact:
        """One artifact, whatever its state."""

    @abstractmethod
    def path(self, artifact: Artifact) -> Path:
        """Where the bytes lie of one that was taken; they are read, and nothing else."""

    @abstractmethod
    def close(self) -> None:
        """Give everything back; what waits goes on with the next process."""
