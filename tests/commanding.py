"""Starts the program as a person at a shell does: `python FOLDER COMMAND`, in a home of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import requests

ROOT = Path(__file__).resolve().parent.parent


class Reached(Protocol):
    """What answers at a URL."""

    @property
    def url(self) -> str: ...


def servers_of(servers: Mapping[str, Reached]) -> str:
    """Servers, as a configuration file names them."""
    return servers_at({name: server.url for name, server in servers.items()})


def servers_at(urls: Mapping[str, str]) -> str:
    """The same of their URLs."""
    return "".join(f'[servers.{name}]\nurl = "{url}"\n' for name, url in urls.items())


@dataclass(frozen=True)
class Shell:
    """A home folder, the folder that the program is started in, and the program's own folder."""

    home: Path
    program: Path = ROOT

    @property
    def data(self) -> Path:
        """Where the program keeps its things when nobody says otherwise."""
        return self.home / "config" / "artifact-db"

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in os.environ}
        homes = {"HOME": str(self.home), "APPDATA": str(self.home / "config")}
        return {**kept, **homes, "XDG_CONFIG_HOME": str(self.home / "config"), "PYTHONUTF8": "1", **more}

    def command(self, *arguments: str) -> list[str]:
        # Warnings are errors there too.
        return [sys.executable, "-W", "error", str(self.program), *arguments]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command that ends by itself."""
        return subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=self.home,
            env=self.environment(**environment),
        )

    @contextmanager
    def serving(self, *arguments: str, **environment: str) -> Iterator[Served]:
        """A hub that has said where it is. It is killed at the end of the block, if it has not ended by then."""
        banner = r"Running on (http://127\.0\.0\.1:\d+/artifact-db)\n"
        with self._begun(banner, *arguments, "serve", "--port", "0", **environment) as (process, said):
            yield Served(process, said[1])

    @contextmanager
    def working(
        self, *, server: str = "", log: Path | None = None, **environment: str
    ) -> Iterator[subprocess.Popen[str]]:
        """A worker that has said that it is at work, for this Temporal server. It is killed at the end of the block."""
        banner = f"Working for {re.escape(server) or '.*'}\n"
        with self._begun(banner, "worker", log=log, **environment) as (process, _):
            yield process

    @contextmanager
    def _begun(
        self, banner: str, *arguments: str, log: Path | None = None, **environment: str
    ) -> Iterator[tuple[subprocess.Popen[str], re.Match[str]]]:
        """A program that has said what it says once it has begun; what it logs goes into a file where one is named."""
        with log.open("w") if log is not None else nullcontext(subprocess.PIPE) as errors:
            process = subprocess.Popen(
                self.command(*arguments),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=self.home,
                env=self.environment(**environment),
            )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            said = re.fullmatch(banner, line)
            if said is None:
                process.kill()
                logged = log.read_text() if log is not None else ""
                raise AssertionError(f"it said {line!r} and {process.communicate()} {logged}")
            yield process, said
        finally:
            process.kill()
            process.communicate()


@dataclass
class Served:
    """A hub in a process of its own."""

    process: subprocess.Popen[str]
    url: str

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=20)

    def end(self, signal: int) -> tuple[int, str, str]:
        """Send a signal; the exit code, and what else it said on both of its outputs."""
        self.process.send_signal(signal)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err
