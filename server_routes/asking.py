"""Owns how a request is read: ids, query parameters, JSON bodies, who asks, which revision they saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from ..answers import fields
from ..answers.fields import Body, Check
from ..errors import Invalid, TooLarge
from ..library import driving, identities, names
from . import guarding
from .problems import malformed

MAX_JSON = 32 * 1024 * 1024
"""Bytes of a JSON body; graphs with pictures in their widgets reach a few megabytes."""

_BODY: Any = guarding.request_key("artifact_db.body", bytes)


def path_id(request: web.Request, what: str) -> str:
    """The id in the path, for example that of `{artifact_id}`.

    Raises:
        NotFound: it is no UUID, so nothing has it.
    """
    return identities.require_id(request.match_info[f"{what}_id"], what)


def actor(request: web.Request) -> str:
    """Who asks: the token's name; without a token the one whom the header names, which is a claim, or this machine.

    Raises:
        Malformed: the header names nobody.
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
        Malformed: it is not one of our ETags.
    """
    return fields.revision(request.headers.get("If-Match"))


def query(request: web.Request, accepted: Mapping[str, Check] | None = None) -> dict[str, Any]:
    """The query's parameters, each checked; those that were not sent are not in the answer.

    Raises:
        Malformed: one is unknown, given twice, or not written as it has to be. Invalid: as its check says.
    """
    for name in request.query:
        if len(request.query.getall(name)) > 1:
            raise malformed(f"parameter {name!r} is given more than once")
    return fields.parameters(request.query, accepted or {})


async def body(request: web.Request, accepted: Body) -> dict[str, Any]:
    """A JSON object, checked field by field; fields that were not sent are not in the answer.

    Raises:
        Malformed: it is not JSON. TooLarge. Invalid: a field is missing, wrong or unknown.
    """
    data = await whole_body(request)
    if not data and accepted.required:
        raise malformed("the body is missing; send a JSON object")
    return accepted.checked(fields.parsed(data, "the body") if data else {})


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
