"""What a second process does: `python acting.py ACTION FOLDER [ARGUMENT…]`. See `processes.py`, which starts it."""

from __future__ import annotations

import importlib.util
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def load_package() -> None:
    """Load the checkout as the package it is when installed."""
    spec = importlib.util.spec_from_file_location(
        "comfyui_artifact_db", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["comfyui_artifact_db"] = module
    spec.loader.exec_module(module)


load_package()

from comfyui_artifact_db.config import load_config  # noqa: E402
from comfyui_artifact_db.db.connections import Database  # noqa: E402
from comfyui_artifact_db.db.migrating import migrate  # noqa: E402
from comfyui_artifact_db.library import decisions, identities, recording  # noqa: E402
from comfyui_artifact_db.library.opening import Library, open_library  # noqa: E402
from making import Pictures, png  # noqa: E402


def wait() -> None:
    """Tell the one who started us that we are there, and go on when they say so."""
    print("ready", flush=True)
    sys.stdin.readline()


def migrating(folder: Path) -> None:
    """Migrate at the same moment as another process; prints what was applied."""
    wait()
    print(*migrate(Database(load_config(folder, {}).database)))


def locking(folder: Path) -> None:
    """Hold the writer's lock until told to let go."""
    connection = sqlite3.connect(folder / "artifacts.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    wait()
    connection.close()


def recording_many(folder: Path, count: str) -> None:
    """Record pictures, one after the other, tag each, and print their ids."""
    library = open_library(load_config(folder, {}))
    pictures = Pictures(library)
    wait()
    for _ in range(int(count)):
        artifact = pictures.one()
        decisions.tag(library, artifact.id, "made", by="second process")
        print(artifact.id)
    library.close()


def promising(folder: Path, workflow_id: str, go_further: str = "yes") -> None:
    """Write an intent and place its file, wait, and then commit it, or be gone without a word."""
    library = open_library(load_config(folder, {}))
    intent = promise(library, workflow_id)
    library.store.place(intent)
    wait()
    if go_further == "yes":
        print(*recording.complete(library, intent).artifact_ids)
        library.store.fulfilled(intent)
        library.close()


def promise(library: Library, workflow_id: str, shade: int = 4711) -> recording.Intent:
    """An intent for one picture, up to where its file is staged."""
    artifact_id = identities.new_id()
    with library.store.receiving() as part:
        part.write(png(shade))
        placement = library.store.finish(part, artifact_id=artifact_id, extension="png", day="2026-11-22")
    output = recording.NewArtifact(artifact_id, "9:images:0", "a.png", "image", "png")
    body = {
        "actor": "second process",
        "workflow_id": workflow_id,
        "run": None,
        "outputs": [recording.asdict(output)],
    }
    return library.store.promise(recording.KIND, [placement], body)


ACTIONS: dict[str, Callable[..., None]] = {
    action.__name__: action for action in (migrating, locking, recording_many, promising)
}

if __name__ == "__main__":
    ACTIONS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
