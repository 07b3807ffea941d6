"""The calls for the log: every change, by whom, in the order in which they were made."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from .asking import PAGE, Asking
from .records import Event


class Events(Asking):
    """Events."""

    def list_events(self, *, after: int = 0) -> Iterator[Event]:
        """The events whose number is greater than `after`, the oldest first, up to the newest that there is."""
        return self._pages("list_events", Event.from_json, query={"after": after})

    def follow_events(self, *, after: int, poll: float = 1.0) -> Iterator[Event]:
        """The same, and then each that is added, without an end; nothing is missed and nothing comes twice.

        Keep the `seq` of the last one that you have dealt with, and go on after it when your program starts again.

        Args:
            poll: seconds between two looks.
        """
        while True:
            page: dict[str, Any] = self._ask("list_events", query={"after": after, "limit": PAGE})
            for body in page["items"]:
                event = Event.from_json(body)
                after = event.seq
                yield event
            if page["next_cursor"] is None:
                time.sleep(poll)
