"""Folders that the configuration names are imported over REST: begun, followed, ended; no path goes in or out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.errors import StoreFailed
from comfyui_artifact_db.library import adopting, pages
from hubs import Hub
from output_folders import GOOD, every_kind, picture


@pytest.fixture
async def outputs(hub: Hub, tmp_path: Path) -> AsyncIterator[Path]:
    """The folder that the configuration calls `outputs`; whatever a test did, the rules hold."""
    yield every_kind(hub.config.folders["outputs"])
    for running in hub.library.adoptions.page(pages.Ask()).items:
        hub.library.adoptions.cancel(running.id)
        hub.library.adoptions.wait(running.id)
    invariants.check(hub.library)


async def ended(hub: Hub, import_id: str) -> dict[str, Any]:
    await asyncio.to_thread(hub.library.adoptions.wait, import_id)
    found: dict[str, Any] = (await hub.get(f"/imports/{import_id}")).json
    return found


async def test_a_configured_folder_is_imported_in_the_background(hub: Hub, outputs: Path) -> None:
    begun = await hub.post("/imports", 202, json={"folder": "outputs", "tags": ["old", "old"]})
    assert begun.headers["Location"] == f"/artifact-db/imports/{begun.json['id']}"
    told = await ended(hub, begun.json["id"])
    assert (told["status"], told["new"], told["done"], told["failed"]) == ("completed", len(GOOD), len(GOOD), 0)
    assert (told["tags"], told["by"], told["error_message"]) == (["old"], "local", None)
    assert told["bytes"] == told["bytes_done"] > 0
    items = (await hub.get("/artifacts?tag=old")).json["items"]
    assert len(items) == len(GOOD)
    assert {item["created_at"] for item in items} == {"2020-09-13T12:26:40.000Z"}

    again = await hub.post("/imports", 202, json={"folder": "outputs"})
    told = await ended(hub, again.json["id"])
    assert (told["new"], told["unchanged"]) == (0, len(GOOD))
    page = (await hub.get("/imports?limit=1")).json
    assert ([item["id"] for item in page["items"]], page["folders"]) == ([again.json["id"]], ["outputs"])
    rest = (await hub.get(f"/imports?cursor={page['next_cursor']}")).json
    assert ([item["id"] for item in rest["items"]], rest["next_cursor"]) == ([begun.json["id"]], None)


async def test_while_an_import_goes_on_the_same_request_answers_with_it_and_it_can_be_ended(
    hub: Hub, outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopting, "GROUP", 1)
    going, may_go = threading.Event(), threading.Event()
    complete = adopting.complete

    def waiting(*arguments: Any) -> Any:
        going.set()
        may_go.wait(20)
        return complete(*arguments)

    monkeypatch.setattr(adopting, "complete", waiting)
    begun = (await hub.post("/imports", 202, json={"folder": "outputs"})).json
    await asyncio.to_thread(going.wait, 20)
    same = (await hub.post("/imports", 200, json={"folder": "outputs"})).json
    assert (same["id"], same["status"], same["ended_at"]) == (begun["id"], "running", None)
    assert same["waiting"] == len(GOOD)
    assert (await hub.post(f"/imports/{begun['id']}/cancel", 200)).json["id"] == begun["id"]
    may_go.set()
    told = await ended(hub, begun["id"])
    assert (told["status"], told["new"]) == ("stopped", 1)
    assert (await hub.post(f"/imports/{begun['id']}/cancel", 200)).json["status"] == "stopped"

    rest = (await hub.post("/imports", 202, json={"folder": "outputs"})).json
    assert (await ended(hub, rest["id"]))["new"] == len(GOOD) - 1


async def test_no_path_is_taken_and_none_is_told(hub: Hub, outputs: Path) -> None:
    (outputs / "line\nbreak.txt").write_text("x")
    for name in ("/etc", "../outputs", "/", "store", ""):
        answer = await hub.post("/imports", 422, json={"folder": name})
        assert answer.fields == ["folder"]
    begun = (await hub.post("/imports", 202, json={"folder": "outputs"})).json
    told = await ended(hub, begun["id"])
    assert told["failed"] == 1
    assert [failure["name"] for failure in told["failures"]] == ["line\nbreak.txt"]
    answers = [await hub.get("/imports"), await hub.get("/events?limit=500"), await hub.get("/artifacts")]
    assert str(hub.config.folder) not in "".join(answer.body.decode() for answer in answers)


async def test_a_folder_that_is_gone_and_a_wrong_tag_are_refused(hub: Hub, outputs: Path) -> None:
    assert (await hub.post("/imports", 422, json={"folder": "outputs", "tags": ["a,b"]})).fields == ["tags"]
    assert (await hub.post("/imports", 422, json={"folder": "outputs", "tags": "a"})).fields == ["tags"]
    await asyncio.to_thread(outputs.rename, outputs.parent / "elsewhere")
    answer = await hub.post("/imports", 422, json={"folder": "outputs"})
    assert "no folder that is there" in answer.json["detail"]
    assert (await hub.get("/imports")).json["items"] == []


async def test_an_import_that_cannot_go_on_says_why(hub: Hub, outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise StoreFailed("the store failed while taking a file: its disk is full; free some space and try again")

    with monkeypatch.context() as patch:
        patch.setattr(hub.library.store, "copying", full)
        begun = (await hub.post("/imports", 202, json={"folder": "outputs"})).json
        told = await ended(hub, begun["id"])
    assert told["status"] == "failed"
    assert "its disk is full" in told["error_message"]
    assert told["ended_at"] >= told["started_at"]


async def test_closing_the_hub_ends_its_imports(hub: Hub, outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopting, "GROUP", 1)
    monkeypatch.setattr(adopting, "AHEAD", 1)
    for number in range(100):
        picture(outputs / f"{number}.png", number)
    begun = (await hub.post("/imports", 202, json={"folder": "outputs"})).json
    hub.library.adoptions.close()
    told = hub.library.adoptions.get(begun["id"])
    assert told.status == "stopped"
    assert told.tally.new < 100


async def test_an_import_that_nobody_knows_is_not_found(hub: Hub) -> None:
    unknown = "01a207af-a56a-72ad-8e3b-1493d5a997b4"
    assert (await hub.get(f"/imports/{unknown}", 404)).code == "not_found"
    assert (await hub.post(f"/imports/{unknown}/cancel", 404)).code == "not_found"
