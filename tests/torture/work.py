"""Owns what a worker does: it picks one kind of change after the other, and something to do it to, by its seed."""

from __future__ import annotations

import hashlib
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comfyui_artifact_db.errors import ArtifactDBError, Unavailable
from making import png

from .control import Control
from .failpoints import Steps
from .logs import Log

WEIGHTS = {
    **{"save": 6, "upload": 4, "edit": 4, "restore": 2, "approve": 3, "reject": 2, "select": 2, "ask_again": 1},
    **{"tag": 1, "untag": 1, "delete": 2, "undelete": 3, "delete_chain": 2, "undelete_chain": 2, "empty": 1},
    **{"transfer": 2, "create_chain": 1, "create_workflow": 1, "update_workflow": 1, "finish": 1},
    **{"create_once": 2, "repeat": 2},
}
"""How often each kind of change comes up; a worker leaves out what its door has not."""

RECENT = 40
REST_SECONDS = 0.008


class NothingThere(Exception):
    """There is nothing yet that this could be done to."""


class Refused(Exception):
    """The rules did not allow it."""


class HubGone(Exception):
    """The hub was killed; whether the change was made nobody knows."""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Targets:
    """Looks into the database for what is there, beside the program."""

    path: Path
    rng: random.Random

    def one(self, table: str, where: str = "TRUE") -> str:
        """The id of one of the newest rows."""
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=30)) as connection:
            query = f"SELECT id FROM {table} WHERE {where} ORDER BY rowid DESC LIMIT {RECENT}"
            found = [row[0] for row in connection.execute(query)]
        if not found:
            raise NothingThere
        return str(self.rng.choice(found))

    def artifact(self, where: str = "TRUE") -> str:
        return self.one("artifacts", where)


class Worker:
    """Does one change after the other. A subclass has a method for each kind it knows, and `log` hears of each."""

    def __init__(self, log: Log, seed: str, database: Path, steps: Steps | None) -> None:
        self.log = log
        self.rng = random.Random(seed)
        self.there = Targets(database, self.rng)
        self.steps = steps
        self.known = [op for op in WEIGHTS if hasattr(self, op)]

    def work(self, control: Control, first: str | None) -> None:
        """Work until told to stop. `first`: the kind to begin with, of which a death was asked for."""
        self.attempt("save" if "save" in self.known else "upload")
        control.ready()
        ops = [first] * 3 if first in self.known else []
        while control.may_go_on():
            self.attempt(ops.pop() if ops else self._any())
            time.sleep(self.rng.random() * REST_SECONDS)

    def attempt(self, op: str) -> None:
        """Do one change, with a word before it and a word after it."""
        method: Callable[[], dict[str, str]] = getattr(self, op)
        self._actor = ""
        if self.steps:
            self.steps.trace.clear()
        try:
            acknowledged = method()
        except NothingThere:
            return
        except Unavailable:
            return  # It may have been committed: it stays open.
        except (ArtifactDBError, Refused) as error:
            if not self._actor:
                return  # It was refused before it began.
            self.log.refused(self._actor, op, repr(error))
            return
        self.log.done(self._actor, op, acknowledged, self.steps.trace if self.steps else ())

    def begin(self, op: str, promised: dict[str, str] | None = None, prompt: str | None = None) -> str:
        """From here on something may change."""
        self._actor = self.log.begin(op, promised, prompt)
        return self._actor

    def picture(self) -> bytes:
        return png(self.rng.randrange(65536))

    def _any(self) -> str:
        return self.rng.choices(self.known, [WEIGHTS[op] for op in self.known])[0]


Row = dict[str, Any]
