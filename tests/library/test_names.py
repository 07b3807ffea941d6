"""Names from outside are labels: what looks like a path, a URL or a trick is refused before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from comfyui_artifact_db.errors import Invalid
from comfyui_artifact_db.library import names
from hypothesis import given, settings
from hypothesis import strategies as st

Check = Callable[[Any, str], str]

NO_TEXT: list[Any] = [None, 7, True, b"bytes", ["a"], {"a": 1}]
CONTROL = ["a\0b", "a\rb", "a\x1bb", "a\x7fb", "a\x85b", "a\ud800b"]


@pytest.mark.parametrize(
    "check",
    [names.checked_text, names.checked_name, names.checked_filename, names.checked_tag, names.checked_subfolder],
)
@pytest.mark.parametrize("value", [*NO_TEXT, *CONTROL], ids=repr)
def test_what_is_no_text_or_has_control_characters_is_refused_everywhere(check: Check, value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        check(value, "the field")
    assert refused.value.field == "the field"


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "\n",
            "../up",
            "a/../b",
            "a..b",
            "/etc/passwd",
            "a/b",
            "\\\\host\\share",
            "a\\b",
            "C:film",
            "c:\\film",
        ),
        *("http://evil", "file:///etc", "//evil/x", "two\nlines", "a\tb", "x" * 256),
    ],
)
def test_a_name_is_neither_a_path_nor_a_url(value: str) -> None:
    with pytest.raises(Invalid):
        names.checked_name(value, "name")


@pytest.mark.parametrize(
    "value", ["image-edit-to-video-pipeline", "Von Foto zu Film", "№ 1: 写真", "<b>bold", "'; --", "x" * 255]
)
def test_an_ordinary_name_stays_what_it_is(value: str) -> None:
    assert names.checked_name(value, "name") == value


def test_a_name_may_be_empty_where_it_may() -> None:
    assert names.checked_name(" ", "chain", empty=True) == ""


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", ".", "..", "../a.png", "a/b.png", "/a.png", "a\\b.png", "\\a.png", "..png", "C:a.png", "c:\\a.png"),
        *("a\nb.png", "a\r\nSet-Cookie: x.png", "x" * 252 + ".png", "é" * 126 + ".png", "a\0.png"),
    ],
)
def test_a_file_name_that_is_a_path_or_too_long_is_refused(value: str) -> None:
    with pytest.raises(Invalid):
        names.checked_filename(value)


@pytest.mark.parametrize(
    "value",
    ["ComfyUI_00001_.png", "a b.png", "12:30.png", "%2e%2e%2f.png", "name [input].png", '"quoted".png', ".hidden",
     "CON.png", "x" * 251 + ".png", "é" * 125 + ".png"],
)  # fmt: skip
def test_an_ordinary_or_odd_file_name_is_kept_as_a_label(value: str) -> None:
    assert names.checked_filename(value) == value


def test_the_same_letters_in_two_unicode_forms_are_the_same_name() -> None:
    decomposed, composed = "cafe\u0301.png", "caf\u00e9.png"
    assert names.checked_filename(decomposed) == composed
    assert names.checked_name(decomposed, "name") == names.checked_text(decomposed, "text") == composed


def test_the_length_of_a_file_name_is_that_of_its_composed_form() -> None:
    assert len(names.checked_filename("e\u0301" * 125).encode()) == 250


@pytest.mark.parametrize("value", ["9:images:0", "12:5:7:images:3", "a-b.c:audio:999999999", "upload:text:0"])
def test_an_output_key_is_node_kind_and_index_from_the_right(value: str) -> None:
    assert names.checked_output_key(value) == value


@pytest.mark.parametrize(
    "value",
    [*NO_TEXT, "", "9", "9:images", "9:images:", "9:images:x", "9:images:-1", ":images:0", "9::0", "9:images:0\n",
     "a/b:images:0", "a b:images:0", "9:images:1234567890", "9:im/ages:0", "x" * 201 + ":images:0", "9:images:0 ",
     "..\\9:images:0"],
    ids=repr,
)  # fmt: skip
def test_what_is_no_output_key_is_refused(value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        names.checked_output_key(value)
    assert refused.value.field == "output_key"


@pytest.mark.parametrize(
    ("value", "kept"),
    [("", ""), ("a", "a"), ("a/b/c", "a/b/c"), ("a\\b", "a/b"), ("a/b/", "a/b"), ("ü b", "ü b"), ("shot:1", "shot:1")],
)
def test_a_subfolder_is_below_a_folder_of_the_server(value: str, kept: str) -> None:
    assert names.checked_subfolder(value) == kept


@pytest.mark.parametrize(
    "value",
    [
        "/a",
        "\\a",
        "..",
        "../a",
        "a/..",
        "a/../b",
        "a\\..\\b",
        "a//b",
        ".",
        "a/./b",
        "a/.. /b",
        "a/...",
        "a\nb",
        "a\tb",
        "C:",
        "C:/a",
        "c:a",
        "x" * 4097,
    ],
)
def test_a_subfolder_that_leads_elsewhere_is_refused(value: str) -> None:
    with pytest.raises(Invalid) as refused:
        names.checked_subfolder(value)
    assert refused.value.field == "subfolder"


@pytest.mark.parametrize("value", [".", "..", " .. "])
def test_a_tag_that_would_lead_elsewhere_in_a_url_is_refused(value: str) -> None:
    with pytest.raises(Invalid) as refused:
        names.checked_tag(value, "add")
    assert refused.value.field == "add"
    assert names.checked_tag("...") == "..."


@pytest.mark.parametrize("value", [None, [], "{}", 1])
def test_what_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(Invalid):
        names.checked_object(value, "metadata")


@settings(max_examples=200, derandomize=True, database=None)
@given(st.text(max_size=300))
def test_no_file_name_that_passes_can_leave_a_folder(value: str) -> None:
    try:
        name = names.checked_filename(value)
    except Invalid:
        return
    assert "/" not in name
    assert "\\" not in name
    assert name not in ("", ".", "..")
    assert len(name.encode()) <= 255
    assert name.isprintable() or not any(ord(c) < 32 for c in name)
    assert names.checked_filename(name) == name


@settings(max_examples=200, derandomize=True, database=None)
@given(st.text(alphabet="ab./\\:~ \n\0é", max_size=12))
def test_no_subfolder_that_passes_can_climb(value: str) -> None:
    try:
        folder = names.checked_subfolder(value)
    except Invalid:
        return
    assert not folder.startswith(("/", "\\"))
    assert ".." not in folder.split("/")
    assert "\\" not in folder
    assert names.checked_subfolder(folder) == folder


@pytest.mark.parametrize(
    ("filename", "subfolder", "kept"),
    [
        ("a.png", "", ("a.png", "")),
        ("a.png", "shot:1/day 2", ("a.png", "shot:1/day 2")),
        ("sub/a.txt", "", ("a.txt", "sub")),
        ("sub\\a.txt", "day", ("a.txt", "day/sub")),
        ("a\nb.txt", "x\ty", ("a_b.txt", "x_y")),
        ("...a.txt", "", ("_..a.txt", "")),
        ("c:a.txt", "d:", ("c_a.txt", "d_")),
        ("a.txt", "/x/../y//z/", ("a.txt", "x/_./y/z")),
        ("a.txt", "x" * 200 + "/" + "y" * 100, ("a.txt", "x" * 200 + "/" + "y" * 100)),
        ("x" * 300 + ".txt", "", ("x" * 251 + ".txt", "")),
        ("/", " / c:", ("c_", "_")),
    ],
)
def test_what_somebody_else_calls_a_file_becomes_labels(filename: str, subfolder: str, kept: tuple[str, str]) -> None:
    assert names.labels(filename, subfolder) == kept


ODD = st.text(max_size=300) | st.text(alphabet="ab./\\:~ \n\0é\u0301\u3000\ud800", max_size=12)


@settings(max_examples=300, derandomize=True, database=None)
@given(ODD, st.lists(ODD, max_size=30).map("/".join))
def test_every_door_takes_the_labels_of_whatever_somebody_else_calls_a_file(filename: str, subfolder: str) -> None:
    name, folder = names.labels(filename, subfolder)
    assert names.checked_filename(name) == name
    assert names.checked_subfolder(folder) == folder
    assert names.labels(name, folder) == (name, folder)
