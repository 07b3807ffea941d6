"""Owns the interface for runners: the same calls, by the same names and types, on a hub and on a library."""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

from .artifacts import Artifacts
from .chains import Chains
from .events import Events
from .transfers import Transfers
from .workflows import Workflows

A = TypeVar("A", bound="ArtifactDB")


class ArtifactDB(Chains, Workflows, Artifacts, Transfers, Events):
    """All calls, on whoever answers them; made by `connect` and `open_local`.

    Every call raises a `Problem` where it cannot be done: `errors` of the package by their names, with the status,
    code, title and detail of the contract, and how things stand where that is in the way.
    """

    def __repr__(self) -> str:
        return f"ArtifactDB({self._backend!r})"

    def __enter__(self: A) -> A:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give connections, or the library, back."""
        self._backend.close()
