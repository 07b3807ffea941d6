"""What is shown of films: a frame that says something, a strip of them, and nothing that a hostile file wants."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db.media import decoding, frames, limits, thumbnails
from comfyui_artifact_db.media.limits import CannotBeShown
from PIL import Image
from screening import film, gif, sound

Keep = Callable[[bytes, str], Path]
CONTAINERS = {"mp4": "mp4", "mov": "mov", "mkv": "matroska", "webm": "webm"}


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Keeps bytes as a file of a format, and gives its path."""

    def keep(data: bytes, file_format: str) -> Path:
        path = tmp_path / f"film.{file_format}"
        path.write_bytes(data)
        return path

    return keep


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=["WEBP"])
    image.load()
    return image


def poster(path: Path, size: str = "medium") -> Image.Image:
    return decoded(thumbnails.make(path, path.suffix[1:], [size])[size])


def greys(path: Path) -> list[int]:
    """How light each frame of a file's strip is."""
    sheet = decoded(thumbnails.make_strip(path, path.suffix[1:])).convert("L")
    width, rest = divmod(sheet.width, 12)
    assert rest == 0
    return [value(sheet, (number * width + width // 2, sheet.height // 2)) for number in range(12)]


def value(image: Image.Image, place: tuple[int, int]) -> int:
    found = image.getpixel(place)
    assert isinstance(found, int)
    return found


def corners(size: tuple[int, int]) -> Image.Image:
    """Red and green above blue and white."""
    image = Image.new("RGB", size, "white")
    x, y = size[0] // 2, size[1] // 2
    for colour, box in (("red", (0, 0, x, y)), ("green", (x, 0, size[0], y)), ("blue", (0, y, x, size[1]))):
        image.paste(colour, box)
    return image


def seen(image: Image.Image) -> list[str]:
    """The colours in the middles of the four quarters, row by row."""
    names = {"red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}
    found = []
    for x, y in ((1, 1), (3, 1), (1, 3), (3, 3)):
        pixel: Any = image.convert("RGB").getpixel((x * image.width // 4, y * image.height // 4))
        away = {name: sum(abs(a - b) for a, b in zip(pixel, colour, strict=True)) for name, colour in names.items()}
        found.append(min(away, key=away.__getitem__))
    return found


@pytest.mark.parametrize("file_format", CONTAINERS)
def test_a_poster_shows_the_film_in_every_container_and_size(keep: Keep, file_format: str) -> None:
    path = keep(film(CONTAINERS[file_format], frames=3, picture=corners((1280, 960))), file_format)
    found = thumbnails.make(path, file_format, ["small", "medium", "large"])
    assert {name: decoded(data).size for name, data in found.items()} == {
        "small": (256, 192),
        "medium": (512, 384),
        "large": (1024, 768),
    }
    assert all(seen(decoded(data)) == ["red", "green", "blue", "white"] for data in found.values())


@pytest.mark.parametrize("black", [1, 30, 200])
def test_a_poster_is_not_black_where_the_film_is_not(keep: Keep, black: int) -> None:
    path = keep(film(frames=240, colour=lambda at, _: (0, 0, 0) if at < black else (200, 200, 200)), "mp4")
    assert value(poster(path).convert("L"), (20, 20)) > 150


def test_what_comes_late_is_found_by_looking_further(keep: Keep) -> None:
    path = keep(film(frames=600, colour=lambda at, _: (0, 0, 0) if at < 400 else (200, 200, 200)), "mp4")
    assert value(poster(path).convert("L"), (20, 20)) > 150


def test_a_black_film_has_a_black_poster(keep: Keep) -> None:
    assert value(poster(keep(film(colour=lambda *_: (0, 0, 0)), "mp4")).convert("L"), (20, 20)) < 30


@pytest.mark.parametrize("file_format", CONTAINERS)
@pytest.mark.parametrize("count", [12, 24, 100])
def test_a_strip_goes_through_the_film_from_its_beginning(keep: Keep, file_format: str, count: int) -> None:
    found = greys(keep(film(CONTAINERS[file_format], frames=count), file_format))
    assert found == sorted(found)
    assert found[0] < 80
    assert found[-1] > 200
    steps = [after - before for before, after in pairwise(found)]
    assert max(steps) < 40, "evenly"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_strip_of_fewer_frames_shows_some_twice(keep: Keep, count: int) -> None:
    found = greys(keep(film("mov", frames=count), "mov"))
    assert found == sorted(found)
    assert len({round(grey / 8) for grey in found}) == count


def test_of_a_long_film_only_frames_that_stand_alone_are_decoded(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keep(film(frames=3000, size=(320, 240), key_every=50), "mp4")
    monkeypatch.setattr("comfyui_artifact_db.media.films.SHORT", 1000)
    counted = []
    decode = decoding.decoded

    def counting(*given: Any) -> Any:
        for frame in decode(*given):
            counted.append(frame)
            yield frame

    monkeypatch.setattr("comfyui_artifact_db.media.films.decoded", counting)
    found = greys(path)
    assert len(counted) == 12
    assert found == sorted(found)
    assert found[0] < 80
    assert found[-1] > 200


def test_a_long_film_with_one_frame_that_stands_alone_has_a_strip(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comfyui_artifact_db.media.films.SHORT", 1000)
    found = greys(keep(film(frames=200, key_every=1000), "mp4"))
    assert found == sorted(found)
    assert found[-1] > 200


def test_pixels_that_are_no_squares_are_shown_as_wide_as_they_are(keep: Keep) -> None:
    path = keep(film("matroska", frames=2, picture=corners((360, 240)), ratio=Fraction(2, 1)), "mkv")
    shown = poster(path)
    assert (shown.size, seen(shown)) == ((512, 171), ["red", "green", "blue", "white"])


def test_a_film_from_a_camera_that_was_turned_is_upright(keep: Keep) -> None:
    import av

    if not hasattr(av.VideoFrame, "rotation"):
        pytest.skip("this PyAV does not tell how a camera was held")
    data = bytearray(film("mov", frames=2, picture=corners((320, 240)).transpose(Image.Transpose.ROTATE_90)))
    # A matrix that turns by 90 degrees clockwise, in the header of the track.
    at = data.index(b"tkhd") + 4 + 40
    turn = [0, 0x10000, 0, 0xFFFF0000, 0, 0, 240 << 16, 0, 0x40000000]
    data[at : at + 36] = b"".join(number.to_bytes(4, "big") for number in turn)
    shown = poster(keep(bytes(data), "mov"))
    assert seen(shown) == ["red", "green", "blue", "white"]


def test_without_numpy_all_of_it_works(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(film())
    (tmp_path / "a.wav").write_bytes(sound())
    script = """
        import pathlib, sys
        sys.modules["numpy"] = None
        sys.path.insert(0, sys.argv[1])
        import conftest
        from comfyui_artifact_db.media import thumbnails
        folder = pathlib.Path(sys.argv[2])
        assert thumbnails.make(folder / "a.mp4", "mp4")["medium"]
        assert thumbnails.make_strip(folder / "a.mp4", "mp4")
        assert thumbnails.make(folder / "a.wav", "wav")["medium"]
    """
    folder = str(Path(__file__).resolve().parent.parent)
    command = [sys.executable, "-c", textwrap.dedent(script), folder, str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("file_format", CONTAINERS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.5, 0.9, 0.99])
def test_a_film_that_is_cut_off_is_shown_as_far_as_it_goes_or_not_at_all(
    keep: Keep, file_format: str, share: float
) -> None:
    whole = film(CONTAINERS[file_format], frames=48)
    path = keep(whole[: int(len(whole) * share)], file_format)
    for make in (
        lambda: thumbnails.make(path, file_format)["medium"],
        lambda: thumbnails.make_strip(path, file_format),
    ):
        if share < 0.5 or file_format in ("mp4", "mov"):  # their index lies at the end
            with suppress(CannotBeShown):
                make()
        else:
            assert decoded(make()).height == 48


@pytest.mark.parametrize("file_format", CONTAINERS)
def test_a_spoilt_film_is_shown_or_it_is_not_and_nothing_else_happens(keep: Keep, file_format: str) -> None:
    chance = random.Random(file_format)
    whole = film(CONTAINERS[file_format], frames=24)
    began = time.monotonic()
    shown = 0
    for _ in range(120):
        spoilt = bytearray(whole)
        for _ in range(chance.choice((1, 2, 8, 40))):
            at = int(len(spoilt) * chance.random() ** 2)
            # The index of these two is at the end.
            at = len(spoilt) - 1 - at if file_format in ("mp4", "mov") and chance.random() < 0.7 else at
            spoilt[at] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        path = keep(bytes(spoilt), file_format)
        for make in (thumbnails.make, thumbnails.make_strip):
            try:
                make(path, file_format)  # type: ignore[operator]
                shown += 1
            except CannotBeShown:
                pass
    assert shown > 0
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 5000,
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile other.mp4\n",
        b"<?xml version='1.0'?><MPD><Period><BaseURL>other.mp4</BaseURL></Period></MPD>",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 9 RTP/AVP 96\r\n",
    ],
)
@pytest.mark.parametrize("file_format", CONTAINERS)
def test_what_is_no_film_leads_nowhere(keep: Keep, tmp_path: Path, data: bytes, file_format: str) -> None:
    (tmp_path / "other.mp4").write_bytes(film())
    with pytest.raises(CannotBeShown, match="cannot be read"):
        thumbnails.make(keep(data, file_format), file_format)


def test_only_the_format_that_the_bytes_showed_is_tried(keep: Keep) -> None:
    for data, claimed in ((film("webm"), "mp4"), (film("mp4"), "webm"), (sound(), "mp4")):
        with pytest.raises(CannotBeShown, match="cannot be read"):
            thumbnails.make(keep(data, claimed), claimed)


def test_a_film_without_a_picture_says_so(keep: Keep) -> None:
    with pytest.raises(CannotBeShown, match="no picture in it"):
        thumbnails.make(keep(sound("matroska", "flac"), "mkv"), "mkv")


def test_a_frame_that_claims_to_be_huge_is_not_decoded(keep: Keep) -> None:
    data = film("mov", "png", frames=3, pixels="rgb24")
    at = data.index(b"IHDR") + 4
    huge = (60_000).to_bytes(4, "big")
    path = keep(data.replace(data[at : at + 8], huge + huge), "mov")
    began = time.monotonic()
    with pytest.raises(CannotBeShown, match=r"cannot be read|too large"):
        thumbnails.make(path, "mov")
    assert time.monotonic() - began < 20


def test_a_decoder_that_hardly_anybody_uses_is_not_started(keep: Keep) -> None:
    assert "qtrle" not in decoding.DECODERS
    with pytest.raises(CannotBeShown, match="codec"):
        thumbnails.make(keep(film("mov", "qtrle", pixels="rgb24"), "mov"), "mov")


@pytest.mark.parametrize("make", [thumbnails.make, thumbnails.make_strip])
def test_patience_ends(keep: Keep, monkeypatch: pytest.MonkeyPatch, make: Callable[..., Any]) -> None:
    path = keep(film(frames=2000, size=(640, 480), colour=lambda *_: (0, 0, 0), key_every=5000), "mp4")
    monkeypatch.setattr(limits, "SECONDS", 0.3)
    began = time.monotonic()
    assert make(path, "mp4")
    assert time.monotonic() - began < 20


def test_a_file_that_the_system_does_not_give_is_an_error_of_the_system(tmp_path: Path) -> None:
    for file_format in ("mp4", "wav", "txt"):
        with pytest.raises(FileNotFoundError):
            thumbnails.make(tmp_path / "nothing", file_format)


@pytest.mark.parametrize("file_format", ["gif", "webp", "png"])
def test_a_picture_that_moves_has_a_strip_too(tmp_path: Path, file_format: str) -> None:
    path = tmp_path / f"moving.{file_format}"
    many = [Image.new("RGB", (60, 40), (8 * number,) * 3) for number in range(30)]
    many[0].save(path, save_all=True, append_images=many[1:], duration=40)
    found = greys(path)
    assert found == sorted(found)
    assert found[0] < 10
    assert found[-1] > 200


def test_one_that_does_not_has_none(tmp_path: Path) -> None:
    for file_format in ("png", "jpg", "gif", "webp"):
        path = tmp_path / f"still.{file_format}"
        Image.new("RGB", (60, 40)).save(path)
        with pytest.raises(CannotBeShown, match="it does not move"):
            thumbnails.make_strip(path, file_format)


def test_a_gif_of_100000_frames_takes_no_longer_than_patience(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keep(gif(number * 4 // 100_000 for number in range(100_000)), "gif")
    began = time.monotonic()
    assert poster(path).size == (4, 4)
    assert time.monotonic() - began < 20
    monkeypatch.setattr(limits, "SECONDS", 0.5)
    began = time.monotonic()
    assert greys(path)[0] < 10
    assert time.monotonic() - began < 20


def test_a_strip_keeps_few_of_however_many_frames() -> None:
    for count in (1, 12, 24, 25, 26, 1000, 12_345):
        spread = frames.Spread()
        for number in range(count):
            spread.offer(lambda: Image.new("L", (1, 1), number % 256))  # noqa: B023
        assert min(count, 12) <= len(spread.frames) <= 24
