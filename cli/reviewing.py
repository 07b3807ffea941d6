"""`artifact-db list`, `show`, `approve`, `reject`, `edit` and `select`: a call of the library each."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..db.statuses import APPROVAL_STATUSES
from ..errors import Invalid
from ..library import artifacts, chains, decisions, edits, events, names, prefixes, workflows
from ..library.opening import Library
from ..library.views import Artifact, Event
from ..media import kinds
from ..storage.files import CHUNK
from . import shells

Run = Callable[[argparse.Namespace, "Path | None"], int]

COLUMNS = ("ID", "STATUS", "VERSION", "CURRENT", "SIZE", "CREATED", "FILE")
DEFAULT_LIMIT = 50
MOST_EVENTS = 500
SHOWN = 200
"""Characters of a value that `show` prints; --json has all."""


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    _add_list(commands)
    show = _add(commands, "show", "an artifact, a workflow or a chain: its facts and its history", show_one)
    show.add_argument("id", metavar="ID", help="an id, or at least its first 8 characters")
    show.add_argument("--json", action="store_true", help="print one JSON object")
    for name, about, run in (
        ("approve", "approve an artifact", approve),
        ("reject", "reject an artifact, with a reason", reject),
        ("select", "make a usable artifact the current one of its workflow", select),
        ("edit", "record a file as the next version of an artifact", edit),
    ):
        command = _add(commands, name, about, run)
        command.add_argument("id", metavar="ID", help="an artifact's id, or at least its first 8 characters")
        if name == "reject":
            command.add_argument("--reason", required=True, help="why; it is part of the record")
        if name == "edit":
            command.add_argument("file", metavar="FILE", type=Path, help="the edited file, of the same type")
        shells.add_actor(command)
        command.add_argument("--json", action="store_true", help="print the artifact as a JSON object")


def _add(commands: Any, name: str, about: str, run: Run) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=about)
    parser.set_defaults(run=run)
    return parser


def _add_list(commands: Any) -> None:
    parser = _add(commands, "list", "artifacts, newest first", list_all)
    parser.add_argument("--status", choices=APPROVAL_STATUSES, help="only of this status")
    parser.add_argument("--chain", metavar="CHAIN", help="only of this chain: its name, its id, or the beginning of it")
    parser.add_argument("--step", metavar="NAME", help="only of steps of this name")
    parser.add_argument("--tag", metavar="TAG", help="only with this tag")
    parser.add_argument("--q", metavar="WORDS", help="only where names have words that begin so")
    parser.add_argument("--queue", action="store_true", help="only what waits for a decision")
    parser.add_argument("--limit", metavar="N", type=_limit, default=DEFAULT_LIMIT, help="how many (default: 50)")
    parser.add_argument("--json", action="store_true", help="print JSON objects, one a line")


def list_all(options: argparse.Namespace, folder: Path | None) -> int:
    """Print a line for each artifact.

    Raises:
        ArtifactDBError: the message says why.
    """
    with shells.opened(folder) as library:
        found = _listed(library, options)
        if options.json:
            for artifact in found:
                shells.say_json(_plain(library, artifact))
            return 0
    shells.say_table(COLUMNS, [_row(artifact) for artifact in found])
    return 0


def _listed(library: Library, options: argparse.Namespace) -> list[Artifact]:
    chain = prefixes.find_chain(library, options.chain) if options.chain else None
    filters = {"status": options.status, "chain": chain, "step": options.step, "tag": options.tag}
    return shells.listed(
        options.limit,
        lambda ask: artifacts.list_artifacts(library, ask, q=options.q, queue=options.queue or None, **filters),
    )


def show_one(options: argparse.Namespace, folder: Path | None) -> int:
    """Print the facts of one thing and what happened to it.

    Raises:
        ArtifactDBError: the message says why.
    """
    with shells.opened(folder) as library:
        kind, entity_id = prefixes.find(library, options.id)
        if kind == "artifact":
            facts = _plain(library, artifacts.get_artifact(library, entity_id))
        elif kind == "workflow":
            facts = asdict(workflows.get_workflow(library, entity_id))
        else:
            facts = asdict(chains.get_chain(library, entity_id))
        history = events.history(library, entity_id, limit=MOST_EVENTS)
    if options.json:
        shells.say_json({"kind": kind, **facts, "history": [asdict(event) for event in history]})
        return 0
    shells.say(f"{kind} {entity_id}")
    for name, value in facts.items():
        if value not in (None, "", [], {}):
            shells.say(f"  {name}: {_short(value)}")
    for event in history:
        shells.say(f"  {_told(event)}")
    return 0


def approve(options: argparse.Namespace, folder: Path | None) -> int:
    """Approve an artifact."""
    with shells.opened(folder) as library:
        artifact_id = prefixes.artifact_id(library, options.id)
        return _done(options, library, decisions.approve(library, artifact_id, by=shells.actor(options)))


def reject(options: argparse.Namespace, folder: Path | None) -> int:
    """Reject an artifact."""
    with shells.opened(folder) as library:
        artifact_id, by = prefixes.artifact_id(library, options.id), shells.actor(options)
        return _done(options, library, decisions.reject(library, artifact_id, by=by, reason=options.reason))


def select(options: argparse.Namespace, folder: Path | None) -> int:
    """Make an artifact the current one."""
    with shells.opened(folder) as library:
        artifact_id = prefixes.artifact_id(library, options.id)
        return _done(options, library, decisions.select(library, artifact_id, by=shells.actor(options)))


def edit(options: argparse.Namespace, folder: Path | None) -> int:
    """Record a file as an edit."""
    path: Path = options.file.expanduser()
    filename = names.checked_filename(path.name)
    with shells.opened(folder) as library:
        artifact_id, by = prefixes.artifact_id(library, options.id), shells.actor(options)
        try:
            source = path.open("rb")
        except OSError as error:
            raise Invalid(f"{path} cannot be read: {error.strerror}", field="file") from error
        with source, library.store.receiving() as part:
            head = source.read(kinds.HEAD_SIZE)
            part.write(head)
            while data := source.read(CHUNK):
                part.write(data)
            kind = kinds.classify(head, filename)
            return _done(options, library, edits.edit(library, artifact_id, part, kind, by=by, filename=filename))


def _done(options: argparse.Namespace, library: Library, artifact: Artifact) -> int:
    if options.json:
        shells.say_json(_plain(library, artifact))
    else:
        shells.say_table(COLUMNS, [_row(artifact)])
    return 0


def _row(artifact: Artifact) -> tuple[Any, ...]:
    current = "current" if artifact.is_latest else "head" if artifact.is_head else ""
    told = (f"v{artifact.version}", current, shells.size(artifact.file_size), artifact.created_at, artifact.filename)
    return (artifact.id, artifact.approval_status, *told)


def _plain(library: Library, artifact: Artifact) -> dict[str, Any]:
    return {**asdict(artifact), "local_path": library.store.relative(artifact.local_path)}


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _told(event: Event) -> str:
    changes = {name: value for name, value in (event.after or {}).items() if name not in ("history", "from")}
    told = ", ".join(f"{name} {value}" for name, value in changes.items() if value is not None)
    return _short(f"{event.at}  {event.action} by {event.actor}{f': {told}' if told else ''}")


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"a limit is 1 to 1000000, not {text!r}")
    return int(text)
