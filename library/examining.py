"""Owns `doctor`: what is configured, there, reachable, missing, left over or nearly full. It changes nothing.

Asked to, it moves files that no row names into the quarantine. It never takes one that a living process is about to
commit: such a file was promised by an intent before it got its name, and the intent stays until the row is there.
"""

from __future__ import annotations

import os
import platform
import socket
import sqlite3
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from ..comfyui_client import health
from ..comfyui_client.health import Health
from ..config import Config, Server, Temporal
from ..db.connections import Database
from ..db.inspecting import Inspection, known_migrations
from ..errors import StoreFailed, Unavailable
from ..storage import disks, inspecting
from ..storage.local import FILES
from . import stores

Level = Literal["ok", "note", "wrong"]

SETTLED = 300.0
"""Seconds after which a file without a row may be called an orphan."""

PAGE = 500
MAX_NAMED = 50
"""How many of each kind are named; the others are counted."""

MANY = 20
"""Orphans above which half of the store is too many to be moved: it may be another database's."""

TEMPORAL_SECONDS = 5.0

DEPENDENCIES = ("peewee", "aiohttp", "pillow", "av", "requests", "jinja2", "pyyaml", "filelock", "tqdm")

INSTALL_TEMPORALIO = 'pip install "temporalio>=1.20,<2"'


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `note` is worth knowing, `wrong` wants to be mended; `items` names what it is."""

    about: str
    level: Level
    text: str
    items: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


Advance = Callable[[int], None]


def examine(config: Config, *, quarantine: bool = False, advance: Advance = lambda _: None) -> Iterator[Check]:
    """Look at everything, one thing after the other.

    Args:
        quarantine: move files that no row names out of the way.
        advance: hears of each row and file that was looked at.
    Raises:
        BadConfiguration: the database's URL is of no engine that this release speaks.
    """
    inspection = Inspection(Database(config.database))
    yield configuration(config)
    is_current = yield from _database(inspection)
    yield from machine(config, inspection.path)
    yield from _temporal(config, inspection if is_current else None)
    if (reason := _reason_against(config.store, inspection)) is not None:
        told = f"{config.store}: {reason}. Mount it, or make this the store: `artifact-db migrate --adopt-store`"
        yield Check("store", "wrong", told)
        return
    if not config.store.is_dir():
        yield Check("store", "note", f"{config.store} is not there yet; it is made when it is first needed")
        return
    yield from staging(config.store)
    if is_current:
        try:
            yield _missing(config.store, inspection, advance)
            yield from _orphans(config.store, inspection, quarantine, advance)
        except Unavailable as error:
            yield Check("files", "wrong", str(error))


def machine(config: Config, database: Path | None) -> Iterator[Check]:
    """Look at what is around the records: disks, servers, and what is installed. None: no database is kept here."""
    yield from _disks(config, database)
    yield from _servers(config)
    yield from _dependencies()


def configuration(config: Config) -> Check:
    """Where the configuration comes from."""
    file = str(config.file) if config.file else "none; everything has its default"
    return Check("configuration", "ok", f"file: {file}", data={"file": str(config.file) if config.file else None})


def _database(inspection: Inspection) -> Generator[Check, None, bool]:
    """Returns whether its rows can be asked for."""
    if not inspection.exists():
        yield Check("database", "note", f"{inspection.path} is not there yet; it is made when it is first needed")
        return False
    try:
        if (damage := inspection.quick_check()) is not None:
            text = f"{inspection.path} is damaged ({damage}); restore a backup, the files in the store are untouched"
            yield Check("database", "wrong", text)
            return False
        applied, known, mode = inspection.applied(), known_migrations(), inspection.journal_mode()
    except Unavailable as error:
        yield Check("database", "wrong", str(error))
        return False
    version = applied[-1] if applied else "none"
    told = {"path": str(inspection.path), "bytes": inspection.bytes(), "version": version}
    text = f"SQLite {sqlite3.sqlite_version}, {inspection.path}, version {version}, journal mode {mode}"
    yield Check("database", "ok", text, data={**told, "engine": "sqlite", "journal_mode": mode})
    if newer := [name for name in applied if name not in known]:
        yield Check("database", "wrong", f"a newer release wrote it (it has {', '.join(newer)}): update the extension")
    elif older := [name for name in known if name not in applied]:
        yield Check("database", "note", f"the next start brings it up to date: {', '.join(older)}")
    if mode != "wal":
        yield Check("database", "note", f"its journal mode is {mode}; the next start makes it wal")
    return applied == known


def _disks(config: Config, database: Path | None) -> Iterator[Check]:
    kept = [("database", database.parent)] if database is not None else []
    for about, path in (*kept, ("store", config.store)):
        found = disks.disk_of(path)
        if found is None:
            yield Check(about, "wrong", f"the disk of {path} cannot be asked how full it is")
            continue
        used = 100 - 100 * found.free // max(found.total, 1)
        told = asdict(found)
        text = f"its disk has {found.free / 1000**3:.1f} GB of {found.total / 1000**3:.1f} GB free ({used} % used)"
        yield Check(
            about, "note" if found.nearly_full else "ok", text + ("; make room" if found.nearly_full else ""), data=told
        )
        if found.kind in disks.TEMPORARY or _is_temporary(path):
            yield Check(about, "note", f"{path} is on a temporary file system, which a restart may empty")
        if about == "database" and found.kind in disks.REMOTE:
            yield Check(about, "wrong", f"{path} is on a network file system ({found.kind}), where SQLite is not safe")
        if path.exists() and not inspecting.writable(path):
            yield Check(about, "wrong", f"this user may not write into {path}")


def _reason_against(root: Path, inspection: Inspection) -> str | None:
    try:
        return stores.reason_against(root, inspection) if inspection.exists() else None
    except StoreFailed as error:
        return str(error)
    except Unavailable:
        return None  # What is the matter with the database is said already.


def _is_temporary(path: Path) -> bool:
    """Whether a path is below the folder that the system empties."""
    real, temporary = os.path.realpath(path), os.path.realpath(tempfile.gettempdir())
    return real == temporary or real.startswith(temporary + os.sep)


def _servers(config: Config) -> Iterator[Check]:
    servers = list(config.servers.values())
    if not servers:
        yield Check("servers", "ok", "none are configured")
        return
    for server, found in zip(servers, health.look(servers), strict=True):
        yield _server(server, found)


def _server(server: Server, found: Health) -> Check:
    token = "with a token" if server.token is not None else "without a token"
    label, told = f"{server.name} ({server.url}, {token})", asdict(found)
    if found.error is not None:
        return Check("servers", "wrong", f"{label}: {found.error}", data=told)
    version = f"ComfyUI {found.version}" if found.version is not None else "ComfyUI, of an unknown version"
    prompts = "1 prompt" if found.queue == 1 else f"{found.queue} prompts"
    return Check("servers", "ok", f"{label}: {version}, {prompts} in its queue", data=told)


def _temporal(config: Config, inspection: Inspection | None) -> Iterator[Check]:
    """Whether the Temporal server answers, where one is configured or chains wait for its workers."""
    try:
        count = inspection.open_drives("temporal") if inspection is not None else 0
    except Unavailable:
        count = 0  # What is the matter with the database is said already.
    if not count and config.temporal == Temporal():
        return
    address = config.temporal.target
    host, _, port = address.rpartition(":")
    chains = "1 chain is" if count == 1 else f"{count} chains are"
    told = {"address": config.temporal.address, "chains": count}
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=TEMPORAL_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        text = f"{address} does not answer ({error}), {chains} driven through it; start it, or name yours as `temporal`"
        yield Check("temporal", "wrong", text, data=told)
        return
    yield Check("temporal", "ok", f"{address} answers, {chains} driven through it", data=told)
    if find_spec("temporalio") is None:
        yield Check("temporal", "note", f"temporalio is not installed here, a worker needs it: {INSTALL_TEMPORALIO}")


def _dependencies() -> Iterator[Check]:
    versions: dict[str, str | None] = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for name in DEPENDENCIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    text = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    yield Check("versions", "ok", text, data=dict(versions))
    for name, version in versions.items():
        if version is None:
            yield Check("versions", "wrong", f"{name} is not installed; install what requirements.txt lists")


def staging(root: Path) -> Iterator[Check]:
    """Look at what processes have under way in a store, or had, and at what was set aside."""
    living = gone = waiting = left = 0
    for folder in inspecting.staging(root):
        living += folder.lives
        gone += not folder.lives
        waiting += 0 if folder.lives else folder.intents
        left += 0 if folder.lives else folder.parts
    yield Check("staging", "ok", f"{living} process(es) at work", data={"living": living})
    if waiting:
        text = f"{waiting} interrupted record(s) wait; the next start of ComfyUI or of the hub completes them"
        yield Check("staging", "note", text, data={"intents": waiting})
    elif gone:
        text = f"{gone} process(es) ended without tidying up, {left} part(s) are left; the next start removes them"
        yield Check("staging", "note", text, data={"folders": gone, "parts": left})
    kept = inspecting.quarantine(root)
    if kept:
        text = f"{len(kept)} file(s), {sum(size for _, size in kept)} bytes; look at them, they are never deleted"
        yield Check("quarantine", "note", text, _named([name for name, _ in kept]), {"files": len(kept)})


def _missing(root: Path, inspection: Inspection, advance: Advance) -> Check:
    """Rows whose file is not there, looked at twice: what is deleted meanwhile is not missing."""
    found, after = [], ""
    while rows := inspection.files(after, PAGE):
        after = rows[-1][0]
        gone = [row for row in rows if not inspecting.is_file(root, row[1])]
        still = inspection.named([path for _, path, _ in gone]) if gone else set()
        found += [f"{id} ({name})" for id, path, name in gone if path in still and not inspecting.is_file(root, path)]
        advance(len(rows))
    if not found:
        return Check("files", "ok", "every artifact's file is there")
    text = f"the file of {len(found)} artifact(s) is missing; `artifact-db verify` says which decisions that touches"
    return Check("files", "wrong", text, _named(found), {"missing": len(found)})


def _orphans(root: Path, inspection: Inspection, quarantine: bool, advance: Advance) -> Iterator[Check]:
    count = size = 0
    orphans: list[tuple[str, int]] = []
    for batch in inspecting.stored_files(root):
        count += len(batch)
        size += sum(bytes for _, bytes in batch)
        known = inspection.named([path for path, _ in batch])
        orphans += [(path, bytes) for path, bytes in batch if path not in known]
        advance(len(batch))
    yield Check("store", "ok", f"{root}: {count} file(s), {size} bytes", data={"files": count, "bytes": size})
    orphans = [(path, bytes) for path, bytes in orphans if _is_orphan(root, inspection, path)]
    if not orphans:
        return
    names = _named([path.removeprefix(f"{FILES}/") for path, _ in orphans])
    told = {"orphans": len(orphans), "bytes": sum(bytes for _, bytes in orphans)}
    text = f"{len(orphans)} file(s), {told['bytes']} bytes, are named by no row"
    if quarantine and len(orphans) > MANY and 2 * len(orphans) > count:
        text += "; that is most of the store, so nothing was moved: is this the store of this database?"
        yield Check("orphans", "wrong", text, names, told)
    elif quarantine:
        moved = sum(_set_aside(root, inspection, path) for path, _ in orphans)
        yield Check("orphans", "note", f"{moved} file(s) that no row names were moved into the quarantine", names, told)
    else:
        yield Check("orphans", "wrong", f"{text}; --quarantine moves them out of the way", names, told)


def _is_orphan(root: Path, inspection: Inspection, path: str) -> bool:
    """Whether nobody names a file and nobody is about to.

    A file gets its name after its intent was written, and its intent goes after its row was committed: one without a
    row and without an intent, in this order, has neither; and then the row is asked for once more.
    """
    seconds = inspecting.age(root, path, time.time())
    if seconds is None or seconds < SETTLED or inspection.named([path]):
        return False
    if path in inspecting.promised(root):
        return False
    return not inspection.named([path]) and inspecting.age(root, path, time.time()) is not None


def _set_aside(root: Path, inspection: Inspection, path: str) -> int:
    if not _is_orphan(root, inspection, path):
        return 0
    inspecting.set_aside(root, path)
    return 1


def _named(items: list[str]) -> tuple[str, ...]:
    more = len(items) - MAX_NAMED
    return (*items[:MAX_NAMED], f"and {more} more") if more > 0 else tuple(items)
