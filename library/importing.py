"""Owns the way of a bundle into this hub: staged, checked and hashed first; then files and rows appear at once.

It goes the way of every record: parts, a promise, places, one transaction. A process that dies before the promise
leaves nothing; after it, whoever opens the store next completes the import.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from peewee import IntegrityError

from ..errors import StoreFailed, Unavailable
from ..storage.files import remove
from ..storage.local import Intent, Placement
from . import artifacts, identities, importing_rows, names, preparing
from .bundle_reading import BadBundle, Bundle, opened
from .bundle_rows import Contents, checked
from .bundles import EVENTS, FILES, ROWS
from .exporting import Progress, Root, silent
from .importing_rows import Origin
from .recording import refuse_deleted

if TYPE_CHECKING:
    from .opening import Library

KIND = "import"

TRIES = 3
"""How often an import is made ready anew when others change what it refers to in between."""


@dataclass(frozen=True)
class Imported:
    """`added` is False where everything was here already; `counts` are rows by table, `events` and `files`."""

    root: Root
    added: bool
    counts: dict[str, int] = field(default_factory=dict)


def import_bundle(library: Library, path: Path, *, by: str, progress: Progress = silent) -> Imported:
    """Take in a chain or standalone workflow from another hub, with its ids, versions, times, decisions and history.

    Raises:
        BadBundle: it is no bundle, or damaged, or says what this program would not have written; nothing was changed.
        Conflict: something else has one of its ids; nothing was changed.
        Unavailable, TooNew, StoreFailed: nothing was changed, unless it may have been committed.
    """
    by = names.checked_text(by, "actor")
    staged = _Staged(library)
    try:
        with opened(path) as bundle:
            rows, log = staged.add_list(bundle, ROWS), staged.add_list(bundle, EVENTS)
            with rows.open("rb") as rows_file, log.open("rb") as log_file:
                contents = checked(bundle, rows_file, log_file)
            origin = _origin(bundle, contents, path)
            root = Root(contents.root_kind, contents.root_id, contents.root_name)
            with library.reading():
                if importing_rows.is_here(rows, origin):
                    return Imported(root, added=False, counts=contents.counts)
            staged.add_files(bundle, contents, progress)
        added = _keep(library, staged, {"actor": by, "origin": origin.as_json(), "rows": rows.name, "events": log.name})
        return Imported(root, added=added, counts=contents.counts)
    finally:
        staged.discard()


def complete(library: Library, intent: Intent, *, interrupted: bool = False) -> bool:
    """Write the rows of an import whose files are in their places; returns whether they were not there yet.

    Args:
        interrupted: it may have come so far before, and the rows be deleted since.
    Raises:
        Conflict, TooNew, Unavailable: as `import_bundle`. Deleted: as `interrupted` says.
    """
    record = intent.record
    rows, log = (intent.path.parent / record[name] for name in ("rows", "events"))
    if not rows.exists():
        return False  # It is removed only after the commit.
    placements = dict(zip(record["artifacts"], intent.placements, strict=True))
    local_paths = [placement.local_path for placement in intent.placements]
    origin = Origin(**record["origin"])
    for tries_left in reversed(range(TRIES)):
        with library.reading():
            if interrupted and record["artifacts"]:
                refuse_deleted(record["artifacts"])
            added = not importing_rows.is_here(rows, origin)
            unnamed = [] if added else artifacts.unnamed(local_paths)
            prepared = preparing.prepare(intent.path.parent, rows, log, origin, placements) if added else None
        if prepared is None:
            break
        try:
            with library.writing(record["actor"]) as tx:
                if interrupted and record["artifacts"]:
                    refuse_deleted(record["artifacts"])
                prepared.write(tx)
            break
        except IntegrityError:
            # Somebody else's transaction came in between; what it means says `is_here`.
            if not tries_left:
                raise
        finally:
            prepared.close()
    for local_path in unnamed:
        # The same bundle came before: no row names this copy of its bytes.
        library.store.delete(local_path)
    remove(log)
    remove(rows)
    return added


class _Staged:
    """What was taken out of a bundle and is promised to nobody yet."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._parts: list[Path] = []
        self.artifacts: list[str] = []
        self.placements: list[Placement] = []

    def add_list(self, bundle: Bundle, name: str) -> Path:
        """Our own copy of one of the lists, so that nobody changes it after it was checked."""
        with self._library.store.receiving() as part:
            for data in bundle.pieces(name):
                part.write(data)
            if part.sha256 != bundle.header[f"{PurePath(name).stem}_sha256"]:
                raise BadBundle(f"{name} is not what was exported: its hash is another")
            part.finish()
        self._parts.append(part.path)
        return part.path

    def add_files(self, bundle: Bundle, contents: Contents, progress: Progress) -> None:
        """Every file, hashed while it is taken in."""
        total, done = sum(kept.size for kept in contents.files), 0
        day = identities.now()[:10]

        def tell(size: int) -> None:
            nonlocal done
            done += size
            progress(done, total)

        self._require_space(total)
        for kept in contents.files:
            with self._library.store.receiving() as part:
                for data in bundle.pieces(f"{FILES}{kept.artifact_id}"):
                    part.write(data)
                    tell(len(data))
                if part.sha256 != kept.sha256:
                    raise BadBundle(f"the file of artifact {kept.artifact_id} is not the one that was recorded")
                placement = self._library.store.finish(
                    part, artifact_id=kept.artifact_id, extension=kept.extension, day=day
                )
            self._parts.append(part.path)
            self.artifacts.append(kept.artifact_id)
            self.placements.append(placement)

    def _require_space(self, size: int) -> None:
        with suppress(OSError):
            free = shutil.disk_usage(self._library.store.root).free
            if free < size:
                raise StoreFailed(f"the store's disk has {free} bytes left, and the bundle's files have {size}")

    def promised(self) -> None:
        """From here on they belong to the intent."""
        self._parts.clear()

    def discard(self) -> None:
        """Forget what was promised to nobody."""
        for path in self._parts:
            with suppress(OSError):  # The next process that opens the store removes it.
                remove(path)


def _keep(library: Library, staged: _Staged, record: dict[str, Any]) -> bool:
    intent = library.store.promise(KIND, staged.placements, {**record, "artifacts": staged.artifacts})
    try:
        with library.deferred.unless_withdrawn(library, intent):
            library.store.place(intent)
            added = complete(library, intent)
    except Unavailable as error:
        if error.data.get("outcome_unknown"):
            staged.promised()
        raise
    library.deferred.fulfil(library, intent)
    return added


def _origin(bundle: Bundle, contents: Contents, path: Path) -> Origin:
    header = bundle.header
    told = {name: header.get(name) for name in ("hub", "exported_at", "exported_by")}
    for name, value in told.items():
        if value is not None:
            names.checked_text(value, name, longest=2000)
    return Origin(
        kind=contents.root_kind,
        id=contents.root_id,
        file=path.name.encode(errors="replace").decode(),
        rows_sha256=header["rows_sha256"],
        events_sha256=header["events_sha256"],
        **told,
    )
