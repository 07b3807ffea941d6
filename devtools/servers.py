"""Owns real ComfyUI servers for tests, benches and the demo: started in a folder of their own, always stopped again."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .environment import ROOT, ComfyUI, link_folder

START_SECONDS = 180.0
"""How long a ComfyUI may take to answer; a user's own one with many custom nodes is slow."""

EXTENSION = "comfyui-artifact-db"
"""The name under which servers load the checkout."""


class ServerFailed(RuntimeError):
    """A ComfyUI did not start, or a prompt did not end well; the message has the end of the log."""


class ComfyServer:
    """One ComfyUI process below `folder`. It dies with this process, however this process ends.

    Args:
        folder: gets custom_nodes, input, output, temp, user and the log `comfyui.log`.
        extension: whether the checkout is among its custom nodes.
        config: what stands in its `artifact-db.toml`.
        arguments: further ones for ComfyUI.
        api_nodes: whether ComfyUI may speak with its makers' services; without them it forbids pages more.
    """

    def __init__(
        self,
        comfyui: ComfyUI,
        folder: Path,
        *,
        port: int = 0,
        extension: bool = True,
        config: str = "",
        arguments: Sequence[str] = (),
        api_nodes: bool = False,
    ) -> None:
        self.comfyui = comfyui
        self.folder = folder
        self.port = port or free_port()
        self.arguments = [*arguments, *(() if api_nodes else ("--disable-api-nodes",))]
        self.process: subprocess.Popen[bytes] | None = None
        for name in ("custom_nodes", "models", "input", "output", "user"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.data = folder / "user" / "__artifact_db"
        self.data.mkdir(exist_ok=True)
        (self.data / "artifact-db.toml").write_text(config, encoding="utf-8")
        if extension:
            link_folder(ROOT, folder / "custom_nodes" / EXTENSION)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "comfyui.log"

    def start(self) -> ComfyServer:
        """Start it and wait until it answers.

        Raises:
            ServerFailed: it ended, or did not answer in time.
        """
        self.launch()
        self.wait()
        return self

    def launch(self) -> None:
        """Start it without waiting, so that several can start side by side."""
        command = [
            *self.comfyui.command,
            *("--cpu", "--listen", "127.0.0.1", "--port", str(self.port), "--disable-auto-launch"),
            *("--base-directory", str(self.folder), "--user-directory", str(self.folder / "user")),
            *("--database-url", "sqlite:///:memory:"),
            *self.arguments,
        ]
        environment = {**os.environ, **self.comfyui.environment, "PYTHONUNBUFFERED": "1"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **tied_to_this_process(),
            )
        atexit.register(self.stop)

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            ServerFailed: it ended, or did not answer in time.
        """
        assert self.process is not None
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise ServerFailed(f"ComfyUI ended with code {self.process.returncode}:\n{self.last_lines()}")
            with contextlib.suppress(OSError):
                if str(self.folder) in self.get("/system_stats")["system"].get("argv", [str(self.folder)]):
                    return  # Another one may have been given the same port meanwhile.
            time.sleep(0.1)
        raise ServerFailed(f"ComfyUI did not answer in {START_SECONDS:.0f} s:\n{self.last_lines()}")

    def stop(self) -> None:
        """End it and wait until it has."""
        atexit.unregister(self.stop)
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def last_lines(self, count: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])

    def get(self, path: str) -> Any:
        """A GET that answers JSON."""
        return self.request("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        """A POST of JSON that answers JSON."""
        return self.request("POST", path, body)

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """A request with a JSON body; returns the JSON answer, or None where there is none.

        Raises:
            urllib.error.HTTPError: an error status. OSError: nobody answers.
        """
        data = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if data is not None else {}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers={**sent, **(headers or {})})
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def queue(self, graph: dict[str, Any], *, actor: str | None = None, prompt_id: str | None = None) -> str:
        """Queue a graph in API format; returns the prompt's id.

        Raises:
            ServerFailed: ComfyUI refused it.
        """
        prompt_id = prompt_id or str(uuid.uuid4())
        extra = {"artifact_db": {"actor": actor}} if actor else {}
        body = {"prompt": graph, "prompt_id": prompt_id, "client_id": "devtools", "extra_data": extra}
        try:
            answer = self.post("/prompt", body)
        except urllib.error.HTTPError as error:
            raise ServerFailed(f"the prompt was refused: {error.read().decode(errors='replace')}") from error
        if answer.get("node_errors"):
            raise ServerFailed(f"the prompt was refused: {answer['node_errors']}")
        return prompt_id

    def outcome(self, prompt_id: str, *, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until a prompt has ended; returns its entry of the history.

        Raises:
            ServerFailed: it did not end in time.
        """
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            found: dict[str, Any] = self.get(f"/history/{prompt_id}")
            if prompt_id in found:
                return dict(found[prompt_id])
            time.sleep(0.02)
        raise ServerFailed(f"prompt {prompt_id} did not end in {timeout:.0f} s:\n{self.last_lines()}")

    def run(self, graph: dict[str, Any], **how: Any) -> dict[str, Any]:
        """Queue a graph and wait for it; returns its outputs by node id.

        Raises:
            ServerFailed: it was refused, failed, or did not end.
        """
        entry = self.outcome(self.queue(graph, **how))
        if entry["status"]["status_str"] != "success":
            raise ServerFailed(f"the prompt failed: {entry['status']['messages'][-1]}")
        return dict(entry["outputs"])


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tied_to_this_process() -> dict[str, Any]:
    """Popen arguments that end the child when this process dies without a chance to stop it."""
    if sys.platform != "linux":
        return {}

    def die_with_parent() -> None:
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)

    return {"preexec_fn": die_with_parent}
