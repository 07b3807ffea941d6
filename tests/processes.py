"""Starts real second processes that do what `acting.py` knows, each on the configuration in a folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "acting.py"


def command(action: str, folder: Path, *arguments: str) -> list[str]:
    """What starts an action of `acting.py`."""
    return [sys.executable, "-W", "error", str(SCRIPT), action, str(folder), *arguments]


def run(action: str, folder: Path, *arguments: str) -> list[str]:
    """Run an action to its end; returns the lines it printed."""
    done = subprocess.run(command(action, folder, *arguments), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def killed(action: str, root: Path, *arguments: str) -> list[Path]:
    """Kill an action before each of its steps; returns the folder of each death, the last of one that lived."""
    (steps,) = run(action, root, *arguments)
    return [root / str(number) for number in range(1, int(steps) + 1)]


@contextmanager
def started(action: str, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """An action that has printed its first line and waits for one from us; it is killed at the end of the block."""
    process = subprocess.Popen(
        command(action, folder, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def go_on(process: subprocess.Popen[str]) -> list[str]:
    """Let a waiting action finish; returns the further lines it printed."""
    output, _ = process.communicate("go on\n", timeout=60)
    assert process.returncode == 0
    return output.splitlines()
