"""Runners of both ways."""

from __future__ import annotations

from running import runner, two_servers

__all__ = ["runner", "two_servers"]
