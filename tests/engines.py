"""Engines that have nothing of a chain but its record: a library's in this process, or a hub's over HTTP."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaining import Studio, step
from comfyui_artifact_db.chains import rounds, steps
from comfyui_artifact_db.chains.driven import Chain
from comfyui_artifact_db.chains.progress import look
from comfyui_artifact_db.chains.records import Records
from comfyui_artifact_db.chains.servers import Servers
from comfyui_artifact_db.chains.stages import Stage
from comfyui_artifact_db.client.engine import HubRecords
from comfyui_artifact_db.config import Config, Server
from comfyui_artifact_db.db import models
from comfyui_artifact_db.db.statuses import FINISHED_CHAIN
from comfyui_artifact_db.errors import Conflict, NotFound, Unavailable
from comfyui_artifact_db.library import access, artifacts, decisions, lineage, pages, transfers, views
from commanding import Shell, servers_of
from running import ServedHub, served
from working import Temporal

FARM = "farm"
"""The name of the token that engines on other machines have."""


def token_of(studio: Studio, role: str = "record", name: str = FARM) -> str:
    """A token for a machine of the render farm."""
    return access.create_token(studio.library, name, role=role, by="tester")[1]


def strict(studio: Studio) -> Config:
    """The studio's configuration, for a hub that wants a token of everybody."""
    return replace(studio.library.config, local_trust=False)


def farm_config(studio: Studio, url: str, token: str, folder: Path) -> Config:
    """The configuration of a machine that has servers and a hub, and no database."""
    given = studio.library.config
    hub = Server("hub", url, token)
    nowhere = {"database": f"sqlite:///{folder / 'none.db'}", "store": folder / "staging"}
    return Config(folder=folder, file=None, servers=given.servers, hub=hub, **nowhere)  # type: ignore[arg-type]


@contextmanager
def farm(studio: Studio, url: str, folder: Path, *, token: str | None = None) -> Iterator[HubRecords]:
    """The record of the hub at a URL as a machine of the farm has it; nothing is left on that machine."""
    folder.mkdir(exist_ok=True)
    config = farm_config(studio, url, token or token_of(studio), folder)
    with closing(HubRecords(config, backoff=0.01)) as records:
        yield records
        assert [path.name for path in records.store.staging.iterdir()] == []
    assert not (folder / "none.db").exists()


@contextmanager
def over_http(studio: Studio, folder: Path) -> Iterator[tuple[ServedHub, HubRecords]]:
    """A hub in threads of this process, and its record as the farm has it."""
    with served(strict(studio)) as hub, farm(studio, hub.url, folder) as records:
        yield hub, records


@contextmanager
def worker_far_away(
    home: Path, hub: str, temporal: Temporal, token: str, servers: str
) -> Iterator[subprocess.Popen[str]]:
    """`artifact-db worker` on a machine that knows a hub, a Temporal server and the servers; killed at the end."""
    shell = Shell(home)
    shell.data.mkdir(parents=True)
    told = f'hub = "{hub}"\nhub_token_env = "HUB_TOKEN"\ntemporal = "{temporal.address}"\n{servers}'
    (shell.data / "artifact-db.toml").write_text(told)
    with shell.working(server=temporal.address, log=home / "log", HUB_TOKEN=token) as process:
        yield process
    said = (home / "log").read_text()
    assert token not in said
    assert not list(home.rglob("*.db"))


def hub_file(studio: Studio, folder: Path) -> Path:
    """The configuration of a hub in a process of its own, which wants a token of everybody."""
    given, file = studio.library.config, folder / "hub.toml"
    here = f'database = "{given.database}"\nstore = "{given.store.as_posix()}"\nlocal_trust = false\n'
    file.write_text(here + servers_of(studio.servers))
    return file


def film() -> list[dict[str, Any]]:
    """Four steps over both servers, two of them side by side, one of which a person decides on."""
    return [
        step("one", server="gpu-a"),
        step("left", "one", server="gpu-b", requires_approval=True),
        step("right", "one", server="gpu-a"),
        step("end", "left", "right", server="gpu-b", parameters={"7.text": "{{ right.output.image }}"}),
    ]


def assert_done_once(studio: Studio, chain: views.Chain) -> None:
    """The film is there, each prompt ran once, each output is recorded once, and each delivery has its receipt."""
    names = ("one", "left", "right", "end")
    assert studio.statuses(chain) == dict.fromkeys(names, "completed")
    assert [one.number for name in names for one in studio.attempts(chain, name)] == [1, 1, 1, 1]
    queued = [asked["prompt_id"] for server in studio.servers.values() for asked in server.queued]
    assert sorted(queued) == sorted(one.prompt_id for name in names for one in studio.attempts(chain, name))
    made = [studio.current(chain, name) for name in names]
    assert [artifact.version for artifact in made] == [1, 1, 1, 1]
    with studio.library.reading():
        assert models.Artifact.select().count() == studio.made == 4
    ancestors = lineage.get_lineage(studio.library, made[3].id).ancestors
    assert {found.artifact.id for found in ancestors} == {one.id for one in made[:3]}
    delivered = transfers.list_transfers(studio.library, pages.Ask()).items
    assert {one.status for one in delivered} == {"completed"}
    assert len(delivered) == 4
    assert all(
        one.receipt_sha256 == artifacts.get_artifact(studio.library, one.artifact_id).sha256 for one in delivered
    )


@contextmanager
def a_person(studio: Studio, chain: views.Chain) -> Iterator[None]:
    """Somebody who approves the step that waits, as soon as it does."""
    over = threading.Event()

    def approve() -> None:
        while not over.wait(0.02):
            if studio.statuses(chain).get("left") == "awaiting_approval":
                decisions.approve(studio.library, studio.current(chain, "left").id, by="anna")
                return

    thread = threading.Thread(target=approve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Engine:
    """Drives one chain, one step at a time; `waited` counts how often it found nobody to ask."""

    def __init__(self, records: Records, chain: views.Chain) -> None:
        self.records = records
        self.chain_id = chain.id
        self.waited = 0
        self._chain: Chain | None = None

    def turn(self, only: Stage | None = None) -> str:
        """Look once, and do what there is to do, or what belongs to a stage; returns how the chain stood."""
        records = self.records
        chain = self._chain = self._chain or Chain.load(records, self.chain_id, Servers(records))
        found = look(chain)
        rounds.settle(chain, found)
        for ready in found.ready:
            following = steps.advance(chain, ready, found.done, only)
            time.sleep(min(following.wait, 0.05))
        return found.status

    def begin(self, step_id: str) -> None:
        """Turn until an attempt of a step has begun, of which nothing is sent yet."""
        while self._chain is None or step_id not in {step.id for step in look(self._chain).ready}:
            self.turn()
        self.turn(Stage.BEGIN)

    def run(self, *ends: str, seconds: float = 30.0) -> str:
        """Turn until the chain has ended, or stands so."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if (status := self.turn()) in (*FINISHED_CHAIN, *ends):
                    return status
            except (Unavailable, Conflict):
                self.waited += 1
                time.sleep(0.02)
            except NotFound:
                return "gone"
        raise AssertionError(f"the chain has not ended within {seconds} s")
