"""Owns what is done about prompts of this ComfyUI when they begin and end, tried again until it is done.

Nothing of it runs in ComfyUI's executor or on its event loop, and nothing of it can fail a prompt.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import folder_paths
from server import PromptServer

from ..comfyui_client.histories import History, TooMany
from ..errors import ArtifactDBError, BadConfiguration, StoreFailed, TooNew, Unavailable
from ..graphs.titles import title
from ..graphs.walking import plain
from ..library import arrivals, inputs, runs, witnessing
from ..records.interface import Recorder
from ..storage.local import Intent
from ..storage.sources import SourceFailed
from .prompts import Prompt, own_address, recorder

logger = logging.getLogger("artifact_db.nodes")

WAITS = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds before the next try, the last one again and again."""

NO_HISTORY = "ComfyUI keeps no history of this prompt"

FILE_TRIES = 6
"""How often a file that is not there, or is being written, is asked for before the record is made without it."""

FULL_SECONDS = 30.0
"""Seconds before the next try while the store's disk takes nothing: each of them may write much in vain."""


PASSING = (BadConfiguration, StoreFailed, TooNew, Unavailable)
"""What an operator mends, or what mends itself."""


@dataclass
class Job:
    """A prompt, and how far its record has come. `entry` is its history once it has ended, None where there is none.

    `wanted`: whether all of it is recorded; None until that is known.
    """

    prompt: Prompt
    intent: Intent | None = None
    wanted: bool | None = None
    entry: Mapping[str, Any] | None = None
    captured: bool = False
    inputs: inputs.Inputs | None = None
    tries: int = 0
    file_tries: int = 0
    due: float = 0.0


class Settling:
    """The prompts that have ended and are not settled yet, and the one thread that sees to them."""

    def __init__(self, began: str, is_known: Callable[[str], bool]) -> None:
        self._began = began
        self._is_known = is_known
        self._changed = threading.Condition()
        self._jobs: list[Job] = []
        self._thread: threading.Thread | None = None
        self._swept = False
        self._sweep_due = 0.0
        self._all: bool | None = None

    def start(self) -> None:
        """Begin with what earlier processes of this ComfyUI have left."""
        with self._changed:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="artifact-db-settling", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def begun(self, job: Job) -> None:
        """A prompt runs. Where all is recorded this is written down, so that its death is noticed."""
        try:
            if self._records_all() is not False:
                job.intent = recorder().witness(_run(job.prompt))
        except ArtifactDBError as error:
            logger.warning("that prompt %s runs could not be written down: %s", job.prompt.prompt_id, error)

    def ended(self, job: Job, entry: Mapping[str, Any] | None) -> None:
        """A prompt has ended."""
        job.entry = entry
        with self._changed:
            self._jobs.append(job)
        self.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                job = next((job for job in self._jobs if job.due <= now), None)
                sweep = not self._swept and self._sweep_due <= now
                if job is None and not sweep:
                    self._changed.wait(self._next_due(now))
                    continue
                if job is not None:
                    self._jobs.remove(job)
            if sweep:
                self._sweep()
            if job is not None and not self._settle(job):
                with self._changed:
                    self._jobs.append(job)

    def _next_due(self, now: float) -> float | None:
        dues = [job.due for job in self._jobs] + ([] if self._swept else [self._sweep_due])
        return max(0.01, min(dues) - now) if dues else None

    def _settle(self, job: Job) -> bool:
        """Whether there is nothing left to do about a prompt."""
        try:
            kept = recorder()
            if job.wanted is None:
                job.wanted = self._records_all()
                if job.wanted is None:
                    return self._later(job, WAITS[-1])
            if job.wanted and not job.captured:
                self._capture(kept, job)
                job.captured = True
            if job.prompt.recorded or job.captured:
                if kept.waiting():
                    return self._later(job, WAITS[-1])  # Its rows may be among those that are still to come.
                self._close(kept, job)
            if job.intent is not None:
                kept.strike(job.intent)
        except PASSING as error:
            job.tries += 1
            job.file_tries += isinstance(error, SourceFailed)
            full = isinstance(error, StoreFailed) and not isinstance(error, SourceFailed)
            seconds = FULL_SECONDS if full else WAITS[min(job.tries, len(WAITS)) - 1]
            logger.warning("prompt %s is recorded later: %s", job.prompt.prompt_id, error)
            return self._later(job, seconds)
        except ArtifactDBError as error:
            # For example: what its nodes recorded was deleted for good meanwhile.
            logger.error("prompt %s is not recorded: %s", job.prompt.prompt_id, error)
            if job.intent is not None:
                recorder().strike(job.intent)
        return True

    def _later(self, job: Job, seconds: float) -> bool:
        job.due = time.monotonic() + seconds
        return False

    def _capture(self, kept: Recorder, job: Job) -> None:
        run = _run(job.prompt)
        if job.entry is None:
            kept.mark_lost(run, witnessing.CLEARED)
            return
        try:
            history = History.of(job.entry)
        except TooMany:
            logger.error("prompt %s reports more outputs than any has; none is recorded", run.prompt_id)
            return
        folder = Path(folder_paths.get_output_directory())
        try:
            went_in = self._inputs(kept, job)
        except (TooNew, Unavailable):
            went_in = {}  # The files do not wait for a database that could tell.
        kept.capture(run, history, folder, went_in=went_in, for_good=job.file_tries >= FILE_TRIES)

    def _inputs(self, kept: Recorder, job: Job) -> inputs.Inputs:
        """The artifacts that the files are which the graph reads, told by their bytes; found once for each prompt."""
        if job.inputs is None:
            prompt, outputs = job.prompt, (job.entry or {}).get("outputs")
            job.inputs = kept.went_in(
                {name: Path(folder_paths.get_directory_by_type(name)) for name in ("input", "output", "temp")},
                *(prompt.graph, list(outputs or {})),
                server=prompt.server_address,
                prompt_id=prompt.prompt_id,
            )
        return job.inputs

    def _close(self, kept: Recorder, job: Job) -> None:
        prompt = job.prompt
        told = {"status": job.entry.get("status")} if job.entry is not None else None
        status, error = arrivals.ending(History.of(told)) if told else ("outcome_unknown", NO_HISTORY)
        went_in = self._inputs(kept, job)
        kept.finish(_run(prompt), status, error, actor=prompt.requested_by, went_in=went_in)

    def _records_all(self) -> bool | None:
        """Whether every prompt is recorded: while the database is away what it said last, or None."""
        try:
            self._all = recorder().records_all()
        except ArtifactDBError as error:
            logger.warning("whether all is recorded cannot be asked: %s", error)
        return self._all

    def _sweep(self) -> None:
        self._sweep_due = time.monotonic() + WAITS[-1]
        if not hasattr(PromptServer.instance, "port"):
            self._sweep_due = time.monotonic() + WAITS[0]  # It does not listen yet, and has no address.
            return
        try:
            left = recorder().settle_left(own_address(), before=self._began, known=self._is_known)
        except ArtifactDBError as error:
            logger.warning("what ComfyUI left unfinished is settled later: %s", error)
            return
        self._swept = True
        if left:
            logger.info("%d attempt(s) were under way when ComfyUI ended: their outcome is unknown", left)


def _run(prompt: Prompt) -> runs.Run:
    return runs.Run(
        server_address=prompt.server_address,
        prompt_id=prompt.prompt_id,
        workflow_name=title(prompt.graph, prompt.extra_pnginfo),
        workflow_definition=plain(prompt.graph),
        extra_pnginfo=plain(prompt.extra_pnginfo),
        client_id=prompt.client_id,
        requested_by=prompt.requested_by,
    )
