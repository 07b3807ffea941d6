"""Questions to a database of 1,000,000 artifacts against the same questions to one of 10,000, and opening it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bulk
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import artifacts, events, lineage, pages, workflows
from comfyui_artifact_db.library.opening import Library, open_library
from measuring import Figure, figure, in_turns

MANY, FEW = 1_000_000, 10_000
RUNS = 15
OPENING = 0.2
"""Seconds more that opening the large one may take."""

Question = Callable[[Library, int], Any]

SEARCHES: dict[str, dict[str, Any]] = {
    "a word in all": {"q": "masterpiece"},
    "a word in a tenth of the names": {"q": "harbour"},
    "the beginning of a word": {"q": "harb"},
    f"a word in one of {bulk.RARE:,}": {"q": "zeppelin", "limit": 5},
    "two common words": {"q": "masterpiece harbour"},
    "a phrase": {"q": '"harbour pass"'},
    "words never together": {"q": "harbour_ valley_"},
    "a phrase that never stands": {"q": '"masterpiece harbour"'},
    "a word, tag, status and size": {"q": "masterpiece", "tag": "harbour", "status": "rejected", "min_size": 2_000_000},
    "a word, largest first": {"q": "harbour", "sort": "-size"},
}


def run() -> list[Figure]:
    """The time of each question, in one process, through the library."""
    with tempfile.TemporaryDirectory(prefix="artifact-db-bench-") as folder:
        homes = {count: Path(folder) / str(count) for count in (MANY, FEW)}
        empty = Path(folder) / "empty"
        for count, home in homes.items():
            bulk.fill(home, count)
        _open(empty)
        opened = in_turns(lambda: _open(homes[MANY]), lambda: _open(empty), runs=RUNS)
        limit = f"an empty one ({opened[1] * 1000:.0f} ms) plus {OPENING} s"
        figures = [figure(f"open {MANY:,}", opened[0], opened[1] + OPENING, goal=1.0, unit="s", rival_name=limit)]
        libraries = {count: open_library(load_config(home, {})) for count, home in homes.items()}
        for name, question in _questions(libraries).items():
            many, few = (_timer(libraries[count], count, question) for count in (MANY, FEW))
            ours, rival = in_turns(many, few, runs=RUNS)
            figures.append(figure(f"{name}, {MANY:,}", ours, rival, goal=2.0, unit="s", rival_name=f"{FEW:,}"))
        for library in libraries.values():
            library.close()
        return figures


def _open(home: Path) -> float:
    began = time.perf_counter()
    library = open_library(load_config(home, {}))
    library.prepare()
    events.last_seq(library)
    taken = time.perf_counter() - began
    library.close()
    return taken


def _timer(library: Library, count: int, question: Question) -> Callable[[], float]:
    def timed() -> float:
        began = time.perf_counter()
        question(library, count)
        return time.perf_counter() - began

    return timed


def _questions(libraries: dict[int, Library]) -> dict[str, Question]:
    ask = pages.Ask(50, None)
    listed = artifacts.list_artifacts
    # A cursor is where a page ended: that of the oldest tenth is found by asking once for what is there until then.
    deep = {
        count: listed(library, pages.Ask(1, None), until=_created(library, count // 10)).next_cursor
        for count, library in libraries.items()
    }
    return {
        "first page": lambda library, _: _some(listed(library, ask)),
        "deep page": lambda library, count: _some(listed(library, pages.Ask(50, deep[count]))),
        "filter by status and kind": lambda library, _: _some(listed(library, ask, status="rejected", kind="image")),
        "filter by tag": lambda library, _: _some(listed(library, ask, tag="harbour")),
        "filter by step": lambda library, _: _some(listed(library, ask, step="step_3")),
        "largest first": lambda library, _: _some(listed(library, ask, sort="-size")),
        "queue": lambda library, _: _some(listed(library, ask, queue=True)),
        **{f"search: {name}": _search(**filters) for name, filters in SEARCHES.items()},
        "chain and step": lambda library, count: workflows.get_workflow_by_step(
            library, bulk.chain_id(count // 40), "step_3"
        ),
        "current artifact": lambda library, count: artifacts.get_latest_artifact(library, bulk.workflow_id(count // 8)),
        f"lineage of depth {bulk.DEPTH:,}": lambda library, _: _deep(library),
    }


def _search(*, limit: int = 50, **filters: Any) -> Question:
    def search(library: Library, _: int) -> None:
        page = artifacts.list_artifacts(library, pages.Ask(limit, None), **filters)
        assert page.items or page.next_cursor or len(filters) > 1, filters

    return search


def _created(library: Library, number: int) -> str:
    return artifacts.get_artifact(library, bulk.artifact_id(number)).created_at


def _some(page: pages.Page[Any]) -> None:
    assert len(page.items) == 50, len(page.items)


def _deep(library: Library) -> None:
    found = lineage.get_lineage(library, bulk.artifact_id(bulk.DEPTH * bulk.BATCH))
    assert found.ancestors[-1].depth >= bulk.DEPTH, found.ancestors[-1].depth
