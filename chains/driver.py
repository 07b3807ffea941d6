"""Owns driving chains in this process: those whose lease it holds, a few steps at a time, until each has ended.

What it knows of a chain it reads from the rows at each turn: it may be killed at any moment, and another goes on.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from ..db.statuses import FINISHED_CHAIN, UNDER_WAY
from ..errors import UNFORESEEN, ArtifactDBError, Invalid, NotFound
from ..library import driving, events, identities
from ..library.opening import Library
from . import progress, rounds, steps
from .definitions import Step
from .driven import Chain
from .hearing import Heard, Hearing
from .lanes import Lanes
from .progress import Progress
from .records import LocalRecords
from .servers import Servers

logger = logging.getLogger("artifact_db.chains")

MOST = 200
"""Chains in which one process has something to do at a time; others wait, or another process takes them.

Those that wait for people do not count: they are held so that a decision moves them on at once.
"""

LOOK_SECONDS = 0.5
"""How often it looks for chains to take, and for what other processes wrote down."""

IDLE_SECONDS, WAITING_SECONDS = 15.0, 300.0
"""How often it looks at a chain of which nothing is heard; and at one that waits for people, who are heard."""

SETTLE_SECONDS = 0.1
"""After which a chain's row is written whose steps have begun to be worked on just now."""

HEARD = 500
"""Events that are read at a time."""

Watcher = Callable[[str, Progress], None]
"""Is told of a chain whenever it was looked at: its id and how it stands."""


@dataclass
class _Driven:
    """A chain that this process drives.

    `found` is how it stood at the last look, `due` has when each step is to be looked at, `working` what is under way;
    `ended` has steps of which it was heard meanwhile that their prompts have ended.
    """

    chain: Chain
    found: Progress | None = None
    due: dict[str, float] = field(default_factory=dict)
    working: dict[str, Future[float]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    next_look: float = 0.0

    @property
    def has_work(self) -> bool:
        """Whether there is something to do, as far as is known yet."""
        return self.found is None or bool(self.found.ready)


class Driver:
    """Drives chains until it is stopped. `only`: no others than this one; `hear`: is told how their prompts get on."""

    def __init__(
        self,
        library: Library,
        *,
        only: str | None = None,
        watch: Watcher | None = None,
        hear: Callable[[Heard], None] | None = None,
    ) -> None:
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{identities.new_id()[-8:]}"
        self._library = library
        self._only = only
        self._watch = watch
        self._records = LocalRecords(library)
        self._servers = Servers(self._records)
        self._hearing = Hearing(hear, self._prompt_ended)
        self._driven: dict[str, _Driven] = {}
        self._seen: int | None = None
        self._wake = threading.Condition()
        self._stirred = False
        self._moved = False
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._lanes = Lanes()
        self._unsubscribe: Callable[[], None] | None = None
        self._renewed = 0.0
        self._sought = 0.0
        self._took = 0.0

    @property
    def driven(self) -> list[str]:
        """The ids of the chains that it drives now."""
        return list(self._driven)

    def heard(self, chain_id: str) -> list[Heard]:
        """How the prompts of a chain get on, as far as this process drives it and hears of them."""
        return self._hearing.of(chain_id)

    def start(self) -> Driver:
        """Begin to drive, in a thread."""
        self._unsubscribe = self._library.subscribe(self._committed)
        self._thread = threading.Thread(target=self._run, name="artifact-db-driver", daemon=True)
        self._thread.start()
        return self

    def _committed(self, _: int, actor: str) -> None:
        """What a driver did is seen as its work ends."""
        if not driving.is_engine(actor):
            self.stir()

    def stir(self) -> None:
        """Something has changed: look now."""
        with self._wake:
            self._stirred = True
            self._wake.notify_all()

    def stop(self) -> None:
        """End, and give the leases back; prompts that run go on, and whoever takes the chain next follows them."""
        with self._wake:
            self._stopped = True
            self._wake.notify_all()
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._thread is not None:
            self._thread.join()
        self._lanes.close()
        self._hearing.close()

    def _run(self) -> None:
        while not self._stopped:
            try:
                wait = self._turn()
            except ArtifactDBError as error:
                logger.warning("chains wait: %s", error)
                wait = LOOK_SECONDS
            with self._wake:
                if not (self._stirred or self._moved or self._stopped):
                    self._wake.wait(wait)
                self._moved = False
                self._sought = 0.0 if self._stirred else self._sought
                self._stirred = False
        self._end()

    def _end(self) -> None:
        """Let what is under way come to its end, keeping the leases until then, and give them back."""
        ending = threading.Thread(target=self._lanes.close, name="artifact-db-driver-ends", daemon=True)
        ending.start()
        while ending.is_alive():
            with suppress(ArtifactDBError):
                self._renew()
            ending.join(driving.LEASE / 3)
        try:
            driving.give_back(self._library, self.holder)
        except ArtifactDBError as error:
            logger.info("leases expire by themselves: %s", error)

    def _renew(self) -> None:
        """Keep the leases; a chain that somebody else has taken meanwhile is left."""
        self._renewed = time.monotonic()
        kept = set(driving.keep(self._library, self.holder, list(self._driven)))
        for lost in [chain_id for chain_id in self._driven if chain_id not in kept]:
            logger.warning("chain %s is driven by somebody else now", lost)
            self._leave(lost)

    def _turn(self) -> float:
        """One round over all chains; returns the seconds until the next is due."""
        self._library.prepare()
        now = time.monotonic()
        if now - self._sought >= LOOK_SECONDS:
            self._sought = now
            # What this driver wrote brings it no chain.
            if self._hear() or now - self._took >= LOOK_SECONDS:
                self._took = now
                self._take()
        if self._driven and now - self._renewed >= driving.LEASE / 3:
            self._renew()
        waits = [LOOK_SECONDS]
        for chain_id, driven in list(self._driven.items()):
            self._go_on(driven)
            if driven.next_look <= now:
                try:
                    self._look(chain_id, driven)
                except NotFound:
                    self._leave(chain_id)  # It is in the trash, or gone.
                    continue
            waits.append(max(0.0, driven.next_look - time.monotonic()))
        return min(waits)

    def _hear(self) -> bool:
        """Look at the chains of which the log tells something new; what a driver did is seen as its work ends.

        Returns:
            Whether somebody else than a driver did something.
        """
        others = False
        if self._seen is None:
            self._seen = events.last_seq(self._library)
        while heard := events.list_events(self._library, after=self._seen, limit=HEARD):
            self._seen = heard[-1].seq
            for event in heard:
                if driving.is_engine(event.actor):
                    continue
                others = True
                if (driven := self._driven.get(event.chain_id or "")) is not None:
                    driven.next_look = 0.0
            if len(heard) < HEARD:
                break
        return others

    def _take(self) -> None:
        room = MOST - sum(driven.has_work for driven in self._driven.values())
        if room <= 0:
            return
        for chain_id in driving.take(
            self._library, self.holder, engine="local", most=room, only=self._only, besides=self.driven
        ):
            self._adopt(chain_id)

    def _adopt(self, chain_id: str) -> None:
        try:
            driven = _Driven(Chain.load(self._records, chain_id, self._servers, self._hearing))
        except Invalid as error:
            self._records.conclude_chain(chain_id, status="failed", error=str(error))
            return
        self._driven[chain_id] = driven

    def _leave(self, chain_id: str) -> None:
        self._hearing.keep(chain_id, ())
        del self._driven[chain_id]

    def _look(self, chain_id: str, driven: _Driven) -> None:
        # First this: work that ends from here on brings it forward again, and what has ended is seen below.
        now = time.monotonic()
        driven.next_look = now + (IDLE_SECONDS if driven.has_work else WAITING_SECONDS)
        driven.working = {step: work for step, work in driven.working.items() if not work.done()}
        found = driven.found = progress.look(driven.chain)
        self._hearing.keep(chain_id, found.under_way)
        if found.status in FINISHED_CHAIN and driven.working:
            return  # What is under way comes to its end first.
        begun = False
        for step in found.ready:
            due = driven.due.get(step.id, 0.0)
            if step.id in driven.working:
                continue
            if due <= now:
                self._begin(driven, step, found)
                begun = True
            else:
                driven.next_look = min(driven.next_look, due)
        # Steps that have begun just now are not to wait for what is written down of the chain as a whole.
        wait = SETTLE_SECONDS if begun else rounds.settle(driven.chain, found)
        if wait is not None:
            driven.next_look = min(driven.next_look, now + wait)
        if found.status in FINISHED_CHAIN:
            self._leave(chain_id)
        if self._watch is not None:
            try:
                self._watch(chain_id, found)
            except (ArtifactDBError, OSError, *UNFORESEEN):  # Whatever ails who watches, the chain goes on.
                logger.exception("how chain %s stands cannot be told", chain_id)

    def _go_on(self, driven: _Driven) -> None:
        """Work on the steps whose prompts have ended, without looking at the whole chain again before."""
        found = driven.found
        if found is not None and driven.ended:
            for step in found.ready:
                work = driven.working.get(step.id)
                if step.id in driven.ended and (work is None or work.done()):
                    self._begin(driven, step, found)
                    driven.next_look = max(driven.next_look, time.monotonic() + SETTLE_SECONDS)

    def _begin(self, driven: _Driven, step: Step, found: Progress) -> None:
        driven.ended.discard(step.id)
        work = driven.working[step.id] = self._lanes.of(_server(found, step)).submit(self._work, driven, step, found)
        work.add_done_callback(partial(self._worked, driven, step))

    def _work(self, driven: _Driven, step: Step, found: Progress) -> float:
        """Work on a step; returns the seconds until it is due again."""
        try:
            return steps.advance(driven.chain, step, found.done).wait
        except ArtifactDBError as error:
            logger.warning("step %s of chain %s is tried again: %s", step.id, driven.chain.id, error)
            return LOOK_SECONDS

    def _worked(self, driven: _Driven, step: Step, work: Future[float]) -> None:
        if work.cancelled():
            return
        if (error := work.exception()) is not None:
            logger.error("step %s of chain %s is tried again", step.id, driven.chain.id, exc_info=error)
        wait = LOOK_SECONDS if error is not None else work.result()
        with self._wake:
            driven.due[step.id] = time.monotonic() + (0.0 if step.id in driven.ended else wait)
            # Only now is the work done for whoever looks.
            driven.next_look = min(driven.next_look, driven.due[step.id])
            self._moved = True
            self._wake.notify_all()

    def _prompt_ended(self, chain_id: str, step_id: str) -> None:
        """Look at a step now: its server said that its prompt has ended."""
        with self._wake:
            if (driven := self._driven.get(chain_id)) is not None:
                driven.ended.add(step_id)
                driven.due[step_id] = 0.0
                if driven.found is None or step_id not in {step.id for step in driven.found.ready}:
                    driven.next_look = 0.0
                self._moved = True
                self._wake.notify_all()


def _server(found: Progress, step: Step) -> str:
    """The server that a step is at, or will be; `any` where none is chosen yet."""
    attempts = (one.attempt for level in found.levels for one in level if one.step.id == step.id)
    return next((one.server_address for one in attempts if one is not None and one.status in UNDER_WAY), step.server)
