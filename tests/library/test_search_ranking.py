"""What a search finds, in which order, page by page, and how far it looks for it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.errors import Invalid
from comfyui_artifact_db.library import artifacts, decisions, pages, ranking, runs, searches, trash, words
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.library.views import Artifact
from making import Pictures


def find(library: Library, q: str, **filters: Any) -> list[str]:
    return [artifact.id for artifact in artifacts.list_artifacts(library, pages.Ask(), q=q, **filters).items]


def walk(library: Library, q: str, limit: int, **filters: Any) -> list[str]:
    """What all pages show, one after another."""
    shown, cursor = [], None
    for _ in range(1000):
        page = artifacts.list_artifacts(library, pages.Ask(limit, cursor), q=q, **filters)
        assert len(page.items) <= limit
        shown += [artifact.id for artifact in page.items]
        if (cursor := page.next_cursor) is None:
            return shown
    raise AssertionError("the pages have no end")


class Making:
    """Records pictures of a prompt, with tags, under names of their own."""

    def __init__(self, pictures: Any) -> None:
        self.pictures = pictures

    def __call__(self, prompt: str = "", **more: Any) -> Artifact:
        fields = {"prompt": prompt, **more.pop("generation", {})}
        metadata = {"generation": {name: {"state": "ok", "value": value} for name, value in fields.items()}}
        run = more.pop("run", None) or runs.Run("gpu-a", f"p{self.pictures.made}", "graph")
        made: Artifact = self.pictures.one(metadata=metadata, run=run, **more)
        return made


@pytest.fixture
def make(pictures: Any) -> Making:
    return Making(pictures)


def test_what_made_an_artifact_is_found(library: Library, make: Making) -> None:
    generation = {
        "negative_prompt": "blurry hands",
        "models": [{"name": "sdxl_base_1.0.safetensors", "kind": "checkpoint"}],
        "loras": [{"name": "ink-wash.safetensors", "strength_model": 0.8}],
    }
    made = make("A Dragon, over the sea — at Düsk", generation=generation)
    make("a castle")
    for q in ("dragon", "DRAG", "sea dusk", "dusk", "düsk", "blurry", "sdxl_base", "ink-wash", "dragon sdxl hands"):
        assert find(library, q) == [made.id], q
    assert find(library, "dragon castle") == []


def test_a_reason_is_found_while_it_stands(library: Library, make: Making) -> None:
    made = make("a dragon")
    decisions.reject(library, made.id, reason="Six fingers on the left hand", by="ann")
    assert find(library, "fingers") == find(library, '"six fingers"') == [made.id]
    decisions.approve(library, made.id, by="ann")
    assert find(library, "fingers") == []


def test_tags_are_found_while_they_are_there(library: Library, make: Making) -> None:
    made = make(tags=("hero shot",))
    assert find(library, "hero") == find(library, '"hero shot"') == [made.id]
    decisions.tag(library, made.id, "final", by="ann")
    assert find(library, "final hero") == [made.id]
    decisions.untag(library, made.id, "hero shot", by="ann")
    assert find(library, "hero") == []
    assert find(library, "final") == [made.id]


def test_a_phrase_is_found_as_it_stands(library: Library, make: Making) -> None:
    made = make("the red dragon sleeps")
    make("the dragon is red and sleeps")
    assert find(library, '"red dragon"') == find(library, 'the "red dragon" sl') == [made.id]
    assert find(library, '"red dragon') == [made.id], "a quote that was not closed ends at the end"
    assert find(library, '"red drag"') == [], "of a phrase every word is whole"
    assert len(find(library, "red dragon")) == 2


def test_signs_are_no_part_of_words(library: Library, make: Making) -> None:
    draft = make("a dragon", tags=("draft",))
    make("a dragon at night")
    for q in ("dragon draft", "dragon -draft", "dragon - draft", "+dragon draft!", "(draft)", "dragon, draft"):
        assert find(library, q) == [draft.id], q


def test_signs_of_every_script_divide_words(library: Library, make: Making) -> None:
    made = make("red—sea « sleeps »，here…soft\u00adly a\u20bfb")
    make("sea red")
    for sign in "-_—–…«“，、。・\u00ad\u200b":
        assert words.read(f"red{sign}sea") == words.read("red-sea"), sign
        assert find(library, f"red{sign}sea") == [made.id], sign
    assert find(library, "here…soft ly") == find(library, "a\u20bfb") == [made.id]
    assert words.read("— … «»") is None


ANY_PART = ("天空", "龙", "空中的龙", "ドラゴン", "ゴン", "空を飛ぶ", "ภาพ", "飛ぶ ドラ", "dragon 天空", '"空を飛ぶ"')
NO_PART = ("龙空", "海", '"飛ぶ dragon"', "海 天空", "ドラゴンズ")


@pytest.mark.parametrize(("q", "found"), [*((q, True) for q in ANY_PART), *((q, False) for q in NO_PART)])
def test_scripts_without_blanks_are_found_by_any_part(library: Library, make: Making, q: str, found: bool) -> None:
    made = make("天空中的龙 dragon, 空を飛ぶドラゴン, ภาพถ่าย")
    make("a dragon")
    assert find(library, q) == ([made.id] if found else [])


def test_the_best_comes_first_and_of_the_good_the_newest(library: Library, make: Making) -> None:
    tagged, named = make(tags=("comfy",)), make(tags=("comfyx",))
    in_prompt, begun = make("comfy and warm", tags=("x",)), make("comfyland")
    whole, beginnings = [tagged.id], [begun.id, in_prompt.id, named.id]
    assert find(library, "comfy") == whole + beginnings, "each file's name begins so: ComfyUI_…"
    one, two = make("a harbour"), make("harbours everywhere")
    three, four = make(tags=("harbours",)), make(tags=("harbour",))
    five, six = make("a harbour"), make("harbours everywhere")
    assert find(library, "harbour") == [made.id for made in (four, three, five, one, six, two)]
    assert find(library, "harbour", sort="-created") == [made.id for made in (six, five, four, three, two, one)]
    assert find(library, "harbour", sort="created") == [made.id for made in (one, two, three, four, five, six)]


def scattered(make: Making, count: int = 36) -> list[Artifact]:
    """Pictures in which the words sun and sea are at every place, whole, begun, and not at all."""
    made = []
    for number, (tag, text) in enumerate(
        itertools.product(("sun", "sunny", "none"), ("sea", "seaside", "sun sea", ""))
    ):
        for again in range(count // 12):
            made.append(make(text, tags=(tag, *(["few"] if number == 4 and again == 0 else []))))
    return made


@pytest.fixture(scope="module")
def sunny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A library of scattered pictures, one of them in the trash, that is only read."""
    library = open_library(load_config(tmp_path_factory.mktemp("sunny"), {}))
    trash.delete(library, scattered(Making(Pictures(library)))[7].id, by="ann")
    yield library
    library.close()


@pytest.mark.parametrize("sort", artifacts.SORTS)
@pytest.mark.parametrize("q", ["sun", "sun sea", '"sun sea"', "sun seasid", "comfyui sun", "comfyu"])
def test_pages_show_everything_once_however_little_each_looks_at(
    sunny: Library, monkeypatch: pytest.MonkeyPatch, sort: str, q: str
) -> None:
    for filters in ({}, {"tag": "sun"}, {"tag": "few"}, {"tag": "none", "status": "auto_approved"}):
        with monkeypatch.context() as patched:
            whole = find(sunny, q, sort=sort, **filters)
            assert whole or filters
            for depth, (few, tried) in itertools.product((1000, 5, 1), ((100, 200), (100, 1), (0, 1))):
                for name, value in (("MOST_READ", depth), ("LARGEST_STEP", depth)):
                    patched.setattr(ranking, name, value)
                for name, value in (("FEW", few), ("TRIED", tried), ("SORTABLE", depth), ("WALKED", depth)):
                    patched.setattr(searches, name, value)
                shown = walk(sunny, q, 4, sort=sort, **filters)
                assert len(shown) == len(set(shown))
                assert set(shown) == set(whole)
                assert shown == whole


def test_a_page_is_not_changed_by_what_is_recorded_meanwhile(library: Library, make: Making) -> None:
    made = scattered(make)
    whole = find(library, "sun")
    shown, cursor = [], None
    while True:
        page = artifacts.list_artifacts(library, pages.Ask(5, cursor), q="sun")
        shown += [artifact.id for artifact in page.items]
        make("sun", tags=("sun",))
        make("sunny")
        if (cursor := page.next_cursor) is None:
            break
    assert shown == whole
    assert len(made) > len(whole) > 20


@pytest.mark.parametrize("cursor", ["W10", "WzEsNCwxXQ", "WzEsLTEsMV0", "WyJhIiwwLDAsMV0", "x", "W1sxXV0"])
@pytest.mark.parametrize("sort", ["relevance", "created", "-size"])
def test_a_cursor_that_was_made_up_is_refused(library: Library, make: Making, cursor: str, sort: str) -> None:
    make("sun")
    with pytest.raises(Invalid):
        artifacts.list_artifacts(library, pages.Ask(5, cursor), q="sun", sort=sort)


def test_a_filter_that_lets_few_through_leads(library: Library, make: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    made = scattered(make)
    monkeypatch.setattr(searches, "TRIED", 5)
    monkeypatch.setattr(ranking, "MOST_READ", 5)
    few = [picture.id for picture in made if "few" in picture.tags]
    for sort in artifacts.SORTS:
        page = artifacts.list_artifacts(library, pages.Ask(), q="comfyui", sort=sort, tag="few")
        assert [artifact.id for artifact in page.items] == few
        assert page.next_cursor is None
    none = artifacts.list_artifacts(library, pages.Ask(), q="comfyui", tag="nobody has it")
    assert (none.items, none.next_cursor) == ([], None)


@pytest.mark.parametrize("word", ["wonderful", "wonderf", "wonderfully", "WONDERFÜ", "comfyui_0000"])
def test_long_beginnings_are_found_however_many_words_have_them(library: Library, make: Making, word: str) -> None:
    made = [make(f"wonderfully{letter} wonderful wonderfülle") for letter in "abc"]
    assert find(library, word) == [picture.id for picture in reversed(made)]
    many = make(" ".join(f"wonderful{number}" for number in range(400)))
    assert (many.id in find(library, word)) == (word != "wonderfully")
