"""Pins what a shortened id means."""

from __future__ import annotations

import pytest
from comfyui_artifact_db.errors import Invalid, NotFound
from comfyui_artifact_db.library import chains, prefixes
from comfyui_artifact_db.library.opening import Library
from making import Pictures

CHAIN = "12345678-0000-4000-8000-00000000000{}"


@pytest.fixture(autouse=True)
def _chains(library: Library) -> None:
    for last in "ab":
        chains.create_chain(library, id=CHAIN.format(last), name="film", actor="ann")


def test_a_whole_id_is_what_it_says(library: Library, pictures: Pictures) -> None:
    picture = pictures.one()
    assert prefixes.find(library, picture.id) == ("artifact", picture.id)
    assert prefixes.find(library, picture.workflow_id.upper()) == ("workflow", picture.workflow_id)
    assert prefixes.find(library, CHAIN.format("b")) == ("chain", CHAIN.format("b"))


def test_a_beginning_that_only_one_has_is_enough(library: Library) -> None:
    assert prefixes.find(library, CHAIN.format("b")[:36], ("chain",)) == ("chain", CHAIN.format("b"))
    other = "abcdef01-0000-4000-8000-000000000000"
    chains.create_chain(library, id=other, name="film", actor="ann")
    for text in ("abcdef01", " ABCDEF01 ", "abcdef01-0000-4"):
        assert prefixes.find(library, text) == ("chain", other)


def test_a_beginning_of_several_is_refused_with_two_of_them(library: Library) -> None:
    with pytest.raises(Invalid, match=r"12345678-.*a, 12345678-.*b"):
        prefixes.find(library, "12345678")
    with pytest.raises(NotFound, match="artifact"):
        prefixes.artifact_id(library, "12345678")


@pytest.mark.parametrize("text", ["", "1234567", "x2345678", "1234%678", "12345678_", "1" * 37])
def test_what_is_no_beginning_of_an_id_is_refused(library: Library, text: str) -> None:
    with pytest.raises(Invalid):
        prefixes.find(library, text)


def test_one_that_nobody_has_is_not_found(library: Library) -> None:
    for text in ("deadbeef", "deadbeef-0000-4000-8000-000000000000"):
        with pytest.raises(NotFound):
            prefixes.find(library, text)


def test_a_chain_is_meant_by_its_name_or_its_id_or_the_beginning_of_it(library: Library) -> None:
    other = "abcdef01-0000-4000-8000-000000000000"
    chains.create_chain(library, id=other, name="a long name", actor="ann")
    for word in ("a long name", other, other.upper(), "abcdef01", "abcdef01-0000"):
        assert prefixes.find_chain(library, word) == other
    assert prefixes.find_chain(library, "film") == CHAIN.format("b"), "of several runs the newest"
    with pytest.raises(Invalid, match="several"):
        prefixes.find_chain(library, "12345678")


@pytest.mark.parametrize("word", ["a long name", "01a217e9-bffe", "deadbeef-0000-4000-8000-000000000000", "short", ""])
def test_a_word_that_means_no_chain_is_told_as_one(library: Library, word: str) -> None:
    with pytest.raises(NotFound, match=f"no chain is called '{word}', and no id begins so"):
        prefixes.find_chain(library, word)


def test_a_name_goes_before_the_beginning_of_an_id(library: Library) -> None:
    called = chains.create_chain(library, name="12345678", actor="ann")[0]
    assert prefixes.find_chain(library, "12345678") == called.id


def test_it_is_answered_by_the_index(library: Library) -> None:
    with library.reading():
        plan = library.database.engine.execute_sql(
            "EXPLAIN QUERY PLAN SELECT id FROM artifacts WHERE id >= 'a' AND id < 'b' ORDER BY id LIMIT 2"
        ).fetchall()
    assert "SEARCH" in plan[0][-1]
