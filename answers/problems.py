"""Owns errors as problems: one table from error class to HTTP status, and the one shape of every error (RFC 9457)."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from .. import errors
from ..library.opening import Library
from ..library.views import Artifact, Transfer
from . import rendering

logger = logging.getLogger("artifact_db.answers")

STATUS: dict[type[errors.ArtifactDBError], int] = {
    errors.BadConfiguration: 503,
    errors.Malformed: 400,
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
"""What an error knows that goes into the problem as it is."""


def of_error(library: Library | None, error: errors.ArtifactDBError) -> dict[str, Any]:
    """The problem that an error of the library is; `library` None where none could be opened."""
    status = next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)
    detail, more = str(error), dict[str, Any]()
    if isinstance(error, errors.BadConfiguration):
        # It tells of files and values: that is for the operator.
        logger.error("the configuration cannot be used: %s", error)
        detail = "the configuration cannot be used; the server's log says why"
    if isinstance(error, errors.Invalid):
        more["errors"] = error.data.get("errors") or [{"field": error.field, "message": str(error)}]
    if library is not None and isinstance(artifact := error.data.get("artifact"), Artifact):
        more["artifact"] = rendering.artifact(library, artifact)
    if isinstance(transfer := error.data.get("transfer"), Transfer):
        more["transfer"] = rendering.plain(transfer)
    more.update({name: error.data[name] for name in _MEMBERS if name in error.data})
    return document(status, error.code, detail, **more)


def document(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    """A problem with its members in their usual order."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, **more}
