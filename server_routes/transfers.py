"""The routes of transfers. A delivery goes on when the one who asked for it has gone."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import web

from ..answers import fields
from ..errors import Conflict
from ..library import transfers
from ..library.views import Transfer
from . import asking, rendering
from .hub import Hub

PATIENCE = 10.0
"""Seconds to wait for a delivery before the answer says that it goes on."""


async def transfer_artifact(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, fields.BODIES["transfer_artifact"])
    by = asking.actor(request)
    transfer = await hub.run(transfers.create_transfer, asking.path_id(request, "artifact"), by=by, **values)
    return await _deliver(hub, transfer, by, finished=201)


async def retry_transfer(hub: Hub, request: web.Request) -> web.Response:
    transfer_id = asking.path_id(request, "transfer")
    by = asking.actor(request)
    transfer = await hub.run(transfers.require_retryable, transfer_id)
    return await _deliver(hub, transfer, by, finished=200)


async def list_transfers(hub: Hub, request: web.Request) -> web.Response:
    asked = asking.query(request, fields.QUERIES["list_transfers"])
    ask = fields.page(asked)
    page = await hub.run(transfers.list_transfers, ask, **asked)
    return rendering.page([rendering.plain(transfer) for transfer in page.items], page)


async def get_transfer(hub: Hub, request: web.Request) -> web.Response:
    transfer_id = asking.path_id(request, "transfer")
    asking.query(request)
    return rendering.answer(rendering.plain(await hub.run(transfers.get_transfer, transfer_id)))


async def go_on(hub: Hub, request: web.Request, transfer_id: str) -> web.Response:
    """The transfer that a request began, as it is now; one that was cut short goes on."""
    transfer = await hub.run(transfers.get_transfer, transfer_id)
    if transfer.status in ("pending", "uploading"):
        with suppress(Conflict):  # Somebody else goes on with it: whoever was started after its process had died.
            return await _deliver(hub, transfer, asking.actor(request), finished=200)
        transfer = await hub.run(transfers.get_transfer, transfer_id)
    finished = transfer.status in ("completed", "failed")
    return _told(transfer, status=200 if finished else 202)


async def _deliver(hub: Hub, transfer: Transfer, by: str, *, finished: int) -> web.Response:
    delivery = hub.begin(transfers.deliver, transfer.id, by=by)
    done, _ = await asyncio.wait([delivery], timeout=PATIENCE)
    if done:
        return _told(delivery.result(), status=finished)
    delivery.add_done_callback(lambda future: future.exception())  # asked for, or it would be logged as forgotten
    return _told(await hub.run(transfers.get_transfer, transfer.id), status=202)


def _told(transfer: Transfer, *, status: int) -> web.Response:
    return rendering.answer(rendering.plain(transfer), status=status, location=f"/transfers/{transfer.id}")
