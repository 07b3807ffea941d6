"""Owns how a request is read: ids, query parameters, JSON bodies field by field, who asks, which revision they saw."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from ..errors import Invalid, NotFound, TooLarge
from ..library import driving, identities, names, pages
from . import guarding
from .problems import malformed

MAX_MESSAGE = 100_000
"""Characters of what another program reports."""

MAX_JSON = 32 * 1024 * 1024
"""Bytes of a JSON body; graphs with pictures in their widgets reach a few megabytes."""

Check = Callable[[Any, str], Any]

_BODY: Any = guarding.request_key("artifact_db.body", bytes)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_REVISION = re.compile(r'"([0-9]{1,15})"\Z')


def path_id(request: web.Request, what: str) -> str:
    """The id in the path, for example that of `{artifact_id}`.

    Raises:
        NotFound: it is no UUID, so nothing has it.
    """
    value = request.match_info[f"{what}_id"]
    if not identities.is_id(value):
        raise NotFound(f"no {what} {value!r}: an id is a UUID")
    return value.lower()


def actor(request: web.Request) -> str:
    """Who asks: the token's name; without a token the one whom the header names, which is a claim, or this machine.

    Raises:
        Refused: 400 when the header names nobody.
    """
    asks = guarding.identity(request)
    header = request.headers.get("X-Artifact-Actor")
    try:
        claimed = "local" if header is None else names.checked_text(unquote(header), "X-Artifact-Actor")
        driving.checked_outsider(claimed, "X-Artifact-Actor")
    except Invalid as error:
        raise malformed(str(error)) from error
    return claimed if asks.via == "machine" else asks.name


def decider(request: web.Request, values: Mapping[str, Any]) -> dict[str, str]:
    """Whose decision it is, which the body may claim for somebody else, beside who asks."""
    asks = actor(request)
    return {"by": values.get("approved_by", asks), "actor": asks}


def revision(request: web.Request) -> int | None:
    """The revision that `If-Match` names; None when anything will do.

    Raises:
        Refused: 400 when it is not one of our ETags.
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    match = _REVISION.match(header.strip())
    if match is None:
        raise malformed('If-Match is the ETag of an earlier answer, such as "3"')
    return int(match.group(1))


class Query:
    """The query parameters of one request; one that the route does not know is refused."""

    def __init__(self, request: web.Request, *known: str) -> None:
        self._values = request.query
        for name in self._values:
            if name not in known:
                accepted = f"it takes {', '.join(known)}" if known else "it takes none"
                raise malformed(f"unknown parameter {name!r}; {accepted}")
            if len(self._values.getall(name)) > 1:
                raise malformed(f"parameter {name!r} is given more than once")

    def text(self, name: str) -> str | None:
        """A parameter as it is."""
        return self._values.get(name)

    def identity(self, name: str) -> str | None:
        """A parameter that is an id."""
        value = self._values.get(name)
        return None if value is None else identities.checked_id(value, name)

    def identities(self, name: str) -> list[str] | None:
        """A parameter that is ids with commas between them, 100 at most."""
        value = self._values.get(name)
        if value is None:
            return None
        given = value.split(",")
        if len(given) > 100:
            raise Invalid(f"{name} is at most 100 ids", field=name)
        return [identities.checked_id(one, name) for one in given]

    def flag(self, name: str) -> bool:
        """A parameter that is on (1, true) or off (0, false, absent)."""
        value = self._values.get(name, "0")
        if value not in ("0", "1", "true", "false"):
            raise malformed(f"{name} is 1 or 0")
        return value in ("1", "true")

    def number(self, name: str, default: int | None = None) -> int | None:
        """A parameter that is a whole number from 0."""
        value = self._values.get(name)
        if value is None:
            return default
        if not value.isascii() or not value.isdigit() or len(value) > 18:
            raise malformed(f"{name} is a whole number from 0")
        return int(value)

    def page(self) -> pages.Ask:
        """`limit` and `cursor`."""
        return pages.Ask(self.number("limit", pages.DEFAULT_LIMIT) or 0, self._values.get("cursor"))


PAGE = ("limit", "cursor")


async def body(request: web.Request, required: Mapping[str, Check], optional: Mapping[str, Check]) -> dict[str, Any]:
    """A JSON object, checked field by field; fields that were not sent are not in the answer.

    Raises:
        Refused: 400 when it is not JSON. TooLarge. Invalid: a field is missing, wrong or unknown.
    """
    return members(await _json(request, may_be_empty=not required), required, optional)


def members(
    values: Mapping[str, Any], required: Mapping[str, Check], optional: Mapping[str, Check], *, within: str = ""
) -> dict[str, Any]:
    """The members of a JSON object, each checked; `within` stands before their names where it is inside of another.

    Raises:
        Invalid: one is missing, wrong or unknown.
    """
    fields = {**required, **optional}
    for name in values:
        if name not in fields:
            accepted = f"accepted: {', '.join(fields)}" if fields else "none is accepted"
            raise Invalid(f"unknown field {name!r}; {accepted}", field=within + name)
    for name in required:
        if name not in values:
            raise Invalid(f"{within}{name} is missing", field=within + name)
    return {name: fields[name](value, within + name) for name, value in values.items()}


def require_some(values: dict[str, Any]) -> dict[str, Any]:
    """The same fields, of which there is at least one.

    Raises:
        Invalid: there is none, so nothing is asked for.
    """
    if not values:
        raise Invalid("the body names nothing to change", field="body")
    return values


async def _json(request: web.Request, *, may_be_empty: bool) -> dict[str, Any]:
    data = await whole_body(request)
    if not data:
        if may_be_empty:
            return {}
        raise malformed("the body is missing; send a JSON object")
    return parsed(data, "the body")


async def whole_body(request: web.Request) -> bytes:
    """A small body as it came; read once, and given again to whoever asks.

    Raises:
        TooLarge: it is more than JSON of ours ever is.
    """
    if (known := request.get(_BODY)) is not None:
        return bytes(known)
    pieces, size = [], 0
    async for piece in request.content.iter_chunked(1 << 16):
        size += len(piece)
        if size > MAX_JSON:
            raise TooLarge(f"the body is over {MAX_JSON} bytes", field="body")
        pieces.append(piece)
    request[_BODY] = data = b"".join(pieces)
    return data


def parsed(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object from bytes.

    Raises:
        Refused: 400 when it is something else.
    """
    try:
        # Decoded here: of bytes, json would take surrogates, and guess at encodings other than JSON's own.
        value = json.loads(data.decode("utf-8-sig"), parse_constant=_no_constant, parse_float=_finite)
        if _SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise malformed(f"{what} is not JSON, or holds numbers or characters that cannot be kept") from error
    if not isinstance(value, dict):
        raise malformed(f"{what} is not a JSON object")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    if math.isinf(value := float(digits)):
        raise ValueError("it is larger than any number that an answer could give back")
    return value


def text(value: Any, field: str) -> str:
    """A text of up to 2,000 characters, possibly empty."""
    return names.checked_text(value, field, longest=names.MAX_REASON, empty=True)


def texts(value: Any, field: str) -> list[str]:
    """A list of texts, each of which is looked at by whoever knows what it is."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Invalid(f"{field} is not a list of texts", field=field)
    return value


def name(value: Any, field: str) -> str:
    """A text of 1 to 255 characters."""
    return names.checked_text(value, field)


def temporal_id(value: Any, field: str) -> str:
    """An id of Temporal's, which may be longer than a name."""
    return names.checked_text(value, field, longest=1000)


def message(value: Any, field: str) -> str:
    """What another program reported, as it stands: tracebacks have line ends and control characters of all kinds."""
    if not isinstance(value, str) or len(value) > MAX_MESSAGE:
        raise Invalid(f"{field} is not a text of up to {MAX_MESSAGE} characters", field=field)
    return value


sha256 = names.checked_sha256
flag = names.checked_flag


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
