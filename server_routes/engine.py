"""Owns what an engine asks and tells that works for this hub on another machine: one route, and the table of its calls.

Each call is one of the library's, safe to do again as that is. What is done is in the log as the engine's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from ..answers import fields
from ..answers import rendering as told
from ..answers.fields import Body
from ..chains.records import LocalRecords
from ..db.statuses import WORKFLOW_STATUSES
from ..errors import Invalid, NotFound
from ..library import driving, entrusting, identities, inputs, runs
from ..library.names import checked_object, one_of
from ..library.opening import Library
from ..library.views import Artifact, View
from . import asking, rendering
from .hub import Hub

MOST_REPORTS = 1000
"""Reports that are told at a time."""


@dataclass(frozen=True)
class Call:
    """`answer` is given the record and the arguments, each as its check has left it."""

    answer: Callable[..., Any]
    required: Mapping[str, fields.Check] = field(default_factory=dict)
    optional: Mapping[str, fields.Check] = field(default_factory=dict)


async def call_engine(hub: Hub, request: web.Request) -> web.Response:
    call = CALLS.get(request.match_info["call"])
    body = await asking.body(request, Body({"arguments": checked_object}))
    if call is None:
        raise NotFound(f"no call {request.match_info['call']!r}; there are {', '.join(CALLS)}")
    arguments = Body(call.required, call.optional).checked(body["arguments"], within="arguments.")
    by = driving.engine_of(asking.actor(request))
    answered = await hub.run(lambda library: _told(library, call.answer(LocalRecords(library, by=by), **arguments)))
    return rendering.answer({"result": answered})


def _told(library: Library, value: Any) -> Any:
    """An answer as JSON has it."""
    if isinstance(value, Artifact):
        return told.artifact(library, value)
    if isinstance(value, View):
        return told.plain(value)
    if dataclasses.is_dataclass(value):
        return {one.name: _told(library, getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {name: _told(library, one) for name, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [_told(library, one) for one in value]
    return value


def _chain_status(value: Any, where: str) -> str:
    level = str(value).removeprefix("executing_level_")
    if value not in ("awaiting_approval", "completed", "failed") and not (
        level != value and level.isascii() and level.isdigit() and len(level) <= 4
    ):
        raise Invalid(f"{where} is executing_level_N, awaiting_approval, completed or failed", field=where)
    return str(value)


def _step(value: Any, where: str) -> dict[str, Any]:
    return Body(_STEP, _TEMPORAL).checked(checked_object(value, where), within=f"{where}.")


def _reports(value: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > MOST_REPORTS:
        raise Invalid(f"{where} is a list of up to {MOST_REPORTS}", field=where)
    return [Body(_REPORT).checked(checked_object(one, where), within=f"{where}.") for one in value]


def _amount(value: Any, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not -1e15 < value < 1e15:
        raise Invalid(f"{where} is a number", field=where)
    return value


def _hashes(value: Any, where: str) -> list[str]:
    return [fields.sha256(one, where) for one in fields.texts(value, where)]


def _recorded_outputs(records: LocalRecords, attempt_id: str) -> list[str]:
    with records.library.reading():
        return sorted(runs.recorded_outputs(attempt_id))


_ID, _NAME, _TEXT = identities.checked_id, fields.name, fields.message
_ERROR = fields.nullable(_TEXT)
_CHAIN, _WORKFLOW, _ATTEMPT = {"chain_id": _ID}, {"workflow_id": _ID}, {"attempt_id": _ID}
_PROMPT = {"server": _NAME, "prompt_id": _NAME}
_STEP = {
    **{"id": _ID, **_CHAIN, "step_id": _NAME, "workflow_name": _NAME},
    **{"requires_approval": fields.flag, "workflow_definition": checked_object},
}
_REPORT: Mapping[str, fields.Check] = {
    **{**_CHAIN, **_WORKFLOW, "step_id": _NAME, "server": _NAME, "elapsed": _amount},
    **{"node_id": fields.nullable(_NAME), "node_type": fields.nullable(_NAME)},
    **{"value": fields.nullable(_amount), "max": fields.nullable(_amount)},
}
_TEMPORAL = {"temporal_workflow_id": fields.temporal_id, "temporal_run_id": fields.temporal_id}

CALLS: Mapping[str, Call] = {
    "store_id": Call(LocalRecords.store_id),
    "last_seq": Call(LocalRecords.last_seq),
    "list_driven": Call(LocalRecords.list_driven, {"engine": _NAME}, {"chain_ids": fields.nullable(fields.texts)}),
    "get_drive": Call(LocalRecords.get_drive, _CHAIN),
    "get_standings": Call(LocalRecords.get_standings, _CHAIN),
    "conclude_chain": Call(
        LocalRecords.conclude_chain,
        {**_CHAIN, "status": _chain_status, "error": _ERROR},
        {"revision": fields.nullable(fields.integer)},
    ),
    "is_driven_by": Call(LocalRecords.is_driven_by, {**_CHAIN, **_TEMPORAL}),
    "cancel_chain": Call(LocalRecords.cancel_chain, _CHAIN),
    "expire": Call(LocalRecords.expire, {**_CHAIN, "step_id": _NAME}),
    "create_workflow": Call(LocalRecords.create_workflow, _STEP, _TEMPORAL),
    "skip": Call(LocalRecords.skip, {**_WORKFLOW, "reason": _TEXT}),
    "fail": Call(LocalRecords.fail, {**_WORKFLOW, "error": _TEXT}),
    "find_step": Call(LocalRecords.find_step, _WORKFLOW),
    "begin_attempt": Call(
        LocalRecords.begin_attempt, {"step": _step, "server": _NAME, "overrides": fields.nullable(checked_object)}
    ),
    "prepare": Call(
        LocalRecords.prepare,
        {
            **_ATTEMPT,
            **dict.fromkeys(("parameters", "workflow_definition"), checked_object),
            "artifact_ids": fields.texts,
        },
    ),
    "acknowledge": Call(LocalRecords.acknowledge, _ATTEMPT),
    "conclude": Call(LocalRecords.conclude, {**_ATTEMPT, "status": one_of(WORKFLOW_STATUSES), "error": _ERROR}),
    "move": Call(LocalRecords.move, {**_ATTEMPT, "server": _NAME}),
    "withdraw": Call(LocalRecords.withdraw, {**_ATTEMPT, "reason": _TEXT}),
    "begin_delivery": Call(
        lambda records, **asked: entrusting.begin(records.library, **asked, by=records.by),
        {**_ATTEMPT, "artifact_id": _ID},
    ),
    "end_delivery": Call(
        lambda records, **asked: entrusting.end(records.library, **asked, by=records.by),
        {"transfer_id": _ID, "number": fields.integer},
        {
            "target_filename": fields.nullable(_NAME),
            "sha256": fields.nullable(fields.sha256),
            "error": _ERROR,
        },
    ),
    "report": Call(LocalRecords.report, {"reports": _reports}),
    "recorded_outputs": Call(_recorded_outputs, _ATTEMPT),
    "delivered_names": Call(lambda records, **asked: inputs.delivered_names(records.library, **asked), _PROMPT),
    "is_size_of_any": Call(
        lambda records, size: inputs.is_size_of_any(records.library, size), {"size": fields.integer}
    ),
    "recognised": Call(
        lambda records, hashes, **asked: inputs.recognised(records.library, hashes, **asked),
        {"hashes": _hashes, **_PROMPT},
    ),
}
"""What an engine may ask for, by the names of `chains.records`."""
