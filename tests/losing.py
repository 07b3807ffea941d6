"""A wire between a client and a server that loses what a test wants lost: connections, answers, or their ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Wire:
    """Passes bytes between its own port and another one. Each of these is one connection's fate, in this order.

    `refused`: hung up at once. `unanswered`: the server does what it is asked, and its answer is lost.
    `cut`: so many bytes of the answer come through. Of all connections together, every `loses`-th answer is lost, every
    other one of them after its first byte; 0: none is.

    `delay`: seconds that each piece takes, each way. `broken`, asked before each piece, says whether to hang up now.
    """

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.refused = 0
        self.unanswered = 0
        self.cut: list[int] = []
        self.delay = 0.0
        self.broken: Callable[[], bool] = lambda: False
        self.loses = 0
        self.lost = 0
        self._answers = 0
        self.connections = 0
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lead_to(self, port: int) -> None:
        """From now on it leads to another server."""
        self._target = ("127.0.0.1", port)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.refused:
                self.refused -= 1
                client.close()
                continue
            try:
                server = socket.create_connection(self._target)
            except OSError:  # nobody listens there at present
                client.close()
                continue
            self._open += [client, server]
            for pair, back in (((client, server), False), ((server, client), True)):
                thread = threading.Thread(target=self._pass, args=(*pair, back), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pass(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        left: int | None = None
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self.delay:
                    time.sleep(self.delay)
                if self.broken():
                    break
                if back and left is None:
                    if self.unanswered:
                        self.unanswered -= 1
                        break
                    left = self.cut.pop(0) if self.cut else -1
                    self._answers += 1
                    if self.loses and self._answers % self.loses == 0:
                        self.lost += 1
                        target.sendall(data[: 1 if self.lost % 2 == 0 else 0])
                        break
                if back and left is not None and left >= 0:
                    target.sendall(data[:left])
                    if len(data) >= left:
                        break
                    left -= len(data)
                    continue
                target.sendall(data)
                if back:
                    left = None  # The next answer on this connection has a fate of its own.
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    made = Wire(port)
    try:
        yield made
    finally:
        made.close()
