"""Python for chain runners: `connect` speaks with a hub over HTTP, `open_local` opens a database and its store.

Both give an `ArtifactDB`. Whoever only connects loads requests, and nothing of a database.

| module | owns |
| --- | --- |
| `interface` | all calls: `chains`, `workflows`, `artifacts`, `transfers`, `events` are its parts |
| `records`, `problems` | what calls give back, and what they raise |
| `asking`, `operations` | what a call is, and which there are |
| `hub` | calls over HTTP: keys, tries and pauses |
| `local`, `answering` | calls of the library in this process |
| `downloads` | a file that is whole or not there |
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadConfiguration
from . import problems, records
from .interface import ArtifactDB
from .problems import Problem

if TYPE_CHECKING:
    from ..config import Config

__all__ = ["ArtifactDB", "Problem", "connect", "open_local", "problems", "records"]

HUB_VARIABLE = "ARTIFACT_DB_HUB"
TOKEN_VARIABLE = "ARTIFACT_DB_TOKEN"


def connect(
    url: str | None = None,
    *,
    token: str | None = None,
    ca_file: Path | None = None,
    actor: str | None = None,
    timeout: float = 60.0,
    retries: int = 5,
    backoff: float = 0.5,
) -> ArtifactDB:
    """The hub at an address; nothing is sent before the first call.

    Args:
        url: such as `http://127.0.0.1:8190`, or that of a ComfyUI with the extension; None: `$ARTIFACT_DB_HUB`.
        token: None: `$ARTIFACT_DB_TOKEN`. A hub on this machine needs none, unless it is told to.
        ca_file: authorities (PEM) that are believed beside the system's, for a hub behind TLS of one's own.
        actor: who asks, where no token says so.
        timeout: seconds without a byte after which a try has failed.
        retries: how often a call is tried again whose answer did not come, or says to; it is done once all the same.
        backoff: seconds before the first retry, doubled before each further one.
    Raises:
        BadConfiguration: no address, or one that cannot be; a token that cannot be sent; a file that cannot be read.
    """
    from .hub import HubBackend

    url = url or os.environ.get(HUB_VARIABLE)
    if not url:
        raise BadConfiguration(f"which hub? give its url, or set {HUB_VARIABLE}")
    token = os.environ.get(TOKEN_VARIABLE) or None if token is None else token
    how: dict[str, Any] = {"timeout": timeout, "retries": retries, "backoff": backoff}
    return ArtifactDB(HubBackend(url, token=token, ca_file=ca_file, actor=actor, **how))


def open_local(where: str | Path | Config | None = None, *, actor: str = "local") -> ArtifactDB:
    """The database and the store of a configuration, in this process and without a hub; others may use them as well.

    Args:
        where: the folder that has `artifact-db.toml`, or will have the database; or a configuration. None: as the
            command line finds it.
        actor: who asks.
    Raises:
        BadConfiguration, StoreFailed, Unavailable, TooNew: it cannot be opened; the message says why.
    """
    from ..config import Config, load_config
    from ..library.opening import open_library
    from .local import LocalBackend

    config = where if isinstance(where, Config) else load_config(None if where is None else Path(where))
    library = open_library(config)
    try:
        library.prepare()
        return ArtifactDB(LocalBackend(library, actor=actor))
    except BaseException:
        library.close()
        raise
