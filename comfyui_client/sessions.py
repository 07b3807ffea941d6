"""Owns the HTTP edge to one server: every outcome of a request is an answer or one of our errors.

It refuses redirects, proxies, credentials from the environment, compressed answers, and waits without an end.
This module imports requests; whoever wants ComfyUI to start fast imports it late.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from ..errors import DeliveryFailed, ServerFailed, ServerUnreachable

if TYPE_CHECKING:
    from .servers import Server

__all__ = ["OriginSession", "trusted"]


class OriginSession:
    """Connections to the origin of one Server. Not for two threads at once."""

    def __init__(self, server: Server, *, timeout: float, deadline: float) -> None:
        """`timeout`: seconds without a byte; `deadline`: seconds for one whole exchange (late by one `timeout`)."""
        self._server = server
        self._timeout = min(timeout, deadline)
        self._deadline = _Deadline(deadline)
        self._session = _Session()
        self._session.trust_env = False  # no proxy, and no .netrc that would replace the token
        # A compressed answer would not be the stored bytes, and could be a bomb; a cached one proves nothing.
        self._session.headers.update({"Accept-Encoding": "identity", "Cache-Control": "no-cache"})
        self._session.headers["User-Agent"] = "comfyui-artifact-db"
        self._session.headers.update(server.credentials)
        self._session.mount(server.url, _Adapter(self._deadline, trusted(server)))

    def close(self) -> None:
        self._session.close()

    def grant(self, seconds: float) -> None:
        """Give the exchange under way so many seconds more: it brings what it was asked for."""
        self._deadline.extend(seconds)

    def restart(self, longer: float) -> None:
        """What was to be sent is on its way: the answer has the deadline of a whole exchange, and so many seconds."""
        self._deadline.restart()
        self._deadline.extend(longer)

    @contextmanager
    def exchange(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] | bytes | None = None,
        also: Container[int] = (),
        timeout: float | None = None,
        longer: float = 0.0,
    ) -> Iterator[requests.Response]:
        """Send a request; give its answer, of status 200 or one of `also`, with the body still to be read.

        `timeout` stands in place of the session's own, in seconds; `longer` is added to it.

        The body is read inside the `with`, where its failures become our errors too. Raises ServerUnreachable,
        DeliveryFailed when the answer breaks off or the upload is too large, ServerFailed for any other status.
        """
        self._deadline.restart()
        patience = (self._timeout if timeout is None else timeout) + longer
        label = f"server {self._server.name!r}"
        known: dict[str, Any] = {"server": self._server.name}
        try:
            with self._session.request(
                method,
                self._server.url + path,
                params=params,
                headers=headers,
                data=body,
                timeout=patience,
                allow_redirects=False,
                stream=True,
            ) as answer:
                self._refuse(answer, also)
                answer.raw.enforce_content_length = True  # urllib3 1 takes a body that breaks off for a whole one
                yield answer
        except _DeadlinePassed as error:
            raise ServerUnreachable(f"{label} did not finish within {self._deadline.seconds:g} s", **known) from error
        except requests.exceptions.SSLError as error:
            told = f"{label} could not be reached: the TLS handshake failed{_distrust(error, self._server.name)}"
            raise ServerUnreachable(told, **known) from error
        except requests.exceptions.ConnectTimeout as error:
            raise ServerUnreachable(f"{label} took no connection within {patience:g} s", **known) from error
        except requests.exceptions.Timeout as error:
            raise ServerUnreachable(f"{label} did not answer within {patience:g} s", **known) from error
        except requests.exceptions.ConnectionError as error:
            raise ServerUnreachable(f"{label} could not be reached, or fell silent half-way", **known) from error
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
            raise DeliveryFailed(f"{label} broke off in the middle of its answer", **known) from error
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            raise ServerFailed(f"the HTTP exchange with {label} failed", **known) from error

    def _refuse(self, answer: requests.Response, also: Container[int]) -> None:
        """Raise for what is not the answer asked for. Nothing that the server wrote goes into the message."""
        if answer.status_code not in also:
            self._refuse_status(answer.status_code)
        if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise DeliveryFailed(
                f"server {self._server.name!r} sent an encoded answer, which nobody asked for", server=self._server.name
            )

    def _refuse_status(self, status: int) -> None:
        name = self._server.name
        if status in (401, 403):
            raise ServerFailed(
                f"refused: server {name!r} answered {status}; check token_env of server {name!r}, or its headers_env",
                server=name,
                status=status,
            )
        if status == 413:
            raise DeliveryFailed(
                f"the file is larger than the server takes (--max-upload-size): server {name!r} answered 413",
                server=name,
                status=status,
            )
        if status == 507:
            raise DeliveryFailed(
                f"server {name!r} answered 507: its disk is full; make room there, then retry",
                server=name,
                status=status,
            )
        if 300 <= status < 400:
            raise ServerFailed(
                f"server {name!r} answered {status}, a redirect, which is not followed; "
                f"put the address it really has into url of server {name!r}",
                server=name,
                status=status,
            )
        if status != 200:
            why = "; its own log says why" if status >= 500 else ""
            raise ServerFailed(f"server {name!r} answered with status {status}{why}", server=name, status=status)


_UNKNOWN_AUTHORITY = (18, 19, 20, 21)
"""OpenSSL's X509_V_ERR codes of a chain that does not end at an authority that is believed."""


def trusted(server: Server) -> ssl.SSLContext | None:
    """Whose certificates are believed: the authorities of the system, of certifi, and its own; None without TLS."""
    if not server.url.startswith("https:"):
        return None
    return _context(server.ca_file, ssl.get_default_verify_paths())


@lru_cache(maxsize=32)
def _context(ca_file: Path | None, system: ssl.DefaultVerifyPaths) -> ssl.SSLContext:
    """Reading the authorities takes a tenth of a second; `system` says which of the system's are read."""
    context = ssl.create_default_context()
    context.load_verify_locations(requests.utils.DEFAULT_CA_BUNDLE_PATH)
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _distrust(error: BaseException, name: str) -> str:
    """Why a certificate is not believed, and what to do, where that is what a handshake failed of."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            reason = seen.verify_message.partition(",")[0].rstrip(".").lower()
            unknown = seen.verify_code in _UNKNOWN_AUTHORITY
            where = f"ca_file of server {name!r}, or hub_ca_file where that is the hub"
            remedy = f"; put the authority that signed it into {where}" if unknown else ""
            return f": its certificate is not believed ({reason}){remedy}"
        inner = next((one for one in seen.args if isinstance(one, BaseException)), None)
        seen = getattr(seen, "reason", None) if isinstance(getattr(seen, "reason", None), BaseException) else inner
    return ""


class _DeadlinePassed(Exception):
    """The exchange took too long. Not an OSError, so that requests and urllib3 let it through as it is."""


class _Deadline:
    """When the exchange under way has to be over."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.restart()

    def restart(self) -> None:
        self._end = time.monotonic() + self.seconds

    def extend(self, seconds: float) -> None:
        self._end += seconds

    def check(self) -> None:
        if time.monotonic() >= self._end:
            raise _DeadlinePassed


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: with allow_redirects=False requests still reads a redirect's whole body, however long, into memory."""


class _Adapter(HTTPAdapter):
    """Looks at the clock before each piece sent or received.

    A read timeout alone starts anew with each byte, and a block of a body, like a line of its head, is given out
    only when it is whole: a server that drips one byte a second could hold a thread for days.
    """

    def __init__(self, deadline: _Deadline, tls: ssl.SSLContext | None) -> None:
        self._deadline = deadline
        self._tls = tls
        super().__init__(pool_maxsize=1)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """What the context believes is what counts; requests would read certifi's authorities for each connection."""
        conn.cert_reqs = "CERT_REQUIRED"

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        if self._tls is not None:
            pool_kwargs["ssl_context"] = self._tls
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = _clocked_pools(self._deadline)


def _clocked_pools(deadline: _Deadline) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """urllib3's pools by scheme, with connections that look at `deadline`: urllib3 takes classes here, no objects."""

    class Answer(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
            super().__init__(cast(socket.socket, _ClockedSocket(sock, deadline)), *args, **kwargs)

    class Connection(HTTPConnection):
        response_class = Answer

        def send(self, data: Any) -> None:
            deadline.check()
            super().send(data)

    class SecureConnection(Connection, HTTPSConnection):
        pass

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}


class _ClockedSocket:
    """What http.client wants of a socket in order to read an answer from it."""

    def __init__(self, sock: socket.socket, deadline: _Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_ClockedStream(self._sock.makefile("rb", buffering=0), self._deadline))


class _ClockedStream(io.RawIOBase):
    def __init__(self, raw: socket.SocketIO, deadline: _Deadline) -> None:
        self._raw = raw
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._deadline.check()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
