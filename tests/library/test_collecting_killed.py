"""kill -9 before every step of a collection: nothing of it is there, or all of it, and the next call ends it well."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import invariants
import processes
import pytest
from aiohttp import web
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import collecting, pages, verifying, workflows
from comfyui_artifact_db.library.opening import open_library
from comfyui_servers_that import ComfyUI, serving
from invariants import named_files, stored_files
from making import png

COUNT = 3


@pytest.fixture(scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    """A server on which the prompt p has left pictures and a text."""
    with serving(tmp_path_factory.mktemp("comfyui")) as server:
        pictures = [server.file(f"{n}.png", png(n)) for n in range(COUNT - 1)]
        server.ran("p", {"9": {"images": pictures}, "10": {"text": ["a text"]}})
        yield server


@pytest.fixture(scope="module")
def folders(comfyui: ComfyUI, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One folder for each step before which a process was killed; the last one lived."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    root = tmp_path_factory.mktemp("killed")
    return processes.killed("dying_collections", root, comfyui.url)


def check(folder: Path) -> str:
    """What was left, after the next process has opened it; and whether the same call ends well then."""
    acknowledged = (folder / "acknowledged").read_text().split()
    library = open_library(load_config(folder, {}))
    try:
        library.prepare()
        (workflow,) = workflows.list_workflows(library, pages.Ask()).items
        rows = named_files(library)
        assert len(rows) in (0, COUNT), "one transaction for the whole attempt"
        assert workflow.status == ("completed" if rows else "executing")
        assert stored_files(library) == rows, "no file without its row, no row without its file"
        assert rows or not acknowledged, "what was acknowledged is there"
        left = [path.name for path in (library.store.root / "staging").iterdir() if path.is_dir()]
        assert [name for name in left if name != library.store.staging.name] == []
        quarantined = [path.name for path in (library.store.root / "quarantine").iterdir()]
        assert [name for name in quarantined if not name.endswith(".intent.json")] == []
        again = collecting.download_and_store_artifacts(
            library, workflow.id, server="gpu-b", prompt_id="p", by="runner"
        )
        assert [artifact.output_key for artifact in again] == ["9:images:0", "9:images:1", "10:text:0"]
        assert again[0].is_latest
        assert stored_files(library) == named_files(library)
        assert workflows.get_workflow(library, workflow.id).status == "completed"
        invariants.check(library)
        invariants.check_log_tells_the_rows(library)
        assert verifying.check(library) == []
    finally:
        library.close()
    if acknowledged:
        return "acknowledged"
    return "completed" if rows else "nothing"


def test_after_each_death_there_is_nothing_or_all_of_it_and_the_next_call_ends_well(folders: list[Path]) -> None:
    outcomes = []
    for folder in folders:
        try:
            outcomes.append(check(folder))
        except Exception as error:
            raise AssertionError(f"killed before step {folder.name} of {len(folders)}") from error
    assert outcomes == sorted(outcomes, key=["nothing", "completed", "acknowledged"].index)
    assert {"nothing", "completed", "acknowledged"} == set(outcomes)


def test_two_processes_that_collect_at_once_end_as_one(comfyui: ComfyUI, tmp_path: Path) -> None:
    (tmp_path / "artifact-db.toml").write_text(f'[servers.gpu-b]\nurl = "{comfyui.url}"\n')
    library = open_library(load_config(tmp_path, {}))
    both = asyncio.Event()
    waiting: list[web.Request] = []

    async def meet(request: web.Request) -> web.StreamResponse:
        """Both have seen that nothing is recorded yet before either of them gets its first file."""
        waiting.append(request)
        if len(waiting) == 2:
            both.set()
        await asyncio.wait_for(both.wait(), 30)
        return web.Response(body=png(0))

    comfyui.instead["0.png"] = meet
    try:
        how = {"workflow_name": "w", "server": "gpu-b", "prompt_id": "p", "status": "executing"}
        workflow, _ = workflows.create_workflow(library, actor="runner", **how)  # type: ignore[arg-type]
        with (
            processes.started("collecting_one", tmp_path, workflow.id) as one,
            processes.started("collecting_one", tmp_path, workflow.id) as two,
        ):
            assert one.stdin is not None
            one.stdin.write("go on\n")
            one.stdin.flush()
            printed = processes.go_on(two)
            assert one.stdout is not None
            assert [one.stdout.readline().rstrip("\n")] == printed
        assert len(printed[0].split()) == COUNT
        assert len(named_files(library)) == COUNT
        assert stored_files(library) == named_files(library)
        invariants.check(library)
        invariants.check_log_tells_the_rows(library)
    finally:
        comfyui.instead.clear()
        library.close()
