"""Owns the steps at which a process may be killed: each system call and each statement of the write path, by name.

They are wrapped in the process that is to die; the program itself knows nothing of them.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from comfyui_artifact_db.comfyui_client import ComfyUIServer
from comfyui_artifact_db.library import transfers
from comfyui_artifact_db.server_routes.hub import Hub
from comfyui_artifact_db.storage import files, local
from comfyui_artifact_db.storage.local import Store

SYSTEM_CALLS = ("rename", "fsync", "unlink", "mkdir", "rmdir", "link", "fchmod")
STORE = ("promise", "place", "fulfilled", "withdraw", "delete", "quarantine", "finish")

_STATEMENT = re.compile(
    r"\s*(BEGIN IMMEDIATE|COMMIT|INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM|ALTER TABLE|DROP \w+"
    r"|CREATE(?: \w+)*? (?:TABLE|INDEX|TRIGGER))\b(?: IF(?: NOT)? EXISTS)?\s*\"?(\w*)",
    re.IGNORECASE,
)

LAZY_ONE_IN = 60
LAZY_SECONDS = 0.012


class Steps:
    """Counts the steps of this process and kills it right at one of them.

    Args:
        epitaph: the file in which it says at which step it died.
        lazy: where it is given, now and then a step takes a while, so that others come in between.
        last_words: what happens right before this process kills itself.
    """

    def __init__(
        self, epitaph: Path, lazy: random.Random | None = None, last_words: Callable[[], None] = lambda: None
    ) -> None:
        self.taken = 0
        self.trace: list[str] = []
        self._last_words = last_words
        self._epitaph = epitaph
        self._lazy = lazy
        self._dies_at = 0
        self._begin: tuple[Callable[[], bool], int] | None = None
        self._lock = threading.Lock()
        self._write, self._open = os.write, os.open

    def die_after(self, steps: int) -> None:
        """Be killed at the step that comes as that number from now on; 0: live on."""
        self._dies_at = self.taken + steps if steps else 0

    def die_once(self, begun: Callable[[], bool], steps: int) -> None:
        """As `die_after`, counted from the first step at which `begun` says so."""
        self._begin = (begun, steps)

    def __call__(self, name: str) -> None:
        with self._lock:
            if self._begin is not None and self._begin[0]():
                self.die_after(self._begin[1])
                self._begin = None
            self.taken += 1
            self.trace.append(name)
            if self.taken == self._dies_at:
                file = self._open(self._epitaph, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                self._write(file, json.dumps(name).encode())
                self._last_words()
                os.kill(os.getpid(), signal.SIGKILL)
        if self._lazy is not None and self._lazy.randrange(LAZY_ONE_IN) == 0:
            time.sleep(self._lazy.random() * LAZY_SECONDS)


def install(steps: Steps) -> None:
    """Wrap the steps of this process, for as long as it lives."""
    for name in SYSTEM_CALLS:
        _around(os, name, steps, name)
    files.flush = os.fsync
    _around(local, "write_durably", steps, "the intent's bytes")
    _around(local, "sync_folder", steps, "the folder")
    _around(files.Part, "finish", steps, "the part")
    for name in STORE:
        _around(Store, name, steps, f"store.{name}")
    _around(ComfyUIServer, "upload", steps, "the upload to a server")
    _around(ComfyUIServer, "fetch_digest", steps, "the look at a server")
    _around(transfers, "finish", steps, "the end of a transfer")
    sqlite3.connect = _connecting(steps)  # type: ignore[assignment]
    _before_answers(steps)


def _around(owner: Any, attribute: str, steps: Steps, name: str) -> None:
    call = getattr(owner, attribute)

    def stepping(*arguments: Any, **named: Any) -> Any:
        steps(f"before {name}")
        result = call(*arguments, **named)
        steps(f"after {name}")
        return result

    setattr(owner, attribute, stepping)


def _before_answers(steps: Steps) -> None:
    run = Hub.run

    async def stepping(hub: Hub, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        result = await run(hub, function, *arguments, **named)
        steps("before the hub's answer")
        return result

    Hub.run = stepping  # type: ignore[method-assign]


def _connecting(steps: Steps) -> Callable[..., sqlite3.Connection]:
    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, *parameters: Any) -> Cursor:
            found = _STATEMENT.match(sql)
            name = " ".join(found.group(1, 2)).strip() if found else ""
            if name:
                steps(f"before {name}")
            super().execute(sql, *parameters)
            if name == "COMMIT":
                steps("after COMMIT")
            return self

    class Connection(sqlite3.Connection):
        def cursor(self, *_: Any) -> sqlite3.Cursor:  # type: ignore[override]
            return super().cursor(Cursor)

    connect = sqlite3.connect
    return lambda *arguments, **named: connect(*arguments, **{**named, "factory": Connection})
