"""Engines that have nothing of a chain but its record: a library's in this process, or a hub's over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from chaining import Studio
from comfyui_artifact_db.chains import rounds, steps
from comfyui_artifact_db.chains.driven import Chain
from comfyui_artifact_db.chains.progress import look
from comfyui_artifact_db.chains.records import Records
from comfyui_artifact_db.chains.servers import Servers
from comfyui_artifact_db.client.engine import HubRecords
from comfyui_artifact_db.config import Config, Server
from comfyui_artifact_db.db.statuses import FINISHED_CHAIN
from comfyui_artifact_db.errors import Conflict, NotFound, Unavailable
from comfyui_artifact_db.library import access, views
from running import ServedHub, served

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


class Engine:
    """Drives one chain, one step at a time; `waited` counts how often it found nobody to ask."""

    def __init__(self, records: Records, chain: views.Chain) -> None:
        self.records = records
        self.chain_id = chain.id
        self.waited = 0
        self._chain: Chain | None = None

    def turn(self) -> str:
        """Look once, and do what there is to do; returns how the chain stood."""
        records = self.records
        chain = self._chain = self._chain or Chain.load(records, self.chain_id, Servers(records))
        row = records.get_chain(self.chain_id)
        found = look(chain)
        rounds.settle(chain, found, row)
        for step in found.ready:
            following = steps.advance(chain, step, found.done)
            time.sleep(min(following.wait, 0.05))
        return found.status

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
