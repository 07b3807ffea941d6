"""The routes that take a file, and how files are taken: streamed into the store piece by piece, not held in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError

from ..answers import fields
from ..errors import Invalid, TooLarge
from ..library import artifacts, edits, names, uploads
from ..media import kinds
from ..storage.files import Part
from . import asking
from .artifacts import answer
from .hub import Hub
from .problems import malformed

PIECE = 1024 * 1024
"""Bytes gathered before they are handed to the pool: a thread for each of the network's pieces would cost more."""

MAX_FIELD = 1024 * 1024
"""Bytes of a field that is not the file."""

_BROKEN = (
    *(AssertionError, LookupError, RuntimeError, ValueError),
    *(ClientPayloadError, ConnectionError, HttpProcessingError),
)
"""What aiohttp's reader raises for bodies that are cut off, or multipart in name only."""


@dataclass
class Received:
    """What came: the file as an unfinished part of the store with its kind, and what its other fields say."""

    part: Part
    filename: str
    kind: kinds.Kind
    told: dict[str, Any] = field(default_factory=dict)


async def upload_artifact(hub: Hub, request: web.Request) -> web.Response:
    workflow_id = asking.path_id(request, "workflow")
    by = asking.actor(request)
    await hub.run(uploads.require_workflow, workflow_id)
    async with receive(hub, request, fields.FORMS["upload_artifact"]) as received:
        told = received.told
        artifact, made = await hub.run(
            uploads.upload,
            workflow_id,
            received.part,
            received.kind,
            by=by,
            filename=received.filename,
            new_id=told.pop("id", None),
            status=told.pop("approval_status", None),
            **told,
        )
    return answer(hub, artifact, status=201 if made else 200)


async def edit_artifact(hub: Hub, request: web.Request) -> web.Response:
    artifact_id = asking.path_id(request, "artifact")
    revision = asking.revision(request)
    if request.content_type == "application/json":
        values = await asking.body(request, fields.BODIES["edit_artifact"])
        who = asking.decider(request, values)
        restored = await hub.run(edits.restore, artifact_id, values["from_version"], **who, revision=revision)
        return answer(hub, restored, status=201)
    await hub.run(artifacts.get_artifact, artifact_id)
    async with receive(hub, request, fields.FORMS["edit_artifact"]) as received:
        edited = await hub.run(
            edits.edit,
            artifact_id,
            received.part,
            received.kind,
            **asking.decider(request, received.told),
            filename=received.filename,
            status=received.told.get("approval_status"),
            metadata=received.told.get("metadata"),
            revision=revision,
        )
    return answer(hub, edited, status=201)


@asynccontextmanager
async def receive(hub: Hub, request: web.Request, accepted: Mapping[str, fields.Check]) -> AsyncIterator[Received]:
    """Read a multipart body: the field `file`, and those in `accepted` beside it, in any order.

    The part is gone again when the block raises. Nothing is known of the bytes but their hash, size and kind.

    Raises:
        Malformed: the body is not multipart or ends too early. TooLarge. Invalid: a field is wrong or missing.
    """
    async with new_part(hub) as part:
        yield await _read(hub, request, part, accepted)


@asynccontextmanager
async def new_part(hub: Hub) -> AsyncIterator[Part]:
    """A part of the store to write to; it is gone again when the block raises."""
    receiving = await hub.run(lambda library: library.store.receiving())
    part = await hub.off_loop(receiving.__enter__)
    try:
        yield part
    except BaseException as error:
        caught = error
        await hub.off_loop(lambda: receiving.__exit__(type(caught), caught, caught.__traceback__))
        raise
    await hub.off_loop(lambda: receiving.__exit__(None, None, None))


async def _read(hub: Hub, request: web.Request, part: Part, accepted: Mapping[str, fields.Check]) -> Received:
    told: dict[str, Any] = {}
    filename: str | None = None
    head = b""
    async for piece in pieces(request):
        name = str(piece.name)
        if name in told or (name == "file" and filename is not None):
            raise Invalid(f"{name} is sent twice", field=name)
        if name == "file":
            filename = names.checked_filename(piece.filename or "")
            head = await stream(hub, piece, part)
        elif name in accepted:
            told[name] = accepted[name](await text(piece), name)
        else:
            raise Invalid(f"unknown field {name!r}; accepted: file, {', '.join(accepted)}", field=name)
    if filename is None:
        raise Invalid("the field file is missing", field="file")
    return Received(part, filename, kinds.classify(head, filename), told)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise malformed("the body is not complete multipart/form-data") from error


async def pieces(request: web.Request) -> AsyncIterator[BodyPartReader]:
    """The parts of a multipart body, each to be read to its end before the next.

    Raises:
        Malformed: the body is not multipart or ends too early.
    """
    with _reading():
        reader = await request.multipart()
    while True:
        with _reading():
            piece = await reader.next()
        if piece is None:
            return
        if not isinstance(piece, BodyPartReader):
            raise malformed("a part of the body has parts of its own")
        if piece.name is None:
            raise malformed("every part of the body is a named field")
        yield piece


async def _chunks(piece: BodyPartReader) -> AsyncIterator[bytes]:
    while True:
        with _reading():
            chunk = await piece.read_chunk(1 << 16)
        if chunk:
            yield chunk
        elif piece.at_eof():
            return
        else:
            raise malformed("the body is cut off")


async def stream(hub: Hub, piece: BodyPartReader, part: Part) -> bytes:
    """Write the file as it comes; returns its first bytes, which tell its kind."""
    limit = hub.config.max_upload
    head, gathered = bytearray(), bytearray()
    async for chunk in _chunks(piece):
        if len(head) < kinds.HEAD_SIZE:
            head += chunk[: kinds.HEAD_SIZE - len(head)]
        gathered += chunk
        if part.size + len(gathered) > limit:
            raise TooLarge(f"the file is over {limit // (1024 * 1024)} MB (max_upload_mb)", field="file")
        if len(gathered) >= PIECE:
            full, gathered = gathered, bytearray()
            await hub.off_loop(lambda data=full: part.write(data))  # type: ignore[misc]
    if gathered:
        await hub.off_loop(lambda: part.write(gathered))
    return bytes(head)


async def text(piece: BodyPartReader, longest: int = MAX_FIELD) -> str:
    """A field that is no file, of up to so many bytes.

    Raises:
        TooLarge. Invalid: it is not UTF-8.
    """
    data = bytearray()
    async for chunk in _chunks(piece):
        data += chunk
        if len(data) > longest:
            raise TooLarge(f"{piece.name} is over {longest} bytes", field=str(piece.name))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Invalid(f"{piece.name} is not UTF-8", field=str(piece.name)) from error
