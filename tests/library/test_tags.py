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


def test_tags_of_many_are_changed_at_once(library: Library, pictures: Any) -> None:
    first, second = pictures.one(tags=("draft", "a")), pictures.one()
    nobody = "00000000-0000-7000-8000-000000000000"
    seq = events.last_seq(library)
    changed = tag_lists.change_tags(
        library, [second.id, nobody, first.id.upper(), second.id], add=["hero", "a"], remove=["draft"], by="ann"
    )
    assert [(one.id, one.tags) for one in changed] == [
        *((second.id, ("a", "hero")), (nobody, None), (first.id, ("a", "hero")))
    ]
    told = [(event.entity_id, event.action) for event in events.list_events(library, after=seq)]
    assert told == [
        *((second.id, "artifact.tagged"), (second.id, "artifact.tagged")),
        *((first.id, "artifact.tagged"), (first.id, "artifact.untagged")),
    ]
    assert tags(library) == [("a", 2), ("hero", 2)]


def test_changing_tags_again_changes_nothing(library: Library, pictures: Any) -> None:
    ids = [pictures.one(tags=("draft",)).id for _ in range(3)]
    once = tag_lists.change_tags(library, ids, add=["hero"], remove=["draft"], by="ann")
    seq = events.last_seq(library)
    assert tag_lists.change_tags(library, ids, add=["hero"], remove=["draft"], by="ann") == once
    assert events.last_seq(library) == seq


@pytest.mark.parametrize(
    ("ids", "add", "remove", "field"),
    [
        *(([], ["a"], [], "ids"), (["x"], ["a"], [], "ids"), (None, [], [], "add"), (None, ["a,b"], [], "add")),
        *((None, [], [""], "remove"), (None, ["a"], [" a "], "remove"), (None, ["x" * 101], [], "add")),
        *((None, [f"t{n}" for n in range(51)], [], "add"), ("many", ["a"], [], "ids")),
    ],
)
def test_what_cannot_be_done_to_many_is_done_to_none(
    library: Library, pictures: Any, ids: Any, add: list[str], remove: list[str], field: str
) -> None:
    picture = pictures.one(tags=("kept",))
    wanted = {None: [picture.id], "many": [picture.id[:-6] + f"{n:06}" for n in range(501)]}.get(
        ids if not isinstance(ids, list) else "", ids
    )
    with pytest.raises(Invalid) as refused:
        tag_lists.change_tags(library, wanted, add=add, remove=remove, by="ann")
    assert refused.value.field == field
    assert tags(library) == [("kept", 1)]


def test_tags_are_suggested_by_their_beginning(library: Library, pictures: Any) -> None:
    pictures.one(tags=("hero", "Hero shot", "heron", "HE%", "shot"))
    ask = pages.Ask(2)
    found = tag_lists.list_tags(library, ask, q="HE")
    more = tag_lists.list_tags(library, pages.Ask(2, found.next_cursor), q="HE")
    assert [tag for tag, _ in found.items + more.items] == ["HE%", "hero", "Hero shot", "heron"]
    assert more.next_cursor is None
    assert tag_lists.list_tags(library, ask, q="HE%").items == [("HE%", 1)]
    assert tag_lists.list_tags(library, ask, q="z").items == []
