"""Owns the prompt of an attempt on its server: sent once, followed to its end, and what it made collected.

A prompt is never queued again while its server can tell what became of it.
"""

from __future__ import annotations

from ..comfyui_client import ComfyUIServer, History
from ..errors import Conflict, NotFound, PromptRefused
from ..library.driving import DRIVER
from ..library.views import Attempt
from .definitions import ANY, Step
from .driven import Chain
from .servers import client
from .stages import OVER, Next, Stage

SOONEST, LATEST = 0.02, 1.0
"""Seconds between two looks at a prompt that runs: the longer it runs, the rarer."""

HEARD = 0.1
"""Seconds after which to look again at the soonest where its server says by itself when it has ended."""

COLLECTING = 600.0
"""Seconds for which outputs of a prompt that has ended are asked for again and again, before the attempt has failed."""


def send(chain: Chain, step: Step, attempt: Attempt) -> float:
    """Queue a prompt that was written down just now, and that its server cannot have; seconds after which to look."""
    with client(chain.records, attempt.server_address) as comfyui:
        _listen(chain, step, attempt)
        _queue(chain, step, attempt, comfyui)
        _acknowledge(chain, attempt, comfyui)
    return SOONEST


def follow(chain: Chain, step: Step, attempt: Attempt, *, collecting: bool = True) -> Next:
    """Look how a prompt gets on that may have come to its server, and collect what it made once it has ended.

    Args:
        collecting: otherwise what it made is left for the stage that collects.
    Raises:
        PromptRefused: its server will not run it. Incomplete: outputs are missing. ServerFailed: nothing is told.
    """
    with client(chain.records, attempt.server_address) as comfyui:
        history, place = _asked(comfyui, attempt)
        if history is not None:
            if not collecting:
                return Next(Stage.COLLECT)
            collect(chain, attempt, history, patient=chain.waited(attempt.id) < COLLECTING)
            return OVER
        _listen(chain, step, attempt)
        if place is None:
            if attempt.status == "executing":
                name = comfyui.server.name
                message = f"{name!r} knows nothing of the prompt any more: it was started again, or cleared"
                chain.records.conclude(attempt.id, status="outcome_unknown", error=message)
                return OVER
            _queue(chain, step, attempt, comfyui)
        if attempt.status == "queued":
            _acknowledge(chain, attempt, comfyui)
        if place is None:
            return Next(Stage.EXECUTE, SOONEST)
        ran = since(chain, attempt.started_at)
        if step.timeout is not None and ran > step.timeout:
            comfyui.interrupt(attempt.prompt_id)
            error = f"it took longer than {step.timeout:g} s, and was ended"
            chain.records.conclude(attempt.id, status="failed", error=error)
            return OVER
    return Next(Stage.EXECUTE, min(LATEST, max(SOONEST if chain.hearing is None else HEARD, ran / 10)))


def ask(chain: Chain, attempt: Attempt) -> tuple[History | None, str | None]:
    """What a server says of an attempt's prompt: its history, or where in the queue it is; neither: it knows it not.

    Raises:
        UnknownServer, ServerFailed.
    """
    with client(chain.records, attempt.server_address) as comfyui:
        return _asked(comfyui, attempt)


def collect(chain: Chain, attempt: Attempt, history: History, *, patient: bool) -> None:
    """Record what a prompt made, by what its server's history says; raises what `collecting` says."""
    chain.records.collect(attempt, history, patient=patient)


def since(chain: Chain, at: str | None) -> float:
    """Seconds since a time; 0 for one that is not known, or still to come."""
    return max(0.0, chain.records.seconds_since(at)) if at else 0.0


def _asked(comfyui: ComfyUIServer, attempt: Attempt) -> tuple[History | None, str | None]:
    # A prompt goes from the queue into the history: whoever asks in this order overlooks none. One that executes has
    # often ended by now, and is in the history at the first question.
    history = comfyui.history(attempt.prompt_id) if attempt.status == "executing" else None
    place = None if history else comfyui.place_in_queue(attempt.prompt_id)
    if history is None and place is None:
        history = comfyui.history(attempt.prompt_id)
    return history, place


def _listen(chain: Chain, step: Step, attempt: Attempt) -> None:
    if chain.hearing is not None:
        server = chain.records.config.server(attempt.server_address)
        chain.hearing.follow(chain.id, step.id, attempt, server, _client_id(attempt))


def _queue(chain: Chain, step: Step, attempt: Attempt, comfyui: ComfyUIServer) -> None:
    assert attempt.workflow_definition is not None
    try:
        comfyui.queue_prompt(
            attempt.workflow_definition,
            prompt_id=attempt.prompt_id,
            client_id=_client_id(attempt),
            extra_data={"artifact_db": {"actor": attempt.requested_by or DRIVER}},
        )
    except PromptRefused as error:
        if error.data.get("queued"):
            comfyui.interrupt(attempt.prompt_id)  # What is left of the graph is not what was asked for.
        raise
    finally:
        if step.server == ANY:
            chain.servers.has_come(attempt.server_address)


def _acknowledge(chain: Chain, attempt: Attempt, comfyui: ComfyUIServer) -> None:
    try:
        chain.records.acknowledge(attempt.id)
    except (Conflict, NotFound):
        comfyui.interrupt(attempt.prompt_id)  # It was cancelled before its prompt was there to be ended.
        raise


def _client_id(attempt: Attempt) -> str:
    """As whom it is queued: without one ComfyUI says nothing of what a cached prompt made, and tells of no progress."""
    return f"artifact-db-{attempt.workflow_id}"
