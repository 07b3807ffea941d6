"""Owns errors as HTTP: one table from error class to status, and the one shape of every error answer (RFC 9457)."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .. import errors
from ..library.views import Artifact, Transfer
from . import rendering

if TYPE_CHECKING:
    from .hub import Hub

logger = logging.getLogger("artifact_db.server_routes")

STATUS: dict[type[errors.ArtifactDBError], int] = {
    errors.BadConfiguration: 503,
    errors.Denied: 401,
    errors.NotFound: 404,
    errors.Gone: 410,
    errors.Invalid: 422,
    errors.TooLarge: 413,
    errors.Conflict: 409,
    errors.StaleRevision: 412,
    errors.TooNew: 503,
    errors.Unavailable: 503,
    errors.StoreFailed: 503,
    errors.ServerFailed: 502,
}
"""An error that is not in it has the status of the nearest class above it that is."""

_MEMBERS = ("servers", "state", "missing")
"""What an error knows that goes into the answer as it is."""

RETRY_AFTER_SECONDS = 2


class Refused(Exception):
    """A request that no library function is asked about: it is malformed, not allowed, or not built yet."""

    def __init__(self, status: int, code: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def malformed(detail: str) -> Refused:
    """400: it cannot be read as what it says it is."""
    return Refused(400, "malformed", detail)


def not_built(what: str) -> Refused:
    """501: described in the contract, and not in this release."""
    return Refused(501, "not_built", f"{what} is not in this release yet")


def of_refusal(refusal: Refused) -> web.Response:
    """The answer to a request that was refused."""
    return _problem(refusal.status, refusal.code, str(refusal), headers=refusal.headers)


def of_error(hub: Hub, error: errors.ArtifactDBError) -> web.Response:
    """The answer for an error of the library."""
    status = next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)
    detail, more = str(error), dict[str, Any]()
    if isinstance(error, errors.BadConfiguration):
        # It tells of files and values: that is for the operator.
        logger.error("the configuration cannot be used: %s", error)
        detail = "the configuration cannot be used; the server's log says why"
    if isinstance(error, errors.Invalid):
        more["errors"] = error.data.get("errors") or [{"field": error.field, "message": str(error)}]
    if isinstance(artifact := error.data.get("artifact"), Artifact):
        more["artifact"] = rendering.artifact(hub, artifact)
    if isinstance(transfer := error.data.get("transfer"), Transfer):
        more["transfer"] = rendering.plain(transfer)
    more.update({name: error.data[name] for name in _MEMBERS if name in error.data})
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}
    return _problem(status, error.code, detail, headers=headers, **more)


def of_crash() -> web.Response:
    """The answer when something went wrong that should not have; what it was is in the log and nowhere else."""
    return _problem(500, "internal", "something went wrong that should not have; the server's log says what")


def _problem(
    status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any
) -> web.Response:
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **more,
    }
    return web.Response(
        status=status,
        text=json.dumps(body, ensure_ascii=False),
        content_type="application/problem+json",
        headers={"Cache-Control": "private, no-cache", **(headers or {})},
    )
