"""Which names are in use: each once, by what it begins with, whatever page is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_artifact_db.errors import Invalid
from comfyui_artifact_db.library import chains, pages, runs, suggestions
from comfyui_artifact_db.library.opening import Library


@pytest.fixture
def named(library: Library, pictures: Any) -> Library:
    """Two runs of one chain, of which the newer has one step more; another chain; a run that stands alone."""
    for prompt, chain, step in (("p1", "film", "b"), ("p2", "film", "a"), ("p3", "day", "Zürich"), ("p4", "", "")):
        pictures.one(run=runs.Run("gpu-a", prompt, step or "w", chain=chain, step=step))
    (old,) = chains.list_chains(library, pages.Ask(), name="film").items
    chains.update_chain(library, old.id, status="completed", actor="tester")
    for prompt, step in (("p5", "a"), ("p6", "a 2"), ("p7", "a")):
        pictures.one(run=runs.Run("gpu-a", prompt, step, chain="film", step=step))
    return library


def found(library: Library, kind: str, limit: int = 50, **wanted: str) -> list[str]:
    names: list[str] = []
    ask = pages.Ask(limit)
    while True:
        page = suggestions.list_names(library, ask, kind=kind, **wanted)
        assert len(page.items) <= limit
        names += page.items
        if page.next_cursor is None:
            return names
        ask = pages.Ask(limit, page.next_cursor)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 500])
def test_each_name_is_told_once_and_in_order(named: Library, limit: int) -> None:
    assert found(named, "chain", limit) == ["day", "film"]
    assert found(named, "step", limit) == ["Zürich", "a", "a 2", "b"]
    assert found(named, "workflow", limit) == ["Zürich", "a", "a 2", "b", "w"]


@pytest.mark.parametrize("limit", [1, 50])
def test_names_are_told_by_what_they_begin_with(named: Library, limit: int) -> None:
    assert found(named, "step", limit, q="a") == ["a", "a 2"]
    assert found(named, "step", limit, q="a ") == ["a", "a 2"]
    assert found(named, "step", limit, q="Zü") == ["Zürich"]
    assert found(named, "chain", limit, q="%") == []


def test_the_steps_of_a_chain_are_those_of_its_newest_run_or_of_the_one_whose_id_is_given(named: Library) -> None:
    new, old = chains.list_chains(named, pages.Ask(), name="film").items
    assert found(named, "step", chain="film") == found(named, "step", chain=new.id.upper()) == ["a", "a 2"]
    assert found(named, "step", chain=old.id) == ["a", "b"]
    assert found(named, "step", chain="night") == []


def test_what_only_the_trash_has_is_not_told(named: Library) -> None:
    (day,) = chains.list_chains(named, pages.Ask(), name="day").items
    chains.delete_chain(named, day.id, actor="ann")
    assert found(named, "chain") == ["film"]
    assert found(named, "step") == ["a", "a 2", "b"]
    assert "Zürich" not in found(named, "workflow")


@pytest.mark.parametrize(
    "wanted",
    [
        {"kind": "tag"},
        {"kind": "chain", "chain": "film"},
        {"kind": "step", "chain": "../film"},
        {"kind": "step", "q": "\0"},
    ],
)
def test_what_cannot_be_asked_is_refused(named: Library, wanted: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        suggestions.list_names(named, pages.Ask(), **wanted)


@pytest.mark.parametrize("cursor", ["x", "WzFd", "W10", "WyJhIiwgImIiXQ"])
def test_a_cursor_of_another_list_is_refused(named: Library, cursor: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        suggestions.list_names(named, pages.Ask(5, cursor), kind="chain")
