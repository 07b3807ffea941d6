"""Owns what the operator says of a server: its address, its secrets, and whose certificates it may show."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .errors import BadConfiguration

__all__ = ["Server", "Temporal"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*\.?")
_BASE_PATH = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}\Z")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_OUR_HEADERS = frozenset(
    ("accept-encoding", "connection", "content-length", "content-type", "host", "transfer-encoding", "upgrade")
)
"""What the exchange itself is made of: none is the operator's to set."""


@dataclass(frozen=True)
class Server:
    """A ComfyUI server that the operator registered: the only kind of host that this program ever talks to.

    `repr()` never shows the token or the headers. `headers` go with every request beside the token; `ca_file` has
    certificates of authorities (PEM) that are believed for this server beside the system's.

    `url` is kept in the canonical form that `parse_url` gives, so that equal addresses compare equal.
    Raises BadConfiguration, naming the server and never a secret, when something of it cannot be used.
    """

    name: str
    url: str
    token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "url", self.parse_url(self.url))
        except BadConfiguration as error:
            raise BadConfiguration(f"server {self.name!r}: {error}", server=self.name) from error
        # requests would quote a token that it cannot send in its error message.
        if self.token is not None and _TOKEN.fullmatch(self.token) is None:
            raise BadConfiguration(
                f"server {self.name!r}: its token is empty, or holds a blank, a line end or a letter outside ASCII",
                server=self.name,
            )
        for header, value in self.headers.items():
            self._check_header(header, value)
        if self.ca_file is not None:
            self._check_authorities(self.ca_file)

    @property
    def credentials(self) -> dict[str, str]:
        """The headers that go with every request to this server, and to no other."""
        token = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        return {**self.headers, **token}

    def _check_header(self, header: str, value: str) -> None:
        where = f"server {self.name!r}: header {header!r}"
        if _HEADER.match(header) is None or header.lower() in _OUR_HEADERS:
            raise BadConfiguration(f"{where} is none that can be set", server=self.name)
        if header.lower() == "authorization" and self.token is not None:
            raise BadConfiguration(f"{where} is what token_env sets; name one of them", server=self.name)
        if re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", value) is None:
            what = "its value is empty, begins or ends with a blank, or holds a line end or a letter outside ASCII"
            raise BadConfiguration(f"{where}: {what}", server=self.name)

    def _check_authorities(self, file: Path) -> None:
        import ssl

        where = f"server {self.name!r}: ca_file"
        if not self.url.startswith("https:"):
            raise BadConfiguration(f"{where} is for an url that begins with https://", server=self.name)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
        except ssl.SSLError as error:
            raise BadConfiguration(f"{where} {file} holds no certificate in PEM format", server=self.name) from error
        except OSError as error:
            raise BadConfiguration(f"{where} {file} cannot be read: {error.strerror}", server=self.name) from error

    @staticmethod
    def parse_url(url: str) -> str:
        """`url` in canonical form: lower-case origin without its default port, base path without "/" at its end.

        Takes http and https with an optional base path. Raises BadConfiguration for anything else: user names and
        passwords, queries, fragments, hosts outside ASCII. The message does not quote `url`, which may hold a secret.
        """
        if re.fullmatch(r"[\x21-\x7e]+", url) is None or "\\" in url:
            raise BadConfiguration(r"url must be ASCII without blanks and without \ (write other hosts as xn--…)")
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or ""), parts.port
        except ValueError:
            # Without the cause: its text quotes the url.
            raise BadConfiguration("url is malformed: its host or port cannot be read") from None
        if parts.scheme not in _DEFAULT_PORTS or not host:
            raise BadConfiguration("url must begin with http:// or https:// and a host")
        if "@" in parts.netloc:
            raise BadConfiguration("url must not hold a user name or password; name the token with token_env")
        if "?" in url or "#" in url:
            raise BadConfiguration("url must end with the host, port or base path: no query, no fragment")
        written = f"[{host}]" if ":" in host else host
        # Compared as a whole: older Pythons overlook letters around brackets, and underscores in a port.
        if parts.netloc.lower() not in (written, f"{written}:", f"{written}:{port}") or not _is_host(host) or port == 0:
            raise BadConfiguration("url is malformed: no such host or port can exist")
        path = parts.path.rstrip("/")
        segments = unquote(path).split("/")[1:]
        if _BASE_PATH.fullmatch(path) is None or any(segment in ("", ".", "..") for segment in segments):
            raise BadConfiguration("url has a base path that is not a plain one")
        port_part = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
        return f"{parts.scheme}://{written}{port_part}{path}"


@dataclass(frozen=True)
class Temporal:
    """A Temporal server: `HOST:PORT`, or `HOST:PORT/NAMESPACE`. With any of the rest it is spoken to with TLS only.

    `ca_file` has the authorities (PEM) that are believed in place of the system's; `cert_file` and `key_file` are what
    this machine shows of itself. `repr()` never shows the key. Raises BadConfiguration, never with a secret in it.
    """

    address: str = "127.0.0.1:7233"
    api_key: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        if self.api_key is not None and _TOKEN.fullmatch(self.api_key) is None:
            raise BadConfiguration(
                "temporal: its API key is empty, or holds a blank, a line end or a letter outside ASCII"
            )
        if (self.cert_file is None) != (self.key_file is None):
            raise BadConfiguration("temporal_cert_file and temporal_key_file go together: name both, or none")

    @property
    def target(self) -> str:
        """Its host and port."""
        return self.address.partition("/")[0]

    @property
    def namespace(self) -> str:
        return self.address.partition("/")[2] or "default"

    @property
    def is_secured(self) -> bool:
        return any((self.api_key, self.ca_file, self.cert_file))


def _is_host(host: str) -> bool:
    if ":" not in host:
        return _URL_HOST.fullmatch(host) is not None
    try:
        return ipaddress.IPv6Address(host).scope_id is None
    except ValueError:
        return False
