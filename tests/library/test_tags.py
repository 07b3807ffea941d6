"""Tags: a line each, once for each artifact, counted."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_artifact_db.errors import Invalid
from comfyui_artifact_db.library import artifacts, decisions, events, pages
from comfyui_artifact_db.library import tags as tag_lists
from comfyui_artifact_db.library.names import checked_tags
from comfyui_artifact_db.library.opening import Library


def tags(library: Library) -> list[tuple[str, int]]:
    return tag_lists.list_tags(library, pages.Ask()).items


def test_tags_are_put_on_and_taken_off(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    decisions.tag(library, picture.id, "nice", by="ann")
    tagged = decisions.tag(library, picture.id, "  day 1 ", by="ann")
    assert tagged.tags == ("day 1", "nice")
    assert decisions.untag(library, picture.id, "nice", by="ann").tags == ("day 1",)
    assert artifacts.get_artifact(library, picture.id).tags == ("day 1",)


def test_a_tag_that_is_there_and_one_that_is_not_change_nothing(library: Library, pictures: Any) -> None:
    picture = pictures.one(tags=("nice",))
    seq = events.last_seq(library)
    assert decisions.tag(library, picture.id, "nice", by="ann") == picture
    assert decisions.untag(library, picture.id, "other", by="ann") == picture
    assert events.last_seq(library) == seq


def test_a_change_of_tags_is_a_new_revision_and_an_event(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    tagged = decisions.tag(library, picture.id, "nice", by="ann")
    assert tagged.revision == picture.revision + 1
    last = events.history(library, picture.id)[-1]
    assert (last.action, last.actor, last.after) == ("artifact.tagged", "ann", {"tag": "nice"})


def test_the_same_letters_in_two_unicode_forms_are_one_tag(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    decisions.tag(library, picture.id, "cafe\u0301", by="ann")
    assert decisions.tag(library, picture.id, "caf\u00e9", by="ann").tags == ("caf\u00e9",)


def test_tags_are_counted_by_name(library: Library, pictures: Any) -> None:
    pictures.one(tags=("b", "a"))
    pictures.one(tags=("b",))
    assert tags(library) == [("a", 1), ("b", 2)]


def test_what_is_in_the_trash_does_not_count(library: Library, pictures: Any) -> None:
    from comfyui_artifact_db.library import trash

    trash.delete(library, pictures.one(tags=("a", "b")).id, by="ann")
    pictures.one(tags=("b",))
    assert tags(library) == [("b", 1)]


@pytest.mark.parametrize("tag", ["", "  ", "a,b", "a\nb", "a\tb", "a\0", "x" * 101, None, 7, ["a"]])
def test_what_is_no_tag_is_refused(library: Library, pictures: Any, tag: Any) -> None:
    picture = pictures.one()
    for change in (decisions.tag, decisions.untag):
        with pytest.raises(Invalid) as refused:
            change(library, picture.id, tag, by="ann")
        assert refused.value.field == "tag"


def test_markup_in_a_tag_stays_what_it_is(library: Library, pictures: Any) -> None:
    tag = "<img src=x onerror=alert(1)>"
    assert decisions.tag(library, pictures.one().id, tag, by="ann").tags == (tag,)


def test_the_tags_of_a_widget_are_comma_separated_each_once_in_their_order() -> None:
    assert checked_tags("b, a ,,b, c d ,") == ("b", "a", "c d")
    assert checked_tags("") == checked_tags(" , ,") == ()
    with pytest.raises(Invalid):
        checked_tags("a, " + "x" * 101)
