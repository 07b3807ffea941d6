"""Loads the checkout as the package it is when installed, and gives tests a real database and a real store."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import loading  # noqa: F401  makes the checkout importable
import pytest
from comfyui_artifact_db.config import Config, load_config
from comfyui_artifact_db.db.connections import Database
from comfyui_artifact_db.db.migrating import migrate
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_studio import comfyui_code, servers
from small_disks import disk, removable

__all__ = ["comfyui_code", "disk", "removable", "servers"]

TESTS = Path(__file__).resolve().parent

TOGETHER = {"comfyui": "servers", "hubmode": "machines", "examples": "servers", "routes": "hub", "transfers": "hub"}
"""The folders whose tests share what is dear to start, or look back at each other, and so run in one process."""

LONGEST = ("comfyui", "hubmode", "examples", "routes", "transfers", "panel", "torture", "demo", "cli")
"""The folders whose tests take longest, which begin first."""

LONG = (
    *("torture", "hubmode", "demo", "examples"),
    *("comfyui/test_chains_on_servers.py", "comfyui/test_database_away.py", "comfyui/test_everything_recorded.py"),
    *("comfyui/test_adopting_guide.py", "chains/test_temporal.py", "cli/test_chains.py", "cli/test_workers.py"),
    *("client/test_engines.py", "client/test_engines_far_away.py", "client/test_workers_far_away.py"),
    *("library/test_vanished_store.py", "media/test_films.py", "media/test_waveforms.py"),
    *("panel/test_accessibility.py", "panel/test_chains.py", "panel/test_finding.py", "panel/test_playing.py"),
)
"""The long suites, which have the mark `long`: engines, whole studios, guides, whatever is killed at work, films and
sounds, and pages of the panel that are gone through whole.
"""


def is_long(item: pytest.Item) -> bool:
    """Whether a test belongs to the long suites: of chains on Temporal and ComfyUI's newest frontends all do.

    Of those that ask a hub none does: one of them looks back at all the others.
    """
    path = item.path.relative_to(TESTS)
    if TOGETHER.get(path.parts[0]) == "hub":
        return False
    given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    listed = any(path == Path(one) or Path(one) in path.parents for one in LONG)
    return listed or "killed" in path.stem or given.get("engine") == "temporal" or "newest" in item.name


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where tests run in several processes: which go together; others by their files."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return TOGETHER.get(file.split("/")[1], file)

    return Groups(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Which of them are long, and which begin."""

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(TESTS).parts[0]
        return LONGEST.index(folder) if folder in LONGEST else len(LONGEST)

    for item in items:
        if is_long(item):
            item.add_marker("long")
    items.sort(key=place)


@pytest.fixture(autouse=True)
def no_driver_is_left() -> Iterator[None]:
    """What drives chains ends with its test: it would disturb all that come after it."""

    def drivers() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "artifact-db-driver"}

    before = drivers()
    yield
    assert drivers() <= before


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The configuration of a fresh installation, with two servers that nobody listens at and a folder."""
    (tmp_path / "artifact-db.toml").write_text(
        '[servers.gpu-a]\nurl = "http://127.0.0.1:1"\n[servers.gpu-b]\nurl = "http://127.0.0.1:2"\n'
        '[folders]\noutputs = "outputs"\n'
    )
    return load_config(tmp_path, {})


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database as the migrations leave it: tests begin with a copy, since they take longer than most tests."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('migrated') / 'artifacts.db'}")
    migrate(database)
    database.close()
    return database.path


@pytest.fixture
def library(config: Config, migrated: Path) -> Iterator[Library]:
    """An open library in a folder of its own."""
    library = open_library(config)
    shutil.copy(migrated, library.database.path)
    yield library
    library.close()


@pytest.fixture
def pictures(library: Library) -> Any:
    """Records pictures: see `making.Pictures`."""
    from making import Pictures

    return Pictures(library)


@pytest.fixture
def reopened(config: Config) -> Iterator[Callable[[], Library]]:
    """Opens further libraries on the same database and store, as another process would."""
    opened: list[Library] = []

    def reopen() -> Library:
        opened.append(open_library(config))
        return opened[-1]

    yield reopen
    for library in opened:
        library.close()
