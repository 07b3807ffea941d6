"""Owns what must be true after a kill: all that was acknowledged is there, and nothing is half there.

It is asked in a process of its own, which reopens the library as the next program would.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import invariants
from comfyui_artifact_db.db import models
from comfyui_artifact_db.library import verifying, witnessing
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.storage.local import FILES, INTENT_SUFFIX, QUARANTINE
from comfyui_artifact_db.storage.staging import STAGING

from .logs import Change, read
from .worlds import World

Row = dict[str, Any]

RECORDING = ("artifact.recorded", "artifact.edited", "artifact.restored")
ONE, ANY = (1, 1), (0, 1000)

EVENTS: dict[str, dict[str, tuple[int, int]]] = {
    "edit": {"artifact.edited": ONE},
    "restore": {"artifact.restored": ONE},
    "upload": {"artifact.recorded": ONE},
    "approve": {"artifact.approved": ONE},
    "reject": {"artifact.rejected": ONE},
    "select": {"artifact.selected": (0, 1)},
    "ask_again": {"artifact.review_requested": (0, 1)},
    "tag": {"artifact.tagged": ONE},
    "untag": {"artifact.untagged": (0, 1)},
    "delete": {"artifact.deleted": (0, 1)},
    "undelete": {"artifact.undeleted": (0, 1)},
    "create_chain": {"chain.created": ONE},
    "delete_chain": {"chain.deleted": ONE},
    "undelete_chain": {"chain.undeleted": (0, 1)},
    "empty": {"artifact.purged": ANY, "chain.purged": ANY, "chain.emptied": ANY},
    "create_workflow": {"workflow.created": ONE},
    "create_once": {"workflow.created": ONE},
    "update_workflow": {"workflow.updated": ONE, "attempt.created": ONE},
    "finish": {"attempt.updated": ANY},
    "transfer": {"transfer.created": ONE, "transfer.updated": (2, 2)},
}
"""How many events of what kind a change that was done has, at least and at most. One that changes nothing has none."""

FOLLOWING = (
    *("artifact.head_changed", "workflow.current_changed", "workflow.updated"),
    *("workflow.created", "chain.created", "attempt.created", "attempt.updated"),
)
"""Events that come with others; `invariants` holds what they say against the rows."""


@dataclass(frozen=True)
class Found:
    """All there is to check: rows, the log, files, and what the workers say."""

    world: World
    library: Library
    alive: frozenset[str]
    changes: dict[str, Change]
    log: list[Row]
    artifacts: dict[str, Row]
    transfers: list[Row]
    by_actor: dict[str, list[Row]] = field(default_factory=dict)

    @classmethod
    def of(cls, world: World, library: Library, alive: Sequence[str]) -> Found:
        with library.reading():
            log = list(models.Event.select().order_by(models.Event.seq).dicts())
            artifacts = {row["id"]: row for row in models.Artifact.select().dicts()}
            transfers = list(models.Transfer.select().dicts())
        found = cls(world, library, frozenset(alive), read(world.logs), log, artifacts, transfers)
        for event in log:
            found.by_actor.setdefault(event["actor"], []).append(event)
        return found

    def actions(self, change: Change) -> Counter[str]:
        """What it did, each as often as it did it; a delivery with which others went on was begun once."""
        told = self.by_actor.get(change.actor, ())
        updated = [event for event in told if event["action"] == "transfer.updated"]
        begun = [event for event in updated if json.loads(event["after"])["status"] == "uploading"]
        return Counter(event["action"] for event in told) - Counter(event["action"] for event in begun[1:])

    def deleted_chains(self) -> set[str]:
        return {event["entity_id"] for event in self.log if event["action"] == "chain.purged"}

    def emptied_artifacts(self) -> set[str]:
        return {event["entity_id"] for event in self.log if event["action"] == "artifact.purged"}

    def files(self, folder: str) -> set[Path]:
        root = self.library.store.root / folder
        return {path for path in root.rglob("*") if path.is_file()}


def violations(world: World, library: Library, alive: Sequence[str]) -> list[str]:
    """What is wrong in a world whose living workers pause, in words; empty when nothing is.

    Args:
        alive: the names of the workers that live.
    """
    found = Found.of(world, library, alive)
    wrong = [f"{check.__name__}: {told}" for check in CHECKS for told in check(found)]
    try:
        invariants.check(library)
        invariants.check_log_tells_the_rows(library)
    except (AssertionError, OSError) as error:
        wrong.append(f"invariants: {error!r}")
    return wrong


def _everything_acknowledged_is_there(found: Found) -> Iterator[str]:
    gone, emptied = found.deleted_chains(), found.emptied_artifacts()
    for change in found.changes.values():
        chains = {event["chain_id"] for event in found.by_actor.get(change.actor, ()) if event["action"] in RECORDING}
        for artifact_id, sha256 in change.artifacts.items():
            row = found.artifacts.get(artifact_id)
            if row is None and artifact_id not in emptied and not chains & gone:
                yield f"artifact {artifact_id} of {change.actor} ({change.op}) was acknowledged and is not there"
            elif row is not None and row["sha256"] != sha256:
                yield f"artifact {artifact_id} of {change.actor} ({change.op}) has other bytes than were handed in"


def _each_change_has_its_events_once(found: Found) -> Iterator[str]:
    for change in found.changes.values():
        expected = EVENTS.get(change.op) or {"artifact.recorded": (len(change.promised),) * 2}
        actions = found.actions(change)
        for action, (least, most) in expected.items():
            count = actions.pop(action, 0)
            if change.op == "transfer" and change.outcome != "done":
                # Three transactions, between which it may be interrupted, or its chain be deleted.
                least = 0
            right = {
                "done": least <= count <= most or (change.op == "save" and not change.artifacts and not count),
                "refused": count == 0 or (change.op == "transfer" and count <= most),
                # It is there as a whole, or not at all.
                "open": count == 0 or least <= count <= most,
            }[change.outcome]
            if not right:
                yield f"{change.actor} ({change.op}, {change.outcome}) has {count} events {action}"
        for action in actions:
            if action not in FOLLOWING:
                yield f"{change.actor} ({change.op}) has events {action}"
            elif change.outcome == "refused":
                yield f"{change.actor} ({change.op}) was refused and has events {action}"


def _every_event_is_of_somebody_who_tried(found: Found) -> Iterator[str]:
    for actor in found.by_actor.keys() - found.changes.keys():
        told = found.by_actor[actor]
        if actor == witnessing.ACTOR:
            yield from _settled_without_reason(found, told)
        else:
            yield f"nobody tried what {actor} did: {[event['action'] for event in told]}"


def _settled_without_reason(found: Found, told: Sequence[Row]) -> Iterator[str]:
    """Whoever completes the record of a process that is gone says that the end of its prompt was not seen: no more."""
    # Also of a save that was acknowledged: with the power the removal of its intent may be gone.
    gone = {change.prompt for change in found.changes.values() if change.worker not in found.alive and change.prompt}
    attempts = {event["entity_id"]: event for event in found.log if event["action"] == "attempt.created"}
    unseen = {"status": "outcome_unknown", "error_message": witnessing.UNSEEN}
    settled: Row = {}
    for event in told:
        after = json.loads(event["after"])
        if event["action"] == "attempt.updated":
            settled = event
            right = after == unseen and json.loads(attempts[event["entity_id"]]["after"])["prompt_id"] in gone
        elif event["action"] == "workflow.updated" and settled:
            follows = (event["seq"], event["entity_id"]) == (settled["seq"] + 1, settled["workflow_id"])
            right = follows and after["status"] in ("outcome_unknown", "awaiting_approval")
        else:
            right = False
        if not right:
            yield f"recovery had no reason for {event['action']} of {event['entity_id']}: {after}"


def _every_row_has_its_file_and_every_file_its_row(found: Found) -> Iterator[str]:
    root = found.library.store.root
    there = {path.relative_to(root).as_posix() for path in found.files(FILES)}
    named = {row["local_path"] for row in found.artifacts.values()}
    for path in sorted(there - named):
        yield f"no row names the file {path}"
    for path in sorted(named - there):
        yield f"the row of {path} has no file"
    for row in found.artifacts.values():
        path = root / row["local_path"]
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
            yield f"the bytes of {row['id']} are not those that were recorded"


def _staging_is_clean(found: Found) -> Iterator[str]:
    intents = [path for path in found.files(STAGING) if path.name.endswith(INTENT_SUFFIX)]
    for path in intents:
        yield f"an intent was left: {path.parent.name}/{path.name}"
    root = found.library.store.root / STAGING
    folders = [path for path in root.iterdir() if path.is_dir()]
    hubs_and_hands = {worker for worker in found.alive if not worker[-1].isalpha()}
    if len(folders) > len(hubs_and_hands) + 1:
        yield f"{len(folders)} staging folders for {len(hubs_and_hands)} living processes and this one"


def _nothing_acknowledged_or_living_is_in_quarantine(found: Found) -> Iterator[str]:
    """A promise that the rules refuse when it is recovered goes there, and one that was cut off in the middle."""
    owners = {artifact_id: change for change in found.changes.values() for artifact_id in change.promised}
    owners.update({artifact_id: change for change in found.changes.values() for artifact_id in change.artifacts})
    for path in found.files(QUARANTINE):
        for artifact_id in _artifact_ids(path):
            change = owners.get(artifact_id)
            if change is not None and (change.outcome == "done" or change.worker in found.alive):
                yield f"{path.name} is of {change.actor} ({change.op}, {change.outcome})"


def _artifact_ids(path: Path) -> list[str]:
    """Of which artifacts something in quarantine is: `<generated>-<artifact's id>-<part>.png`, or an intent."""
    if not path.name.endswith(INTENT_SUFFIX):
        return [path.name.split("-", 1)[1][:36]]
    try:
        record = json.loads(path.read_bytes())["record"]
    except ValueError:
        return []
    return [output["artifact_id"] for output in record.get("outputs", ())]


def _what_was_delivered_is_there(found: Found) -> Iterator[str]:
    folder = found.world.folder.parent / "comfyui" / "input"
    for row in found.transfers:
        if row["status"] == "completed":
            path = folder / row["target_filename"]
            artifact = found.artifacts[row["artifact_id"]]
            if {hashlib.sha256(path.read_bytes()).hexdigest(), row["receipt_sha256"]} != {artifact["sha256"]}:
                yield f"transfer {row['id']} says that it was delivered"


def _verify_finds_nothing(found: Found) -> Iterator[str]:
    """What the program itself says of it, asked when nobody works any more: it takes its time."""
    if found.alive:
        return
    for finding in verifying.check(found.library):
        yield str(finding)


def _the_database_file_is_whole(found: Found) -> Iterator[str]:
    with closing(sqlite3.connect(found.world.database)) as connection:
        for (told,) in connection.execute("PRAGMA integrity_check").fetchall():
            if told != "ok":
                yield told
        for row in connection.execute("PRAGMA foreign_key_check").fetchall():
            yield f"a foreign key leads nowhere: {row}"


CHECKS: tuple[Callable[[Found], Iterator[str]], ...] = (
    _everything_acknowledged_is_there,
    _each_change_has_its_events_once,
    _every_event_is_of_somebody_who_tried,
    _every_row_has_its_file_and_every_file_its_row,
    _staging_is_clean,
    _nothing_acknowledged_or_living_is_in_quarantine,
    _what_was_delivered_is_there,
    _verify_finds_nothing,
    _the_database_file_is_whole,
)
