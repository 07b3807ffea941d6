"""Keyset pages: each row once, in order, whatever is recorded in between; and no cursor but our own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from comfyui_artifact_db.errors import Invalid
from comfyui_artifact_db.library import artifacts, chains, pages, tags, transfers, trash, workflows
from comfyui_artifact_db.library.opening import Library

List = Callable[[Library, pages.Ask], pages.Page[Any]]

LISTS: dict[str, List] = {
    **{
        sort: lambda library, ask, sort=sort: artifacts.list_artifacts(library, ask, sort=sort)
        for sort in artifacts.SORTS
    },
    "workflows": workflows.list_workflows,
    "chains": chains.list_chains,
    "tags": tags.list_tags,
    "transfers": transfers.list_transfers,
}


def key(item: Any) -> Any:
    return item[0] if isinstance(item, tuple) else item.id


def walk(library: Library, listed: List, limit: int, between: Callable[[], object] = lambda: None) -> list[Any]:
    """Every item of a list, page by page."""
    found: list[Any] = []
    cursor = None
    while True:
        page = listed(library, pages.Ask(limit, cursor))
        assert len(page.items) <= limit
        found += [key(item) for item in page.items]
        if page.next_cursor is None:
            return found
        assert len(page.items) == limit
        cursor = page.next_cursor
        between()


@pytest.fixture
def many(library: Library, pictures: Any) -> Any:
    """Rows in every list: seven of each, some with the same time, size and name."""
    for number in range(7):
        chains.create_chain(library, name="film", actor="tester")
        pictures.one(data=b"x" * (1 + number // 3), tags=(f"tag {number}", "all"))
    return pictures


@pytest.mark.parametrize("name", [name for name in LISTS if name != "transfers"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 500])
def test_pages_of_every_size_hold_each_row_once_and_in_order(
    library: Library, many: Any, name: str, limit: int
) -> None:
    every = [key(item) for item in LISTS[name](library, pages.Ask(500)).items]
    assert len(every) == len(set(every)) >= 7
    assert walk(library, LISTS[name], limit) == every


@pytest.mark.parametrize("name", ["-created", "workflows", "chains"])
def test_what_is_recorded_in_between_does_not_shift_what_follows(library: Library, many: Any, name: str) -> None:
    def more() -> None:
        many.one()
        chains.create_chain(library, name="film", actor="tester")

    every = [key(item) for item in LISTS[name](library, pages.Ask(500)).items]
    assert walk(library, LISTS[name], 2, more) == every


def test_from_oldest_to_newest_what_is_recorded_in_between_is_seen(library: Library, many: Any) -> None:
    before = walk(library, LISTS["created"], 2)
    left = [1, 2]
    found = walk(library, LISTS["created"], 2, lambda: left and left.pop() and many.one())
    assert found[: len(before)] == before
    assert len(found) == len(set(found)) == len(before) + 2


def test_what_is_deleted_in_between_does_not_shift_what_follows(library: Library, many: Any) -> None:
    every = walk(library, LISTS["-created"], 500)
    gone = iter(every)
    found = walk(library, LISTS["-created"], 2, lambda: trash.delete(library, next(gone), by="ann"))
    assert found == every


def test_versions_and_workflow_artifacts_come_in_pages_too(library: Library, pictures: Any) -> None:
    first = pictures.one()
    made = [first, *(pictures.one(workflow_id=first.workflow_id) for _ in range(4))]
    newest_first = [artifact.id for artifact in reversed(made)]
    of_output = lambda lib, ask: artifacts.list_versions(lib, first.id, ask)
    of_workflow = lambda lib, ask: artifacts.list_workflow_artifacts(lib, first.workflow_id, ask)
    assert walk(library, of_output, 2) == walk(library, of_workflow, 2) == newest_first


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_limit_out_of_range_is_refused(library: Library, limit: int) -> None:
    with pytest.raises(Invalid) as refused:
        artifacts.list_artifacts(library, pages.Ask(limit))
    assert refused.value.field == "limit"


def encoded(values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "x", "!!!!", "é", "\0", "AAAA", "../../etc/passwd", "' OR 1=1 --"),
        *(encoded(values) for values in (None, {}, [], ["a"], ["a", "b", "c"], "ab", 7, [None, "a"], [True, "a"])),
        *(encoded(values) for values in ([["a"], "b"], [{}, "b"], [1.5, "b"], [10**30, "b"], ["\ud800", "b"])),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b'["\xff","b"]').decode(),
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(library: Library, many: Any, cursor: str) -> None:
    with pytest.raises(Invalid) as refused:
        artifacts.list_artifacts(library, pages.Ask(50, cursor))
    assert refused.value.field == "cursor"


def test_a_cursor_of_another_list_does_no_harm(library: Library, many: Any) -> None:
    by_size = artifacts.list_artifacts(library, pages.Ask(2), sort="size").next_cursor
    assert isinstance(artifacts.list_artifacts(library, pages.Ask(2, by_size)).items, list)
