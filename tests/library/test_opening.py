"""One library for a process: opened when it is first needed, and asked again after a failure."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db.config import Config, load_config
from comfyui_artifact_db.errors import BadConfiguration, StoreFailed
from comfyui_artifact_db.library import chains, events
from comfyui_artifact_db.library.opening import Library, SharedLibrary, open_library


def test_nothing_is_read_or_made_before_it_is_needed(tmp_path: Path) -> None:
    shared = SharedLibrary()
    shared.configure(lambda: load_config(tmp_path, {}))
    shared.close()
    assert list(tmp_path.iterdir()) == []
    library = shared.get()
    assert {path.name for path in tmp_path.iterdir()} == {"store"}, "the database waits until it is asked"
    chains.create_chain(library, name="film", actor="tester")
    assert (tmp_path / "artifacts.db").is_file()
    shared.close()


def test_everybody_who_asks_at_once_gets_the_same_library(tmp_path: Path) -> None:
    shared = SharedLibrary()
    shared.configure(lambda: load_config(tmp_path, {}))
    together = threading.Barrier(8)
    found: list[Library] = []

    def ask() -> None:
        together.wait()
        found.append(shared.get())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(library) for library in found}) == 1
    shared.close()
    assert list((tmp_path / "store" / "staging").iterdir()) == []


def test_a_wrong_configuration_is_read_again_once_it_is_mended(tmp_path: Path) -> None:
    (tmp_path / "artifact-db.toml").write_text("databse = 'x'")
    shared = SharedLibrary()
    shared.configure(lambda: load_config(tmp_path, {}))
    for _ in range(2):
        with pytest.raises(BadConfiguration, match="databse"):
            shared.get()
    (tmp_path / "artifact-db.toml").write_text("")
    assert chains.create_chain(shared.get(), name="film", actor="tester")[1]
    shared.close()


def test_a_store_that_cannot_be_made_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")
    shared = SharedLibrary()
    shared.configure(lambda: load_config(tmp_path, {}))
    with pytest.raises(StoreFailed):
        shared.get()
    (tmp_path / "store").unlink()
    assert events.last_seq(shared.get()) == 0
    shared.close()


def test_a_closed_shared_library_opens_again(tmp_path: Path) -> None:
    shared = SharedLibrary()
    shared.configure(lambda: load_config(tmp_path, {}))
    chain, _ = chains.create_chain(shared.get(), name="film", actor="tester")
    first = shared.get()
    shared.close()
    assert shared.get() is not first
    assert chains.get_chain(shared.get(), chain.id) == chain
    shared.close()


def test_a_listener_whose_event_loop_is_gone_spoils_no_change(library: Library, pictures: Any) -> None:
    import asyncio

    loop = asyncio.new_event_loop()
    library.subscribe(lambda seq, _: loop.call_soon_threadsafe(lambda: None) and None)
    heard: list[int] = []
    library.subscribe(lambda seq, _: heard.append(seq))
    loop.close()
    assert pictures.one().usable
    assert heard == [events.last_seq(library)]


def test_two_libraries_in_one_process_do_not_mix(tmp_path: Path) -> None:
    opened = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        opened.append(open_library(load_config(tmp_path / name, {})))
    made = [chains.create_chain(library, name=f"chain {n}", actor="tester")[0] for n, library in enumerate(opened)]
    for library, chain in zip(opened, made, strict=True):
        assert [event.entity_id for event in events.list_events(library)] == [chain.id]
        library.close()


def test_an_engine_of_a_later_release_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration):
        open_library(Config(tmp_path, None, "postgresql://a/b", tmp_path / "store"))
    assert list(tmp_path.iterdir()) == []
