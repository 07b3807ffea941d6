"""Searching by words: found by the beginnings of words, together with every filter, whatever somebody types."""

from __future__ import annotations

import itertools
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import pytest
from comfyui_artifact_db.errors import Invalid
from comfyui_artifact_db.library import artifacts, decisions, pages, runs, searches, trash, workflows
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Artifact
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def find(library: Library, q: Any, **filters: Any) -> list[str]:
    return [artifact.id for artifact in artifacts.list_artifacts(library, pages.Ask(), q=q, **filters).items]


class Scene:
    """Three pictures: of two steps of a film, and one alone."""

    def __init__(self, pictures: Any) -> None:
        self.extract: Artifact = pictures.one(
            run=runs.Run("gpu-a", "p1", "sdxl-base", chain="Drachenfilm Süd", step="extract_frame1")
        )
        self.edit: Artifact = pictures.one(
            run=runs.Run("gpu-a", "p2", "qwen.edit", chain="Drachenfilm Süd", step="edit_frame1")
        )
        self.alone: Artifact = pictures.one(run=runs.Run("gpu-a", "p3", "text-to-image"))


@pytest.fixture
def scene(pictures: Any) -> Scene:
    return Scene(pictures)


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("comfyui", "alone edit extract"),
        ("ComfyUI_00002_.png", "edit"),
        ("00002", "edit"),
        ("COMFYUI_0000", "alone edit extract"),
        ("png", "alone edit extract"),
        ("qwen", "edit"),
        ("qwen.ed", "edit"),
        ("edit", "edit"),
        ("extract_frame1", "extract"),
        ("frame1", "edit extract"),
        ("frame1 qwen", "edit"),
        ("qwen frame1 drachen comfy", "edit"),
        ("drachenfilm", "edit extract"),
        ("drach", "edit extract"),
        ("süd", "edit extract"),
        ("sud", "edit extract"),
        ("SÜD", "edit extract"),
        ("su\u0308d", "edit extract"),
        ("text to image", "alone"),
        ("text-to-im", "alone"),
        ("to-image-text", ""),
        ("film", ""),
        ("edit nothing", ""),
        ("drachen - süd", "edit extract"),
        ("  drachen \t süd\n", "edit extract"),
        ("drachen drachen", "edit extract"),
    ],
)
def test_every_word_begins_a_word_of_a_name(library: Library, scene: Scene, q: str, expected: str) -> None:
    assert find(library, q) == [getattr(scene, name).id for name in expected.split()]


@pytest.mark.parametrize(
    "q",
    [
        *(
            '"',
            '""',
            '"""',
            "*",
            "**",
            "^",
            "-",
            "+",
            ":",
            "(",
            ")",
            "()",
            "{}",
            "'",
            "\\",
            "%",
            "_",
            "?",
            ".",
            "🐉",
            "—",
        ),
        *("NEAR(", "NEAR(a b, 2)", "AND", "OR", "NOT", "a AND", "OR b", "NOT c", "a NOT b", "a OR b", "NEAR", "near/2"),
        *('"a', 'a"', 'a"b', '"a" "b', "a*b", "*a", "a**", "^a", "-a", "+a", "filename:a", "{filename step_id}:a"),
        *("filename : x", "rank", "rowid:1", "artifact_search", "'; DROP TABLE artifacts; --", "\\u0000", "a\u200bb"),
        *(
            "\ufeff",
            "\u202e",
            "é",
            "e\u0301",
            "\U0001f9d1\u200d\U0001f680",
            "漢字",
            "ﷺ",
            "\uffff",
            "\U0010ffff",
            "\u0301",
        ),
        *(" ".join("abcdefghijklmnopqrstuvwxyz" * 5)[:255], "x" * 255, '"' * 255, "* " * 127, "( " * 127, "ü" * 255),
    ],
)
def test_whatever_is_typed_is_only_words(library: Library, scene: Scene, q: str) -> None:
    if len(q) == 1 and not q.isalnum():
        assert find(library, q) == []
    find(library, q)
    assert find(library, f"{q[:200]} qwen") in ([], [scene.edit.id])


@pytest.mark.parametrize(
    "q", ["", " ", "\n\t", "\0", "a\0b", "\x1b[31m", "\ud800", "x" * 256, "x" * 10_000, "a " * 5000, 7]
)
def test_what_cannot_be_asked_is_refused(library: Library, scene: Scene, q: Any) -> None:
    with pytest.raises(Invalid) as refused:
        find(library, q)
    assert refused.value.field == "q"


@settings(max_examples=200, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=60), st.text(alphabet='"*()^-+:{}NEARndo \\', max_size=40))
def test_no_text_is_an_error_of_the_database(library: Library, text: str, signs: str) -> None:
    for q in (text, signs, text + signs, f"{signs} a {text}"):
        with suppress(Invalid):
            find(library, q)


def test_it_holds_together_with_every_filter_and_every_order(library: Library, scene: Scene, pictures: Any) -> None:
    chain = workflows.get_workflow(library, scene.edit.workflow_id).chain_id
    decisions.tag(library, scene.edit.id, "nice", by="ann")
    large = pictures.one(run=runs.Run("gpu-a", "p4", "qwen.edit"), data=b"x" * 5000, status="pending")
    trashed = pictures.one(run=runs.Run("gpu-a", "p5", "qwen.edit"))
    trash.delete(library, trashed.id, by="ann")
    both = [large.id, scene.edit.id]
    assert find(library, "qwen") == find(library, "qwen", sort="-size") == both
    assert find(library, "qwen", sort="created") == find(library, "qwen", sort="size") == both[::-1]
    for filters in (
        *({"tag": "nice"}, {"chain": chain}, {"step": "edit_frame1"}, {"workflow": scene.edit.workflow_id}),
        *({"status": "auto_approved"}, {"max_size": 4000}, {"kind": "image", "until": large.created_at, "tag": "nice"}),
    ):
        assert find(library, "qwen", **filters) == [scene.edit.id]
    assert find(library, "qwen", queue=True, latest=True, min_size=4000) == [large.id]
    assert find(library, "qwen", since="2999-01-01") == []
    assert find(library, "sdxl", tag="nice") == []


@pytest.mark.parametrize("sort", artifacts.SORTS)
def test_pages_neither_skip_nor_repeat_while_more_is_recorded(library: Library, pictures: Any, sort: str) -> None:
    made = [pictures.one(data=b"x" * (100 - n)) for n in range(9)]
    pages_of, cursor = [], None
    while True:
        page = artifacts.list_artifacts(library, pages.Ask(2, cursor), q="comfyui", sort=sort)
        pages_of += [artifact.id for artifact in page.items]
        if sort.startswith("-"):
            pictures.one(data=b"x" * 200)
        cursor = page.next_cursor
        if cursor is None:
            break
    expected = [artifact.id for artifact in made]
    assert pages_of == (expected if sort in ("created", "-size") else expected[::-1])


def test_a_cursor_of_another_list_is_refused(library: Library, pictures: Any) -> None:
    for _ in range(3):
        pictures.one()
    plain = artifacts.list_artifacts(library, pages.Ask(1)).next_cursor
    searched = artifacts.list_artifacts(library, pages.Ask(1), q="comfyui").next_cursor
    for cursor, filters in ((plain, {"q": "comfyui"}), (searched, {})):
        with pytest.raises(Invalid) as refused:
            artifacts.list_artifacts(library, pages.Ask(1, cursor), **filters)
        assert refused.value.field == "cursor"


def plans(library: Library, ask: Callable[[], object]) -> list[list[str]]:
    """How SQLite answers each query of a call."""
    heard: list[Any] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.msg)

    logger, listener = logging.getLogger("peewee"), Listener()
    level, propagate = logger.level, logger.propagate
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(listener)
    try:
        ask()
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
        logger.propagate = propagate
    queries = [message for message in heard if isinstance(message, tuple) and message[0].startswith(("SELECT", "WITH"))]
    with closing(sqlite3.connect(library.database.path)) as connection:
        return [[row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)] for sql, values in queries]


def assert_by_index(steps: list[str], *, sorted_: bool = False) -> None:
    """Nothing is read but through an index, the full-text ones included; and, unless `sorted_`, nothing is sorted."""
    for step in steps:
        assert sorted_ or "TEMP B-TREE" not in step, steps
        by_index = (
            "VIRTUAL TABLE INDEX" in step
            or "INDEX idx_artifacts_size" in step
            or step in ("SCAN CONSTANT ROW", "SCAN words")
        )
        assert by_index or not step.startswith("SCAN"), steps


FILTERS: list[dict[str, Any]] = [
    *({}, {"queue": True}, {"tag": "nice"}, {"status": "pending", "kind": "image"}, {"step": "a"}),
    *({"since": "2026-01-01", "until": "2999-01-01"}, {"min_size": 1, "max_size": 9}, {"latest": True}),
]


@pytest.mark.parametrize("sort", artifacts.SORTS)
@pytest.mark.parametrize("q", ["comfyui", "comfyui text", "comfyu draft", '"text to image"', "00002_png safetensors"])
def test_every_query_of_a_search_goes_by_an_index(
    library: Library, pictures: Any, monkeypatch: pytest.MonkeyPatch, sort: str, q: str
) -> None:
    for _ in range(3):
        pictures.one()
    # As it is among very many: no filter is narrow before it is asked for, and no match is sorted.
    monkeypatch.setattr(searches, "TRIED", 1)
    for sortable, few in ((1000, 100), (0, 100), (0, 0)):
        monkeypatch.setattr(searches, "SORTABLE", sortable)
        monkeypatch.setattr(searches, "FEW", few)
        cursor = artifacts.list_artifacts(library, pages.Ask(1), q=q, sort=sort).next_cursor
        for after, filters in itertools.product({None, cursor}, FILTERS):
            ask = pages.Ask(1, after)
            call = lambda ask=ask, filters=filters: artifacts.list_artifacts(library, ask, q=q, sort=sort, **filters)
            asked = plans(library, call)
            assert any("VIRTUAL TABLE INDEX" in step for steps in asked for step in steps)
            for steps in asked:
                assert_by_index(steps, sorted_=sort.endswith("size") and (sortable, few) != (0, 0))


def test_the_queue_is_counted_by_an_index(library: Library, pictures: Any) -> None:
    pictures.one(status="pending")
    (steps,) = plans(library, lambda: artifacts.count_queue(library))
    assert any("SEARCH" in step and "approval_status=?" in step for step in steps), steps
    assert not any("artifacts" in step and step.startswith("SCAN") for step in steps), steps


def test_the_queue_is_counted_as_it_is_listed(library: Library, pictures: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert artifacts.count_queue(library) == (0, False)
    first = pictures.one(status="pending")
    pictures.one(workflow_id=first.workflow_id, status="pending")
    superseded = pictures.one(workflow_id=first.workflow_id, status="pending")
    last = pictures.one(workflow_id=first.workflow_id, status="pending")
    thrown = pictures.one(status="pending")
    trash.delete(library, thrown.id, by="ann")
    pictures.one()
    listed = [a.id for a in artifacts.list_artifacts(library, pages.Ask(), queue=True).items]
    assert set(listed) == {first.id, last.id}
    assert superseded.id not in listed
    assert artifacts.count_queue(library) == (2, False)
    monkeypatch.setattr(artifacts, "MAX_COUNT", 2)
    assert artifacts.count_queue(library) == (2, False)
    pictures.one(status="pending")
    assert artifacts.count_queue(library) == (2, True)
