"""The text of a chain file: what YAML's words stand for, where they stand, and what of YAML is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from comfyui_artifact_db.chains import files
from comfyui_artifact_db.chains.files import NotAFile, Place
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("true", True), ("False", False), ("~", None), ("", None),
        ("null", None), ("010", 10), ("-3", -3), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("1_000", "1_000"),
        ("0x1f", "0x1f"), ("12:30", "12:30"), ("2026-11-25", "2026-11-25"), ("'12'", "12"), ('"true"', "true"),
        (".", "."), (".inf", ".inf"), ("3d", "3d"), ("{{ a }}", None),
    ],
)  # fmt: skip
def test_a_word_stands_for_what_json_has(text: str, value: Any) -> None:
    if text.startswith("{{"):
        with pytest.raises(NotAFile, match="a key is a text"):
            files.read(f"a: {text}")
        return
    assert files.read(f"a: {text}").value == {"a": value}


def test_keys_are_what_is_written_there() -> None:
    assert files.read("2.10: a\ntrue: b\n7.text: c\n").value == {"2.10": "a", "true": "b", "7.text": "c"}


def test_every_value_has_its_place() -> None:
    tree = files.read("name: a\nsteps:\n  - id: one\n    depends_on: [x, y]\n")
    assert tree.place(("steps", 0, "depends_on", 1)) == Place(4, 21)
    assert tree.place(("steps", 0, "id")) == Place(3, 5)
    assert tree.place(("steps", 0, "server")) == Place(3, 5), "where it is missed"
    assert tree.place(()) == Place(1, 1)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=20,
))  # fmt: skip
def test_json_is_read_as_json_reads_it(value: Any) -> None:
    text = json.dumps(value)
    if any(sign in text for sign in ("\\ud", "\\u007f", "\\u0085")) or value == "":
        return  # halves of surrogate pairs, which YAML has no word for
    assert files.read(text).value == value


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("a: &x 1\nb: *x\n", "anchors and aliases", 1),
        ("a: 1\nb: !!python/object:os.system x\n", "tags .* are not taken", 2),
        ("a: 1\n---\nb: 2\n", "second document", 2),
        ("a: 1\nb: 2\na: 3\n", "the key 'a' stands here twice", 3),
        ("a: [1, 2\n", "not YAML", 2),
        ("a: 1\n\tb: 2\n", "not YAML", 2),
        ("? [a]\n: b\n", "a key is a text", 1),
        ("a: 1e999\n", "larger than any number", 1),
        ("[" * 100 + "]" * 100, "deeper than 64", 1),
    ],
)
def test_what_is_more_than_json_is_refused_with_its_line(text: str, message: str, line: int) -> None:
    with pytest.raises(NotAFile, match=message) as caught:
        files.read(text)
    assert caught.value.place is not None
    assert caught.value.place.line == line


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_file_is_none(text: str) -> None:
    with pytest.raises(NotAFile, match="empty"):
        files.read(text)


def test_a_file_that_is_too_large_is_not_read() -> None:
    with pytest.raises(NotAFile, match="at most"):
        files.read("a" * (files.LARGEST + 1))
