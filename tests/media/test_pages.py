"""What is shown of a text: its first lines where they can be written, and nothing that only looks like them."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from comfyui_artifact_db.media import pages, thumbnails
from comfyui_artifact_db.media.limits import CannotBeShown
from PIL import Image, ImageChops

Keep = Callable[[str | bytes], Path]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    def keep(text: str | bytes) -> Path:
        path = tmp_path / "text.txt"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return keep


def page(path: Path, size: str = "medium") -> Image.Image:
    image = Image.open(io.BytesIO(thumbnails.make(path, "txt", [size])[size]), formats=["WEBP"])
    image.load()
    return image


def rows(image: Image.Image) -> int:
    """How many lines are written on a page."""
    grey = image.convert("L").point(lambda value: 255 if value > 140 else 0)
    inked = [grey.crop((0, y, image.width, y + 1)).getbbox() is not None for y in range(image.height)]
    return sum(now and not before for before, now in zip([False, *inked], inked, strict=False))


def width(image: Image.Image) -> int:
    box = image.convert("L").point(lambda value: 255 if value > 140 else 0).getbbox()
    return 0 if box is None else box[2]


@pytest.mark.parametrize(("size", "side"), [("small", 256), ("medium", 512), ("large", 1024)])
def test_the_first_lines_are_written_in_every_size(keep: Keep, size: str, side: int) -> None:
    shown = page(keep("nnn\n" * 5), size)
    assert shown.size == (side, side)
    assert rows(shown) == 5
    assert rows(page(keep("nnn\n" * 500), size)) == pages.LINES


def test_long_lines_are_broken_and_stay_on_the_page(keep: Keep) -> None:
    for text in ("mn" * 5000, "some words " * 800, "x " * 4000):
        shown = page(keep(text))
        assert rows(shown) >= pages.LINES - 1
        assert 200 < width(shown) <= 512 - 24


def test_markup_is_written_as_it_stands(keep: Keep) -> None:
    written, other = page(keep("<b onload=alert(1)>nnn</b>")), page(keep("nnn"))
    assert ImageChops.difference(written, other).getbbox() is not None
    assert width(written) > width(other)


@pytest.mark.parametrize("text", ["", " \n\t\n", "\ufeff", "\x07\x07"])
def test_an_empty_text_says_that_it_is(keep: Keep, text: str) -> None:
    with pytest.raises(CannotBeShown, match="it is empty"):
        thumbnails.make(keep(text), "txt")


@pytest.mark.parametrize(
    "text", ["تنين ينفث النار فوق قلعة", "דרקון יורק אש", "한국어 텍스트", "一条龙在城堡上空喷火", "ड्रैगन"]
)
def test_letters_that_the_font_has_not_are_no_page_of_boxes(
    keep: Keep, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "FONTS", ("",))
    with pytest.raises(CannotBeShown, match="open it to read it"):
        thumbnails.make(keep(text * 3), "txt")


def test_letters_that_must_be_turned_and_joined_are_not_drawn_whatever_fonts_there_are(keep: Keep) -> None:
    for text in ("تنين ينفث النار فوق قلعة", "דרקון יורק אש"):
        with pytest.raises(CannotBeShown, match="open it to read it"):
            thumbnails.make(keep(text), "txt")


def test_a_strange_letter_among_others_is_left_out(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "FONTS", ("",))
    assert rows(page(keep("A dragon over a castle, with one 龙 in it"))) >= 1


def test_a_font_that_this_machine_has_not_is_passed_over(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "FONTS", ("no font of this name.ttf", ""))
    assert rows(page(keep("nnn"))) == 1


def test_of_a_long_text_only_the_beginning_is_read(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    with path.open("wb") as file:
        file.write(b"nnn\n" * 20)
        file.truncate(4_000_000_000)
    began = time.monotonic()
    assert rows(page(path)) == pages.LINES
    assert time.monotonic() - began < 20


def test_bytes_that_are_no_text_are_left_out(keep: Keep) -> None:
    assert rows(page(keep(b"nnn\xff\xfe\x80 nnn\n\xe4\xb8"))) == 1
