"""The route that empties the trash."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from aiohttp import web

from ..answers.fields import Body
from ..errors import Invalid
from ..library import emptying
from ..library.identities import checked_id
from . import asking, rendering
from .hub import Hub

MAX_IDS = 500
"""Ids that one request names."""

MAX_DAYS = 36_500


async def empty_trash(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, Body({}, {"older_than_days": _days, "ids": _ids}))
    emptied = await hub.run(
        emptying.empty,
        by=asking.actor(request),
        older_than=values.get("older_than_days"),
        ids=values.get("ids"),
    )
    return rendering.answer(asdict(emptied))


def _days(value: Any, field: str) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_DAYS:
        raise Invalid(f"{field} is a whole number of days from 0 to {MAX_DAYS}", field=field)
    return timedelta(days=value)


def _ids(value: Any, field: str) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_IDS:
        raise Invalid(f"{field} is a list of 1 to {MAX_IDS} ids", field=field)
    return [checked_id(each, field) for each in value]
