"""Owns asking the library in this process: a database and a store, and no hub."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..answers import problems as wording
from ..chains.driver import Driver
from ..errors import ArtifactDBError
from ..library import artifacts, driving, names
from ..library.opening import Library
from ..storage.files import CHUNK
from . import problems
from .answering import ANSWERS, Asked
from .asking import Backend, Call
from .records import Artifact

ENGINE_CALLS = {
    **{"create_chain": "run", "reject_artifact": "parameters"},
    **dict.fromkeys(("resume_chain", "rerun_chain", "retry_workflow")),
}
"""Calls after which a chain has to be driven, each with the member that asks for it, where not all of them do."""


class LocalBackend(Backend):
    """A library that is open, and is closed with this; may be used by several threads.

    Chains that it is asked to run it drives itself, until it is closed; whoever has the database goes on with them.
    """

    def __init__(self, library: Library, *, actor: str = "local") -> None:
        self._library = library
        self._actor = driving.checked_outsider(names.checked_text(actor, "actor"), "actor")
        self._driver: Driver | None = None
        self._starting = threading.Lock()

    def __repr__(self) -> str:
        return f"<library in {self._library.config.folder}>"

    def ask(self, call: Call) -> Any:
        with self._worded():
            answer = ANSWERS[call.operation](Asked(self._library, self._actor, call))
        if call.operation in ENGINE_CALLS and ENGINE_CALLS[call.operation] in (None, *call.body):
            self._drive()
        return answer

    def bytes_of(self, artifact_id: str) -> Iterator[bytes]:
        with self._worded():
            found = artifacts.get_downloadable(self._library, artifact_id.lower())
            store = self._library.store
            with store.reading(store.relative(found.local_path)) as file:
                while piece := file.read(CHUNK):
                    yield piece

    def artifact(self, body: Mapping[str, Any]) -> Artifact:
        """With the absolute `local_path`: this process can read it."""
        return Artifact.from_json({**body, "local_path": str(self._library.store.root / body["local_path"])})

    def close(self) -> None:
        with self._starting:
            if self._driver is not None:
                self._driver.stop()
                self._driver = None
            self._library.close()

    def _drive(self) -> None:
        with self._starting:
            if self._driver is None:
                self._driver = Driver(self._library).start()

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except problems.Problem:
            raise
        except ArtifactDBError as error:
            raise problems.problem_of(wording.of_error(self._library, error), self.artifact) from error
