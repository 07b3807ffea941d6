"""Owns what is asked of a chain that runs: cancel it, with the prompts that it has under way."""

from __future__ import annotations

import logging

from ..errors import ArtifactDBError
from ..library import chains, executing
from ..library.opening import Library
from ..library.views import Chain
from .servers import client

logger = logging.getLogger("artifact_db.chains")


def cancel(library: Library, chain_id: str, *, actor: str, revision: int | None = None) -> Chain:
    """Cancel a chain, and end the prompts that it has on servers; one whose server is away runs to its end unheard.

    Raises:
        NotFound: there is no such chain. Conflict: it has ended already.
    """
    for attempt in executing.cancel(library, chain_id, by=actor, revision=revision):
        try:
            with client(library, attempt.server_address) as comfyui:
                comfyui.interrupt(attempt.prompt_id)
        except ArtifactDBError as error:
            logger.warning("prompt %s could not be ended: %s", attempt.prompt_id, error)
    return chains.get_chain(library, chain_id)
