"""Pins that tokens and sessions appear nowhere: a hub in a process of its own is used, and all that it left is read."""

from __future__ import annotations

import hashlib
import signal
import threading
import zipfile
from pathlib import Path

import pytest
import requests
from commanding import Served, Shell
from making import png

CONFIGURATION = 'local_trust = false\n[servers.gpu-a]\nurl = "http://127.0.0.1:1"\n'


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    shell.data.mkdir(parents=True)
    (shell.data / "artifact-db.toml").write_text(CONFIGURATION)
    return shell


class Visitor:
    """Asks a hub and keeps all that came back."""

    def __init__(self, hub: Served, **headers: str) -> None:
        self.hub, self.headers, self.told = hub, headers, bytearray()

    def ask(self, method: str, path: str, expect: int, **request: object) -> requests.Response:
        headers = {**self.headers, "Origin": self.hub.url.removesuffix("/artifact-db")}
        answer = requests.request(method, self.hub.url + path, headers=headers, timeout=20, **request)  # type: ignore[arg-type]
        assert answer.status_code == expect, (method, path, answer.content)
        shown = {name: value for name, value in answer.headers.items() if name != "Set-Cookie"}
        self.told += answer.content + repr(shown).encode()
        return answer

    def work(self) -> None:
        """Everything that a reviewer with all rights does, and what goes wrong on the way."""
        self.workflow = self.ask("POST", "/workflows", 201, json={"workflow_name": "w"}).json()["id"]
        upload = f"/workflows/{self.workflow}/artifacts"
        made = self.ask("POST", upload, 201, files={"file": ("a.png", png(1))}, data={"approval_status": "pending"})
        artifact = f"/artifacts/{made.json()['id']}"
        for path in (artifact, f"{artifact}/download", f"{artifact}/thumbnail", f"{artifact}/versions", "/artifacts"):
            self.ask("GET", path, 200)
        self.ask("POST", f"{artifact}/approve", 200, json={})
        self.ask("PUT", f"{artifact}/tags/hero", 200)
        self.ask("POST", f"{artifact}/edit", 201, files={"file": ("b.png", png(2))})
        for path in ("/events", f"{artifact}/events", "/openapi.json", "/session", "/health", "/servers", "/tags"):
            self.ask("GET", path, 200)
        self.ask("GET", "/nothing", 404)
        self.ask("GET", "/artifacts?sort=nonsense", 422)
        self.ask("POST", "/chains", 422, json={"colour": "red"})
        self.ask("DELETE", artifact, 200)


def drained(hub: Served) -> tuple[list[str], threading.Thread]:
    """What a hub says on its standard error, read while it runs: a full pipe would stop it."""
    lines: list[str] = []
    assert hub.process.stderr is not None
    stderr = hub.process.stderr

    def read() -> None:
        lines.extend(stderr)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return lines, thread


def exports(shell: Shell, workflow: str) -> bytes:
    """All that is in both kinds of export of a workflow."""
    bundle, folder = shell.home / "out.zip", shell.home / "out"
    for target in (bundle, folder):
        done = shell.run("export", workflow, "--to", str(target))
        assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(bundle) as packed:
        return b"".join(packed.read(name) for name in packed.namelist())


def test_tokens_and_sessions_appear_in_no_file_no_log_and_no_answer(shell: Shell) -> None:
    told = bytearray()
    created = [
        shell.run("token", "create", name, "--role", role)
        for name, role in (("ada", "admin"), ("viewer", "view"), ("gone", "admin"))
    ]
    tokens = [done.stdout.strip() for done in created]
    listed = [shell.run("token", "list"), shell.run("token", "list", "--json"), shell.run("token", "revoke", "gone")]
    for done in listed:
        told += (done.stdout + done.stderr).encode()
    for done in created:
        told += done.stderr.encode()
    with shell.serving("--verbose") as hub:
        lines, reading = drained(hub)
        sessions = []
        for token in tokens[:2]:
            signing = Visitor(hub)
            signed = signing.ask("POST", "/session", 200, json={"token": token})
            sessions.append(signed.cookies["artifact_db_session"])
            told += signing.told
        admins = [{"Authorization": f"Bearer {tokens[0]}"}, {"Cookie": f"artifact_db_session={sessions[0]}"}]
        for headers in admins:
            visitor = Visitor(hub, **headers)
            visitor.work()
            told += visitor.told
        worker = visitor
        for headers, expect in (
            ({"Authorization": f"Bearer {tokens[1]}"}, 403),
            ({"Cookie": f"artifact_db_session={sessions[1]}"}, 403),
            ({"Authorization": f"Bearer {tokens[2]}"}, 401),
            ({"Authorization": f"Bearer {tokens[0]}x"}, 401),
            ({"Cookie": f"artifact_db_session={tokens[0]}"}, 401),
            ({"Authorization": f"Basic {tokens[0]}"}, 401),
        ):
            visitor = Visitor(hub, **headers)
            visitor.ask("POST", "/chains", expect, json={"name": "c"})
            told += visitor.told
        out = Visitor(hub, Cookie=f"artifact_db_session={sessions[1]}")
        out.ask("DELETE", "/session", 204)
        told += out.told
        kept = b"".join(path.read_bytes() for path in shell.home.rglob("*") if path.is_file())
        assert any(path.name == "artifacts.db-wal" for path in shell.data.iterdir()), "it is read while it is in use"
        hub.process.send_signal(signal.SIGTERM)
        hub.process.wait(30)
        reading.join(10)
    log = "".join(lines)
    # What a developer asks for: every statement with its values, of which none opens anything.
    own_log = "".join(line for line in lines if not line.startswith("DEBUG peewee: "))
    assert "POST /artifact-db/session" in log, "the log tells of the requests"
    told += exports(shell, worker.workflow)
    kept += b"".join(path.read_bytes() for path in shell.home.rglob("*") if path.is_file())
    everything = bytes(told) + kept + log.encode()
    for secret in (*tokens, *sessions):
        assert secret.encode() not in everything
        assert secret.removeprefix("adb_").encode() not in everything
        digest = hashlib.sha256(secret.encode()).hexdigest().encode()
        assert digest not in bytes(told) + own_log.encode(), "a hash is nobody's to see"
    assert hashlib.sha256(tokens[0].encode()).hexdigest().encode() in kept
