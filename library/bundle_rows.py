"""Owns what the rows and events of a bundle may say: the same as this program would have written, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ..db.statuses import APPROVAL_STATUSES, TRANSFER_STATUSES, WORKFLOW_STATUSES, is_chain_status
from ..errors import Invalid
from . import events, identities, names
from .bundle_reading import BadBundle, Bundle, lines, parsed
from .bundles import COLUMNS, EVENT_COLUMNS, EVENTS, EXTERNAL, ROWS

Row = dict[str, Any]

MAX_TEXT = 1024 * 1024
_WORD = re.compile(r"[a-z0-9]{1,16}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class KeptFile:
    """An artifact whose bytes are in the bundle; `extension` has no dot."""

    artifact_id: str
    sha256: str
    size: int
    extension: str


@dataclass
class Contents:
    """What a bundle holds, once all of its rows and events were checked."""

    root_kind: str
    root_id: str
    root_name: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    files: list[KeptFile] = field(default_factory=list)


def checked(bundle: Bundle, rows: BinaryIO, log: BinaryIO) -> Contents:
    """Check every row and event against its type, its neighbours and the header.

    Args:
        rows, log: our own copies of the two lists, so that nobody changes them after they were checked.
    Raises:
        BadBundle: something is wrong; the message says which row of which table.
    """
    header = bundle.header
    checking = _Checking(Contents(header["root"]["kind"], _id(header["root"].get("id"))), bundle.files)
    for number, (_, line) in enumerate(lines(rows, ROWS), start=1):
        table, row = line.get("table"), line.get("row")
        if len(line) != 2 or not isinstance(table, str) or table not in COLUMNS or not isinstance(row, dict):
            raise BadBundle(f"{ROWS}: line {number} is no row of a table that a bundle has")
        try:
            checking.add(table, row)
        except Invalid as error:
            raise BadBundle(f"{ROWS}: line {number} ({table}): {error}") from error
    checking.finish()
    _check_events(log, checking)
    if checking.contents.counts != {name: count for name, count in header["counts"].items() if count}:
        raise BadBundle("it does not have as many rows, events and files as it says")
    return checking.contents


class _Checking:
    """Rows as they come by. Only ids and flags are remembered."""

    def __init__(self, contents: Contents, files: dict[str, int]) -> None:
        self.contents = contents
        self._files = dict(files)
        self._table = 0
        self._seen: set[tuple[Any, ...]] = set()
        self.workflows: dict[str, str | None] = {}
        self._attempts: dict[str, str] = {}
        self._artifacts: dict[str, str] = {}
        self._live: set[str] = set()
        self._current: dict[str, str] = {}
        self._outputs: dict[tuple[str, str], list[bool]] = {}
        self._elsewhere: set[str] = set()
        self._external: set[str] = set()

    def add(self, table: str, row: Row) -> None:
        if set(row) != set(COLUMNS[table]):
            raise BadBundle(f"its columns are not those of {table}")
        for column, value in row.items():
            _check_value(value, f"{table}.{column}", column)
        self._in_order(table)
        key = (table, *(row[name] for name in _KEYS.get(table, ("id",))))
        _require(key not in self._seen, "it is there twice")
        self._seen.add(key)
        self.contents.counts[table] = self.contents.counts.get(table, 0) + 1
        _ADD[table](self, row)

    def _in_order(self, table: str) -> None:
        place = list(COLUMNS).index(table)
        _require(place >= self._table, "the tables are not in their order")
        self._table = place

    def chain(self, row: Row) -> None:
        _require(self.contents.root_kind == "chain" and row["id"] == self.contents.root_id, "it is of another chain")
        self.contents.root_name = row["name"]

    def workflow(self, row: Row) -> None:
        if self.contents.root_kind == "chain":
            _require(row["chain_id"] == self.contents.root_id, "it is of another chain")
        else:
            _require(row["id"] == self.contents.root_id and row["chain_id"] is None, "it is of something else")
            self.contents.root_name = row["workflow_name"]
        self.workflows[row["id"]] = row["latest_artifact_id"]

    def attempt(self, row: Row) -> None:
        _require(row["workflow_id"] in self.workflows, "it is of a workflow that is not in the bundle")
        self._once("attempts", row["workflow_id"], row["number"])
        self._attempts[row["id"]] = row["workflow_id"]

    def artifact(self, row: Row) -> None:
        workflow_id = row["workflow_id"]
        _require(workflow_id in self.workflows, "it is of a workflow that is not in the bundle")
        attempt = row["attempt_id"]
        _require(attempt is None or self._attempts.get(attempt) == workflow_id, "it is of another workflow's attempt")
        _require(row["version"] >= 1, "its version is none")
        self._once("versions", workflow_id, row["output_key"], row["version"])
        self._artifacts[row["id"]] = workflow_id
        self._elsewhere.update(filter(None, (row["parent_artifact_id"], row["source_artifact_id"])))
        _check_decision(row)
        self._check_pointers(row)
        self._check_file(row)

    def _check_pointers(self, row: Row) -> None:
        workflow_id, there = row["workflow_id"], row["deleted_at"] is None
        if there:
            self._live.add(workflow_id)
            self._outputs.setdefault((workflow_id, row["output_key"]), []).extend([True] if row["is_head"] else [])
        _require(there or not (row["is_head"] or row["is_latest"]), "it is in the trash and stands for others")
        if row["is_latest"]:
            _require(workflow_id not in self._current, "its workflow has two current artifacts")
            self._current[workflow_id] = row["id"]

    def _check_file(self, row: Row) -> None:
        size = self._files.pop(row["id"], None)
        if row["bytes_removed_at"] is not None:
            _require(size is None, "its bytes were removed, and are there")
            return
        _require(size is not None, "its file is missing")
        _require(size == row["file_size"], "its file has another size")
        kept = KeptFile(row["id"], row["sha256"], row["file_size"], row["file_format"] or "")
        self.contents.files.append(kept)

    def tag(self, row: Row) -> None:
        _require(row["artifact_id"] in self._artifacts, "it is of an artifact that is not in the bundle")

    def lineage(self, row: Row) -> None:
        _require(row["attempt_id"] in self._attempts, "it is of an attempt that is not in the bundle")
        self._elsewhere.add(row["artifact_id"])

    def transfer(self, row: Row) -> None:
        workflow = self._artifacts.get(row["artifact_id"])
        _require(workflow is not None, "it is of an artifact that is not in the bundle")
        _require(workflow == row["source_workflow_id"], "it is of another workflow than its artifact")

    def external(self, row: Row) -> None:
        _require(row["id"] not in self._artifacts, "it is in the bundle")
        self._external.add(row["id"])

    def finish(self) -> None:
        """What can be said only once every row was seen."""
        contents = self.contents
        contents.counts["files"] = len(contents.files)
        if not contents.files:
            del contents.counts["files"]
        _require(bool(contents.root_name), "its chain or workflow is missing")
        _require(not self._files, "it has files of no artifact")
        for workflow_id, latest in self.workflows.items():
            _require(latest == self._current.get(workflow_id), f"the pointers of workflow {workflow_id} do not agree")
            _require((latest is not None) == (workflow_id in self._live), f"workflow {workflow_id} points to nothing")
        for (workflow_id, key), heads in self._outputs.items():
            _require(len(heads) == 1, f"output {key} of workflow {workflow_id} has {len(heads)} heads")
        unknown = self._elsewhere - set(self._artifacts) - self._external
        _require(not unknown, f"it refers to {len(unknown)} artifact(s) that it does not describe")

    def _once(self, *key: Any) -> None:
        _require(key not in self._seen, "another row has its number")
        self._seen.add(key)


_ADD: dict[str, Callable[[_Checking, Row], None]] = {
    "chains": _Checking.chain,
    "workflows": _Checking.workflow,
    "attempts": _Checking.attempt,
    "artifacts": _Checking.artifact,
    "tags": _Checking.tag,
    "lineage": _Checking.lineage,
    "artifact_transfers": _Checking.transfer,
    EXTERNAL: _Checking.external,
}
_KEYS = {"tags": ("artifact_id", "tag"), "lineage": ("attempt_id", "artifact_id")}


def _check_decision(row: Row) -> None:
    status = row["approval_status"]
    if status in ("approved", "rejected"):
        _require(row["decided_sha256"] == row["sha256"], "its decision was made on other bytes")
        _require(row["decided_by"] and row["decided_at"], "nobody made its decision")
    if status == "approved":
        _require(row["approved_by"] and row["approved_at"], "nobody approved it")
    _require((row["rejection_reason"] is not None) == (status == "rejected"), "its reason does not fit its status")


def _check_events(log: BinaryIO, checking: _Checking) -> None:
    """Each event is as it was written: its hash is that of its text. Whose it is decides where it is shown."""
    last = count = 0
    for count, (_, event) in enumerate(lines(log, EVENTS), start=1):
        where = f"{EVENTS}: line {count}"
        _require(set(event) == set(EVENT_COLUMNS), f"{where} has not the columns of an event")
        for name in EVENT_COLUMNS:
            value = event[name]
            fits = (type(value) is int and value > last) if name == "seq" else isinstance(value, str)
            _require(fits or (value is None and name in _EMPTY), f"{where}: {name} is wrong")
        _require(events.event_hash(event) == event["hash"], f"{where}: it was changed since it was written")
        for name in ("before", "after"):
            if event[name] is not None:
                _require(events.text(parsed(event[name].encode(), where)) == event[name], f"{where}: {name} is wrong")
        own = event["entity_id"] == checking.contents.root_id or event["workflow_id"] in checking.workflows
        _require(own, f"{where} is of something that is not in the bundle")
        last = event["seq"]
    if count:
        checking.contents.counts["events"] = count


_EMPTY = ("chain_id", "workflow_id", "before", "after")


def _check_value(value: Any, where: str, column: str) -> None:
    check, optional = _RULES.get(where) or _RULES[column]
    if value is None:
        _require(optional, f"{column} is missing")
        return
    try:
        check(value, column)
    except (TypeError, AttributeError) as error:
        raise BadBundle(f"{column} is of another type") from error


def _require(condition: object, message: str) -> None:
    if not condition:
        raise BadBundle(message)


def _id(value: Any, column: str = "id") -> str:
    _require(isinstance(value, str) and identities.is_id(value) and value == value.lower(), f"{column} is not an id")
    return str(value)


def _text(value: Any, column: str) -> None:
    _require(isinstance(value, str) and len(value) <= MAX_TEXT and "\0" not in value, f"{column} is not a text")


def _label(value: Any, column: str) -> None:
    names.checked_text(value, column, longest=2000, empty=True)


def _name(value: Any, column: str) -> None:
    names.checked_name(value, column, empty=True)


def _time(value: Any, column: str) -> None:
    _require(identities.checked_time(value, column) == value, f"{column} is not a time as this program writes it")


def _number(value: Any, column: str) -> None:
    _require(type(value) is int and 0 <= value < 1 << 62, f"{column} is not a number from 0")


def _flag(value: Any, column: str) -> None:
    _require(isinstance(value, bool), f"{column} is neither true nor false")


def _object(value: Any, column: str) -> None:
    names.checked_object(value, column)


def _like(pattern: re.Pattern[str]) -> Callable[[Any, str], None]:
    return lambda value, column: _require(pattern.match(value), f"{column} is not of its form")


def _one_of(values: Iterable[str]) -> Callable[[Any, str], None]:
    known = frozenset(values)
    return lambda value, column: _require(value in known, f"{column} {str(value)[:40]!r} is none that there is")


def _chain_status(value: Any, column: str) -> None:
    _require(is_chain_status(value), f"{column} {value[:40]!r} is none that there is")


Rule = tuple[Callable[[Any, str], object], bool]


def _rules(check: Callable[[Any, str], object], needed: str = "", optional: str = "") -> dict[str, Rule]:
    return {**dict.fromkeys(needed.split(), (check, False)), **dict.fromkeys(optional.split(), (check, True))}


_RULES: dict[str, Rule] = {
    **_rules(
        _id,
        "id workflow_id attempts.workflow_id artifact_id attempt_id source_workflow_id",
        "chain_id latest_artifact_id parent_artifact_id source_artifact_id target_workflow_id artifacts.attempt_id",
    ),
    **_rules(
        _time,
        "created_at updated_at queued_at chains.started_at",
        "started_at completed_at approved_at decided_at bytes_removed_at deleted_at uploaded_at",
    ),
    **_rules(_name, "name workflow_name", "step_id"),
    **_rules(_text, "", "description error_message rejection_reason temporal_workflow_id temporal_run_id"),
    **_rules(
        _label,
        "server_address prompt_id target_server via comfy_folder_type",
        "client_id requested_by approved_by decided_by created_by node_id target_filename",
    ),
    **_rules(_number, "number version revision attempts current_level file_size"),
    **_rules(_flag, "is_latest is_head requires_approval"),
    **_rules(_object, "", "chain_definition workflow_definition parameters extra_pnginfo metadata"),
    **_rules(_like(_SHA256), "sha256", "decided_sha256 receipt_sha256"),
    **_rules(_like(_WORD), "file_type", "file_format"),
    **_rules(names.checked_filename, "filename"),
    **_rules(names.checked_output_key, "output_key"),
    **_rules(names.checked_subfolder, "", "subfolder target_subfolder"),
    **_rules(names.checked_tag, "tag"),
    **_rules(_chain_status, "chains.status"),
    **_rules(_one_of(WORKFLOW_STATUSES), "workflows.status attempts.status"),
    **_rules(_one_of(APPROVAL_STATUSES), "approval_status"),
    **_rules(_one_of(TRANSFER_STATUSES), "artifact_transfers.status"),
}
"""What each column may hold, by `table.column` or else by column; and whether it may be null."""
