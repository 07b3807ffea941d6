"""Owns how the one who kills speaks with the workers: two bytes of shared memory for each of them."""

from __future__ import annotations

import mmap
import time
from dataclasses import dataclass

RUN, PAUSE, STOP = 0, 1, 2
STARTING, READY, PAUSED = 0, 1, 2

PATIENCE = 30.0
"""Seconds until a process that does not answer has failed."""


@dataclass
class Control:
    """One worker's two bytes: what it is asked to do, and what it says of itself."""

    memory: mmap.mmap
    place: int

    def ready(self) -> None:
        """The worker has begun."""
        self.memory[self.place + 1] = READY

    def may_go_on(self) -> bool:
        """Asked by the worker between two changes: waits while it is to pause; False when it is to end."""
        if self.memory[self.place] == PAUSE:
            self.memory[self.place + 1] = PAUSED
            while self.memory[self.place] == PAUSE:
                time.sleep(0.001)
            self.memory[self.place + 1] = READY
        return self.memory[self.place] != STOP

    def ask(self, what: int) -> None:
        """Ask the worker to run, to pause or to stop."""
        self.memory[self.place] = what

    @property
    def says(self) -> int:
        return self.memory[self.place + 1]


class Switchboard:
    """Gives out controls; made before any worker is."""

    def __init__(self, places: int = 64) -> None:
        self._memory = mmap.mmap(-1, 2 * places)
        self._places = places
        self._next = 0

    def control(self) -> Control:
        """A control for a new worker; the oldest one's place is used again."""
        place = 2 * (self._next % self._places)
        self._next += 1
        self._memory[place], self._memory[place + 1] = RUN, STARTING
        return Control(self._memory, place)
