"""Owns refusals, and problems as answers. Which status an error has, and what a problem says, is the contract's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .. import errors
from ..answers import problems

if TYPE_CHECKING:
    from .hub import Hub

RETRY_AFTER_SECONDS = 2


class Refused(Exception):
    """A request that no library function is asked about: it is not allowed, or not built yet."""

    def __init__(self, status: int, code: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def malformed(detail: str) -> errors.Malformed:
    """400: it cannot be read as what it says it is."""
    return errors.Malformed(detail)


def not_built(what: str) -> Refused:
    """501: described in the contract, and not in this release."""
    return Refused(501, "not_built", f"{what} is not in this release yet")


def of_refusal(refusal: Refused) -> web.Response:
    """The answer to a request that was refused."""
    return _problem(refusal.status, refusal.code, str(refusal), headers=refusal.headers)


def of_error(hub: Hub | None, error: errors.ArtifactDBError) -> web.Response:
    """The answer for an error of the library; `hub` None where none was asked."""
    shows = hub.library if hub is not None and "artifact" in error.data else None
    body = problems.of_error(shows, error)
    return _answer(body, {"Retry-After": str(RETRY_AFTER_SECONDS)} if body["status"] == 503 else {})


def of_crash() -> web.Response:
    """The answer when something went wrong that should not have; what it was is in the log and nowhere else."""
    return _problem(500, "internal", "something went wrong that should not have; the server's log says what")


def _problem(status: int, code: str, detail: str, *, headers: dict[str, str] | None = None) -> web.Response:
    return _answer(problems.document(status, code, detail), headers or {})


def _answer(body: dict[str, Any], headers: dict[str, str]) -> web.Response:
    return web.Response(
        status=body["status"],
        text=json.dumps(body, ensure_ascii=False),
        content_type="application/problem+json",
        headers={"Cache-Control": "private, no-cache", **headers},
    )
