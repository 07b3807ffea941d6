"""Owns adopting a folder: each file that is not here yet becomes an artifact; a second run adds nothing.

Files are taken in by a few threads and recorded in groups, each with one promise and one transaction, so that whoever
dies in between loses nothing and doubles nothing, and the writer's lock is never held for long. What was seen is
written down, so that a file that has not changed costs no more than a look at it.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import Invalid, Unavailable
from ..storage.folders import Folder, Found, walk
from ..storage.local import Intent
from . import adopting_rows, identities, names
from .adopting_files import Failed, Known, Taken, Taker, Waiting, forget
from .adopting_rows import Adopted, Outcome
from .exporting import Progress, silent

if TYPE_CHECKING:
    from .opening import Library

T = TypeVar("T")
Result = Taken | Known | Failed | None

KIND = "adopt"

AT_ONCE = 4
"""Files that are taken in side by side: while one is flushed to the disk, another is read."""

AHEAD = 32
"""Files that may be staged before those in front of them are recorded."""

GROUP, GROUP_SECONDS = 50, 10.0
"""Files in one transaction at most, and the seconds after which it is made with fewer."""

HELD, FEWEST = 0.08, 10
"""Seconds for which a group may hold the writer's lock: after one that took longer the next is smaller, to a point."""

SEEN = 1000
"""Files that turned out to be here already, and are written down together."""

PAGE = 500
"""Files of a folder that are looked up together."""

WAITS = (1.0, 2.0, 5.0, 10.0, 15.0)
"""Seconds before a group whose database is away is tried again."""


@dataclass
class Tally:
    """How far an import has come, in files. It grows as the import goes on.

    `waiting` are to be read, `done` of them were, and `bytes` are theirs. `new` got a workflow of their own, `versions`
    had changed since they were imported, `found` are of prompts that were lost; of `known` an artifact has the bytes
    already, `unchanged` are as an earlier import saw them. `left_out` counts by why.
    """

    files: int = 0
    unchanged: int = 0
    waiting: int = 0
    done: int = 0
    bytes: int = 0
    bytes_done: int = 0
    new: int = 0
    versions: int = 0
    found: int = 0
    known: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    failed: list[Failed] = field(default_factory=list)
    stopped: bool = False

    @property
    def added(self) -> int:
        return self.new + self.versions + self.found

    def plain(self) -> dict[str, Any]:
        """It as JSON."""
        failed = [asdict(failure) for failure in self.failed]
        return {**vars(self), "left_out": dict(sorted(self.left_out.items())), "failed": failed}


@dataclass(frozen=True)
class Plan:
    """What is to be taken in of a folder. `label` is what the log calls it."""

    label: str
    waiting: tuple[Waiting, ...]
    tally: Tally


def checked_folder(library: Library, folder: Path) -> Path:
    """The folder's real path.

    Raises:
        Invalid: it is no folder; or this hub's own files are in it, or it is among them.
    """
    root = Path(os.path.realpath(folder.expanduser()))
    if not root.is_dir():
        raise Invalid(f"{folder.name} is no folder that is there", field="folder")
    store = Path(os.path.realpath(library.store.root))
    database = Path(os.path.realpath(library.database.path))
    if store.is_relative_to(root) or root.is_relative_to(store) or database.is_relative_to(root):
        raise Invalid("this hub's own files are in this folder; name one that holds none of them", field="folder")
    return root


def look_through(library: Library, folder: Path, *, tally: Tally | None = None) -> Plan:
    """Go through a folder and find what is new or changed since it was imported, without reading a file.

    Args:
        tally: the one to count in; None makes one.
    Raises:
        Invalid: it is no folder, or holds this hub's own files. Unavailable, TooNew: the database is away.
    """
    root = checked_folder(library, folder)
    tally, waiting = tally if tally is not None else Tally(), []
    for found in walk(root):
        tally.left_out.update(found.left_out)
        for name, reason in found.failed:
            tally.failed.append(Failed(f"{found.subfolder}/{name}".strip("/") or ".", reason))
        tally.files += len(found.files)
        waiting += list(_changed(library, found))
    tally.waiting = len(waiting)
    tally.unchanged = tally.files - tally.waiting
    tally.bytes = sum(file.found.size for file in waiting)
    return Plan(library.config.folder_label(root), tuple(waiting), tally)


def adopt(
    library: Library,
    plan: Plan,
    *,
    by: str,
    tags: Sequence[str] = (),
    progress: Progress = silent,
    stop: threading.Event | None = None,
    at_once: int = AT_ONCE,
) -> Tally:
    """Take in what `look_through` found; once `stop` is set it ends after the group that is under way.

    Returns:
        The plan's tally, which also tells how far it came when this raises.
    Raises:
        Invalid: a tag is wrong. StoreFailed: the store's disk refuses. Unavailable, TooNew: the database is away.
            What is recorded by then stays; the same call goes on from there.
    """
    stop = stop or threading.Event()
    tags = tuple(dict.fromkeys(names.checked_tag(tag) for tag in tags))
    told = {"actor": names.checked_text(by, "actor"), "label": plan.label, "tags": list(tags)}
    with library.reading():
        taker = Taker(library, adopting_rows.lost_attempts())
    tally, group = plan.tally, _Group(library, plan.tally, told, stop)
    try:
        with closing(_results(library, taker, plan.waiting, stop, at_once)) as results:
            for waiting, result in results:
                group.add(waiting, result)
                tally.done += 1
                tally.bytes_done += waiting.found.size
                progress(tally.bytes_done, tally.bytes)
        group.record()
    finally:
        group.discard()
    tally.stopped = tally.done < tally.waiting
    return tally


def complete(library: Library, intent: Intent) -> Outcome:
    """Write the rows of a group whose files are in their places; what is here already is left as it is.

    Raises:
        Unavailable, TooNew: the database is away.
    """
    record = intent.record
    files = [Adopted(**file) for file in record["files"]]
    with library.writing(record["actor"]) as tx:
        return adopting_rows.insert_all(tx, record["label"], record["tags"], files, intent.placements)


def _results(
    library: Library, taker: Taker, files: Sequence[Waiting], stop: threading.Event, at_once: int
) -> Generator[tuple[Waiting, Result], None, None]:
    """Each file with what became of it, in their order, until `stop`; what nobody asks for any more is discarded."""
    jobs: deque[tuple[Waiting, Future[Result]]] = deque()
    with ThreadPoolExecutor(at_once, thread_name_prefix="artifact-db-import") as pool:
        try:
            for waiting in files:
                # Ids are given in the order of the files, so that those of one moment sort as they do.
                jobs.append((waiting, pool.submit(taker.take, waiting, identities.new_id())))
                if len(jobs) >= AHEAD:
                    first, job = jobs.popleft()
                    yield first, job.result()
                if stop.is_set():
                    return
            while jobs and not stop.is_set():
                first, job = jobs.popleft()
                yield first, job.result()
        finally:
            taker.over.set()
            for _, job in jobs:
                if not job.cancel() and job.exception() is None and isinstance(taken := job.result(), Taken):
                    forget(library, taken)


class _Group:
    """The files that are recorded together, and the tally that hears of them."""

    def __init__(self, library: Library, tally: Tally, told: dict[str, Any], stop: threading.Event) -> None:
        self._library, self._tally, self._told, self._stop = library, tally, told, stop
        self._taken: list[Taken] = []
        self._known: list[tuple[str, Found, str, str]] = []
        self._since = time.monotonic()
        self._size = GROUP

    def add(self, waiting: Waiting, result: Result) -> None:
        """Add the next file, and record all of them where that is enough."""
        if not self._taken and not self._known:
            self._since = time.monotonic()
        if isinstance(result, Taken):
            self._taken.append(result)
        elif isinstance(result, Known):
            self._known.append((str(waiting.folder), result.found, result.sha256, result.artifact_id))
        elif result is not None:
            self._tally.failed.append(result)
        waited = time.monotonic() - self._since
        if len(self._taken) >= self._size or len(self._known) >= SEEN or waited >= GROUP_SECONDS:
            self.record()

    def record(self) -> None:
        """Record what there is."""
        if self._taken:
            taken, self._taken = self._taken, []
            words = Counter(self._keep(taken).words)
            for word in words:
                setattr(self._tally, word, getattr(self._tally, word) + words[word])
        if self._known:
            self._again(self._remember)
            self._tally.known += len(self._known)
            self._known = []

    def discard(self) -> None:
        """Forget what was taken in and not recorded: nobody was promised it."""
        for taken in self._taken:
            forget(self._library, taken)
        self._taken = []

    def _keep(self, taken: list[Taken]) -> Outcome:
        library = self._library
        # Not `asdict`, which would copy every graph down to its last number.
        record = {**self._told, "files": [dict(vars(one.file)) for one in taken]}
        intent = library.store.promise(KIND, [one.placement for one in taken], record)
        with library.deferred.unless_withdrawn(library, intent):
            library.store.place(intent)
            outcome = self._again(lambda: self._complete(intent))
        library.deferred.fulfil(library, intent, outcome.unneeded)
        return outcome

    def _complete(self, intent: Intent) -> Outcome:
        began = time.perf_counter()
        outcome = complete(self._library, intent)
        each = (time.perf_counter() - began) / len(intent.placements)
        self._size = min(GROUP, max(FEWEST, int(HELD / each)))
        return outcome

    def _remember(self) -> None:
        with self._library.writing(self._told["actor"]):
            adopting_rows.remember(self._known)

    def _again(self, work: Callable[[], T]) -> T:
        """Work, and while the database is away wait and work again.

        Raises:
            Unavailable: it stays away, or this import is to stop; with what the worst of the tries had for data.
        """
        uncertain: dict[str, Any] = {}
        for wait in WAITS:
            try:
                return work()
            except Unavailable as error:
                uncertain = uncertain or ({"outcome_unknown": True} if error.data.get("outcome_unknown") else {})
                if self._stop.wait(wait):
                    raise Unavailable(str(error), **uncertain) from error
        try:
            return work()
        except Unavailable as error:
            raise Unavailable(str(error), **{**error.data, **uncertain}) from error


def _changed(library: Library, folder: Folder) -> Iterator[Waiting]:
    """The files of a folder that no import has seen as they are."""
    for start in range(0, len(folder.files), PAGE):
        files = folder.files[start : start + PAGE]
        with library.reading():
            rows = adopting_rows.seen(str(folder.path), files)
        for found in files:
            row = rows.get(found.name)
            if row is None:
                yield Waiting(folder.path, folder.subfolder, found)
            elif (row["size"], row["mtime_ns"]) != (found.size, found.mtime_ns):
                same_size = row["size"] == found.size
                yield Waiting(
                    *(folder.path, folder.subfolder, found), row["sha256"] if same_size else "", row["artifact_id"]
                )
