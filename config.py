"""Owns the configuration: where the file lies, what may stand in it, and what it says. Read by all floors.

Servers, folders and secrets come from here and from nowhere else: never from a workflow, a widget or a request.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from .errors import BadConfiguration, Invalid, UnknownServer
from .servers import Server, Temporal

__all__ = ["FILE_NAME", "Approval", "Config", "Server", "Temporal", "load_config", "user_folder"]

logger = logging.getLogger("artifact_db.config")

FILE_NAME = "artifact-db.toml"
PREFIX = "ARTIFACT_DB_"
DEFAULT_MAX_UPLOAD_MB = 16 * 1024

ROUTES = "/artifact-db"
"""Where the routes of a hub lie on its server."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?\Z")


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
    temporal: Temporal = field(default_factory=Temporal)
    record: Literal["nodes", "all"] = "nodes"
    hosts: tuple[str, ...] = ()
    local_trust: bool = True
    max_upload: int = DEFAULT_MAX_UPLOAD_MB * 1024 * 1024
    servers: Mapping[str, Server] = field(default_factory=dict)
    approval: Approval = Approval()
    folders: Mapping[str, Path] = field(default_factory=dict)
    hub: Server | None = None
    """Where everything is recorded instead: no database is kept here, and the store holds what is on its way there."""

    def import_folder(self, name: str) -> Path:
        """The folder that may be imported under this name, wherever it is asked for.

        Raises:
            Invalid: there is none; `data["folders"]` has the configured names.
        """
        if name in self.folders:
            return self.folders[name]
        known = sorted(self.folders)
        names = ", ".join(known) if known else f'none; add NAME = "PATH" below [folders] to {FILE_NAME}'
        raise Invalid(f"no folder {name!r} is configured (configured: {names})", field="folder", folders=known)

    def folder_label(self, path: Path) -> str:
        """What the log calls a folder: the configured name where it has one, else its own."""
        same = (name for name, folder in self.folders.items() if os.path.realpath(folder) == os.path.realpath(path))
        return next(same, path.name or "folder")

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
            url = Server.parse_url(address)
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
        BadConfiguration: an unknown key, a wrong value or an unreadable file; the message says what is accepted.
    """
    environment = os.environ if environment is None else environment
    named = environment.get(f"{PREFIX}CONFIG")
    file = Path(named).expanduser().resolve() if named else (folder or user_folder()).resolve() / FILE_NAME
    values = _read(file, must_exist=bool(named))
    for key in _TOP_LEVEL:
        if (text := environment.get(PREFIX + key.upper())) is not None:
            values[key] = _from_text(key, text)
    return _checked(values, file, environment)


def _read(file: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        return dict(tomllib.loads(file.read_text(encoding="utf-8")))
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


def _checked(values: dict[str, Any], file: Path, environment: Mapping[str, str]) -> Config:
    _refuse_unknown(values, (*_TOP_LEVEL, "servers", "approval", "folders"), "")
    plain = {key: check(values[key], key) for key, check in _TOP_LEVEL.items() if key in values}
    folder = file.parent
    hub, temporal = _hub(plain, folder, environment), _temporal(plain, folder, environment)
    database = plain.pop("database", "sqlite:///artifacts.db")
    scheme, separator, path = database.partition(":///")
    if scheme == "sqlite" and separator:
        database = f"sqlite:///{_path(folder, path, 'database')}"
    return Config(
        folder=folder,
        file=file if file.exists() else None,
        database=database,
        store=_path(folder, plain.pop("store", "store"), "store"),
        max_upload=plain.pop("max_upload_mb", DEFAULT_MAX_UPLOAD_MB) * 1024 * 1024,
        servers=_servers(values.get("servers", {}), folder, environment),
        approval=_approval(values.get("approval", {})),
        folders=_folders(values.get("folders", {}), folder),
        hub=hub,
        temporal=temporal,
        **plain,
    )


def _hub(plain: dict[str, Any], folder: Path, environment: Mapping[str, str]) -> Server | None:
    """The hub that is named, also by the address of its routes; None where this machine is one itself.

    It, and what belongs to it, is taken out of `plain`.
    """
    url, token_env = plain.pop("hub", ""), plain.pop("hub_token_env", "")
    ca_file = _file(plain, "hub_ca_file", folder)
    if not url:
        return None
    token = _secret(token_env, "hub_token_env", environment) if token_env else None
    try:
        return Server("hub", url.rstrip("/").removesuffix(ROUTES), token, ca_file=ca_file)
    except BadConfiguration as error:
        said = str(error).replace("server 'hub': ca_file", "hub_ca_file", 1).replace("server 'hub'", "hub", 1)
        raise BadConfiguration(said) from error


def _temporal(plain: dict[str, Any], folder: Path, environment: Mapping[str, str]) -> Temporal:
    """The Temporal server; it, and what belongs to it, is taken out of `plain`."""
    key_env, address = plain.pop("temporal_api_key_env", ""), plain.pop("temporal", Temporal.address)
    files = {name: _file(plain, f"temporal_{name}", folder) for name in ("ca_file", "cert_file", "key_file")}
    return Temporal(address, _secret(key_env, "temporal_api_key_env", environment) if key_env else None, **files)


def _file(plain: dict[str, Any], key: str, folder: Path) -> Path | None:
    """The file that is named, which is taken out of `plain`; None where none is."""
    return _path(folder, named, key) if (named := plain.pop(key, "")) else None


def _path(folder: Path, text: str, where: str) -> Path:
    """A path that counts from the file's folder, `~` being the home."""
    try:
        path = Path(_filled(text, where)).expanduser()
    except RuntimeError as error:
        raise BadConfiguration(f"{where} is {text!r}: nobody of this name has a home here") from error
    return folder / path


def _servers(tables: Any, folder: Path, environment: Mapping[str, str]) -> dict[str, Server]:
    servers: dict[str, Server] = {}
    for name, table in _table(tables, "servers").items():
        where = f"servers.{name}"
        if not _NAME.match(name):
            raise BadConfiguration(f"{where}: a server's name has letters, digits, '.', '_' and '-', 64 at most")
        _refuse_unknown(_table(table, where), ("url", "token_env", "headers_env", "ca_file"), where)
        if "url" not in table:
            raise BadConfiguration(f"{where}: url is missing")
        named = _table(table.get("headers_env", {}), f"{where}.headers_env")
        secrets = {
            header: _secret(variable, f"{where}.headers_env.{header}", environment)
            for header, variable in named.items()
        }
        servers[name] = Server(
            name,
            _text(table["url"], f"{where}.url"),
            _secret(table["token_env"], f"{where}.token_env", environment) if "token_env" in table else None,
            {header: secret for header, secret in secrets.items() if secret is not None},
            _path(folder, table["ca_file"], f"{where}.ca_file") if "ca_file" in table else None,
        )
    return servers


def _secret(named: Any, where: str, environment: Mapping[str, str]) -> str | None:
    """What a variable holds; None where it is not set."""
    variable = _text(named, where)
    if variable not in environment:
        # The other servers, and everything that needs no server, go on without it.
        logger.warning("%s: the variable %s, which it names, is not set", where, variable)
    return environment.get(variable)


def _approval(table: Any) -> Approval:
    accepted = {"default": ("auto", "required"), "edited": ("usable", "pending")}
    _refuse_unknown(_table(table, "approval"), tuple(accepted), "approval")
    return Approval(**{key: _one_of(*accepted[key])(value, f"approval.{key}") for key, value in table.items()})


def _folders(table: Any, folder: Path) -> dict[str, Path]:
    folders = {}
    for name, path in _table(table, "folders").items():
        if not _NAME.match(name):
            raise BadConfiguration(f"folders.{name}: a name has letters, digits, '.', '_' and '-', 64 at most")
        folders[name] = _path(folder, path, f"folders.{name}")
    return folders


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


def _filled(value: Any, where: str) -> str:
    if not _text(value, where):
        raise BadConfiguration(f"{where} is empty: leave it out for the default")
    return str(value)


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
    "database": _filled,
    "store": _text,
    "hub": _text,
    "hub_token_env": _text,
    "hub_ca_file": _text,
    "temporal": _text,
    "temporal_api_key_env": _text,
    "temporal_ca_file": _text,
    "temporal_cert_file": _text,
    "temporal_key_file": _text,
    "record": _one_of("nodes", "all"),
    "hosts": _hosts,
    "local_trust": _flag,
    "max_upload_mb": _megabytes,
}
