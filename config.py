"""Owns the configuration: where the file lies, what may stand in it, and what it says. Read by all floors.

Servers, folders and secrets come from here and from nowhere else: never from a workflow, a widget or a request.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from .errors import BadConfiguration, UnknownServer

__all__ = ["FILE_NAME", "Approval", "Config", "Server", "load_config", "user_folder"]

FILE_NAME = "artifact-db.toml"
PREFIX = "ARTIFACT_DB_"
DEFAULT_MAX_UPLOAD_MB = 16 * 1024

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?\Z")


@dataclass(frozen=True)
class Server:
    """A ComfyUI server that the operator registered: the only kind of host that this program ever talks to."""

    name: str
    url: str
    token_env: str | None = None

    @property
    def token(self) -> str | None:
        """The bearer token, read from the environment when it is needed, so that it is in no copy of this object."""
        return os.environ.get(self.token_env) if self.token_env else None


@dataclass(frozen=True)
class Approval:
    """What new outputs and edits start as, where nobody says otherwise."""

    default: Literal["auto", "required"] = "auto"
    edited: Literal["usable", "pending"] = "usable"


@dataclass(frozen=True)
class Config:
    """A whole, checked configuration. Paths are absolute; `max_upload` is in bytes."""

    folder: Path
    file: Path | None
    database: str
    store: Path
    temporal: str = "127.0.0.1:7233"
    record: Literal["nodes", "all"] = "nodes"
    hosts: tuple[str, ...] = ()
    local_trust: bool = True
    max_upload: int = DEFAULT_MAX_UPLOAD_MB * 1024 * 1024
    servers: Mapping[str, Server] = field(default_factory=dict)
    approval: Approval = Approval()

    def server(self, name: str) -> Server:
        """The configured server of this name.

        Raises:
            UnknownServer: there is none; `data["servers"]` has the configured names.
        """
        if name in self.servers:
            return self.servers[name]
        known = sorted(self.servers)
        names = ", ".join(known) if known else f"none; add [servers.NAME] with a url to {FILE_NAME}"
        raise UnknownServer(f"no server {name!r} is configured (configured: {names})", field="server", servers=known)

    def server_label(self, address: str) -> str:
        """What a row calls a server: the configured name where `address` is that server's URL, else `address`."""
        try:
            url = _checked_url(address, "server_address")
        except BadConfiguration:
            return address
        return next((server.name for server in self.servers.values() if server.url == url), address)


def user_folder() -> Path:
    """The platform's folder for this program's configuration, used outside of ComfyUI."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "artifact-db"


def load_config(folder: Path | None = None, environment: Mapping[str, str] | None = None) -> Config:
    """Find, read and check the configuration.

    Args:
        folder: ComfyUI's system user folder for us; None where there is no ComfyUI. `$ARTIFACT_DB_CONFIG` wins.
        environment: in place of `os.environ`.
    Raises:
        BadConfiguration: an unknown key, a wrong value or a file that cannot be read; the message says what is accepted.
    """
    environment = os.environ if environment is None else environment
    named = environment.get(f"{PREFIX}CONFIG")
    file = Path(named).expanduser().resolve() if named else (folder or user_folder()).resolve() / FILE_NAME
    values = _read(file, must_exist=bool(named))
    for key in _TOP_LEVEL:
        if (text := environment.get(PREFIX + key.upper())) is not None:
            values[key] = _from_text(key, text)
    return _checked(values, file)


def _read(file: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if must_exist:
            raise BadConfiguration(f"{PREFIX}CONFIG names {file}, which is not there") from error
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"{file} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise BadConfiguration(f"{file} is not TOML: {error}") from error


def _from_text(key: str, text: str) -> Any:
    if key == "hosts":
        return [host.strip() for host in text.split(",") if host.strip()]
    if key == "local_trust":
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    if key == "max_upload_mb":
        return int(text) if text.isascii() and text.isdigit() else text
    return text


def _checked(values: dict[str, Any], file: Path) -> Config:
    _refuse_unknown(values, (*_TOP_LEVEL, "servers", "approval"), "")
    plain = {key: check(values[key], key) for key, check in _TOP_LEVEL.items() if key in values}
    folder = file.parent
    if plain.pop("hub", ""):
        raise BadConfiguration("hub: recording into another hub is not in this release; leave it out")
    plain.pop("hub_token_env", None)
    if plain.get("record") == "all":
        raise BadConfiguration('record: "all" is not in this release; "nodes" is')
    database = plain.pop("database", "sqlite:///artifacts.db")
    scheme, separator, path = database.partition(":///")
    if scheme == "sqlite" and separator:
        database = f"sqlite:///{folder / Path(path).expanduser()}"
    return Config(
        folder=folder,
        file=file if file.exists() else None,
        database=database,
        store=folder / Path(plain.pop("store", "store")).expanduser(),
        max_upload=plain.pop("max_upload_mb", DEFAULT_MAX_UPLOAD_MB) * 1024 * 1024,
        servers=_servers(values.get("servers", {})),
        approval=_approval(values.get("approval", {})),
        **plain,
    )


def _servers(tables: Any) -> dict[str, Server]:
    servers: dict[str, Server] = {}
    for name, table in _table(tables, "servers").items():
        where = f"servers.{name}"
        if not _NAME.match(name):
            raise BadConfiguration(f"{where}: a server's name has letters, digits, '.', '_' and '-', 64 at most")
        _refuse_unknown(_table(table, where), ("url", "token_env"), where)
        if "url" not in table:
            raise BadConfiguration(f"{where}: url is missing")
        token_env = _text(table["token_env"], f"{where}.token_env") if "token_env" in table else None
        servers[name] = Server(name, _checked_url(table["url"], f"{where}.url"), token_env)
    return servers


def _approval(table: Any) -> Approval:
    accepted = {"default": ("auto", "required"), "edited": ("usable", "pending")}
    _refuse_unknown(_table(table, "approval"), tuple(accepted), "approval")
    return Approval(**{key: _one_of(*accepted[key])(value, f"approval.{key}") for key, value in table.items()})


def _checked_url(value: Any, where: str) -> str:
    """An http(s) origin with an optional base path, without its trailing slash."""
    text = _text(value, where)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise BadConfiguration(f"{where} is {text!r}: not a URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadConfiguration(f"{where}: a server's url begins with http:// or https:// and names a host")
    if parts.username is not None or parts.password is not None:
        raise BadConfiguration(f"{where}: no user or password in a url; name a variable with token_env instead")
    if parts.query or parts.fragment or not text.isprintable() or " " in text:
        raise BadConfiguration(f"{where}: a server's url has no '?', '#' or blanks")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    standard = {"http": 80, "https": 443}[parts.scheme]
    authority = host if port in (None, standard) else f"{host}:{port}"
    return f"{parts.scheme}://{authority}{parts.path.rstrip('/')}"


def _refuse_unknown(values: Mapping[str, Any], accepted: tuple[str, ...], where: str) -> None:
    for key in values:
        if key not in accepted:
            name = f"{where}.{key}" if where else key
            raise BadConfiguration(f"unknown key {name!r}; accepted here: {', '.join(accepted)}")


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadConfiguration(f"{where} is a table: write [{where}]")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise BadConfiguration(f"{where} is {value!r}: a text is accepted")
    return value


def _one_of(*accepted: str) -> Callable[[Any, str], Any]:
    def check(value: Any, where: str) -> Any:
        if value not in accepted:
            raise BadConfiguration(f"{where} is {value!r}; accepted: {', '.join(accepted)}")
        return value

    return check


def _hosts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(host, str) and _HOST.match(host) for host in value):
        raise BadConfiguration(f"{where} is {value!r}: a list of host names without port is accepted")
    return tuple(host.lower() for host in value)


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise BadConfiguration(f"{where} is {value!r}; accepted: true, false")
    return value


def _megabytes(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1024 * 1024:
        raise BadConfiguration(f"{where} is {value!r}: a whole number of megabytes from 1 to 1048576 is accepted")
    return value


_TOP_LEVEL: dict[str, Callable[[Any, str], Any]] = {
    "database": _text,
    "store": _text,
    "hub": _text,
    "hub_token_env": _text,
    "temporal": _text,
    "record": _one_of("nodes", "all"),
    "hosts": _hosts,
    "local_trust": _flag,
    "max_upload_mb": _megabytes,
}
