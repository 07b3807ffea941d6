"""Owns an import's rows and events as they are made ready before its transaction: in it nothing is left but to number
and hash the events and to insert, so that others wait for the writer's lock as short as can be.

Each row is told of by one event that holds all of it but its graphs, `from` where it came, and its `history`: the
events that the exporting hub had of it, as they were written there. They are quoted, not repeated: this hub's log says
who imported what and when, and the quotation says who decided, when, over there.
"""

from __future__ import annotations

import json
import marshal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..db import models
from ..db.postponing import search_rows_last
from ..db.querying import Statement, execute_all, inserting, setting
from ..errors import Invalid
from ..storage.files import store_errors
from ..storage.local import FILES, Placement
from . import identities, names
from .bundle_reading import lines
from .bundles import EVENTS, EXTERNAL, TABLES
from .events import Told, text
from .importing_rows import WORDS, Origin, is_there, read

if TYPE_CHECKING:
    from .opening import Transaction

Row = dict[str, Any]

_HEAVY = ("chain_definition", "workflow_definition", "parameters", "extra_pnginfo")
_BESIDE = {"tags": "artifact_id", "lineage": "attempt_id"}
_BATCH = 500
_EMPTYING = "artifact.purged"
_MOST = 1 << 53
"""A version after which there is room for more, whatever a bundle says."""


class Prepared:
    """Statements with their values, and events, in files without a name: an import may be larger than memory."""

    def __init__(self, folder: Path) -> None:
        self._rows = _Spool(folder)
        self._events = _Spool(folder)
        self._sql = ""
        self._values: list[tuple[Any, ...]] = []
        self._told: list[Told] = []

    def close(self) -> None:
        """Give the files back."""
        self._rows.close()
        self._events.close()

    def add_row(self, sql: str, values: Statement) -> None:
        """Add a statement, to be executed after those that were added before."""
        if self._values and (sql != self._sql or len(self._values) >= _BATCH):
            self._rows.add((self._sql, self._values))
            self._values = []
        self._sql = sql
        self._values.append(tuple(values))

    def add_event(self, told: Told) -> None:
        """Add an event, to be logged after those that were added before."""
        self._told.append(told)
        if len(self._told) >= _BATCH:
            self._events.add([tuple(event) for event in self._told])
            self._told = []

    def write(self, tx: Transaction) -> None:
        """Execute and log all of it.

        Raises:
            IntegrityError: a row is here by now, or one that it refers to is not any more.
        """
        with search_rows_last():
            for sql, values in self._rows.read((self._sql, self._values)):
                execute_all(sql, values)
        for told in self._events.read([tuple(event) for event in self._told]):
            tx.log_all([Told(*event) for event in told])


def prepare(folder: Path, rows: Path, log: Path, origin: Origin, placements: dict[str, Placement]) -> Prepared:
    """Make an import ready, inside the caller's snapshot; what is too large for memory goes into a folder.

    Raises:
        StoreFailed: the folder takes no files.
    """
    prepared = Prepared(folder)
    try:
        preparation = _Preparation(prepared, rows, log, origin, placements)
        for table, row in read(rows):
            preparation.add(table, row)
        preparation.refer()
    except BaseException:
        prepared.close()
        raise
    return prepared


class _Spool:
    """Plain values in a file that nobody else sees."""

    def __init__(self, folder: Path) -> None:
        with store_errors("making an import ready"):
            self._file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    def close(self) -> None:
        self._file.close()

    def add(self, batch: Any) -> None:
        with store_errors("making an import ready"):
            marshal.dump(batch, self._file)

    def read(self, rest: Any) -> Iterator[Any]:
        """Every batch, and then those that are not in the file yet."""
        end = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < end:
            yield marshal.load(self._file)
        yield rest


class _History:
    """The events of the exporting hub, by what they speak of. What speaks of nothing that is left is the root's.

    `emptied` is the highest version of each output, by workflow and key, that went with the trash.
    """

    def __init__(self, log: Path, root: str, ids: set[str]) -> None:
        self._log = log
        self._places: dict[str, list[int]] = {}
        self.emptied: dict[tuple[str, str], int] = {}
        with log.open("rb") as file:
            for place, event in lines(file, EVENTS):
                owner = event["entity_id"] if event["entity_id"] in ids else root
                self._places.setdefault(owner, []).append(place)
                for workflow_id, output_key, version in _emptied(event):
                    key = (workflow_id, output_key)
                    self.emptied[key] = max(version, self.emptied.get(key, 0))

    def of(self, entity_id: str) -> list[Row]:
        found = []
        with self._log.open("rb") as file:
            for place in self._places.get(entity_id, ()):
                file.seek(place)
                event = json.loads(file.readline())
                told = {name: event[name] and json.loads(event[name]) for name in ("before", "after")}
                found.append({**event, **told})
        return found


def _emptied(event: Row) -> Iterator[tuple[str, str, int]]:
    """Which versions of which outputs went with the trash, as an event tells, or one that it quotes."""
    waiting: list[Any] = [event] if any(_EMPTYING in (event[name] or "") for name in ("action", "after")) else []
    while waiting:
        told = _object(waiting.pop())
        quoted = _object(told.get("after")).get("history")
        waiting += quoted if isinstance(quoted, list) else ()
        before = _object(told.get("before"))
        workflow_id, version = told.get("workflow_id"), before.get("version")
        if told.get("action") == _EMPTYING and isinstance(workflow_id, str) and type(version) is int:
            with suppress(Invalid):
                yield workflow_id, names.checked_output_key(before.get("output_key")), min(version, _MOST)


def _object(value: Any) -> Row:
    """A JSON object, which an event of a log has as a text, and one that is quoted as it is; of another shape, none."""
    with suppress(ValueError):
        value = json.loads(value) if isinstance(value, str) else value
    return value if isinstance(value, dict) else {}


class _Preparation:
    """One import. References that point forwards are set once every row is there."""

    def __init__(
        self, prepared: Prepared, rows: Path, log: Path, origin: Origin, placements: dict[str, Placement]
    ) -> None:
        self._prepared, self._origin, self._placements = prepared, origin, placements
        self._day = identities.now()[:10]
        self._from = origin.told()
        self._chain_id = origin.id if origin.kind == "chain" else None
        self._here: set[str] = set()
        self._workflows: set[str] = set()
        self._beside: dict[str, list[Row]] = {}
        self._references: list[tuple[type[models.Row], str, Row]] = []
        self._pointers: list[tuple[str, str, str, str, str, str]] = []
        own: set[str] = set()
        for table, row in read(rows):
            if table in WORDS:
                own.add(row["id"])
                if table == "workflows":
                    self._workflows.add(row["id"])
            elif table in _BESIDE:
                self._beside.setdefault(row[_BESIDE[table]], []).append(row)
            elif is_there(models.Artifact, row["id"]):
                self._here.add(row["id"])
        self._here |= own
        self._history = _History(log, origin.id, own)

    def add(self, table: str, row: Row) -> None:
        """Add one row, and its event where it is more than a line between two others."""
        if table == "workflows":
            self._add_workflow(row)
        elif table == "artifacts":
            self._add_artifact(row)
        elif table == "artifact_transfers":
            self._add_transfer(row)
        elif table in WORDS:
            self._insert(TABLES[table], row)
            self._log(table, row)
        elif table != EXTERNAL and row["artifact_id"] in self._here:
            self._insert(TABLES[table], row)

    def refer(self) -> None:
        """Set what points to a row that came later, and say which pointers this hub has from now on.

        No version is used again that went with the trash over there.
        """
        for (workflow_id, output_key), version in self._history.emptied.items():
            if workflow_id in self._workflows:
                row = {"workflow_id": workflow_id, "output_key": output_key, "version": version}
                self._insert(models.PurgedVersion, row)
        for model, row_id, values in self._references:
            for name, value in values.items():
                self._prepared.add_row(*setting(model, name, value, row_id))
        for action, word, entity_id, workflow_id, pointer, value in self._pointers:
            # Here nothing was current, and nothing a head, before.
            self._prepared.add_event(
                Told(
                    action, word, entity_id, self._chain_id, workflow_id, text({pointer: None}), text({pointer: value})
                )
            )

    def _add_workflow(self, row: Row) -> None:
        self._insert(models.Workflow, {**row, "latest_artifact_id": None})
        self._references.append((models.Workflow, row["id"], {"latest_artifact_id": row["latest_artifact_id"]}))
        self._log("workflows", row)
        if (current := row["latest_artifact_id"]) is not None:
            pointer = ("latest_artifact_id", current)
            self._pointers.append(("workflow.current_changed", "workflow", row["id"], row["id"], *pointer))

    def _add_artifact(self, row: Row) -> None:
        sources = {name: row[name] for name in ("parent_artifact_id", "source_artifact_id") if row[name] is not None}
        kept = {name: value for name, value in sources.items() if value in self._here}
        cleared = dict.fromkeys(sources)
        self._insert(models.Artifact, {**row, **cleared, **self._place(row)})
        if kept:
            self._references.append((models.Artifact, row["id"], kept))
        elsewhere = {name: value for name, value in sources.items() if name not in kept}
        if row["is_head"]:
            pointer = ("head_artifact_id", row["id"])
            self._pointers.append(("artifact.head_changed", "artifact", row["id"], row["workflow_id"], *pointer))
        tags = sorted(tag["tag"] for tag in self._beside.get(row["id"], ()))
        self._log("artifacts", {**row, **cleared, **kept}, tags=tags, **_if_any(elsewhere=elsewhere))

    def _place(self, row: Row) -> Row:
        """Where the file is; of one whose bytes were removed, where it would be."""
        placement = self._placements.get(row["id"])
        if placement is None:
            name = f"{row['id']}-{identities.new_id()[-8:]}"
            state = {"file_mtime_ns": None, "file_inode": None}
            return {"local_filename": name, "local_path": f"{FILES}/{self._day}/{name}", **state}
        return {
            "local_filename": placement.local_filename,
            "local_path": placement.local_path,
            "file_mtime_ns": placement.mtime_ns,
            "file_inode": placement.inode,
        }

    def _add_transfer(self, row: Row) -> None:
        target = row["target_workflow_id"]
        known = target is None or target in self._here or is_there(models.Workflow, target)
        kept = row if known else {**row, "target_workflow_id": None}
        self._insert(models.Transfer, kept)
        self._log("artifact_transfers", kept, **_if_any(elsewhere={} if known else {"target_workflow_id": target}))

    def _log(self, table: str, row: Row, **more: Any) -> None:
        """The event of one row: all of it but its graphs, where it came from, and what the other hub's log says."""
        if table == "attempts":
            inputs = [{name: used[name] for name in ("artifact_id", "via")} for used in self._beside.get(row["id"], ())]
            missing = [used for used in inputs if used["artifact_id"] not in self._here]
            kept = [used for used in inputs if used["artifact_id"] in self._here]
            more = _if_any(inputs=kept, elsewhere=_if_any(inputs=missing))
        word = WORDS[table]
        after = {
            **{name: value for name, value in row.items() if name not in _HEAVY},
            **more,
            "from": self._from,
            "history": self._history.of(row["id"]),
        }
        workflow_id = row["id"] if word == "workflow" else row.get("workflow_id") or row.get("source_workflow_id")
        self._prepared.add_event(
            Told(f"{word}.imported", word, row["id"], self._chain_id, workflow_id, None, text(after))
        )

    def _insert(self, model: type[models.Row], row: Row) -> None:
        self._prepared.add_row(*inserting(model, row))


def _if_any(**values: Any) -> Row:
    return {name: value for name, value in values.items() if value}
