"""Owns promises on their way to the hub: durable here until the hub has them, sent in their order by one thread.

A promise is an intent of the store, as a record that waits for its database is. It goes when the hub has answered, and
the hub records it once however often it comes; so neither a lost answer nor a killed process loses or doubles any.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..client import problems
from ..client.asking import Backend, Call
from ..client.problems import Problem
from ..errors import UNFORESEEN, ArtifactDBError, StoreFailed
from ..library import recording, witnessing
from ..storage.files import remove, store_errors
from ..storage.local import Intent, Store
from . import hub_identity

logger = logging.getLogger("artifact_db.records")

WAITS = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between two tries while the hub is away; the last one repeats."""

_AWAY = (problems.HubUnreachable, problems.HubFailed, problems.Unavailable, problems.StoreFailed, problems.TooNew)
"""What mends itself, or what the hub's operator mends."""

_BARRED = (problems.Denied, problems.Forbidden)
"""What this machine's operator mends, or the hub's: the token."""

_EXPRESSED: dict[str, Any] = {"action": "artifact.recorded", "told": {}}
_EXPRESSED |= dict.fromkeys(("parent_artifact_id", "approved_by", "seen", "made_at", "source_artifact_id", "decision"))
"""What an output says that can be handed over; an edit, for example, says more, and stays here."""


@dataclass
class Letter:
    """One promise: `answer` are the artifacts it became, `refused` why it is not taken, `waits` why not yet."""

    path: Path
    answer: list[dict[str, Any]] | None = None
    refused: str | None = None
    waits: str | None = None
    looked_at: threading.Event = field(default_factory=threading.Event)


class Outbox:
    """The promises of this process, and those of processes that are gone."""

    def __init__(self, store: Store, hub: Backend, url: str) -> None:
        self._store = store
        self._hub = hub
        self._url = url
        self._changed = threading.Condition()
        self._letters: deque[Letter] = deque()
        self._away: Problem | StoreFailed | None = None
        self.store_id = hub_identity.remembered(store.root, url)
        """The hub's; None where it has never said it, which it is asked before anything is sent to it."""
        self._asked = False
        self._left = True
        self._stopped = False
        self._logged = ""
        self._thread = threading.Thread(target=self._work, name="artifact-db-outbox", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._letters)

    @property
    def away(self) -> str | None:
        """Why the hub takes nothing at present; None while it does, as far as is known."""
        away = self._away
        return str(away) if away is not None else None

    def post(self, intent: Intent) -> Letter:
        """Send a promise when its turn comes. While others wait for the hub it is looked at at once: it waits too."""
        letter = Letter(intent.path)
        with self._changed:
            self._letters.append(letter)
            if self._away is not None:
                self._told(letter, self._away)
            self._changed.notify_all()
        return letter

    def is_slow(self, letter: Letter, reason: str) -> None:
        """Nobody waits for a letter any longer, nor for those behind it, until the hub has answered again."""
        with self._changed:
            if letter in self._letters:
                self._away = problems.told("hub_unreachable", reason)
                for waiting in self._letters:
                    self._told(waiting, self._away)

    def stop(self) -> None:
        """End the thread; what waits goes on with the next process."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(timeout=30)

    def _work(self) -> None:
        tries = 0
        while not self._stopped:
            if self._left:
                self._away = self._send_left()
                self._left = self._away is not None
            letter = next(iter(self._letters), None)
            if letter is not None and not self._left:
                self._away = self._send_one(letter)
            tries = tries + 1 if self._away is not None else 0
            if self._away is None and self._logged:
                self._logged = ""
                logger.info("the hub takes records again")
            with self._changed:
                if self._away is not None:
                    for waiting in self._letters:
                        self._told(waiting, self._away)
                    self._changed.wait_for(lambda: self._stopped, WAITS[min(tries, len(WAITS)) - 1])
                elif not self._letters:
                    self._changed.wait_for(lambda: self._stopped or self._letters)

    def _told(self, letter: Letter, error: Problem | StoreFailed) -> None:
        letter.waits = str(error)
        letter.refused = str(error) if isinstance(error, _BARRED) else None
        letter.looked_at.set()

    def _send_one(self, letter: Letter) -> Problem | StoreFailed | None:
        """Why the first of all has to wait, or None: it is off the list."""
        try:
            with store_errors("sending a record"):
                intent = self._store.intent(letter.path)
                if intent is None:
                    logger.error("the record %s is gone, or is no longer what was written", letter.path.name)
                letter.answer = self._send(intent) if intent is not None else []
                letter.waits = letter.refused = None
        except (*_AWAY, *_BARRED, StoreFailed) as error:
            return self._waits(error)
        except (ArtifactDBError, *UNFORESEEN) as error:
            letter.refused = _said(error)
        with self._changed:
            self._letters.popleft()
            letter.looked_at.set()
        return None

    def _send_left(self) -> Problem | StoreFailed | None:
        """Send what processes that are gone have left; returns why some of it has to wait, or None."""
        try:
            self._learn()
            with store_errors("sending what was left"), self._store.abandoned() as intents:
                # That a prompt was lost is said of all that it recorded, and so after that.
                for intent in sorted(intents, key=lambda intent: intent.kind == witnessing.KIND):
                    if self._stopped:
                        return None
                    try:
                        self._send(intent)
                    except (*_AWAY, *_BARRED):
                        raise
                    except (ArtifactDBError, OSError, *UNFORESEEN) as error:
                        logger.debug("%s stays: %s", intent.path.name, _said(error))
        except (*_AWAY, *_BARRED, StoreFailed) as error:
            return self._waits(error)
        except (ArtifactDBError, *UNFORESEEN) as error:
            return self._waits(problems.told("hub_failed", f"the hub {self._url} answers as none does: {_said(error)}"))
        return None

    def _learn(self) -> None:
        if not self._asked:
            call = Call("call_engine", path={"call": "store_id"}, body={"arguments": {}})
            self.store_id = str(self._hub.ask(call)["result"])
            self._asked = True
            hub_identity.remember(self._store.root, self._url, self.store_id)

    def _waits(self, error: Problem | StoreFailed) -> Problem | StoreFailed:
        """Said once for each reason: an outage may last for a night."""
        if str(error) != self._logged:
            self._logged = str(error)
            logger.warning("records wait for the hub: %s", error)
        return error

    def _send(self, intent: Intent) -> list[dict[str, Any]]:
        """Hand a promise over, and strike it once the hub has it; returns the artifacts that it became.

        Raises:
            Problem: as the hub says; what is refused stays, and is sent again by the next process.
            StoreFailed: the disk refuses.
        """
        record = _handover(intent)
        if record is None:
            logger.warning("the record %s is none that a hub takes; it stays", intent.path.name)
            return []
        files = [self._file(intent, index) for index in range(len(intent.placements))]
        if any(file is None for file in files):
            return self._lost(intent)
        sent = [(file, file.name) for file in files if file is not None]
        try:
            answer = self._hub.ask(Call("record_outputs", body={"record": record}, files=sent))
        except Problem as error:
            if error.code == recording.Deleted.code:
                self._strike(intent)
                return []
            if not isinstance(error, (*_AWAY, *_BARRED)):
                logger.error("the hub does not take the record %s, which stays: %s", intent.path.name, error)
            raise
        items = list(answer["items"])
        self._strike(intent)
        return items

    def _file(self, intent: Intent, index: int) -> Path | None:
        """Where the bytes of an output lie: staged, or where a record that was begun without a hub has put them."""
        placement = intent.placements[index]
        places = (intent.path.parent / placement.part, self._store.root / placement.local_path)
        return next((path for path in places if path.is_file()), None)

    def _lost(self, intent: Intent) -> list[dict[str, Any]]:
        """The files are gone: after a power cut the promise may be back that was struck when the hub had them."""
        ids = [output["artifact_id"] for output in intent.record["outputs"]]
        try:
            found = [self._hub.ask(Call("get_artifact", path={"artifact_id": artifact_id})) for artifact_id in ids]
        except problems.NotFound:
            logger.error("the record %s has lost its files, and is in quarantine", intent.path.name)
            self._store.quarantine(intent)
            return []
        self._strike(intent)
        return found

    def _strike(self, intent: Intent) -> None:
        """The promise first: a file that none names is nobody's, and is tidied up."""
        self._store.fulfilled(intent)
        for placement in intent.placements:
            with suppress(OSError):
                remove(intent.path.parent / placement.part)


def _said(error: Exception) -> str:
    """What an error says; of one that nobody foresaw, also what it is."""
    return str(error) if isinstance(error, ArtifactDBError) else repr(error)


def _handover(intent: Intent) -> dict[str, Any] | None:
    """What an intent says, in the contract's words; None where these have none for it."""
    body = intent.record
    if intent.kind == witnessing.KIND:
        lost = {"status": "outcome_unknown", "error": witnessing.DIED}
        return {"run": body["run"], "ending": lost}
    if intent.kind != recording.KIND or any(_says_more(output) for output in body["outputs"]) or not body["run"]:
        return None
    ending = {name: value for name, value in (body.get("ending") or {}).items() if name != "attempt_id"}
    return {
        "run": body["run"],
        "workflow_id": body["workflow_id"],
        "outputs": [
            {
                **{name: output[name] for name in _SAME},
                "approval_status": output["status"],
                "sha256": placement.sha256,
            }
            for output, placement in zip(body["outputs"], intent.placements, strict=True)
        ],
        "ending": ending or None,
    }


_SAME = (
    *("artifact_id", "output_key", "filename", "file_format", "metadata", "node_id", "subfolder"),
    *("comfy_folder_type", "tags", "once"),
)


def _says_more(output: dict[str, Any]) -> bool:
    return any(output.get(name, plain) != plain for name, plain in _EXPRESSED.items())
