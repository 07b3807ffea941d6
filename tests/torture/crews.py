"""Owns the processes: each is forked from one that has everything imported, which takes milliseconds.

A crew is what is killed at once: a hand alone, or a hub. The callers of a hub are beside it and end when it is gone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from comfyui_artifact_db.cli.main import main as artifact_db
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library.opening import open_library
from comfyui_servers_that import ComfyUI

from . import failpoints, sabotage
from .callers import Caller
from .control import PATIENCE, PAUSE, PAUSED, READY, RUN, STARTING, STOP, Control, Switchboard
from .hands import Hand
from .logs import Log
from .power import Power
from .work import HubGone
from .worlds import World

FAILED = 3
CALLERS = 2


def fork(run: Callable[[], object], output: Path) -> int:
    """Run something in a process of its own, which says what it has to say into a file; returns its id."""
    child = os.fork()
    if child:
        return child
    code = FAILED
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, 1)
        os.dup2(file, 2)
        code = int(run() or 0)  # type: ignore[call-overload]
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended(process: int, seconds: float) -> int | None:
    """How a process ended, as `os.waitstatus_to_exitcode` says it; None when it lives after so many seconds."""
    until = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            return None
        time.sleep(0.0005)


@dataclass(frozen=True)
class Fate:
    """What a crew is to do first, and at which of its steps from then on it dies. `step` 0: not by itself.

    `while_opening`: the steps are counted from where it opens the database. `power_cut`: what it has not synced is
    gone with it.
    """

    op: str | None = None
    step: int = 0
    while_opening: bool = False
    power_cut: bool = False


@dataclass
class Crew:
    """A hand, or a hub with its callers. `process` is the one that is killed; `others` end by themselves then."""

    name: str
    kind: str
    process: int
    controls: list[Control]
    others: list[int] = field(default_factory=list)

    def ready(self) -> bool:
        return all(control.says != STARTING for control in self.controls)

    def ask(self, what: int) -> None:
        for control in self.controls:
            control.ask(what)

    def wait_until(self, says: int) -> None:
        """Wait until every worker says so.

        Raises:
            TimeoutError: one does not; it hangs, or has failed.
        """
        until = time.monotonic() + PATIENCE
        while any(control.says != says for control in self.controls):
            if time.monotonic() > until or not all(map(alive, (self.process, *self.others))):
                raise TimeoutError(f"{self.name} does not answer")
            time.sleep(0.0005)

    def pause(self) -> None:
        self.ask(PAUSE)
        self.wait_until(PAUSED)

    def go_on(self) -> None:
        self.ask(RUN)
        self.wait_until(READY)

    def stop(self) -> list[int | None]:
        """Let it end as it should; returns how each process ended."""
        self.ask(STOP)
        codes = [ended(process, PATIENCE) for process in self.others]
        if self.kind == "hub":
            os.kill(self.process, signal.SIGTERM)
        return [*codes, ended(self.process, PATIENCE)]


def alive(process: int) -> bool:
    """Whether one of our children still runs; it is left to be waited for."""
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def put_down(process: int) -> None:
    """End one of our children, unless it has ended."""
    try:
        if alive(process):
            os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    except ChildProcessError:
        return  # It was waited for already.


def hand(world: World, name: str, seed: str, board: Switchboard, fate: Fate, broken: str | None) -> Crew:
    """Start a worker that calls the library."""
    control = board.control()

    def run() -> None:
        steps = _equip(world, name, seed, fate, broken)
        library = open_library(load_config(world.folder, {}))
        library.prepare()
        worker = Hand(Log(world.logs, name), seed, world.database, steps)
        worker.library = library
        if not fate.while_opening:
            _die_when_ready(control, steps, fate)
        worker.work(control, fate.op)
        library.close()

    return Crew(name, "hand", fork(run, world.output(name)), [control])


def hub(world: World, name: str, seed: str, board: Switchboard, fate: Fate, broken: str | None) -> Crew:
    """Start `artifact-db serve` and those who call it."""
    arming = board.control()

    def serve() -> int:
        steps = _equip(world, name, seed, fate, broken)
        os.environ["ARTIFACT_DB_CONFIG"] = str(world.folder / "artifact-db.toml")
        if not fate.while_opening:
            _die_when_ready(arming, steps, fate)
        return artifact_db(["serve", "--port", "0"])

    crew = Crew(name, "hub", fork(serve, world.output(name)), [])
    url = _address(crew.process, world.output(name))
    if url is None:
        return crew
    arming.ready()
    for number in range(CALLERS):
        control, caller = board.control(), f"{name}{'abcdef'[number]}"

        def call(caller: str = caller, control: Control = control) -> None:
            worker = Caller(Log(world.logs, caller), f"{seed}{caller}", world.database, None)
            worker.open(url)
            try:
                worker.work(control, fate.op)
            except HubGone:
                if not is_gone(crew.process):
                    raise

        crew.others.append(fork(call, world.output(caller)))
        crew.controls.append(control)
    return crew


def is_gone(process: int) -> bool:
    """Whether somebody else's child ends, which takes a moment after its connections were cut."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.001)
    return False


def opener(world: World, name: str, seed: str, fate: Fate, broken: str | None) -> int:
    """Start a process that does nothing but open the database and complete what others left."""

    def run() -> None:
        steps = _equip(world, name, seed, fate, broken)
        library = open_library(load_config(world.folder, {}))
        library.prepare()
        if not fate.step:
            Log(world.logs, name).done(f"{name}.0", name, {}, steps.trace)
        library.close()

    return fork(run, world.output(name))


def comfyui(folder: Path) -> tuple[int, str]:
    """Start a server that takes files and gives them back as ComfyUI does; returns its process and its URL."""
    folder.mkdir()

    async def start(server: ComfyUI) -> None:
        runner = web.AppRunner(server.app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print("Running on http://{}:{}/".format(*runner.addresses[0][:2]), flush=True)
        await asyncio.Event().wait()

    process = fork(lambda: asyncio.run(start(ComfyUI(folder))), folder / "output.txt")
    url = _address(process, folder / "output.txt")
    assert url is not None
    return process, url.removesuffix("/")


def _equip(world: World, name: str, seed: str, fate: Fate, broken: str | None) -> failpoints.Steps:
    """Give this process its steps, and break in it what the test of the tests wants broken."""
    logging.basicConfig(level=logging.WARNING)
    power = Power(world.store, world.folder / "graveyard") if fate.power_cut else None
    steps = failpoints.Steps(world.epitaph(name), random.Random(seed), power.cut if power else lambda: None)
    if power:
        power.install()
    sabotage.apply(broken)
    failpoints.install(steps)
    if fate.while_opening:
        steps.die_after(fate.step)
    return steps


def _die_when_ready(control: Control, steps: failpoints.Steps, fate: Fate) -> None:
    """Count the steps to death from where the workers begin."""
    if fate.step:
        steps.die_once(lambda: control.says != STARTING, fate.step)


def _address(process: int, output: Path) -> str | None:
    """What a server says where it is; None when it died before it could."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        text = output.read_text() if output.exists() else ""
        for line in text.splitlines(keepends=True):
            if line.startswith("Running on ") and line.endswith("\n"):
                return line.removeprefix("Running on ").strip()
        if not alive(process):
            return None
        time.sleep(0.001)
    raise TimeoutError("a server does not start")
