"""Owns the rounds: somebody works, somebody else works too and is killed, the library is reopened and checked."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library.opening import open_library

from . import checking, crews, logs, power, worlds
from .control import PATIENCE, RUN, STOP, Switchboard
from .crews import Crew, Fate
from .worlds import World

OLD_CHANGES = 40
"""Changes in the database that every world begins with."""

KILLS_OF_A_WORLD = 12
"""The more there is in a world, the longer each look at all of it takes."""

FIRST_GUESS = 30
STEPS_TO_RECOVER = 30
"""About as many as one intent takes, beside those of every opening."""
LONGEST_LIFE = 0.12
LATEST_DEATH = 0.7
"""Seconds after which a process that did not come to its step is killed anyway."""

LIKE = {"upload": "edit", "create_once": "create_workflow", "recover": "open"}
"""Whose steps those of another kind are about like."""

POWER_CUTS = 0.4
"""Of those who die at a step, so many lose what they have not synced."""

AT_ANY_MOMENT = "at any moment"
OPS = (
    *("save", "edit", "restore", "approve", "reject", "select", "delete", "undelete", "delete_chain"),
    *("undelete_chain", "empty", "transfer"),
    *("tag", "create_workflow", "update_workflow", "ask_again"),
)
OPS_OF_CALLERS = ("upload", "create_once", "edit", "restore", "approve", "delete_chain", "empty", "transfer", "delete")


@dataclass
class Tally:
    """What has happened so far."""

    kills: int = 0
    power_cuts: int = 0
    points: Counter[str] = field(default_factory=Counter)
    ops: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    worlds: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)


class Torture:
    """One run. Everything that is chosen is chosen by the seed; the rest is the operating system's."""

    def __init__(self, folder: Path, seed: int, broken: str | None, told: Callable[[Tally], None]) -> None:
        self.tally = Tally()
        self._folder = folder
        self._seed = seed
        self._rng = random.Random(seed)
        self._broken = broken
        self._told = told
        self._board = Switchboard()
        self._steps: dict[str, list[str]] = {}
        self._number = 0
        self._fated: dict[str, Fate] = {}
        process, self._url = crews.comfyui(folder / "comfyui")
        self._children = [process]

    def run(self, kills: int) -> Tally:
        """Kill so many processes, or until something is wrong; then the folder of that world is left as it is."""
        began = time.monotonic()
        try:
            old = self._old_world()
            while self.tally.kills < kills and not self.tally.violations:
                world = worlds.copied(old, self._folder / f"world-{self.tally.worlds}")
                self.tally.worlds += 1
                self._live(world, min(KILLS_OF_A_WORLD, kills - self.tally.kills))
                self.tally.changes += Counter(
                    f"{change.op} {change.outcome}" for change in logs.read(world.logs).values()
                )
                if not self.tally.violations:
                    world.remove()
        finally:
            self.tally.seconds = time.monotonic() - began
            for process in self._children:
                crews.put_down(process)
        return self.tally

    def _old_world(self) -> World:
        """What an older release left: written by this one, and taken back to the tables of that one."""
        world = worlds.empty(self._folder / "old", self._url)
        crew = self._start(world, Fate(), "hand", whole=True)
        crew.wait_until(crews.READY)
        while len(logs.read(world.logs)) < OLD_CHANGES:
            time.sleep(0.01)
        self._require(world, crew.stop() == [0], f"{crew.name} ended badly")
        self._require(world, crews.ended(crews.fork(lambda: worlds.age(world), world.output("age")), PATIENCE) == 0,
                      "the database could not be made old")  # fmt: skip
        trial = worlds.copied(world, self._folder / "trial")
        for op in ("migrate", "open"):
            process = crews.opener(trial, op, op, Fate(), None)
            self._require(trial, crews.ended(process, PATIENCE) == 0, "the old database could not be opened")
        self._steps = logs.steps(trial.logs)
        trial.remove()
        return world

    def _live(self, world: World, kills: int) -> None:
        """Kill so many in one world. The first are killed as they migrate it, two at once."""
        enough = self.tally.kills + kills
        survivor: Crew | None = None
        opening = True
        while self.tally.kills < enough and not self.tally.violations:
            if survivor is None and not opening:
                survivor = self._start(world, Fate())
            victim = self._start(world, self._fate(opening))
            if opening:
                survivor = self._start(world, Fate(), "hand")
            self._kill(world, victim)
            if survivor is not None and self._rng.random() < 0.12:
                self._wait(world, survivor)
                self._kill(world, survivor, at_once=True)
                survivor = None
            if self._rng.random() < 0.15:
                self._kill_opener(world)
            self._check(world, survivor)
            if survivor is not None and self._rng.random() < 0.1:
                self._end(world, survivor)
                survivor = None
            opening = False
            self._told(self.tally)
            for op, steps in logs.steps(world.logs).items():
                self._steps[op] = max(self._steps.get(op, []), steps, key=len)
        if survivor is not None and not self.tally.violations:
            self._end(world, survivor)
            self._check(world, None)

    def _start(self, world: World, fate: Fate, kind: str | None = None, *, whole: bool = False) -> Crew:
        """Start somebody, unbroken where they are to be `whole`."""
        if kind is None:
            kind = "hub" if fate.op in OPS_OF_CALLERS and self._rng.random() < 0.4 else "hand"
            if fate.op is None:
                kind = self._rng.choice(("hand", "hand", "hub"))
        make = crews.hub if kind == "hub" else crews.hand
        name = self._name()
        if fate.step:
            self._fated[name] = fate
        crew = make(world, name, self._chance(), self._board, fate, None if whole else self._broken)
        self._children += [crew.process, *crew.others]
        return crew

    def _fate(self, opening: bool) -> Fate:
        """When the next one dies: as it opens, at a step of some kind of change, or at any moment."""
        if opening or self._rng.random() < 0.06:
            return Fate(step=self._step("migrate" if opening else "open"), while_opening=True, power_cut=self._cut())
        if self._rng.random() < 0.35:
            return Fate()
        op = self._rng.choice((*OPS, "upload", "create_once"))
        return Fate(op, self._step(op), power_cut=self._cut())

    def _cut(self) -> bool:
        """Whether a death at a step is that of the whole machine's power."""
        return power.IS_KNOWN and self._rng.random() < POWER_CUTS

    def _step(self, op: str) -> int:
        """At which step of this kind of change to die: at one of those whose name came up least, or at any one."""
        known = self._steps.get(LIKE.get(op, op)) or [""] * FIRST_GUESS
        if op == "recover":
            known = [*known, *[""] * STEPS_TO_RECOVER]
        seldom = min(self.tally.points[name] for name in known)
        rare = [number for number, name in enumerate(known, 1) if self.tally.points[name] == seldom]
        return self._rng.choice(rare if self._rng.random() < 0.5 else range(1, len(known) + 1))

    def _kill(self, world: World, crew: Crew, *, at_once: bool = False) -> None:
        """Wait until a crew has killed itself, or kill it."""
        life = self._rng.random() * LONGEST_LIFE
        fated = crew.name in self._fated
        if not at_once and not fated:
            self._wait(world, crew)
            time.sleep(life)
        code = crews.ended(crew.process, LATEST_DEATH if fated and not at_once else 0)
        if code is None:
            os.kill(crew.process, signal.SIGKILL)
            code = crews.ended(crew.process, PATIENCE)
        self._require(world, code == -signal.SIGKILL, f"{crew.name} ended by itself: {code}")
        for process in crew.others:
            self._require(world, crews.ended(process, PATIENCE) == 0, f"a caller of {crew.name} failed")
        workers = [crew.name] if crew.kind == "hand" else [f"{crew.name}{letter}" for letter in "ab"]
        for worker in workers:
            self.tally.ops[logs.last_op(world.logs, worker)] += 1
        self._count(world, crew.name)

    def _kill_opener(self, world: World) -> None:
        """Kill one that completes what the last one left."""
        name = self._name()
        fate = Fate(step=self._step("recover"), while_opening=True, power_cut=self._cut())
        self._fated[name] = fate
        process = crews.opener(world, name, self._chance(), fate, self._broken)
        code = crews.ended(process, PATIENCE)
        if code == -signal.SIGKILL:
            self.tally.ops["recovering"] += 1
            self._count(world, name)
        else:
            self._require(world, code == 0, f"{name}, which only opened, ended with {code}")

    def _count(self, world: World, name: str) -> None:
        self.tally.kills += 1
        died_at = world.died_at(name)
        self.tally.points[died_at or AT_ANY_MOMENT] += 1
        if died_at and self._fated[name].power_cut:
            self.tally.power_cuts += 1

    def _wait(self, world: World, crew: Crew) -> None:
        until = time.monotonic() + PATIENCE
        while not crew.ready() or (crew.kind == "hub" and not crew.controls):
            if time.monotonic() > until or not all(map(crews.alive, (crew.process, *crew.others))):
                self._require(world, False, f"{crew.name} does not begin")
                return
            time.sleep(0.0005)

    def _check(self, world: World, survivor: Crew | None) -> None:
        """Reopen while the survivor works, then let it pause and look at everything."""
        control = self._board.control()
        alive = []
        if survivor is not None:
            callers = [f"{survivor.name}{letter}" for letter in "ab"] if survivor.kind == "hub" else []
            alive = [survivor.name, *callers]
        report = world.output("report")
        report.unlink(missing_ok=True)

        def look() -> None:
            crews.sabotage.apply(self._broken)
            library = open_library(load_config(world.folder, {}))
            library.prepare()
            control.ready()
            while control.memory[control.place] == RUN:
                time.sleep(0.0005)
            report.write_text(json.dumps(checking.violations(world, library, alive)))
            library.close()

        checker = crews.fork(look, world.output("checker"))
        self._children.append(checker)
        opened = Crew("the checker", "hand", checker, [control])
        try:
            opened.wait_until(crews.READY)
            if survivor is not None:
                self._wait(world, survivor)
                survivor.pause()
        except TimeoutError as error:
            self._require(world, False, str(error))
        control.ask(STOP)
        self._require(world, crews.ended(checker, PATIENCE) == 0, "the checks could not be made")
        self.tally.violations += json.loads(report.read_text()) if report.exists() else []
        if survivor is not None and not self.tally.violations:
            survivor.go_on()

    def _end(self, world: World, crew: Crew) -> None:
        self._require(world, set(crew.stop()) == {0}, f"{crew.name} ended badly")

    def _require(self, world: World, right: bool, wrong: str) -> None:
        if not right:
            self.tally.violations.append(f"{wrong}; see {world.folder.name}/outputs")

    def _name(self) -> str:
        self._number += 1
        return f"p{self._number}"

    def _chance(self) -> str:
        return f"{self._seed}/{self._number}"
