"""What takes two steps since there is a trash for chains: to be rid of one for good."""

from __future__ import annotations

from comfyui_artifact_db.library import chains, emptying
from comfyui_artifact_db.library.opening import Library


def for_good(library: Library, chain_id: str, *, by: str) -> None:
    """Put a chain into the trash, and empty the trash of it."""
    chains.delete_chain(library, chain_id, actor=by)
    emptied = emptying.empty(library, by=by, ids=[chain_id])
    assert emptied.chains == 1
