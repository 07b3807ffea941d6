"""Owns the id of the hub's store, as a machine remembers it while its hub is away.

What a node shows names it, so that an engine of that hub waits for what is still on its way there.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from pathlib import Path

from ..storage.exports import passing, settle

logger = logging.getLogger("artifact_db.records")

FILE = "hub-identity.json"


def remembered(root: Path, url: str) -> str | None:
    """The id that the hub at this address had when it was last asked; None where that is not known."""
    with suppress(OSError, ValueError, AttributeError):
        known = json.loads((root / FILE).read_text(encoding="utf-8"))
        if known.get("url") == url and isinstance(known.get("store_id"), str):
            return str(known["store_id"])
    return None


def remember(root: Path, url: str, store_id: str) -> None:
    """Keep what the hub has said, in one step; a disk that refuses is no reason to keep no records."""
    if remembered(root, url) == store_id:
        return
    try:
        with passing(root) as (path, file):
            file.write(json.dumps({"url": url, "store_id": store_id}).encode())
            settle(file)
            os.replace(path, root / FILE)
    except OSError as error:
        logger.warning("the hub's id is not remembered for its next absence: %s", error.strerror)
