"""Pins what is no still picture: videos play and are looked through, sounds play, texts are read, the rest is named."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from panel_hub import PanelHub
from panel_screens import Screen, serious
from playwright.sync_api import expect
from screening import film, sound
from waiting import until

FILM: dict[str, Any] = {"container": "webm", "frames": 48, "size": (320, 240)}
"""Two seconds, in a codec that every Chromium has."""

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script> & a dragon\n"


def playing(screen: Screen, which: str = ".adb-one video") -> dict[str, Any]:
    """Where a film or a sound is, and whether it rests."""
    found: dict[str, Any] = screen.page.evaluate(
        "(which) => (({currentTime, paused, duration, muted, loop}) => ({currentTime, paused, duration, muted, loop}))"
        "(document.querySelector('.adb-stage').querySelector(which))",
        which,
    )
    return found


def advances(screen: Screen, which: str = ".adb-one video") -> None:
    until(lambda: screen.page.evaluate("(which) => document.querySelector(which)?.readyState >= 3", which))
    began = playing(screen, which)["currentTime"]
    until(lambda: playing(screen, which)["currentTime"] != began and not playing(screen, which)["paused"])


def paused(screen: Screen, which: str = ".adb-one video") -> float:
    """Where it rests, once it does."""
    until(lambda: playing(screen, which)["paused"])
    return float(playing(screen, which)["currentTime"])


def test_a_video_plays_again_and_again_without_sound_at_first(hub: PanelHub, screen: Screen) -> None:
    hub.one("film.webm", data=film(**FILM))
    screen.open("film.webm")
    advances(screen)
    assert playing(screen)["muted"]
    assert playing(screen)["loop"]
    until(lambda: playing(screen)["currentTime"] > 1.5)
    until(lambda: playing(screen)["currentTime"] < 0.5)
    screen.button("Without sound").click()
    screen.button("Again and again").click()
    assert (playing(screen)["muted"], playing(screen)["loop"]) == (False, False)
    expect(screen.button("Again and again")).to_have_attribute("aria-pressed", "false")


def test_space_and_a_click_stop_it_and_start_it(hub: PanelHub, screen: Screen) -> None:
    hub.one("film.webm", data=film(**FILM))
    screen.open("film.webm")
    advances(screen)
    screen.press(" ")
    paused(screen)
    expect(screen.button("Play")).to_be_visible()
    screen.press(" ")
    advances(screen)
    screen.viewer.locator(".adb-stage").click(position={"x": 300, "y": 200})
    paused(screen)
    screen.button("Play").click()
    advances(screen)
    screen.button("Pause").focus()
    screen.press(" ")
    paused(screen)


def test_it_goes_frame_by_frame(hub: PanelHub, screen: Screen) -> None:
    hub.one("film.webm", data=film(**FILM))
    screen.open("film.webm")
    advances(screen)
    screen.press(".")
    first = math.floor(paused(screen) * 24)
    for key, frame in ((".", first + 1), (".", first + 2), (",", first + 1), (",", first)):
        screen.press(key)
        until(lambda frame=frame: math.floor(playing(screen)["currentTime"] * 24) == frame)
    screen.viewer.get_by_label("Where it plays").focus()
    screen.press("Home")
    until(lambda: playing(screen)["currentTime"] == 0)
    screen.viewer.get_by_label("Where it plays").fill("0.5")
    until(lambda: abs(playing(screen)["currentTime"] - playing(screen)["duration"] / 2) < 0.05)


def test_who_leaves_it_hears_it_no_longer(hub: PanelHub, screen: Screen) -> None:
    hub.one("film.webm", data=film(**FILM))
    hub.one("shot.png")
    screen.open("film.webm")
    advances(screen)
    screen.page.evaluate("() => { window.film = document.querySelector('.adb-stage video'); }")
    screen.press("Escape")
    until(lambda: screen.page.evaluate("film.paused && !film.isConnected"))
    screen.open("film.webm")
    advances(screen)
    screen.page.evaluate("() => { window.film = document.querySelector('.adb-stage video'); }")
    screen.press("ArrowLeft")
    screen.sees("shot.png")
    until(lambda: screen.page.evaluate("film.paused && !film.isConnected"))
    expect(screen.viewer.locator(".adb-player")).to_be_hidden()


@pytest.mark.parametrize("mode", ["side", "slider"])
def test_two_versions_play_and_stop_together(hub: PanelHub, screen: Screen, mode: str) -> None:
    first = hub.one("film.webm", data=film(**FILM))
    hub.one("film_b.webm", of=first, status="edited", data=film(**FILM | {"colour": lambda *_: (0, 90, 200)}))
    screen.show_all().open("film_b.webm")
    expect(screen.viewer.locator(".adb-version")).to_have_count(2)
    screen.press(*("c" if mode == "side" else "cc"))
    for which in (".adb-after video", ".adb-before video"):
        advances(screen, which)
    screen.press(" ")
    at = paused(screen, ".adb-after video")
    until(lambda: abs(paused(screen, ".adb-before video") - at) < 0.01)
    screen.press(".")
    until(lambda: abs(playing(screen, ".adb-after video")["currentTime"] - at) > 0.01)
    at = paused(screen, ".adb-after video")
    until(lambda: abs(paused(screen, ".adb-before video") - at) < 0.01)
    screen.press(" ")
    for which in (".adb-after video", ".adb-before video"):
        advances(screen, which)
    assert playing(screen, ".adb-before video")["muted"]
    # Where they were and that they rest is kept when they are looked at in another way.
    screen.press(" ")
    at = paused(screen, ".adb-after video")
    screen.press("c")
    now = ".adb-after video" if mode == "side" else ".adb-one video"
    until(lambda: abs(playing(screen, now)["currentTime"] - at) < 0.01)
    assert playing(screen, now)["paused"]


def test_the_frames_of_a_video_lie_under_the_mouse(hub: PanelHub, screen: Screen) -> None:
    hub.one("film.webm", data=film(**FILM))
    hub.one("shot.png")
    cell = screen.cell("film.webm")
    expect(screen.cells).to_have_count(2)
    expect(cell).to_have_class(re.compile(r"\badb-loaded\b"))
    expect(cell.locator(".adb-played")).to_have_text("0:02")
    box = cell.bounding_box()
    assert box is not None
    y = box["y"] + box["width"] / 2
    seen = []
    for share in (0.02, 0.5, 0.97):
        screen.page.mouse.move(box["x"] + box["width"] * share, y)
        expect(cell.locator(".adb-scrub")).to_have_attribute("data-frame", str(int(share * 12)))
        seen.append(cell.locator(".adb-scrub-frame").screenshot())
    assert len(set(seen)) == 3
    screen.page.mouse.move(5, 5)
    expect(cell.locator(".adb-scrub")).to_have_count(0)
    other = screen.cell("shot.png").bounding_box()
    assert other is not None
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url))
    screen.page.mouse.move(other["x"] + 20, other["y"] + 20)
    screen.page.wait_for_timeout(500)
    assert [url for url in asked if "strip" in url] == []


def test_a_video_that_cannot_be_looked_through_is_not(hub: PanelHub, screen: Screen) -> None:
    hub.one("film.mp4", data=film("mp4")[:300])
    cell = screen.cell("film.mp4")
    with screen.page.expect_response(lambda response: "strip=1" in response.url):
        cell.hover()
    screen.page.wait_for_timeout(300)
    expect(cell.locator(".adb-scrub")).to_have_count(0)


def test_a_sound_plays_under_its_waveform(hub: PanelHub, screen: Screen) -> None:
    hub.one("voice.wav", data=sound(seconds=3))
    expect(screen.cell("voice.wav").locator(".adb-played")).to_have_text("0:03")
    screen.open("voice.wav")
    until(lambda: screen.page.evaluate("document.querySelector('.adb-wave img')?.naturalWidth === 1024"))
    assert playing(screen, "audio")["paused"], "nobody wants to be shouted at"
    screen.press(" ")
    advances(screen, "audio")
    assert not playing(screen, "audio")["muted"]
    expect(screen.button("One frame on")).to_have_count(0)
    until(lambda: float(screen.page.evaluate("parseFloat(document.querySelector('.adb-wave-head').style.left)")) > 10)
    screen.press(" ")
    paused(screen, "audio")


@pytest.mark.parametrize("name", ["notes.txt", "page.html", "graph.json"])
def test_a_text_is_read_as_text_whatever_stands_in_it(hub: PanelHub, screen: Screen, name: str) -> None:
    hub.one(name, data=("a line\n" * 3 + MARKUP + "another line\n" * 300).encode())
    screen.open(name)
    text = screen.viewer.locator(".adb-text")
    expect(text).to_contain_text(MARKUP.strip())
    assert text.evaluate("(at) => at.childElementCount") == 0
    expect(screen.viewer.locator(".adb-note")).to_be_hidden()


def test_a_text_is_scrolled_by_wheel_and_by_keys(hub: PanelHub, screen: Screen) -> None:
    hub.one("long.txt", data=("a line\n" * 900).encode())
    hub.one("other.png")
    screen.open("long.txt")
    text = screen.viewer.locator(".adb-text")
    expect(text).to_contain_text("a line")

    def top() -> float:
        return float(text.evaluate("(at) => at.scrollTop"))

    text.hover()
    screen.page.mouse.wheel(0, 400)
    until(lambda: top() > 100)
    text.focus()
    screen.press("End")
    until(lambda: top() > 5000)
    screen.press("ArrowLeft")
    screen.sees("other.png")


def test_of_a_long_text_the_beginning_is_read(hub: PanelHub, screen: Screen) -> None:
    hub.one("long.txt", data="ä".encode() * 1_000_000)
    screen.open("long.txt")
    expect(screen.viewer.locator(".adb-note")).to_contain_text("Only the beginning is shown.")
    words = screen.viewer.locator(".adb-text").evaluate("(at) => at.textContent")
    assert words == "ä" * (256 * 1024 // 2)


def test_an_empty_text_is_empty(hub: PanelHub, screen: Screen) -> None:
    hub.one("empty.txt", data=b" ")
    screen.open("empty.txt")
    expect(screen.viewer.locator(".adb-text")).to_have_text("")
    expect(screen.viewer.locator(".adb-note")).to_be_hidden()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(2)</script></svg>"),
        ("model.glb", b"glTF\2\0\0\0"),
        ("paper.pdf", b"%PDF-1.7\n"),
        ("broken.webm", film("webm", frames=3)[:200]),
        ("broken.wav", b"RIFF\xff\xff\xff\xffWAVE"),
    ],
)
def test_what_cannot_be_shown_is_named_and_can_be_downloaded(
    hub: PanelHub, screen: Screen, name: str, data: bytes
) -> None:
    hub.one(name, data=data)
    screen.open(name).shown()
    note = screen.viewer.locator(".adb-note")
    expect(note).to_contain_text("This cannot be shown here; download it instead.")
    expect(screen.viewer.locator(".adb-player")).to_be_hidden()
    with screen.page.expect_download() as download:
        note.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == name
    assert Path(download.value.path()).read_bytes() == data


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_serious(hub: PanelHub, screens: Callable[..., Screen], scheme: str) -> None:
    first = hub.one("film.webm", data=film(**FILM))
    hub.one("film_b.webm", of=first, status="edited", data=film(**FILM))
    for name, data in (("voice.wav", sound()), ("notes.txt", MARKUP.encode()), ("paper.pdf", b"%PDF-1.7\n")):
        hub.one(name, data=data)
    screen = screens(hub.url + "/", scheme=scheme)
    screen.show_all()
    expect(screen.cells).to_have_count(4)
    found = {"the list": serious(screen)}
    for name in ("film_b.webm", "voice.wav", "notes.txt", "paper.pdf"):
        screen.open(name)
        until(lambda: screen.page.evaluate("document.getAnimations().every((one) => one.playState === 'finished')"))
        found[name] = serious(screen)
        screen.press("Escape")
    screen.open("film_b.webm").press("c")
    found["side by side"] = serious(screen)
    assert {name: problems for name, problems in found.items() if problems} == {}
