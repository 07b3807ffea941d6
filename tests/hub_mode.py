"""Machines of a studio: a hub in a process of its own, and ComfyUI servers that record into it over wires of their own.

Each ComfyUI has the token of its own name in its environment. The hub listens at one port, however often it is killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import invariants
import requests
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library.opening import open_library
from comfyui_artifact_db.records import hub_identity
from comfyui_studio import Outcome, Studio, add_pack
from commanding import Shell, servers_at
from losing import Wire
from waiting import until

from devtools.environment import ComfyUI
from devtools.servers import ComfyServer, free_port, tied_to_this_process

TOKEN = "TEST_HUB_TOKEN"
NAMES = ("gpu-a", "gpu-b", "gpu-c")


class TheHub:
    """A hub that no ComfyUI runs in: `artifact-db serve` with a home of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.shell = Shell(folder)
        self.shell.data.mkdir(parents=True)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def knows(self, urls: dict[str, str]) -> None:
        """These are its servers, from its next start on."""
        (self.shell.data / "artifact-db.toml").write_text(servers_at(urls))

    def token(self, name: str, role: str) -> str:
        """A new token."""
        done = self.shell.run("token", "create", name, "--role", role)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self) -> None:
        with (self.shell.home / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.shell.command("serve", "--port", str(self.port)),
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.shell.home,
                env=self.shell.environment(),
                **tied_to_this_process(),
            )
        until(self.answers, 60)

    def answers(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}/artifact-db/health", timeout=5).status_code == 200
        return False

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """It takes connections and answers none."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def get(self, path: str, **query: Any) -> Any:
        """A GET from the hub itself, on its own machine."""
        answer = requests.get(f"{self.url}/artifact-db{path}", params=query, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def all(self, path: str, **query: Any) -> list[Any]:
        """Every item of a list."""
        page = self.get(path, limit=500, **query)
        found = list(page["items"])
        while page["next_cursor"]:
            page = self.get(path, limit=500, cursor=page["next_cursor"], **query)
            found += page["items"]
        return found


class HubStudio(Studio):
    """A ComfyUI that keeps no database: it is asked as a person with a token asks it in the browser."""

    def __init__(self, server: ComfyServer, person: str) -> None:
        super().__init__(server)
        self.person = person

    def ask(self, method: str, path: str, expect: int | None = None, **request: Any) -> requests.Response:
        if path.startswith(("/artifact-db", "/api/artifact-db")):
            headers = {"Authorization": f"Bearer {self.person}", **(request.pop("headers", None) or {})}
            request["headers"] = {name: value for name, value in headers.items() if value is not None}
        return super().ask(method, path, expect, **request)

    def intents(self) -> list[dict[str, Any]]:
        """What waits on this machine: what its intents say."""
        found = []
        for path in sorted((self.store / "staging").rglob("*.intent.json")):
            with suppress(FileNotFoundError):
                found.append(json.loads(path.read_bytes()))
        return found

    def is_empty(self) -> bool:
        """Whether nothing is on its way to the hub any more, and nothing of it is left."""
        stays = {"store-id", hub_identity.FILE}
        return not self.files() - stays - {name for name in self.files() if name.startswith("loaded/")}


class Machines:
    """The hub and its ComfyUI servers."""

    def __init__(self, code: ComfyUI, folder: Path) -> None:
        self.folder = folder
        self.hub = TheHub(folder / "hub")
        self.secrets = {name: self.hub.token(name, "record") for name in NAMES}
        self.people = {role: self.hub.token(f"a {role}er", role) for role in ("view", "review", "record", "admin")}
        self.wires = {name: Wire(self.hub.port) for name in NAMES}
        self.servers = {}
        for name in NAMES:
            port = free_port()
            hub = f'hub = "{self.wires[name].url}/artifact-db"\nhub_token_env = "{TOKEN}"\n'
            config = hub + servers_at({name: f"http://127.0.0.1:{port}"})
            server = ComfyServer(code, folder / name, port=port, config=config)
            add_pack(server)
            self.servers[name] = server
        self.hub.knows({name: server.url for name, server in self.servers.items()})
        self.studios = {name: HubStudio(self.servers[name], self.people["admin"]) for name in NAMES}

    def start(self) -> Machines:
        self.hub.start()
        for name in NAMES:
            self.launch(name)
        for server in self.servers.values():
            server.wait()
        return self

    def launch(self, name: str) -> None:
        """Start a ComfyUI, which alone knows its token."""
        os.environ[TOKEN] = self.secrets[name]
        try:
            self.servers[name].launch()
        finally:
            del os.environ[TOKEN]

    def stop(self) -> None:
        for server in self.servers.values():
            server.stop()
        for wire in self.wires.values():
            wire.close()
        self.hub.stop()

    def check(self) -> None:
        """After all that was done, everything that must hold of the hub's database and store holds."""
        for studio in self.studios.values():
            until(studio.is_empty)
            assert not studio.database.exists()
        self.hub.stop()
        library = open_library(load_config(self.hub.shell.data, {}))
        try:
            invariants.check(library)
        finally:
            library.close()


def ids_of(outcome: Outcome) -> list[str]:
    """Every artifact that the save nodes of a prompt have told of."""
    return [one for shown in outcome.entry["outputs"].values() for one in shown.get("artifact_ids", ())]


__all__ = ["NAMES", "TOKEN", "HubStudio", "Machines", "TheHub", "ids_of"]
