"""Pins what is told of how a picture was generated: texts to copy, and how sure each field is."""

from __future__ import annotations

from typing import Any

from panel_hub import PanelHub
from panel_screens import Screen
from playwright.sync_api import expect
from waiting import until

TOLD: dict[str, Any] = {
    "prompt": {"state": "ok", "value": "a <b>cat</b>\non a roof"},
    "negative_prompt": {"state": "unknown shape"},
    "seed": {"state": "ok", "value": "18446744073709551615"},
    "steps": {"state": "partial", "value": 20},
    "sampler": {"state": "ok", "value": "euler"},
    "models": {"state": "ok", "value": [{"name": "base.safetensors", "kind": "checkpoint"}]},
    "loras": {"state": "ok", "value": [{"name": "fur.safetensors", "strength_model": 0.8, "strength_clip": None}]},
}


def told(screen: Screen) -> dict[str, str]:
    """The terms beside the picture and what stands behind them."""
    terms = screen.viewer.locator(".adb-facts dt").all_inner_texts()
    values = screen.viewer.locator(".adb-facts dd").all_inner_texts()
    return dict(zip(terms, values, strict=True))


def test_how_a_picture_was_generated(hub: PanelHub, screen: Screen) -> None:
    hub.one("cat.png", metadata={"width": 320, "height": 200, "generation": TOLD})
    screen.open("cat.png")
    found = told(screen)
    assert found["Seed"] == "18446744073709551615"
    assert found["Sampler"] == "euler"
    assert found["Models"] == "base.safetensors"
    assert found["LoRAs"] == "fur.safetensors 0.8"
    assert found["Steps"].split() == ["20", "in", "part"]
    prompts = screen.viewer.locator(".adb-prompt")
    assert prompts.locator("p").all_inner_texts() == ["a <b>cat</b>\non a roof", "not known"]
    expect(prompts.nth(1).locator(".adb-unsure")).to_have_attribute(
        "title", "The graph has it, in a form that is not understood."
    )


def test_a_prompt_is_copied(hub: PanelHub, screen: Screen) -> None:
    screen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    hub.one("cat.png", metadata={"generation": TOLD})
    screen.open("cat.png")
    screen.button("Copy: Prompt").click()
    expect(screen.button("Copy: Prompt")).to_contain_text("Copied")
    until(lambda: screen.page.evaluate("navigator.clipboard.readText()") == "a <b>cat</b>\non a roof")
    expect(screen.button("Copy: Negative prompt")).to_have_count(0)


def test_the_facts_of_a_film_and_of_a_text(hub: PanelHub, screen: Screen) -> None:
    film = {"width": 64, "height": 48, "fps": 24.0, "duration": 0.5, "frames": 12, "video_codec": "h264"}
    hub.one("film.png", metadata={**film, "audio_codec": "aac", "sample_rate": 48000, "channels": 2})
    hub.one("text.png", metadata={"characters": 1, "lines": 1, "note": "<i>strange</i>"})
    screen.open("film.png")
    found = told(screen)
    assert found["Length"] == "0.5 s, 12 frames at 24 a second"
    assert (found["Codecs"], found["Sound"]) == ("h264, aac", "48000 Hz, 2 channels")
    screen.press("Escape")
    screen.open("text.png")
    assert (told(screen)["Text"], told(screen)["Note"]) == ("1 line, 1 character", "<i>strange</i>")
    expect(screen.viewer.locator(".adb-prompt")).to_have_count(0)


def test_what_somebody_else_wrote_there_breaks_nothing(hub: PanelHub, screen: Screen) -> None:
    hub.one("odd.png", metadata={"generation": {"prompt": "text", "models": {"state": "ok", "value": "x"}, "seed": 7}})
    screen.open("odd.png")
    assert "SHA-256" in told(screen)
