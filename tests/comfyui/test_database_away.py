"""Recording never fails a generation: while the database is away the picture is kept, and its record follows."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from comfyui_graphs import Graph
from comfyui_studio import Outcome, Studio, add_pack
from locking import locked
from waiting import until

from devtools.environment import ComfyUI
from devtools.servers import ComfyServer


class Kept:
    """A prompt with two save nodes of one step, and what it told while it ran."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.chain = f"away {uuid.uuid4()} x"
        self.graph = Graph()
        pictures = self.graph.picture(batch=2), self.graph.picture()
        self.saves = [self.graph.save(picture, chain=self.chain, step="a", tags="kept") for picture in pictures]
        self.workflows = [self.graph.show(save[2]) for save in self.saves]
        self.lock = ExitStack()

    def run(self) -> None:
        """Queue it and wait for its end, asking the server all the while."""
        self.outcome: Outcome = self.studio.outcome(self.studio.queue(self.graph, actor="anna"), seconds=40)
        assert self.outcome.status == "success", self.outcome.entry["status"]
        self.ids = [artifact_id for save in self.saves for artifact_id in self.outcome.ids(save)]
        ((self.workflow_id,),) = {tuple(self.outcome.text(node)) for node in self.workflows}

    def intents(self) -> list[Path]:
        return sorted((self.studio.store / "staging").rglob("*.intent.json"))

    def promises(self) -> list[Any]:
        """What the intents say."""
        return [json.loads(path.read_bytes()) for path in self.intents()]

    def is_recorded(self) -> bool:
        return [self.studio.ask("GET", f"/artifact-db/artifacts/{i}").status_code for i in self.ids] == [200] * 3

    def assert_kept(self) -> None:
        """The ids were given and said to be waited for; files and intents are on disk, and no row is."""
        assert len(set(self.ids)) == 3
        for save in self.saves:
            (text,) = self.outcome.text(save)
            assert text.startswith("kept, and recorded as soon as the database is back: ")
            assert "another program is writing to it" in text
        assert "waits for the database" in self.studio.server.log.read_text(encoding="utf-8")
        promises = self.promises()
        told = [output["artifact_id"] for promise in promises for output in promise["record"]["outputs"]]
        assert sorted(told) == sorted(self.ids)
        for promise in promises:
            assert promise["record"]["workflow_id"] == self.workflow_id
            for placement in promise["placements"]:
                assert (self.studio.store / placement["local_path"]).stat().st_size == placement["size"]
        for image in (image for save in self.saves for image in self.outcome.ui(save)["images"]):
            self.studio.ask("GET", "/view", 200, params=image)
        assert not self.is_recorded()

    def assert_recorded(self) -> None:
        """Every row came, under the ids that were given."""
        artifacts = [self.studio.artifact(artifact_id) for artifact_id in self.ids]
        assert {artifact["workflow_id"] for artifact in artifacts} == {self.workflow_id}
        assert [artifact["output_key"] for artifact in artifacts] == ["3:images:0", "3:images:1", "4:images:0"]
        assert [artifact["is_latest"] for artifact in artifacts].count(True) == 1
        assert {tuple(artifact["tags"]) for artifact in artifacts} == {("kept",)}
        assert all(artifact["usable"] for artifact in artifacts)
        workflow = self.studio.workflow(self.workflow_id)
        assert (workflow["step_id"], workflow["prompt_id"]) == ("a", self.outcome.prompt_id)
        assert [attempt["requested_by"] for attempt in workflow["attempts"]] == ["anna"]
        assert [chain["id"] for chain in self.studio.get("/chains", name=self.chain)["items"]] == [workflow["chain_id"]]
        for artifact_id, (shown, save) in zip(self.ids, self.shown(), strict=True):
            assert self.studio.data(artifact_id) == self.studio.ask("GET", "/view", params=shown).content, save

    def shown(self) -> list[tuple[dict[str, str], str]]:
        return [(image, save.id) for save in self.saves for image in self.outcome.ui(save)["images"]]


@contextmanager
def asked_all_the_while(look: Callable[[], Any]) -> Iterator[list[float]]:
    """Calls `look` again and again until the block ends; gives the seconds that each call took."""
    took: list[float] = []
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.02):
            began = time.monotonic()
            look()
            took.append(time.monotonic() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield took
    finally:
        done.set()
        thread.join()


@pytest.fixture(scope="module")
def doomed(comfyui_code: ComfyUI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kept, Future[None]]]:
    """A server of its own whose database is locked, and a prompt that runs on it from now on."""
    server = ComfyServer(comfyui_code, tmp_path_factory.mktemp("comfyui-doomed"))
    add_pack(server)
    try:
        kept = Kept(Studio(server.start()))
        kept.studio.get("/health")
        with kept.lock, ThreadPoolExecutor(1) as pool:
            kept.lock.enter_context(locked(kept.studio.database))
            yield kept, pool.submit(kept.run)
    finally:
        server.stop()


@pytest.mark.usefixtures("doomed")  # Each takes as long as two nodes wait for a lock: they wait at the same time.
def test_a_prompt_succeeds_while_the_database_is_locked_and_is_recorded_afterwards(studio: Studio) -> None:
    studio.get("/health")
    kept = Kept(studio)
    with locked(studio.database), asked_all_the_while(lambda: studio.ask("GET", "/queue", 200)) as took:
        kept.run()
        kept.assert_kept()
        assert studio.get("/health")["pending_intents"] == 2
    assert len(took) > 50
    assert sorted(took)[len(took) // 2] < 0.1
    assert max(took) < 3
    until(kept.is_recorded)
    kept.assert_recorded()
    assert studio.settled(kept.workflow_id)["status"] == "completed"
    until(lambda: kept.intents() == [])


def test_it_is_recorded_after_a_kill_too(doomed: tuple[Kept, Future[None]]) -> None:
    kept, running = doomed
    running.result()
    kept.assert_kept()
    paths = [placement["local_path"] for promise in kept.promises() for placement in promise["placements"]]
    files = {path: (kept.studio.store / path).read_bytes() for path in paths}
    kept.studio.server.kill()
    before = kept.studio.server.log.stat().st_size
    kept.studio.server.start()
    # The database is away for longer than the new process waits for it at its start.
    until(lambda: b"an interrupted record waits" in kept.studio.server.log.read_bytes()[before:])
    assert not kept.is_recorded()
    kept.lock.close()
    until(kept.is_recorded)
    assert {path: (kept.studio.store / path).read_bytes() for path in files} == files
    until(lambda: kept.intents() == [])
    artifacts = [kept.studio.artifact(artifact_id) for artifact_id in kept.ids]
    assert {artifact["local_path"] for artifact in artifacts} == set(files)
    assert {artifact["workflow_id"] for artifact in artifacts} == {kept.workflow_id}
