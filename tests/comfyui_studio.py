"""Works with one real ComfyUI server over HTTP, as a person and a pipeline do: queues graphs, asks the hub in it."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import contract
import invariants
import pytest
import requests
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library.opening import open_library
from comfyui_graphs import Graph, Node
from PIL import Image
from waiting import SECONDS, until

from devtools.environment import ComfyUI, comfyui
from devtools.servers import ComfyServer, free_port

PACK = Path(__file__).resolve().parent / "comfyui_pack"


def pixels(data: bytes) -> tuple[str, tuple[int, int], bytes]:
    """What a picture shows: its mode, size and pixels."""
    with Image.open(io.BytesIO(data)) as picture:
        return picture.mode, picture.size, picture.tobytes()


def add_pack(server: ComfyServer) -> None:
    """Put the tests' own pack of nodes among a server's, before it starts."""
    os.symlink(PACK, server.folder / "custom_nodes" / PACK.name)


def check_invariants(server: ComfyServer) -> None:
    """After all that the tests did to a server, everything that must hold of its database and store holds."""
    library = open_library(load_config(server.data, {}))
    try:
        invariants.check(library)
    finally:
        library.close()


@pytest.fixture(scope="session")
def comfyui_code() -> ComfyUI:
    """The ComfyUI to start servers from, installed when it is not there yet."""
    return comfyui()


@pytest.fixture(scope="session")
def servers(
    comfyui_code: ComfyUI, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ComfyServer, ComfyServer]]:
    """Server A with the extension, which knows both as gpu-a and gpu-b; server B without anything of ours."""
    ports = free_port(), free_port()
    config = "".join(
        f'[servers.gpu-{name}]\nurl = "http://127.0.0.1:{port}"\n' for name, port in zip("ab", ports, strict=True)
    )
    a = ComfyServer(comfyui_code, tmp_path_factory.mktemp("comfyui-a"), port=ports[0], config=config)
    b = ComfyServer(comfyui_code, tmp_path_factory.mktemp("comfyui-b"), port=ports[1], extension=False)
    add_pack(a)
    for server in (a, b):
        server.launch()
    try:
        for server in (a, b):
            server.wait()
        yield a, b
        check_invariants(a)
    finally:
        for server in (a, b):
            server.stop()


def picture() -> bytes:
    """A PNG file that nobody has made before."""
    file = io.BytesIO()
    Image.effect_noise((24, 16), 80).save(file, "PNG")
    return file.getvalue()


@dataclass(frozen=True)
class Outcome:
    """How a prompt ended, as ComfyUI's history tells it."""

    prompt_id: str
    entry: dict[str, Any]

    @property
    def status(self) -> str:
        return str(self.entry["status"]["status_str"])

    def message(self, event: str) -> dict[str, Any] | None:
        """The last status message of one kind."""
        found = [data for name, data in self.entry["status"]["messages"] if name == event]
        return dict(found[-1]) if found else None

    @property
    def error(self) -> str:
        """What the failed node said; empty when none failed."""
        return str((self.message("execution_error") or {}).get("exception_message", "")).strip()

    @property
    def cached(self) -> set[str]:
        """The ids of the nodes that ComfyUI did not run again."""
        return set((self.message("execution_cached") or {})["nodes"])

    def ui(self, node: Node) -> dict[str, Any]:
        """What a node showed."""
        return dict(self.entry["outputs"][node.id])

    def text(self, node: Node) -> list[str]:
        """The text that a node showed."""
        return list(self.ui(node).get("text", []))

    def ids(self, node: Node) -> list[str]:
        """The artifacts that a save node recorded."""
        return list(self.ui(node)["artifact_ids"])


class Studio:
    """A ComfyUI server with the extension in it."""

    def __init__(self, server: ComfyServer) -> None:
        self.server = server

    def ask(self, method: str, path: str, expect: int | None = None, **request: Any) -> requests.Response:
        """A request to ComfyUI itself, or to the hub in it; `expect` is the status that the answer should have."""
        answer = requests.request(method, self.server.url + path, timeout=60, **request)
        assert expect in (None, answer.status_code), f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer

    def hub(self, method: str, path: str, expect: int = 200, **request: Any) -> Any:
        """A request to the hub; the answer is held against the contract, and returned as JSON."""
        answer = self.ask(method, contract.PREFIX + path, expect, **request)
        contract.check(method, path.partition("?")[0], answer.status_code, answer.headers, answer.content)
        return answer.json()

    def get(self, path: str, expect: int = 200, **query: Any) -> Any:
        """A GET from the hub."""
        return self.hub("GET", path, expect, params=query)

    def post(self, path: str, body: Any = None, expect: int = 200, **more: Any) -> Any:
        """A POST to the hub, with a JSON body where there is one."""
        return self.hub("POST", path, expect, json=body, **more)

    def upload(self, path: str, data: bytes, filename: str, expect: int = 201, **fields: str) -> Any:
        """A file posted to the hub, with form fields beside it."""
        return self.hub("POST", path, expect, files={"file": (filename, data)}, data=fields)

    def queue(
        self,
        graph: Graph,
        *,
        actor: Any = None,
        prompt_id: str | None = None,
        pnginfo: dict[str, Any] | None = None,
        client_id: str | None = "tests",
    ) -> str:
        """Queue a graph that ComfyUI accepts; returns the prompt's id."""
        answer = self.refusal(graph, actor=actor, prompt_id=prompt_id, pnginfo=pnginfo, client_id=client_id)
        assert answer.get("node_errors") == {}, answer
        return str(answer["prompt_id"])

    def refusal(self, graph: Graph, *, actor: Any = None, pnginfo: Any = None, **body: Any) -> dict[str, Any]:
        """What ComfyUI answers to a graph, whether it takes it or not."""
        extra: dict[str, Any] = {"artifact_db": {"actor": actor}} if actor is not None else {}
        if pnginfo is not None:
            extra["extra_pnginfo"] = pnginfo
        body["prompt_id"] = body.get("prompt_id") or str(uuid.uuid4())
        body = {name: value for name, value in body.items() if value is not None}
        data = json.dumps({"prompt": graph, "extra_data": extra, **body})  # requests would refuse an infinity
        return dict(self.ask("POST", "/prompt", data=data).json())

    def outcome(self, prompt_id: str, seconds: float = SECONDS) -> Outcome:
        """Wait until a prompt has ended, and every other that was queued under its id."""

        def entry() -> dict[str, Any] | None:
            # The queue first: what has left it by then stands in the history, also where an older one did.
            queue = self.ask("GET", "/queue").json()
            if prompt_id in [item[1] for items in queue.values() for item in items]:
                return None
            found: dict[str, Any] | None = self.ask("GET", f"/history/{prompt_id}").json().get(prompt_id)
            return found

        return Outcome(prompt_id, until(entry, seconds) or {})

    def run(self, graph: Graph, *, status: str = "success", **how: Any) -> Outcome:
        """Queue a graph and wait until it has ended as it should."""
        outcome = self.outcome(self.queue(graph, **how))
        assert outcome.status == status, outcome.entry["status"]
        return outcome

    def uploaded(self, data: bytes | None = None, filename: str = "a.png", **workflow: Any) -> dict[str, Any]:
        """A file recorded as a workflow of its own, without ComfyUI running anything; returns the artifact."""
        made = self.post("/workflows", {"workflow_name": "uploads", "server": "gpu-a", **workflow}, 201)
        return dict(self.upload(f"/workflows/{made['id']}/artifacts", data or picture(), filename))

    def saved(self, **widgets: Any) -> dict[str, Any]:
        """Record one new picture through a graph; returns its artifact."""
        graph = Graph()
        save = graph.save(graph.picture(), **widgets)
        (artifact_id,) = self.run(graph).ids(save)
        return self.artifact(artifact_id)

    def artifact(self, artifact_id: str) -> dict[str, Any]:
        """One artifact."""
        return dict(self.get(f"/artifacts/{artifact_id}"))

    def workflow(self, workflow_id: str) -> dict[str, Any]:
        """One workflow with its attempts."""
        return dict(self.get(f"/workflows/{workflow_id}"))

    def settled(self, workflow_id: str) -> dict[str, Any]:
        """A workflow with its attempts, once its prompt's end is written down."""
        self.workflow(workflow_id)
        until(lambda: self.workflow(workflow_id)["status"] not in ("queued", "executing"))
        return self.workflow(workflow_id)

    def workflows_of(self, prompt_id: str) -> list[dict[str, Any]]:
        """The workflows that hold a prompt."""
        return list(self.get("/workflows", prompt_id=prompt_id)["items"])

    def data(self, artifact_id: str) -> bytes:
        """An artifact's bytes, downloaded."""
        return self.ask("GET", f"{contract.PREFIX}/artifacts/{artifact_id}/download", 200).content

    def stored(self, artifact_id: str) -> Path:
        """Where an artifact's bytes lie."""
        return self.store / self.artifact(artifact_id)["local_path"]

    @property
    def store(self) -> Path:
        return self.server.data / "store"

    @property
    def database(self) -> Path:
        return self.server.data / "artifacts.db"

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the server's database, read as another process does."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(statement, values).fetchall()

    def files(self) -> set[str]:
        """Every file of the store but locks and thumbnails: artifacts, intents, and what is in quarantine.

        A part may be one that is being taken in at this moment, of a prompt of another test; none stays.
        """

        def settled() -> set[str] | None:
            try:
                paths = [path.relative_to(self.store) for path in self.store.rglob("*") if path.is_file()]
            except FileNotFoundError:  # A folder of the staging goes as soon as nothing is in it.
                return None
            found = {str(path) for path in paths if path.parts[0] != "thumbnails"}
            return None if any(name.endswith(".part") for name in found) else found

        return {name for name in until(settled) or set() if not name.endswith((".lock", ".alone"))}

    def written(self, outcome: Outcome, node: Node) -> list[bytes]:
        """The files that a SaveImage wrote."""
        found = outcome.ui(node)["images"]
        return [
            (self.server.folder / image["type"] / image["subfolder"] / image["filename"]).read_bytes()
            for image in found
        ]
