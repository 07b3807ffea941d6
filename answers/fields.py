"""Owns what may be asked and told, through whichever door: of each operation the parameters and the fields of its body.

Each has its check, which gives the value as the library takes it. Operations that only a hub answers have theirs there.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import Invalid, Malformed
from ..library import decisions, identities, names, pages

MAX_MESSAGE = 100_000
"""Characters of what another program reports."""

MOST_IDS = 100
"""Ids in one parameter."""

Check = Callable[[Any, str], Any]
"""Is given a value and the name of its field; gives the value as it is used, or raises Invalid or Malformed."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_REVISION = re.compile(r'"([0-9]{1,15})"\Z')


@dataclass(frozen=True)
class Body:
    """The fields of a JSON object. `some`: it is of no use without any."""

    required: Mapping[str, Check] = field(default_factory=dict)
    optional: Mapping[str, Check] = field(default_factory=dict)
    some: bool = False

    def checked(self, values: Mapping[str, Any], *, within: str = "") -> dict[str, Any]:
        """The fields that are there, each checked; `within` stands before their names where it is inside of another.

        Raises:
            Invalid: one is missing, wrong or unknown, or there is none where there have to be some.
        """
        fields = {**self.required, **self.optional}
        for name in values:
            if name not in fields:
                accepted = f"accepted: {', '.join(fields)}" if fields else "none is accepted"
                raise Invalid(f"unknown field {name!r}; {accepted}", field=within + name)
        for name in self.required:
            if name not in values:
                raise Invalid(f"{within}{name} is missing", field=within + name)
        if self.some and not values:
            raise Invalid("the body names nothing to change", field="body")
        return {name: fields[name](value, within + name) for name, value in values.items()}


def parameters(texts: Mapping[str, str], accepted: Mapping[str, Check]) -> dict[str, Any]:
    """The parameters of a query that were given, each checked.

    Raises:
        Malformed: one is unknown, or is not written as it has to be. Invalid: as its check says.
    """
    for name in texts:
        if name not in accepted:
            known = f"it takes {', '.join(accepted)}" if accepted else "it takes none"
            raise Malformed(f"unknown parameter {name!r}; {known}")
    return {name: accepted[name](value, name) for name, value in texts.items()}


def page(asked: dict[str, Any]) -> pages.Ask:
    """Which page is asked for; what is left are the filters.

    Raises:
        Invalid: no page has so many items.
    """
    return pages.Ask(asked.pop("limit", pages.DEFAULT_LIMIT), asked.pop("cursor", None))


def stretch(asked: Mapping[str, Any]) -> tuple[int, int]:
    """Which events are asked for: those after which one, and how many."""
    return asked.get("cursor", asked.get("after", 0)), pages.Ask(asked.get("limit", pages.DEFAULT_LIMIT)).limit


def revision(tag: str | None) -> int | None:
    """The revision that `If-Match` names; None when anything will do.

    Raises:
        Malformed: it is not one of our ETags.
    """
    if tag is None or tag.strip() == "*":
        return None
    match = _REVISION.match(tag.strip())
    if match is None:
        raise Malformed('If-Match is the ETag of an earlier answer, such as "3"')
    return int(match.group(1))


def parsed(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object from bytes.

    Raises:
        Malformed: it is something else.
    """
    try:
        # Decoded here: of bytes, json would take surrogates, and guess at encodings other than JSON's own.
        value = json.loads(data.decode("utf-8-sig"), parse_constant=_no_constant, parse_float=_finite)
        if _SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{what} is not JSON, or holds numbers or characters that cannot be kept") from error
    if not isinstance(value, dict):
        raise Malformed(f"{what} is not a JSON object")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    if math.isinf(value := float(digits)):
        raise ValueError("it is larger than any number that an answer could give back")
    return value


# Values of JSON.


def text(value: Any, field: str) -> str:
    """A text of up to 2,000 characters, possibly empty."""
    return names.checked_text(value, field, longest=names.MAX_REASON, empty=True)


def reason(value: Any, field: str) -> str:
    """A text of 1 to 2,000 characters."""
    return names.checked_text(value, field, longest=names.MAX_REASON)


def texts(value: Any, field: str) -> list[str]:
    """A list of texts, each of which is looked at by whoever knows what it is."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Invalid(f"{field} is not a list of texts", field=field)
    return value


def temporal_id(value: Any, field: str) -> str:
    """An id of Temporal's, which may be longer than a name."""
    return names.checked_text(value, field, longest=1000)


def message(value: Any, field: str) -> str:
    """What another program reported, as it stands: tracebacks have line ends and control characters of all kinds."""
    if not isinstance(value, str) or len(value) > MAX_MESSAGE:
        raise Invalid(f"{field} is not a text of up to {MAX_MESSAGE} characters", field=field)
    return value


name: Check = names.checked_text
"""A text of 1 to 255 characters."""

sha256, flag, an_object = names.checked_sha256, names.checked_flag, names.checked_object


def integer(value: Any, field: str) -> int:
    """A whole number that SQLite can hold."""
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 1 << 53:
        raise Invalid(f"{field} is a whole number", field=field)
    return value


def nullable(check: Check) -> Check:
    """The same, or null."""
    return lambda value, field: None if value is None else check(value, field)


def several(check: Check, *, most: int = 20) -> Check:
    """A list of such values, each once, in their order."""

    def checked(value: Any, field: str) -> list[Any]:
        if not isinstance(value, list) or len(value) > most:
            raise Invalid(f"{field} is a list of up to {most}", field=field)
        return list(dict.fromkeys(check(one, field) for one in value))

    return checked


# Texts: parameters of a query, and fields of a form beside its files.


def as_it_is(value: str, field: str) -> str:
    """A text that is looked at by whoever knows what it is."""
    return value


def switch(value: str, field: str) -> bool:
    """On (1, true) or off (0, false)."""
    if value not in ("0", "1", "true", "false"):
        raise Malformed(f"{field} is 1 or 0")
    return value in ("1", "true")


def number(value: str, field: str) -> int:
    """A whole number from 0."""
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise Malformed(f"{field} is a whole number from 0")
    return int(value)


def ids(value: str, field: str) -> list[str]:
    """Ids with commas between them."""
    given = value.split(",")
    if len(given) > MOST_IDS:
        raise Invalid(f"{field} is at most {MOST_IDS} ids", field=field)
    return [identities.checked_id(one, field) for one in given]


def json_text(value: str, field: str) -> dict[str, Any]:
    """A JSON object, written out."""
    return parsed(value.encode(), field)


PAGE: Mapping[str, Check] = {"limit": number, "cursor": as_it_is}

_ID = identities.checked_id
_EVENTS: Mapping[str, Check] = {"limit": number, "cursor": number}

QUERIES: Mapping[str, Mapping[str, Check]] = {
    "list_chains": {
        **{"status": as_it_is, "name": as_it_is, "failed": switch, "trash": switch, "ids": ids, "overview": switch},
        **PAGE,
    },
    "list_workflows": {
        **{"chain": _ID, "step": as_it_is, "status": as_it_is, "prompt_id": as_it_is, "standalone": switch},
        **PAGE,
    },
    "list_workflow_artifacts": {"heads": switch, **PAGE},
    "get_latest_artifact": {"usable": switch, "at": as_it_is},
    "find_output": {
        **dict.fromkeys(("artifact_id", "chain", "step", "workflow", "output"), as_it_is),
        **{"usable": switch, "last_approved": switch},
    },
    "list_artifacts": {
        **dict.fromkeys(("q", "kind", "status", "tag", "step", "since", "until"), as_it_is),
        **{"chain": _ID, "workflow": _ID, "latest": switch, "queue": switch, "trash": switch},
        **{"min_size": number, "max_size": number, "sort": lambda value, field: value or "relevance"},
        **PAGE,
    },
    "list_artifact_versions": PAGE,
    "get_artifact_lineage": {"depth": number, "limit": number},
    "list_artifact_events": _EVENTS,
    "list_tags": {"q": as_it_is, **PAGE},
    "list_transfers": {"status": as_it_is, "artifact": _ID, "server": as_it_is, **PAGE},
    "list_events": {"after": number, **_EVENTS},
    "list_servers": PAGE,
}
"""What each operation may be asked in its query; others take none."""

_TEMPORAL = dict.fromkeys(("temporal_workflow_id", "temporal_run_id"), nullable(temporal_id))
_STANDING: Mapping[str, Check] = {"status": name, "current_level": integer, **_TEMPORAL}
_WORKFLOW: Mapping[str, Check] = {
    **{"server": name, "server_address": text, "status": name, "requires_approval": flag},
    **{"workflow_definition": nullable(an_object), "parameters": nullable(an_object)},
    **_TEMPORAL,
}

BODIES: Mapping[str, Body] = {
    "create_chain": Body(
        {"name": name},
        {
            **{"id": name, "description": nullable(text), "chain_definition": nullable(an_object)},
            **{"run": flag, "engine": name, "parameters": an_object},
            **_STANDING,
        },
    ),
    "update_chain": Body({}, {"error_message": nullable(message), **_STANDING}, some=True),
    "rerun_chain": Body({}, {"id": name, "from_step": name, "parameters": an_object}),
    "create_workflow": Body(
        {"workflow_name": name},
        {
            **{"id": name, "chain_id": nullable(name), "step_id": nullable(name), "prompt_id": text},
            **_WORKFLOW,
        },
    ),
    "update_workflow": Body({}, {"prompt_id": name, "error_message": nullable(message), **_WORKFLOW}, some=True),
    "retry_workflow": Body({}, {"parameters": an_object}),
    "collect_outputs": Body({"server": name, "prompt_id": name}, {"include_temp": flag}),
    "request_review": Body({"approval_status": decisions.checked_request}),
    "approve_artifact": Body({}, {"approved_by": name, "sha256": sha256}),
    "reject_artifact": Body({"reason": reason}, {"approved_by": name, "parameters": an_object}),
    "select_artifact": Body({}, {"approved_by": name}),
    "edit_artifact": Body({"from_version": name}, {"approved_by": name}),
    "change_tags": Body({"ids": texts}, {"add": texts, "remove": texts}),
    "transfer_artifact": Body({"server": name}, {"subfolder": text, "target_workflow_id": nullable(name)}),
}
"""What each operation may be told in a JSON object; others are told nothing."""

FORMS: Mapping[str, Mapping[str, Check]] = {
    "upload_artifact": {
        **dict.fromkeys(("id", "output_key", "approval_status"), as_it_is),
        **{"metadata": json_text, "subfolder": as_it_is},
    },
    "edit_artifact": {"approved_by": as_it_is, "approval_status": as_it_is, "metadata": json_text},
    "record_outputs": {"record": json_text},
}
"""What stands beside the files of those that take some."""
