"""The answers of LoadFromArtifactDB to what may not travel: fail, block and last_approved, each for every reason."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from comfyui_graphs import Graph, loaded_picture
from comfyui_studio import Studio, picture


@dataclass
class Step:
    """A step of a chain whose picture may not travel: what a load node says of it, and what makes it travel."""

    studio: Studio
    reason: str
    chain: str = field(default_factory=lambda: f"film {uuid.uuid4()} x")
    artifact: dict[str, Any] = field(default_factory=dict)
    mended: dict[Path, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made = self.studio.post("/chains", {"name": self.chain}, 201)
        self.workflow = {"chain_id": made["id"], "step_id": "a", "requires_approval": self.reason == "pending"}
        if self.reason == "nothing recorded":
            return
        self.artifact = self.studio.uploaded(**self.workflow)
        if self.reason == "rejected":
            self.studio.post(f"{self.path}/reject", {"reason": "six fingers"})
        elif self.reason == "trashed":
            self.studio.hub("DELETE", self.path)
        elif self.reason.startswith("changed"):
            self.overwrite()

    @property
    def path(self) -> str:
        return f"/artifacts/{self.artifact['id']}"

    @property
    def names(self) -> dict[str, str]:
        """The widgets that name it; in the trash nothing but its id does."""
        return {"artifact_id": self.artifact["id"]} if self.reason == "trashed" else {"chain": self.chain, "step": "a"}

    def overwrite(self) -> None:
        stored = self.studio.stored(self.artifact["id"])
        before = stored.stat()
        self.mended[stored] = stored.read_bytes()
        stored.chmod(0o644)
        stored.write_bytes(self.mended[stored][:-1] + b"\x00")
        if self.reason == "changed unseen":
            os.utime(stored, ns=(before.st_atime_ns, before.st_mtime_ns))

    def mend(self) -> None:
        """Put the bytes back that were overwritten."""
        while self.mended:
            stored, data = self.mended.popitem()
            stored.write_bytes(data)

    def make_usable(self) -> None:
        """What a person does about it."""
        if self.reason in ("pending", "rejected"):
            self.studio.post(f"{self.path}/approve")
        elif self.reason == "trashed":
            self.studio.post(f"{self.path}/undelete")
        elif self.reason == "nothing recorded":
            self.artifact = self.studio.uploaded(**self.workflow)
        self.mend()


SAID = {
    "pending": "it waits for a decision",
    "rejected": "it was rejected (six fingers)",
    "trashed": "it is in the trash",
    "changed": "its bytes are not those that were recorded",
    "changed unseen": "its bytes are not those that were recorded",
    "nothing recorded": "nothing is recorded for chain",
}
MakeStep = Callable[[str], Step]


@pytest.fixture
def make_step(studio: Studio) -> Iterator[MakeStep]:
    """Makes steps; what was overwritten in the store is put back afterwards."""
    made: list[Step] = []

    def make(reason: str) -> Step:
        made.append(Step(studio, reason))
        return made[-1]

    yield make
    for step in made:
        step.mend()


@pytest.mark.parametrize("reason", SAID)
def test_fail_ends_the_prompt_and_says_why(studio: Studio, make_step: MakeStep, reason: str) -> None:
    step = make_step(reason)
    graph = loaded_picture(**step.names)
    outcome = studio.run(graph, status="error")
    assert SAID[reason] in outcome.error
    assert str(studio.server.folder) not in outcome.error
    step.make_usable()
    studio.run(graph)


@pytest.mark.parametrize("reason", SAID)
def test_block_stops_its_branch_in_silence_until_it_is_usable(studio: Studio, make_step: MakeStep, reason: str) -> None:
    step = make_step(reason)
    graph = Graph()
    load = graph.load(**step.names, if_not_usable="block")
    blocked = [graph.write(load), graph.save(load), graph.write_mask(load[1]), graph.show(load[3])]
    other = graph.write(graph.picture())
    outcome = studio.run(graph)
    assert outcome.message("execution_error") is None
    assert set(outcome.entry["outputs"]) == {load.id, other.id}
    (text,) = outcome.text(load)
    assert text.startswith("this branch stops here: ")
    assert SAID[reason] in text
    assert studio.workflows_of(outcome.prompt_id) == []
    again = studio.run(graph)
    assert set(again.entry["outputs"]) == {load.id, other.id}
    assert again.text(load) == [text]
    step.make_usable()
    outcome = studio.run(graph)
    assert set(outcome.entry["outputs"]) == {node.id for node in (load, other, *blocked)}
    assert other.id in outcome.cached


async def test_a_block_tells_the_page_of_no_error(studio: Studio, make_step: MakeStep) -> None:
    step = await asyncio.to_thread(make_step, "pending")
    graph = Graph()
    graph.write(graph.load(**step.names, if_not_usable="block"))
    events: list[str] = []
    url = f"{studio.server.url}/ws?clientId=page"
    async with ClientSession() as session, session.ws_connect(url) as page:
        prompt_id = await asyncio.to_thread(studio.queue, graph, client_id="page")
        while "execution_success" not in events:
            message = await page.receive_json(timeout=20)
            if message["data"].get("prompt_id") == prompt_id:
                events.append(message["type"])
    assert "execution_error" not in events
    assert events.count("executed") == 1


def test_a_block_tells_the_newest_reason(studio: Studio, make_step: MakeStep) -> None:
    step = make_step("pending")
    graph = Graph()
    load = graph.load(**step.names, if_not_usable="block")
    graph.write(load)
    assert SAID["pending"] in studio.run(graph).text(load)[0]
    studio.post(f"{step.path}/reject", {"reason": "six fingers"})
    assert SAID["rejected"] in studio.run(graph).text(load)[0]


def test_a_block_in_a_list_ends_with_the_approval_of_its_item(studio: Studio) -> None:
    usable, waits = studio.uploaded()["id"], studio.uploaded(requires_approval=True)["id"]
    graph = Graph()
    texts = graph.add("TestsTexts", texts={"__value__": [usable, waits]})
    shown = graph.show(graph.load(artifact_id=texts, if_not_usable="block")[2])
    assert studio.run(graph).text(shown) == [usable]
    studio.post(f"/artifacts/{waits}/approve")
    assert studio.run(graph).text(shown) == [usable, waits]


@pytest.mark.parametrize("reason", SAID)
def test_last_approved_without_any_fails_loudly(studio: Studio, make_step: MakeStep, reason: str) -> None:
    step = make_step(reason)
    outcome = studio.run(loaded_picture(**step.names, if_not_usable="last_approved"), status="error")
    nothing = reason == "nothing recorded"
    assert (SAID[reason] if nothing else "no version of output upload:images:0 is usable") in outcome.error
    step.make_usable()
    studio.run(loaded_picture(**step.names, if_not_usable="last_approved"))


@pytest.mark.parametrize("reason", [reason for reason in SAID if reason != "nothing recorded"])
def test_last_approved_gives_the_newest_usable_version(studio: Studio, make_step: MakeStep, reason: str) -> None:
    step = make_step("nothing recorded")
    first = studio.uploaded(**step.workflow)
    key = {"output_key": first["output_key"]}
    upload = f"/workflows/{first['workflow_id']}/artifacts"
    second = studio.upload(upload, picture(), "b.png", **key)
    third = studio.upload(upload, picture(), "c.png", **key)
    studio.post(f"/artifacts/{third['id']}/select")
    step.artifact, step.reason = third, reason
    if reason == "pending":
        studio.hub("PATCH", step.path, json={"approval_status": "pending"})
    elif reason == "rejected":
        studio.post(f"{step.path}/reject", {"reason": "six fingers"})
    elif reason == "trashed":
        studio.hub("DELETE", step.path)
    else:
        step.overwrite()
    graph = Graph()
    shown = graph.show(graph.load(**step.names, if_not_usable="last_approved")[2])
    assert studio.run(graph).text(shown) == [second["id"]]
    studio.post(f"/artifacts/{second['id']}/reject", {"reason": "blurred"})
    assert studio.run(graph).text(shown) == [first["id"]]


def test_last_approved_gives_the_current_artifact_while_it_is_usable(studio: Studio, make_step: MakeStep) -> None:
    step = make_step("nothing recorded")
    first = studio.uploaded(**step.workflow)
    studio.upload(f"/artifacts/{first['id']}/edit", picture(), "b.png")
    studio.post(f"/artifacts/{first['id']}/select")
    graph = Graph()
    shown = graph.show(graph.load(**step.names, if_not_usable="last_approved")[2])
    assert studio.run(graph).text(shown) == [first["id"]]
