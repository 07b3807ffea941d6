"""Pins what all lists have in common: pages, cursors that outlive what is added meanwhile, limits, parameters."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest
from comfyui_artifact_db.config import Config, load_config
from comfyui_artifact_db.library import transfers
from hubs import Hub, Serve
from making import png

Add = Callable[[int], Awaitable[Any]]
"""Adds the n-th item; returns what tells it from others in the list."""

Listed = Callable[[Hub], Awaitable[tuple[str, str, Add]]]
"""Makes what a list needs; returns its path, the member that tells its items apart, and how to add to it."""


async def all_chains(hub: Hub) -> tuple[str, str, Add]:
    async def add(n: int) -> Any:
        return (await hub.post("/chains", 201, json={"name": f"c{n}"})).json["id"]

    return "/chains", "id", add


async def all_workflows(hub: Hub) -> tuple[str, str, Add]:
    async def add(n: int) -> Any:
        return (await hub.post("/workflows", 201, json={"workflow_name": f"w{n}"})).json["id"]

    return "/workflows", "id", add


async def workflows_of_a_chain(hub: Hub) -> tuple[str, str, Add]:
    chain = (await hub.post("/chains", 201, json={"name": "c"})).json["id"]

    async def add(n: int) -> Any:
        body = {"workflow_name": "w", "chain_id": chain, "step_id": f"s{n % 2}"}
        return (await hub.post("/workflows", 201, json=body)).json["id"]

    return f"/chains/{chain}/workflows", "id", add


def artifacts_by(sort: str) -> Listed:
    async def sorted_artifacts(hub: Hub) -> tuple[str, str, Add]:
        async def add(n: int) -> Any:
            return hub.pictures.one(data=png(n) + bytes(n % 3)).id

        return f"/artifacts?sort={sort}", "id", add

    sorted_artifacts.__name__ = f"artifacts_by_{sort}"
    return sorted_artifacts


async def artifacts_of_a_workflow(hub: Hub) -> tuple[str, str, Add]:
    workflow = hub.pictures.one(keys=("8:images:0",)).workflow_id

    async def add(n: int) -> Any:
        return hub.pictures.one(workflow_id=workflow, keys=(f"{n % 3}:images:0",)).id

    return f"/workflows/{workflow}/artifacts", "id", add


async def versions_of_an_artifact(hub: Hub) -> tuple[str, str, Add]:
    first = hub.pictures.one()

    async def add(n: int) -> Any:
        return hub.pictures.one(workflow_id=first.workflow_id).id

    return f"/artifacts/{first.id}/versions", "id", add


async def all_tags(hub: Hub) -> tuple[str, str, Add]:
    picture = hub.pictures.one()

    async def add(n: int) -> Any:
        tag = f"{'añb'[n % 3]}{n}"
        await hub.put(f"/artifacts/{picture.id}/tags/{quote(tag)}")
        return tag

    return "/tags", "tag", add


async def all_transfers(hub: Hub) -> tuple[str, str, Add]:
    picture = hub.pictures.one()

    async def add(n: int) -> Any:
        return transfers.create_transfer(hub.library, picture.id, server="gpu-a", by="tester").id

    return "/transfers", "id", add


async def all_events(hub: Hub) -> tuple[str, str, Add]:
    async def add(n: int) -> Any:
        await hub.post("/chains", 201, json={"name": f"c{n}"})
        return n + 1

    return "/events", "seq", add


SORTED = [artifacts_by(sort) for sort in ("created", "-created", "size", "-size")]
LISTS = [
    *(all_chains, all_workflows, workflows_of_a_chain, artifacts_of_a_workflow, versions_of_an_artifact),
    *(*SORTED, all_tags, all_transfers, all_events),
]
each = pytest.mark.parametrize("listed", LISTS, ids=lambda listed: listed.__name__)


async def pages(hub: Hub, path: str, key: str, limit: int, between: Callable[[], Awaitable[Any]]) -> list[list[Any]]:
    """Every page of a list, as the keys of its items; `between` is called after each page."""
    found: list[list[Any]] = []
    first = f"{path}{'&' if '?' in path else '?'}limit={limit}"
    cursor = ""
    while True:
        page = (await hub.get(first + cursor)).json
        found.append([item[key] for item in page["items"]])
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"
        await between()


@each
async def test_a_walk_misses_nothing_and_repeats_nothing_while_more_is_added(hub: Hub, listed: Listed) -> None:
    path, key, add = await listed(hub)
    there = [await add(n) for n in range(7)]
    added = iter(range(7, 12))

    async def add_another() -> None:
        if (n := next(added, None)) is not None:
            await add(n)

    found = await pages(hub, path, key, 2, add_another)
    seen = [item for page in found for item in page]
    assert len(seen) == len(set(seen)), "nothing twice"
    assert set(there) <= set(seen), "nothing missed"
    assert {len(page) for page in found[:-1]} == {2}


@each
async def test_a_list_stands_in_one_order_however_it_is_cut(hub: Hub, listed: Listed) -> None:
    path, key, add = await listed(hub)
    for n in range(6):
        await add(n)

    async def nothing() -> None: ...

    ((*whole,),) = await pages(hub, path, key, 500, nothing)
    assert len(whole) >= 6
    for limit in (1, len(whole) - 1, len(whole)):
        assert [item for page in await pages(hub, path, key, limit, nothing) for item in page] == whole


@each
async def test_a_list_refuses_what_it_does_not_know(hub: Hub, listed: Listed) -> None:
    path, _, add = await listed(hub)
    await add(0)
    path += "&" if "?" in path else "?"
    for limit in ("0", "501"):
        assert (await hub.get(f"{path}limit={limit}", 422)).fields == ["limit"]
    for wrong in ("limit=-1", "limit=ten", "limit=", "limit=1.5", "limit=%D9%A1", "limit=1&limit=2", "colour=red"):
        assert (await hub.get(path + wrong, 400)).code == "malformed"


@each
async def test_a_cursor_that_nobody_gave_is_refused(hub: Hub, listed: Listed) -> None:
    path, _, add = await listed(hub)
    await add(0)
    path += "&" if "?" in path else "?"
    if path.startswith("/events"):
        for cursor in ("", "-1", "x", "9" * 19):
            await hub.get(f"{path}cursor={cursor}", 400)
        return
    invented: list[Any] = [[], {}, [None], [True] * 2, ["x"] * 3, [1e300] * 2, [10**30] * 2, ["\ud800"] * 2, [[1], [2]]]
    for cursor in ("", "x", "%FF", "!!!!", *(encoded(value) for value in invented)):
        assert (await hub.get(f"{path}cursor={cursor}", 422)).fields == ["cursor"]


async def test_fifty_items_are_a_page_where_nobody_says_otherwise(hub: Hub) -> None:
    for n in range(51):
        await hub.post("/chains", 201, json={"name": f"c{n}"})
    for path in ("/chains", "/events"):
        page = (await hub.get(path)).json
        assert len(page["items"]) == 50
        rest = (await hub.get(f"{path}?cursor={page['next_cursor']}")).json
        assert (len(rest["items"]), rest["next_cursor"]) == (1, None)


async def test_servers_are_those_of_the_configuration_without_their_tokens(serve: Serve, config: Config) -> None:
    (config.folder / "artifact-db.toml").write_text(
        '[servers.b]\nurl = "https://127.0.0.1:2"\ntoken_env = "B"\n[servers.a]\nurl = "http://127.0.0.1:1/"\n'
    )
    hub = await serve(load_config(config.folder, {"B": "s3cret-t0ken"}))
    answer = await hub.get("/servers")
    assert [(server["name"], server["url"]) for server in answer.json["items"]] == [
        ("a", "http://127.0.0.1:1"),
        ("b", "https://127.0.0.1:2"),
    ]
    assert b"s3cret" not in answer.body
    page = (await hub.get("/servers?limit=1")).json
    assert [server["name"] for server in page["items"]] == ["a"]
    rest = (await hub.get(f"/servers?limit=1&cursor={page['next_cursor']}")).json
    assert ([server["name"] for server in rest["items"]], rest["next_cursor"]) == (["b"], None)
    for wrong, status in (("limit=0", 422), ("limit=x", 400), ("name=a", 400)):
        await hub.get(f"/servers?{wrong}", status)


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
