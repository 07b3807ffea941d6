"""What is shown of a sound: how loud it is and when, in bounded time however long it lasts."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from comfyui_artifact_db.media import limits, thumbnails
from comfyui_artifact_db.media.limits import CannotBeShown
from PIL import Image
from screening import film, sound

Keep = Callable[[bytes, str], Path]
FORMATS = {
    "wav": ("wav", "pcm_s16le", 8000),
    "flac": ("flac", "flac", 8000),
    "mp3": ("mp3", "libmp3lame", 16000),
    "ogg": ("ogg", "libopus", 48000),
    "m4a": ("mp4", "aac", 16000),
}


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    def keep(data: bytes, file_format: str) -> Path:
        path = tmp_path / f"sound.{file_format}"
        path.write_bytes(data)
        return path

    return keep


def drawn(path: Path, size: str = "medium") -> Image.Image:
    image = Image.open(io.BytesIO(thumbnails.make(path, path.suffix[1:], [size])[size]), formats=["WEBP"])
    image.load()
    return image


def loud(path: Path, parts: int = 8) -> list[float]:
    """How high the waveform is in each part of its width, from 0 to 1."""
    shape = drawn(path).getchannel("A").point(lambda value: 255 if value > 128 else 0)
    width = shape.width // parts
    heights = []
    for number in range(parts):
        # Not where one part goes over into the next.
        box = shape.crop((number * width + width // 4, 0, (number + 1) * width - width // 4, shape.height)).getbbox()
        heights.append((box[3] - box[1]) / shape.height if box else 0.0)
    return heights


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for a busy machine; whoever decoded ten hours would draw only the beginning all the same."""
    monkeypatch.setattr(limits, "SECONDS", 40.0)


@pytest.mark.parametrize("file_format", FORMATS)
def test_it_is_high_where_it_is_loud_in_every_format(keep: Keep, file_format: str) -> None:
    container, codec, rate = FORMATS[file_format]
    found = loud(keep(sound(container, codec, rate=rate), file_format))
    assert min(found[2:4]) > 0.8
    assert max(found[:2] + found[4:]) < 0.2


def test_it_is_seen_on_a_dark_and_on_a_light_ground(keep: Keep) -> None:
    path = keep(sound(loud=lambda _: 1.0), "wav")
    for ground in ((23, 23, 26), (255, 255, 255)):
        shape = drawn(path)
        shown = Image.new("RGB", shape.size, ground)
        shown.paste(shape, mask=shape.getchannel("A"))
        colours = {colour for _, colour in shown.getcolors(1 << 20) or []}
        assert max(contrast(ground, colour) for colour in colours) > 3  # type: ignore[arg-type]


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """As WCAG has it."""

    def luminance(colour: tuple[int, ...]) -> float:
        parts = [value / 255 for value in colour]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_each_size_is_drawn_for_itself(keep: Keep) -> None:
    path = keep(sound(), "wav")
    found = thumbnails.make(path, "wav", ["small", "medium", "large"])
    assert {name: Image.open(io.BytesIO(data)).size for name, data in found.items()} == {
        "small": (256, 128),
        "medium": (512, 256),
        "large": (1024, 512),
    }


def test_silence_is_a_thin_line(keep: Keep) -> None:
    found = loud(keep(sound(loud=lambda _: 0.0), "wav"))
    assert all(0 < height < 0.05 for height in found)


def test_what_is_quiet_is_drawn_as_high_as_what_is_loud(keep: Keep) -> None:
    assert max(loud(keep(sound(loud=lambda at: 0.02 if 0.25 <= at < 0.5 else 0.0), "wav"))) > 0.8


def test_the_shortest_sound_has_one(keep: Keep) -> None:
    assert max(loud(keep(sound(seconds=0.01, loud=lambda _: 1.0), "wav"))) > 0.8


def test_of_ten_hours_without_compression_only_some_is_read(tmp_path: Path, patience: None) -> None:
    path = tmp_path / "long.wav"
    rate, size = 8000, 10 * 3600 * 8000 * 2
    head = bytearray(sound(seconds=0.01)[:78])
    at = head.index(b"data") + 8
    head[at - 4 : at] = size.to_bytes(4, "little")
    with path.open("wb") as file:
        file.write(head[:at])
        file.truncate(at + size)  # a file with holes, where it is silent
        tone = sound(seconds=10, loud=lambda _: 1.0)
        tone = tone[tone.index(b"data") + 8 :]
        for second in range(int(2.5 * 3600), 5 * 3600, 10):
            file.seek(at + second * rate * 2)
            file.write(tone)
    found = loud(path)
    assert min(found[2:4]) > 0.8
    assert max(found[:2] + found[4:]) < 0.2


def test_of_ten_hours_of_mp3_only_some_is_decoded(keep: Keep, patience: None) -> None:
    options = {"write_xing": "0", "id3v2_version": "0"}
    tone, silence = (
        sound("mp3", "libmp3lame", seconds=36, rate=16000, loud=lambda _, how=how: how, **options) for how in (1.0, 0.0)
    )
    path = keep(silence * 250 + tone * 250 + silence * 500, "mp3")
    found = loud(path)
    assert min(found[2:4]) > 0.7
    assert max(found[:2] + found[4:]) < 0.3


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.7])
def test_a_sound_that_is_cut_off_is_shown_as_far_as_it_goes_or_not_at_all(
    keep: Keep, file_format: str, share: float
) -> None:
    container, codec, rate = FORMATS[file_format]
    whole = sound(container, codec, rate=rate, loud=lambda _: 1.0)
    path = keep(whole[: int(len(whole) * share)], file_format)
    if share < 0.5 or file_format == "m4a":  # its index lies at the end
        with suppress(CannotBeShown):
            drawn(path)
    else:
        assert max(loud(path)) > 0.8


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_spoilt_sound_is_shown_or_it_is_not_and_nothing_else_happens(keep: Keep, file_format: str) -> None:
    chance = random.Random(file_format)
    container, codec, rate = FORMATS[file_format]
    whole = sound(container, codec, rate=rate)
    shown = 0
    for _ in range(150):
        spoilt = bytearray(whole)
        for _ in range(chance.choice((1, 2, 8, 40))):
            spoilt[int(len(spoilt) * chance.random() ** 3)] = chance.choice((0, 1, 127, 255, chance.randrange(256)))
        try:
            thumbnails.make(keep(bytes(spoilt), file_format), file_format)
            shown += 1
        except CannotBeShown:
            pass
    assert shown > 0


def test_what_is_no_sound_says_so(keep: Keep) -> None:
    for data in (b"", b"\0" * 3000, b"RIFF\xff\xff\xff\xffWAVE", b"#EXTM3U\nother.wav\n"):
        with pytest.raises(CannotBeShown, match=r"cannot be read|no sound in it"):
            thumbnails.make(keep(data, "wav"), "wav")
    with pytest.raises(CannotBeShown, match="no sound in it"):
        thumbnails.make(keep(film("mp4"), "m4a"), "m4a")
