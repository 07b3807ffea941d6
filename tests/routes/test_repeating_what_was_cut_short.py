"""Pins what becomes of a request with an Idempotency-Key that was cut short: its repeat does the rest, and answers.

Each POST is here: cut short after it was done and before its answer was kept; and where it is done in several steps,
between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from chaining import GRAPH, Studio, step
from comfyui_artifact_db.chains import control
from comfyui_artifact_db.config import Config, Server
from comfyui_artifact_db.db import models
from comfyui_artifact_db.errors import StoreFailed, Unavailable
from comfyui_artifact_db.library import (
    artifacts,
    chains,
    collecting,
    decisions,
    driving,
    executing,
    pages,
    repeats,
    transfers,
    trash,
    workflows,
)
from comfyui_artifact_db.library.views import Artifact, Chain
from comfyui_artifact_db.server_routes.table import ROUTES
from comfyui_servers_that import ComfyUI, serving
from hubs import Answer, Hub, Serve
from making import png
from output_folders import every_kind
from sending import form

TWO = {"steps": [step("one"), step("two", "one")]}


class Scene:
    """A hub that drives no chain by itself, and servers that have run what a test begins with."""

    def __init__(self, hub: Hub, studio: Studio) -> None:
        self.hub, self.studio = hub, studio

    def picture(self, **how: Any) -> Artifact:
        return self.hub.pictures.one(**how)

    def deleted(self) -> Artifact:
        return trash.delete(self.hub.library, self.picture().id, by="anna")

    async def film(self, status: str = "completed") -> Chain:
        """A chain of two steps that has run."""
        self.studio.fails = lambda graph: status == "failed"
        return await asyncio.to_thread(self.studio.run, *TWO["steps"], status=status)

    async def running(self) -> tuple[Chain, str]:
        """A chain whose first step is on its server, and the id of its prompt there."""
        chain = self.studio.begin(*TWO["steps"])
        asked = {"id": str(uuid4()), "workflow_name": "one", "chain_id": chain.id, "step_id": "one"}
        attempt = executing.begin_attempt(self.hub.library, asked, server="gpu-a")
        return chain, attempt.prompt_id

    def workflow(self) -> str:
        return workflows.create_workflow(self.hub.library, workflow_name="edit", actor="anna")[0].id

    def events(self) -> int:
        for running in self.hub.library.adoptions.page(pages.Ask()).items:
            self.hub.library.adoptions.wait(running.id)
        with self.hub.library.reading():
            return int(models.Event.select().count())

    def lose_answers(self) -> None:
        """As when the process is killed after what it did and before it could keep its answers."""
        keys = models.IdempotencyKey
        with self.hub.library.database.writing():
            keys.delete().where(keys.entity_id.is_null()).execute()
            keys.update(answer=None).execute()


@pytest.fixture(scope="module")
def two_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ComfyUI]]:
    folder = tmp_path_factory.mktemp("servers")
    with serving(folder / "gpu-a") as a, serving(folder / "gpu-b") as b:
        yield {"gpu-a": a, "gpu-b": b}


@pytest.fixture
async def scene(serve: Serve, config: Config, two_servers: dict[str, ComfyUI]) -> Scene:
    configured = {name: Server(name, server.url) for name, server in two_servers.items()}
    hub = await serve(replace(config, servers=configured))
    return Scene(hub, Studio(hub.library, two_servers))


Asked = tuple[str, Callable[[], dict[str, Any]]]
"""A path, and what is sent to it."""


async def create_chain(scene: Scene) -> Asked:
    return "/chains", lambda: {"json": {"name": "film", "chain_definition": TWO, "run": True}}


async def undelete_chain(scene: Scene) -> Asked:
    chain, _ = chains.create_chain(scene.hub.library, name="film", actor="anna")
    chains.delete_chain(scene.hub.library, chain.id, actor="anna")
    return f"/chains/{chain.id}/undelete", dict


async def cancel_chain(scene: Scene) -> Asked:
    chain, _ = await scene.running()
    return f"/chains/{chain.id}/cancel", lambda: {"headers": {"If-Match": f'"{chain.revision}"'}}


async def resume_chain(scene: Scene) -> Asked:
    chain = await scene.film("failed")
    return f"/chains/{chain.id}/resume", lambda: {"headers": {"If-Match": f'"{chain.revision}"'}}


async def rerun_chain(scene: Scene) -> Asked:
    chain = await scene.film()
    return f"/chains/{chain.id}/rerun", lambda: {"json": {"from_step": "two"}}


async def create_workflow(scene: Scene) -> Asked:
    return "/workflows", lambda: {"json": {"workflow_name": "edit"}}


async def retry_workflow(scene: Scene) -> Asked:
    chain = await scene.film()  # It goes on, which is the first that is told of it.
    return f"/workflows/{scene.studio.workflow(chain, 'two').id}/retry", lambda: {"json": {}}


async def upload_artifact(scene: Scene) -> Asked:
    return f"/workflows/{scene.workflow()}/artifacts", lambda: {"data": form(png(5))}


async def collect_outputs(scene: Scene) -> Asked:
    server = scene.studio.servers["gpu-a"]
    prompt_id, (outputs, status) = str(uuid4()), server.runs(GRAPH)
    server.ran(prompt_id, outputs, status=status)
    return f"/workflows/{scene.workflow()}/collect", lambda: {"json": {"server": "gpu-a", "prompt_id": prompt_id}}


async def undelete_artifact(scene: Scene) -> Asked:
    return f"/artifacts/{scene.deleted().id}/undelete", dict


async def approve_artifact(scene: Scene) -> Asked:
    return f"/artifacts/{scene.picture(status='pending').id}/approve", lambda: {"json": {}}


async def reject_artifact(scene: Scene) -> Asked:
    chain = await scene.film()
    asked = {"reason": "too dark", "parameters": {"7.text": "light"}}
    return f"/artifacts/{scene.studio.current(chain, 'two').id}/reject", lambda: {"json": asked}


async def select_artifact(scene: Scene) -> Asked:
    first, _ = scene.hub.pictures.record(keys=("9:images:0", "9:images:1"))
    other = next(one for one in artifacts.list_heads(scene.hub.library, first.workflow_id) if not one.is_latest)
    return f"/artifacts/{other.id}/select", lambda: {"json": {}}


async def edit_artifact(scene: Scene) -> Asked:
    return f"/artifacts/{scene.picture().id}/edit", lambda: {"data": form(png(5))}


async def change_tags(scene: Scene) -> Asked:
    there, in_trash, never = scene.picture(tags=("old",)).id, scene.deleted().id, str(uuid4())
    return "/tags", lambda: {"json": {"ids": [never, there, in_trash], "add": ["hero"], "remove": ["old"]}}


async def transfer_artifact(scene: Scene) -> Asked:
    return f"/artifacts/{scene.picture().id}/transfer", lambda: {"json": {"server": "gpu-a"}}


async def retry_transfer(scene: Scene) -> Asked:
    asked = transfers.create_transfer(scene.hub.library, scene.picture().id, server="gpu-a", by="anna")
    return f"/transfers/{asked.id}/retry", dict


async def empty_trash(scene: Scene) -> Asked:
    scene.deleted()
    return "/trash/empty", lambda: {"json": {}}


async def begin_import(scene: Scene) -> Asked:
    every_kind(scene.hub.config.folders["outputs"])
    return "/imports", lambda: {"json": {"folder": "outputs"}}


async def cancel_import(scene: Scene) -> Asked:
    every_kind(scene.hub.config.folders["outputs"])
    begun, _ = scene.hub.library.adoptions.begin(scene.hub.library, "outputs", by="anna")
    scene.events()
    return f"/imports/{begun.id}/cancel", lambda: {"json": {}}


ALL: dict[str, Callable[[Scene], Awaitable[Asked]]] = {
    "/chains": create_chain,
    "/chains/{chain_id}/undelete": undelete_chain,
    "/chains/{chain_id}/cancel": cancel_chain,
    "/chains/{chain_id}/resume": resume_chain,
    "/chains/{chain_id}/rerun": rerun_chain,
    "/workflows": create_workflow,
    "/workflows/{workflow_id}/retry": retry_workflow,
    "/workflows/{workflow_id}/artifacts": upload_artifact,
    "/workflows/{workflow_id}/collect": collect_outputs,
    "/artifacts/{artifact_id}/undelete": undelete_artifact,
    "/artifacts/{artifact_id}/approve": approve_artifact,
    "/artifacts/{artifact_id}/reject": reject_artifact,
    "/artifacts/{artifact_id}/select": select_artifact,
    "/artifacts/{artifact_id}/edit": edit_artifact,
    "/tags": change_tags,
    "/artifacts/{artifact_id}/transfer": transfer_artifact,
    "/transfers/{transfer_id}/retry": retry_transfer,
    "/trash/empty": empty_trash,
    "/imports": begin_import,
    "/imports/{import_id}/cancel": cancel_import,
}


async def send(scene: Scene, asked: Asked, key: str, expect: int | None = None) -> Answer:
    path, what = asked
    more = what()
    headers = {"Idempotency-Key": key, **more.pop("headers", {})}
    return await scene.hub.post(path, expect, headers=headers, **more)  # type: ignore[arg-type]


@contextmanager
def failing_once(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Exception) -> Iterator[None]:
    """What has this name fails the first time, before it does anything; whoever asked is told so."""
    failed: list[str] = []
    real = getattr(owner, name)

    def once(*args: Any, **kwargs: Any) -> Any:
        if not failed:
            failed.append(name)
            raise error
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, once)
        yield
    assert failed


AWAY = Unavailable("the database is busy")


def test_every_post_that_takes_a_key_is_here() -> None:
    assert {route.path for route in ROUTES if (route.method, route.keyed) == ("POST", True)} == {*ALL, "/session"}


@pytest.mark.parametrize("path", ALL)
async def test_a_request_whose_answer_was_lost_is_answered_as_the_first_time(scene: Scene, path: str) -> None:
    asked = await ALL[path](scene)
    first = await send(scene, asked, "key")
    before = scene.events()
    scene.lose_answers()
    again = await send(scene, asked, "key")
    assert first.status < 300
    assert again.status == (200 if first.status == 201 else first.status)
    if path not in ("/trash/empty", "/imports"):  # They tell of what is done now.
        assert again.json == first.json
        assert again.headers.get("ETag") == first.headers.get("ETag")
    assert scene.events() == before


async def test_a_chain_that_did_not_come_to_its_engine_does_with_the_repeat(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await create_chain(scene)
    with failing_once(monkeypatch, driving, "start", AWAY):
        await send(scene, asked, "key", 503)
        begun = (await send(scene, asked, "key", 200)).json
    (only,) = (await scene.hub.get("/chains")).json["items"]
    assert only["id"] == begun["id"]
    assert (await scene.hub.get(f"/chains/{begun['id']}")).json["drive"]["engine"] == "local"
    before = scene.events()
    assert (await send(scene, asked, "key", 200)).json == begun
    assert scene.events() == before


async def test_a_rerun_that_took_over_a_part_takes_over_the_rest_with_the_repeat(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = await asyncio.to_thread(scene.studio.run, *TWO["steps"], step("three", "two"))
    asked: Asked = f"/chains/{chain.id}/rerun", lambda: {"json": {"from_step": "three"}}
    with failing_once(monkeypatch, type(scene.hub.library.store), "same_bytes", StoreFailed("the disk is full")):
        await send(scene, asked, "key", 503)
        new = (await send(scene, asked, "key", 200)).json
    assert len((await scene.hub.get("/chains")).json["items"]) == 2
    assert (await scene.hub.get(f"/chains/{new['id']}")).json["drive"]["source_chain_id"] == chain.id
    taken = chains.get_chain(scene.hub.library, new["id"])
    for name in ("one", "two"):
        (head,) = scene.studio.heads(taken, name)
        assert head.source_artifact_id == scene.studio.current(chain, name).id


async def test_what_changes_in_the_old_chain_after_a_rerun_has_begun_is_not_taken_over_by_a_repeat(
    scene: Scene,
) -> None:
    asked = await rerun_chain(scene)
    new = (await send(scene, asked, "key", 201)).json
    scene.lose_answers()
    old = chains.get_chain(scene.hub.library, asked[0].split("/")[2])
    executing.retry(scene.hub.library, scene.studio.workflow(old, "one").id, parameters=None, by="anna")
    before = scene.events()
    assert (await send(scene, asked, "key", 200)).json == new
    assert scene.events() == before


@pytest.mark.parametrize("path", ["/artifacts/{artifact_id}/transfer", "/transfers/{transfer_id}/retry"])
@pytest.mark.parametrize(("at", "tries"), [("start", 1), ("finish", 2)])
async def test_a_delivery_that_was_cut_short_goes_on_with_the_repeat(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, path: str, at: str, tries: int
) -> None:
    asked = await ALL[path](scene)
    with failing_once(monkeypatch, transfers, at, AWAY):
        await send(scene, asked, "key", 503)
        ended = (await send(scene, asked, "key", 200)).json
    assert (ended["status"], ended["attempts"]) == ("completed", tries)
    assert [one["id"] for one in (await scene.hub.get("/transfers")).json["items"]] == [ended["id"]]


async def test_a_delivery_that_somebody_else_goes_on_with_is_told_as_it_is_now(scene: Scene) -> None:
    asked = await transfer_artifact(scene)
    transfer = (await send(scene, asked, "key", 201)).json
    scene.lose_answers()
    with scene.hub.library.database.writing():
        models.Transfer.update(status="uploading").execute()
    with transfers.alone(scene.hub.library, transfer["id"]):
        goes_on = await send(scene, asked, "key", 202)
    assert (goes_on.json["id"], goes_on.json["status"]) == (transfer["id"], "uploading")


async def test_the_prompts_of_a_cancelled_chain_are_ended_by_the_repeat(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, prompt_id = await scene.running()
    asked: Asked = f"/chains/{chain.id}/cancel", lambda: {"headers": {"If-Match": f'"{chain.revision}"'}}
    with failing_once(monkeypatch, control, "interrupt", AWAY):
        await send(scene, asked, "key", 503)
        assert prompt_id not in scene.studio.servers["gpu-a"].interrupted
        assert (await send(scene, asked, "key", 200)).json["status"] == "cancelled"
    assert prompt_id in scene.studio.servers["gpu-a"].interrupted


async def test_a_collection_that_was_cut_short_is_done_by_the_repeat(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await collect_outputs(scene)
    with failing_once(monkeypatch, collecting, "collect", AWAY):
        await send(scene, asked, "key", 503)
        (item,) = (await send(scene, asked, "key", 200)).json["items"]
    assert item["output_key"] == "9:images:0"


async def test_a_collection_that_was_refused_is_refused_again(scene: Scene) -> None:
    lost = {"server": "gpu-a", "prompt_id": str(uuid4())}
    made = {"workflow_name": "edit", "status": "executing", **lost}
    workflow_id = (await scene.hub.post("/workflows", 201, json=made)).json["id"]
    asked: Asked = f"/workflows/{workflow_id}/collect", lambda: {"json": lost}
    for _ in range(2):
        assert (await send(scene, asked, "key", 409)).json["state"] == "unknown"


async def test_what_somebody_did_meanwhile_is_not_undone_by_a_repeat(scene: Scene) -> None:
    asked = await change_tags(scene)
    artifact_id = asked[1]()["json"]["ids"][1]
    await send(scene, asked, "key", 200)
    scene.lose_answers()
    decisions.untag(scene.hub.library, artifact_id, "hero", by="ben")
    tags = {one["id"]: one["tags"] for one in (await send(scene, asked, "key", 200)).json["items"]}
    assert tags[artifact_id] == []


async def test_a_repeat_waits_for_the_answer_of_the_first(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = await scene.film("failed")
    asked: Asked = f"/workflows/{scene.studio.workflow(chain, 'one').id}/retry", lambda: {"json": {}}
    done, may_answer = asyncio.Event(), asyncio.Event()
    real = repeats.keep
    loop = asyncio.get_running_loop()

    def slow(*args: Any) -> None:
        loop.call_soon_threadsafe(done.set)
        asyncio.run_coroutine_threadsafe(may_answer.wait(), loop).result(60)
        real(*args)

    monkeypatch.setattr(repeats, "keep", slow)
    first = asyncio.create_task(send(scene, asked, "key", 202))
    await done.wait()
    again = asyncio.create_task(send(scene, asked, "key", 202))
    early, _ = await asyncio.wait([again], timeout=0.3)
    assert not early
    may_answer.set()
    assert (await again).json == (await first).json
    assert (await again).headers["Idempotency-Replayed"] == "true"
