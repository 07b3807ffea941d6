"""Owns asking a hub over HTTP: each call is tried again with backoff, and done once whatever was lost on the way.

A POST has an Idempotency-Key of its own; what else may be sent twice does the same twice. A change that names a
revision is not sent again once it may have arrived: its repeat could not tell its own change from somebody else's.
"""

from __future__ import annotations

import json
import logging
import math
import random
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..comfyui_client.sessions import OriginSession
from ..comfyui_client.uploads import FormFile, MultipartBody
from ..config import Server
from ..errors import DeliveryFailed, ServerFailed, ServerUnreachable
from ..errors import StoreFailed as FileFailed
from . import problems
from .asking import Backend, Call
from .operations import ROUTES

if TYPE_CHECKING:
    import requests

logger = logging.getLogger("artifact_db.client")

PREFIX = "/artifact-db"

PATIENT = {"collect_outputs", "record_outputs", "upload_artifact", "edit_artifact", "cancel_chain"}
"""Operations that answer when something large was moved, or when other machines have answered."""

PATIENCE = 3600.0
"""Seconds without a byte that those may take."""

LONGEST_PAUSE = 20.0
CLOCK = 5.0
"""Seconds by which two clocks may differ that are taken to agree."""

BLOCK = 256 * 1024
ANY_ANSWER = range(200, 600)
TRANSIENT = (429, 502, 503, 504)
"""Statuses that tell of the way to the hub, where they come without a problem of the hub's own."""


class HubBackend(Backend):
    """A hub over HTTP; may be used by several threads. Its token is sent to its origin only, and never shown.

    `ahead`: seconds by which the hub's clock is before this machine's; 0 for as little as its answers cannot tell.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        ca_file: Path | None = None,
        actor: str | None = None,
        timeout: float = 60.0,
        retries: int = 5,
        backoff: float = 0.5,
        patience: float = PATIENCE,
    ) -> None:
        """`timeout`: seconds without a byte, `patience` for operations that take long; `backoff`: seconds before the
        first of the `retries`, then doubled. `ca_file`: authorities that are believed beside the system's.
        """
        base = Server.parse_url(url).removesuffix(PREFIX)
        self._server = Server(base, base, token, ca_file=ca_file)
        self._actor = actor
        self._timeout = timeout
        self._patience = patience
        self._retries = retries
        self._backoff = backoff
        self.ahead = 0.0
        self._local = threading.local()
        self._lock = threading.Lock()
        self._sessions: list[OriginSession] = []

    def __repr__(self) -> str:
        return f"<hub {self._server.url}>"

    def ask(self, call: Call) -> Any:
        method, route = ROUTES[call.operation]
        headers = self._headers(call)
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        path = PREFIX + route.format(**{name: quote(value, safe="") for name, value in call.path.items()})
        repeatable = call.revision is None or method == "POST"
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            try:
                status, body, pause = self._exchange(method, path, call, headers)
            except (ServerUnreachable, DeliveryFailed) as error:
                if last or not repeatable:
                    raise problems.told("hub_unreachable", str(error)) from error
                logger.info("asked again: %s", error)
                time.sleep(self._pause(attempt))
                continue
            except ServerFailed as error:
                raise problems.told("hub_unreachable", str(error)) from error
            if status < 300:
                return body
            if method == "DELETE" and status == 404 and attempt > 0:
                return None  # It was there when this was asked for the first time, and its answer was lost.
            problem = self._problem(status, body)
            if last or not _is_transient(problem, body):
                raise problem
            logger.info("asked again: %s", problem)
            time.sleep(max(pause, self._pause(attempt)))
        raise AssertionError("the last attempt returns or raises")

    def bytes_of(self, artifact_id: str) -> Iterator[bytes]:
        return self._pieces(f"{PREFIX}/artifacts/{quote(artifact_id, safe='')}/download")

    def close(self) -> None:
        with self._lock:
            for session in self._sessions:
                session.close()
            self._sessions.clear()
            self._local = threading.local()

    def _exchange(self, method: str, path: str, call: Call, headers: Mapping[str, str]) -> tuple[int, Any, float]:
        """Send a call once: the status, the JSON that came back, and the seconds that the hub asks to wait."""
        patience = max(self._timeout, self._patience) if call.operation in PATIENT else self._timeout
        with self._sent(call) as (kind, data):
            sent = {**headers, **({"Content-Type": kind} if kind else {})}
            exchange = self._session.exchange(
                method, path, params=call.parameters, headers=sent, body=data, also=ANY_ANSWER, timeout=patience
            )
            with exchange as answer:
                text = answer.content
                self.ahead = _ahead(answer.headers.get("Date"))
                return answer.status_code, self._json(answer, text), _seconds(answer.headers.get("Retry-After"))

    @contextmanager
    def _sent(self, call: Call) -> Iterator[tuple[str | None, Any]]:
        """The body of a call with its type; files are opened anew each time."""
        if call.files is None:
            data = json.dumps(call.body, ensure_ascii=False).encode() if call.body else None
            yield ("application/json" if data else None), data
            return
        try:
            files = [FormFile.at(path, "file", named) for path, named in call.files]
            body = MultipartBody(files, fields=call.form)
            yield body.content_type, body
        except (FileFailed, OSError) as error:
            raise problems.told("store_failed", f"a file could not be sent: {error}") from error

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self._actor is not None:
            headers["X-Artifact-Actor"] = quote(self._actor)
        if call.if_match is not None:
            headers["If-Match"] = call.if_match
        return headers

    def _json(self, answer: requests.Response, text: bytes) -> Any:
        """What the hub said; None where it said nothing, or where it was not the hub that spoke."""
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind in ("application/json", "application/problem+json") and text:
            with suppress(ValueError):
                return json.loads(text)
        if answer.status_code < 300 and answer.status_code != 204:
            if not kind:
                raise DeliveryFailed(f"{self._server.url} broke off in the head of its answer")
            raise self._no_hub(answer.status_code)
        return None

    def _problem(self, status: int, body: Any) -> problems.Problem:
        if isinstance(body, dict) and {"status", "code", "title", "detail"} <= body.keys():
            return problems.problem_of(body, self.artifact)
        return self._no_hub(status)

    def _no_hub(self, status: int) -> problems.Problem:
        detail = f"{self._server.url} answered {status}, and not as a hub does; is this its address?"
        return problems.HubFailed({"status": status, "code": "hub_failed", "title": "", "detail": detail})

    def _pieces(self, path: str) -> Iterator[bytes]:
        """The bytes of a file, from where they broke off when they did. Whether they are right, their hash tells."""
        got, failures = 0, 0
        while True:
            headers = {"Range": f"bytes={got}-"} if got else {}
            if self._actor is not None:
                headers["X-Artifact-Actor"] = quote(self._actor)
            try:
                with self._session.exchange("GET", path, headers=headers, also=ANY_ANSWER) as answer:
                    if answer.status_code not in (200, 206):
                        raise self._problem(answer.status_code, self._json(answer, answer.content))
                    skipped = got if answer.status_code == 200 else 0
                    for piece in answer.iter_content(BLOCK):
                        new, skipped = piece[skipped:], max(0, skipped - len(piece))
                        got += len(new)
                        failures = 0 if new else failures
                        yield new
                    return
            except problems.Unavailable as error:
                failure: Exception = error
            except ServerFailed as error:
                failure = problems.told("hub_unreachable", str(error))
            failures += 1
            if failures > self._retries:
                raise failure
            time.sleep(self._pause(failures - 1))

    @property
    def _session(self) -> OriginSession:
        session: OriginSession | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = OriginSession(self._server, timeout=self._timeout, deadline=math.inf)
            with self._lock:
                self._sessions.append(session)
        return session

    def _pause(self, attempt: int) -> float:
        """Seconds to wait: doubled each time, and never the same for two clients that failed together."""
        return min(self._backoff * 2.0**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1.0)


def _ahead(date: str | None) -> float:
    """Seconds by which a clock that gave this header is ahead: it tells whole seconds, and a while ago."""
    with suppress(TypeError, ValueError):
        ahead = (parsedate_to_datetime(date or "") - datetime.now(timezone.utc)).total_seconds()
        return ahead if abs(ahead) > CLOCK else 0.0
    return 0.0


def _is_transient(problem: problems.Problem, body: Any) -> bool:
    if isinstance(body, dict) and "code" in body:
        return isinstance(problem, problems.Unavailable)
    return problem.status in TRANSIENT


def _seconds(header: str | None) -> float:
    return min(float(header), LONGEST_PAUSE) if header is not None and header.isascii() and header.isdigit() else 0.0
