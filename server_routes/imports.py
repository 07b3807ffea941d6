"""The routes of imports of folders. A folder is a name of the configuration; no path is in a request or an answer."""

from __future__ import annotations

from aiohttp import web

from ..answers import fields
from ..answers.fields import Body
from ..library.names import checked_tag
from . import asking, rendering
from .hub import Hub


async def list_imports(hub: Hub, request: web.Request) -> web.Response:
    ask = fields.page(asking.query(request, fields.PAGE))
    page = await hub.run(lambda library: library.adoptions.page(ask))
    folders = sorted((await hub.off_loop(lambda: hub.config)).folders)
    body = {"items": [one.plain() for one in page.items], "next_cursor": page.next_cursor, "folders": folders}
    return rendering.answer(body)


async def begin_import(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, Body({"folder": fields.name}, {"tags": fields.several(checked_tag)}))
    by = asking.actor(request)
    found, begun = await hub.run(lambda library: library.adoptions.begin(library, by=by, **values))
    return rendering.answer(
        found.plain(), status=202 if begun else 200, location=f"/imports/{found.id}" if begun else None
    )


async def get_import(hub: Hub, request: web.Request) -> web.Response:
    import_id = asking.path_id(request, "import")
    asking.query(request)
    return rendering.answer((await hub.run(lambda library: library.adoptions.get(import_id))).plain())


async def cancel_import(hub: Hub, request: web.Request) -> web.Response:
    import_id = asking.path_id(request, "import")
    await asking.body(request, Body())
    return rendering.answer((await hub.run(lambda library: library.adoptions.cancel(import_id))).plain())
