"""What a second process does: `python acting.py ACTION FOLDER [ARGUMENT…]`. See `processes.py`, which starts it."""

from __future__ import annotations

import http.client
import itertools
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import first_release
import loading  # noqa: F401  makes the checkout importable, once
import reviewing
from comfyui_artifact_db.chains.driver import Driver
from comfyui_artifact_db.comfyui_client import servers, sessions
from comfyui_artifact_db.comfyui_client import uploads as sending
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.db.connections import Database
from comfyui_artifact_db.db.migrating import migrate
from comfyui_artifact_db.library import (
    adopting,
    chains,
    collecting,
    decisions,
    edits,
    emptying,
    fetching,
    identities,
    importing,
    recording,
    runs,
    transfers,
    trash,
    workflows,
)
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.storage import files
from committing import connecting
from making import Pictures, png


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


def recording_one(folder: Path) -> None:
    """Make a store and record the first picture of a day and a second one, between marks on the standard output."""
    os.write(1, b"open\n")
    library = open_library(load_config(folder, {}))
    library.prepare()
    pictures = Pictures(library)
    os.write(1, b"first\n")
    pictures.one()
    os.write(1, b"begin\n")
    pictures.one()
    os.write(1, b"end\n")
    library.close()


def delivering(folder: Path, transfer_id: str) -> None:
    """Be at a delivery for as long as nobody says otherwise."""
    library = open_library(load_config(folder, {}))
    with transfers.alone(library, transfer_id):
        wait()
    library.close()


def driving(folder: Path) -> None:
    """Drive chains for as long as nobody says otherwise."""
    library = open_library(load_config(folder, {}))
    driver = Driver(library).start()
    wait()
    driver.stop()
    library.close()


def dying(folder: Path) -> None:
    """In a process of its own for each step: record, edit and delete a chain, and be killed right before that step.

    Prints the number of steps. Each process has its own folder, with what it acknowledged in a file there.
    """
    _until_one_lives(folder, _live)


def dying_imports(folder: Path, bundle: str) -> None:
    """The same of the import of a bundle."""
    _until_one_lives(folder, lambda own, steps: _import(own, steps, Path(bundle)))


def dying_adoptions(folder: Path, outputs: str) -> None:
    """The same of the import of a folder."""
    _until_one_lives(folder, lambda own, steps: _adopt(own, steps, Path(outputs)))


def dying_collections(folder: Path, url: str) -> None:
    """The same of a collection from the server at a URL."""
    _until_one_lives(folder, lambda own, steps: _collect(own, steps, url))


def dying_deliveries(folder: Path, url: str) -> None:
    """The same of a delivery to the server at a URL, each of a picture of its own."""
    _until_one_lives(folder, lambda own, steps: _deliver(own, steps, url))


def dying_emptyings(folder: Path) -> None:
    """The same of emptying the trash."""
    _until_one_lives(folder, _empty)


def dying_migrations(folder: Path) -> None:
    """The same of the migration of a hub that the first release left."""
    _until_one_lives(folder, _migrate_mortally)


def _until_one_lives(folder: Path, live: Callable[[Path, int], None]) -> None:
    for number in itertools.count(1):
        own = folder / str(number)
        own.mkdir()
        child = os.fork()
        if child == 0:
            live(own, number)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            print(number)
            return
        assert os.WTERMSIG(status) == signal.SIGKILL


def _counting_down(steps: int) -> Callable[[], None]:
    """What is called before each step, and kills this process before the last one of so many."""
    left = itertools.count(steps, -1)

    def step() -> None:
        if next(left) == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def _migrate_mortally(folder: Path, steps: int) -> None:
    first_release.make(folder)
    sqlite3.connect = connecting(_counting_down(steps))  # type: ignore[assignment]
    library = open_library(load_config(folder, {}))
    library.prepare()
    library.close()


def _mortal(folder: Path, steps: int, *further: tuple[type, str]) -> tuple[Library, Callable[..., None]]:
    """A library of a process that is killed right before a step; and what writes down what was acknowledged.

    Steps are what changes files, the commits of the database, and `further` methods.
    """
    step = _counting_down(steps)
    write = os.write
    log = os.open(folder / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def acknowledge(*words: str) -> None:
        write(log, (" ".join(words) + "\n").encode())

    def counted(call: Callable[..., Any], when: Callable[..., bool] = lambda *_: True) -> Callable[..., Any]:
        def counting(*arguments: Any, **named: Any) -> Any:
            if when(*arguments):
                step()
            return call(*arguments, **named)

        return counting

    library = open_library(load_config(folder, {}))
    library.prepare()
    library.database.close()
    sqlite3.connect = connecting(step)  # type: ignore[assignment]
    system = ((os, name) for name in ("rename", "fsync", "unlink", "mkdir", "rmdir", "link", "fchmod"))
    for owner, name in (*system, *further):
        setattr(owner, name, counted(getattr(owner, name)))
    files.flush = os.fsync
    os.open = counted(os.open, lambda path, flags, *_: bool(flags & os.O_CREAT))
    return library, acknowledge


def _import(folder: Path, steps: int, bundle: Path) -> None:
    library, acknowledge = _mortal(folder, steps)
    importing.import_bundle(library, bundle, by="importer")
    acknowledge("imported")
    library.close()


def _adopt(folder: Path, steps: int, outputs: Path) -> None:
    adopting.AT_ONCE = 1  # so that each step comes in its turn
    adopting.AHEAD, adopting.GROUP = 1, 2
    library, acknowledge = _mortal(folder, steps)
    adopting.adopt(library, adopting.look_through(library, outputs), by="importer")
    acknowledge("adopted")
    library.close()


def adopting_one(folder: Path, outputs: str) -> None:
    """Import a folder at the same moment as another process; prints what came of it."""
    library = open_library(load_config(folder, {}))
    library.prepare()
    adopting.AHEAD, adopting.GROUP = 4, 3
    plan = adopting.look_through(library, Path(outputs))
    wait()
    tally = adopting.adopt(library, plan, by="importer")
    print(tally.new, tally.known)
    library.close()


def _collect(folder: Path, steps: int, url: str) -> None:
    (folder / "artifact-db.toml").write_text(f'[servers.gpu-b]\nurl = "{url}"\n')
    before = open_library(load_config(folder, {}))
    how = {"workflow_name": "w", "server": "gpu-b", "prompt_id": "p", "status": "executing"}
    workflow, _ = workflows.create_workflow(before, actor="runner", **how)  # type: ignore[arg-type]
    before.close()
    fetching.AT_ONCE = 1  # so that each step comes in its turn
    library, acknowledge = _mortal(folder, steps)
    collecting.download_and_store_artifacts(library, workflow.id, server="gpu-b", prompt_id="p", by="runner")
    acknowledge("collected")
    library.close()


def _deliver(folder: Path, steps: int, url: str) -> None:
    (folder / "artifact-db.toml").write_text(f'[servers.gpu-b]\nurl = "{url}"\n')
    before = open_library(load_config(folder, {}))
    picture = Pictures(before).one(data=png(1000 + steps))
    before.close()
    servers.BLOCK = sending.BLOCK = 40  # so that it goes and comes back in several pieces
    network = (http.client.HTTPConnection, "send"), (sessions._ClockedStream, "readinto")
    library, acknowledge = _mortal(folder, steps, *network)
    transfer = transfers.create_transfer(library, picture.id, server="gpu-b", by="runner")
    acknowledge("asked")
    transfers.deliver(library, transfer.id, by="runner")
    acknowledge("delivered")
    library.close()


def _empty(folder: Path, steps: int) -> None:
    before = open_library(load_config(folder, {}))
    pictures = Pictures(before)
    pictures.one()
    trash.delete(before, pictures.one().id, by="ann")
    first, *_ = pictures.record(run=runs.Run("gpu-a", "p1", "w", chain="film", step="a"), keys=("a:b:0", "a:b:1"))
    pictures.one(run=runs.Run("gpu-a", "p2", "w", chain="film", step="b"))
    chain_id = workflows.get_workflow(before, first.workflow_id).chain_id
    assert chain_id is not None
    chains.delete_chain(before, chain_id, actor="ann")
    before.close()
    emptying.BATCH = 2  # so that the chain takes several transactions
    library, acknowledge = _mortal(folder, steps)
    emptying.empty(library, by="ann")
    acknowledge("emptied")
    library.close()


def collecting_one(folder: Path, workflow_id: str) -> None:
    """Collect at the same moment as another process; prints what was collected."""
    library = open_library(load_config(folder, {}))
    library.prepare()
    wait()
    found = collecting.download_and_store_artifacts(library, workflow_id, server="gpu-b", prompt_id="p", by="runner")
    print(*(artifact.id for artifact in found))
    library.close()


def _live(folder: Path, steps: int) -> None:
    library, acknowledge = _mortal(folder, steps)
    pictures = Pictures(library)
    run = runs.Run("gpu-a", "p1", "w", chain="film", step="a")
    first, other = pictures.record(run=run, keys=("9:images:0", "9:images:1"))
    acknowledge("recorded", first.id, other.id)
    edited = reviewing.edit(library, first.id)
    acknowledge("recorded", edited.id)
    acknowledge("recorded", edits.restore(library, edited.id, first.id, by="ann").id)
    kept = pictures.one()
    acknowledge("kept", kept.id)
    chain_id = workflows.get_workflow(library, first.workflow_id).chain_id
    assert chain_id is not None
    acknowledge("deleting")
    chains.delete_chain(library, chain_id, actor="ann")
    acknowledge("deleted")
    library.close()


ACTIONS: dict[str, Callable[..., None]] = {
    action.__name__: action
    for action in (
        *(migrating, locking, recording_many, promising, recording_one, collecting_one),
        *(delivering, driving),
        *(adopting_one, dying_adoptions),
        *(dying, dying_imports, dying_collections, dying_deliveries, dying_emptyings, dying_migrations),
    )
}

if __name__ == "__main__":
    ACTIONS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
