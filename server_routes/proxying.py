"""Owns the way through this ComfyUI to its hub: requests and answers stream by, with the rights of whoever asks.

The person's own token or session goes on, this machine's never does: the hub is told that it is asked for somebody
else, so that it trusts nobody for the sake of this machine. What another site asks for ends here. The panel's own
files come from here, everything else from the hub.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from ..config import Config, Server
from ..errors import ArtifactDBError
from . import guarding, panel, problems, sessions
from .hub import Serving
from .problems import Refused
from .rendering import PREFIX

if TYPE_CHECKING:
    from .table import Route

logger = logging.getLogger("artifact_db.server_routes")

CONNECT_SECONDS = 5.0

SILENCE_SECONDS = 60.0
"""Without a byte of an answer to a GET; a stream of events has a heartbeat more often."""

PATIENCE = 3600.0
"""The same of a change: the hub may have to move large files, or to ask other machines."""

PIECE = 256 * 1024

MARK = "X-Forwarded-By"
"""Says that it is asked for somebody else, and to a proxy that it asks itself. It can only take rights away."""

NAME = "comfyui-artifact-db"

_ASKED = frozenset(
    header.lower()
    for header in (
        *(hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.ACCEPT_LANGUAGE, hdrs.CACHE_CONTROL, hdrs.PRAGMA, hdrs.USER_AGENT),
        *(hdrs.CONTENT_TYPE, hdrs.CONTENT_LENGTH, hdrs.RANGE, "Last-Event-ID", "Idempotency-Key", "X-Artifact-Actor"),
        *(hdrs.IF_MATCH, hdrs.IF_NONE_MATCH, hdrs.IF_MODIFIED_SINCE, hdrs.IF_UNMODIFIED_SINCE, hdrs.IF_RANGE),
    )
)
"""What goes to the hub as it is. All else is between the browser and this ComfyUI."""

_KEPT_BACK = frozenset(
    header.lower()
    for header in (
        *(hdrs.CONNECTION, hdrs.KEEP_ALIVE, hdrs.PROXY_AUTHENTICATE, hdrs.TE, hdrs.TRAILER, hdrs.TRANSFER_ENCODING),
        *(hdrs.UPGRADE, hdrs.SERVER, hdrs.DATE, hdrs.SET_COOKIE, "Alt-Svc", "Strict-Transport-Security"),
    )
)
"""What of an answer is between the hub and this ComfyUI; a cookie is set anew."""

_WRONG = "bad_configuration"

_OWN = (panel.redirect_to_page, panel.get_page, panel.get_asset)
"""What answers with files of this ComfyUI's own."""


class Proxy(Serving):
    """The way to one hub. Nothing is connected before somebody asks."""

    def __init__(self, config: Config) -> None:
        assert config.hub is not None
        self._config = config
        self._hub: Server = config.hub
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="artifact-db-proxy")
        self._session: ClientSession | None = None
        self._opening = asyncio.Lock()

    @property
    def config(self) -> Config:
        return self._config

    @property
    def pool(self) -> ThreadPoolExecutor:
        return self._pool

    async def answer(self, route: Route, request: web.Request) -> web.StreamResponse:
        """Answer for the hub, or with why that cannot be."""
        try:
            self._check(route, request)
            own = next((handler for handler in _OWN if handler is route.handler), None)
            return await (self._pass(request) if own is None else own(self, request))
        except Refused as refusal:
            return problems.of_refusal(refusal)
        except ArtifactDBError as error:
            return problems.of_error(None, error)

    async def close(self) -> None:
        """Let go of the hub."""
        if self._session is not None:
            await self._session.close()
        self._pool.shutdown(wait=False)

    def _check(self, route: Route, request: web.Request) -> None:
        if not guarding.check_sender(self, request, route.permission) and guarding.bearer(request) is None:
            raise guarding.unknown_host()
        if request.method in guarding.CHANGING:
            guarding.check_body(request, route.bodies)
        if MARK in request.headers and NAME in request.headers[MARK]:
            raise _unavailable("`hub` in artifact-db.toml of this ComfyUI names itself; name the hub", _WRONG)

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        session = await self._connected()
        patience = PATIENCE if request.method in guarding.CHANGING else SILENCE_SECONDS
        try:
            answer = await session.request(
                request.method,
                self._url(request),
                headers=self._headers(request),
                data=_body(request) if request.can_read_body else None,
                allow_redirects=False,
                timeout=ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=patience),
            )
        except (ClientError, asyncio.TimeoutError, OSError) as error:
            if not _is_there(request):
                raise ConnectionResetError("whoever asked has gone") from error
            logger.warning("the hub %s does not answer: %r", self._hub.url, error)
            raise self._away() from error
        async with answer:
            if 300 <= answer.status < 400 and answer.status != 304:
                raise _unavailable(
                    f"what `hub` names answered {answer.status}, a redirect, which is not followed; put the address "
                    "that the hub really has into artifact-db.toml of this ComfyUI",
                    _WRONG,
                )
            return await self._stream(request, answer)

    async def _stream(self, request: web.Request, answer: ClientResponse) -> web.StreamResponse:
        passed = Passed(answer.status, self._told(request, answer))
        await passed.prepare(request)
        if request.method == hdrs.METH_HEAD:
            return passed
        try:
            while piece := await self._piece(answer):
                await passed.write(piece)
            await passed.write_eof()
        except ClientError as error:
            if not _is_there(request):
                return passed
            # The answer has begun, so it can only break off, which whoever reads it sees by its length.
            logger.warning("the hub %s broke off: %r", self._hub.url, error)
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            logger.debug("whoever asked has gone")
        return passed

    async def _piece(self, answer: ClientResponse) -> bytes:
        try:
            return await answer.content.readany()
        except asyncio.TimeoutError as error:
            raise ClientError("it fell silent") from error

    def _headers(self, request: web.Request) -> dict[str, str]:
        headers = {name.title(): value for name, value in request.headers.items() if name.lower() in _ASKED}
        if (token := guarding.bearer(request)) is not None:
            headers[hdrs.AUTHORIZATION] = f"Bearer {token}"
        if (session := request.cookies.get(guarding.COOKIE)) is not None:
            headers[hdrs.COOKIE] = f"{guarding.COOKIE}={session}"
        if hdrs.ORIGIN in request.headers:
            hub = urlsplit(self._hub.url)
            headers[hdrs.ORIGIN] = f"{hub.scheme}://{hub.netloc}"
        headers.setdefault(hdrs.ACCEPT_ENCODING, "identity")
        headers[MARK] = NAME
        return headers

    def _url(self, request: web.Request) -> str:
        path, _, query = request.raw_path.partition("?")
        below = path[path.index(PREFIX) :]
        if any(unquote(segment) in (".", "..") for segment in below.split("/")):
            # Whoever stands before the hub could take it for a way out of the hub's own routes.
            raise Refused(404, "not_found", "no route has '.' or '..' in its path")
        return self._hub.url + below + (f"?{query}" if query else "")

    def _told(self, request: web.Request, answer: ClientResponse) -> list[tuple[str, str]]:
        named = {name.strip().lower() for name in answer.headers.get(hdrs.CONNECTION, "").split(",")}
        told = [
            (name, value)
            for name, value in answer.headers.items()
            if name.lower() not in _KEPT_BACK | named and not name.lower().startswith("access-control-")
        ]
        for cookie in answer.headers.getall(hdrs.SET_COOKIE, ()):
            if (kept := _cookie(request, cookie)) is not None:
                told.append((hdrs.SET_COOKIE, kept))
        return told

    def _away(self) -> Refused:
        where = urlsplit(self._hub.url).netloc
        return _unavailable(
            f"the hub at {where} does not answer. What is saved here meanwhile is kept and follows by itself; "
            "`artifact-db doctor` on this machine looks for the hub, `hub` in its artifact-db.toml says where it is"
        )

    async def _connected(self) -> ClientSession:
        async with self._opening:
            if self._session is None:
                connector = TCPConnector(limit=0, ssl=await self.off_loop(self._trusted))
                self._session = ClientSession(
                    connector=connector, cookie_jar=DummyCookieJar(), auto_decompress=False, trust_env=False
                )
        return self._session

    def _trusted(self) -> ssl.SSLContext | bool:
        if not self._hub.url.startswith("https:"):
            return True
        from ..comfyui_client.sessions import trusted

        return trusted(self._hub) or True


def _unavailable(detail: str, code: str = "unavailable") -> Refused:
    return Refused(503, code, detail, Retry_After=str(problems.RETRY_AFTER_SECONDS))


class Passed(web.StreamResponse):
    """Puts the hub's headers on last: a middleware of ComfyUI's could lay its own Content-Security-Policy over them."""

    def __init__(self, status: int, final: list[tuple[str, str]]) -> None:
        super().__init__(status=status)
        self._final = final

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        for name in {name for name, _ in self._final}:
            self.headers.popall(name, None)
        self.headers.extend(self._final)
        if hdrs.CONTENT_LENGTH not in self.headers and self.status not in (204, 304):
            self.enable_chunked_encoding()
        return await super().prepare(request)


def _is_there(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    async for piece in request.content.iter_chunked(PIECE):
        yield piece


def _cookie(request: web.Request, told: str) -> str | None:
    """The hub's session as a cookie of this origin; every other cookie is the hub's own affair."""
    jar: SimpleCookie = SimpleCookie(told)
    if guarding.COOKIE not in jar:
        return None
    cookie = jar[guarding.COOKIE]
    manner = sessions.manner(request)
    cookie.update({"domain": "", "path": manner["path"], "samesite": manner["samesite"], "httponly": True})
    cookie["secure"] = manner["secure"]
    return cookie.OutputString()
