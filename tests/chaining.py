"""Chains over servers that run graphs at once, and what became of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from comfyui_artifact_db.chains import checking, files, starting
from comfyui_artifact_db.chains.driver import Driver
from comfyui_artifact_db.chains.records import LocalRecords
from comfyui_artifact_db.config import Server
from comfyui_artifact_db.library import artifacts, attempts, chains, pages, workflows
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Artifact, Attempt, Chain, Workflow
from comfyui_artifact_db.servers import Temporal as TemporalServer
from comfyui_servers_that import SUCCESS, ComfyUI, serving
from making import png
from waiting import until
from working import a_worker

GRAPH = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "none.png"}},
    "7": {"class_type": "Prompt", "inputs": {"text": "", "seed": 0}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "text": ["7", 0], "filename_prefix": "x"}},
}
ERROR = {"status_str": "error", "messages": [["execution_error", {"node_id": "9", "exception_message": "no luck"}]]}


def step(step_id: str, *after: str, **more: Any) -> dict[str, Any]:
    """A step that loads what the first of those before it made."""
    loads = {"1.image": f"{{{{ {after[0]}.output.image }}}}"} if after else {}
    return {
        "id": step_id,
        "workflow": GRAPH,
        "depends_on": list(after),
        **more,
        "parameters": {**loads, **more.get("parameters", {})},
    }


class Studio:
    """A library with two servers; each runs a graph as soon as it is queued, and makes one picture.

    `temporal` is the address of a Temporal server whose workers drive its chains; None: this process does.
    """

    def __init__(self, library: Library, servers: dict[str, ComfyUI], temporal: str | None = None) -> None:
        self.temporal = temporal
        self.library = library
        self.servers = servers
        self.configure(*(Server(name, server.url) for name, server in servers.items()))
        self.made = 0
        self.pictures = 1
        self.hold = threading.Event()
        self.hold.set()
        self.fails: Callable[[dict[str, Any]], bool] = lambda graph: False
        for server in servers.values():
            server.node_types = {
                "LoadImage": {"input": {"required": {"image": [["none.png"], {"image_upload": True}]}}},
                "Prompt": {"input": {}},
                "SaveImage": {"input": {}},
            }
            server.runs = lambda graph, server=server: self._run(server, graph)

    def configure(self, *servers: Server) -> None:
        """These are the configured servers."""
        self.library.config = replace(self.library.config, servers={one.name: one for one in servers})

    def _run(self, server: ComfyUI, graph: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        if self.fails(graph):
            return {}, ERROR
        images = []
        for _ in range(self.pictures):
            self.made += 1
            images.append(server.file(f"made_{self.made:05}_.png", png(1000 + self.made)))
        return {"9": {"images": images}}, SUCCESS

    def begin(self, *tables: dict[str, Any], **more: Any) -> Chain:
        """Start a chain of these steps."""
        parameters = more.pop("parameters", {})
        tree = files.Tree(
            {"name": more.pop("name", "film"), "parameters": more.pop("defaults", {}), "steps": list(tables)}
        )
        definition = checking.check(tree, servers=self.library.config.servers)
        engine = "local" if self.temporal is None else "temporal"
        return starting.start(
            self.library, definition, parameters=parameters, actor="anna", **{"engine": engine, **more}
        )

    @contextmanager
    def driving(self, **how: Any) -> Iterator[Any]:
        """Drive chains meanwhile: by a driver, which is given, or by a worker."""
        if self.temporal is not None:
            with a_worker(LocalRecords(self.library), TemporalServer(self.temporal), **how):
                yield None
            return
        driver = Driver(self.library, **how).start()
        try:
            yield driver
        finally:
            driver.stop()

    def until(self, chain: Chain, status: str, seconds: float = 20.0) -> Chain:
        """Wait until a chain has this status."""
        until(lambda: chains.get_chain(self.library, chain.id).status == status, seconds)
        return chains.get_chain(self.library, chain.id)

    def run(self, *tables: dict[str, Any], status: str = "completed", **more: Any) -> Chain:
        """A chain that has come to an end, or to a person."""
        chain = self.begin(*tables, **more)
        with self.driving():
            return self.until(chain, status)

    def workflow(self, chain: Chain, step_id: str) -> Workflow:
        return workflows.get_workflow_by_step(self.library, chain.id, step_id)

    def attempts(self, chain: Chain, step_id: str) -> list[Attempt]:
        return attempts.list_attempts(self.library, self.workflow(chain, step_id).id)[::-1]

    def current(self, chain: Chain, step_id: str) -> Artifact:
        found = artifacts.get_latest_artifact(self.library, self.workflow(chain, step_id).id)
        assert found is not None
        return found

    def heads(self, chain: Chain, step_id: str) -> list[Artifact]:
        """The version that stands for each of its outputs."""
        ask = pages.Ask(100, None)
        found = artifacts.list_workflow_artifacts(self.library, self.workflow(chain, step_id).id, ask, heads=True)
        return list(found.items)

    def statuses(self, chain: Chain) -> dict[str, str]:
        rows = workflows.get_workflows_by_chain(self.library, chain.id)
        return {row.step_id: row.status for row in rows if row.step_id}


@contextmanager
def studio_of(library: Library, folder: Path, temporal: str | None = None) -> Iterator[Studio]:
    with serving(folder / "gpu-a") as a, serving(folder / "gpu-b") as b:
        yield Studio(library, {"gpu-a": a, "gpu-b": b}, temporal)
