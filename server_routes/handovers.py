"""The route of handovers: what another machine made, several files and their record in one request, streamed."""

from __future__ import annotations

from contextlib import AsyncExitStack

from aiohttp import web

from ..answers import fields
from ..errors import Invalid
from ..library import handovers
from ..media import kinds
from ..storage.files import Part
from . import asking, rendering, uploads
from .hub import Hub


async def record_outputs(hub: Hub, request: web.Request) -> web.Response:
    by = asking.actor(request)
    handover: handovers.Handover | None = None
    files: list[tuple[Part, kinds.Kind]] = []
    async with AsyncExitStack() as parts:
        async for piece in uploads.pieces(request):
            if handover is None:
                if piece.name != "record":
                    raise Invalid("the first part of the body is the field record", field="record")
                record = fields.FORMS["record_outputs"]["record"](await uploads.text(piece, asking.MAX_JSON), "record")
                handover = await hub.run(handovers.checked, record)
            elif piece.name != "file":
                raise Invalid(f"unknown field {piece.name!r}; after the record come fields file", field=str(piece.name))
            elif len(files) == len(handover.outputs):
                raise Invalid("there are more files than outputs in the record", field="file")
            else:
                named = handover.outputs[len(files)].artifact.filename
                part = await parts.enter_async_context(uploads.new_part(hub))
                head = await uploads.stream(hub, piece, part)
                files.append((part, kinds.classify(head, named)))
        if handover is None:
            raise Invalid("the field record is missing", field="record")
        recorded, made = await hub.run(handovers.record_outputs, handover, files, by=by)
    body = {"items": [rendering.artifact(hub, one) for one in recorded], "next_cursor": None}
    return rendering.answer(body, status=201 if made else 200)
