"""Owns what is asked of a chain that runs: cancel it, with the prompts that it has under way."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ..errors import ArtifactDBError
from ..library import chains, executing
from ..library.opening import Library
from ..library.views import Attempt, Chain
from .records import LocalRecords, Records
from .servers import client

logger = logging.getLogger("artifact_db.chains")


def cancel(library: Library, chain_id: str, *, actor: str, revision: int | None = None) -> Chain:
    """Cancel a chain, and end the prompts that it has on servers; one whose server is away runs to its end unheard.

    Raises:
        NotFound: there is no such chain. Conflict: it has ended already.
    """
    interrupt(LocalRecords(library), executing.cancel(library, chain_id, by=actor, revision=revision))
    return chains.get_chain(library, chain_id)


def interrupt(records: Records, attempts: Iterable[Attempt]) -> None:
    """End the prompts of attempts that were cancelled; one whose server is away runs to its end unheard."""
    for attempt in attempts:
        try:
            with client(records, attempt.server_address) as comfyui:
                comfyui.interrupt(attempt.prompt_id)
        except ArtifactDBError as error:
            logger.warning("prompt %s could not be ended: %s", attempt.prompt_id, error)
