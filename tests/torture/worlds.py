"""Owns the folder of one world: a database of an older schema, its store, and the logs of those who work in it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.db import migrating
from comfyui_artifact_db.db.connections import Database

OLDEST_WITH_RULES = 2
"""Migrations that an old database has: before the second one there are no versions and no hashes to speak of."""


@dataclass(frozen=True)
class World:
    """Where everything of one world lies."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "artifacts.db"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def output(self, name: str) -> Path:
        """What a process printed."""
        return self.folder / "outputs" / name

    def epitaph(self, name: str) -> Path:
        """Where a process that kills itself says at which step it does."""
        return self.folder / "outputs" / f"{name}.died"

    def died_at(self, name: str) -> str | None:
        """The step at which a process killed itself; None when somebody else did.

        An epitaph without a word is of a process that was killed as it was about to write it.
        """
        path = self.epitaph(name)
        words = path.read_text() if path.exists() else ""
        return str(json.loads(words)) if words else None

    def remove(self) -> None:
        shutil.rmtree(self.folder)


def empty(folder: Path, comfyui: str) -> World:
    """A world with its configuration, and nothing in it."""
    world = World(folder)
    for inner in (folder, world.logs, folder / "outputs"):
        inner.mkdir()
    (folder / "artifact-db.toml").write_text(f'[servers.gpu-a]\nurl = "{comfyui}"\n')
    return world


def age(world: World) -> None:
    """Take the newest migrations back: what is in the world was written by an older release."""
    database = Database(load_config(world.folder, {}).database)
    names = sorted(path.stem for path in migrating.MIGRATIONS.glob("[0-9]*.py"))
    migrating.revert(database, target=names[OLDEST_WITH_RULES])
    database.close()


def copied(old: World, folder: Path) -> World:
    """Another world that begins as this one does."""
    shutil.copytree(old.folder, folder)
    return World(folder)
