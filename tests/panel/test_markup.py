"""Pins that nothing that anybody wrote is ever run or becomes an element: names, tags, reasons, errors, people."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
import requests
from comfyui_artifact_db.library import decisions
from panel_hub import PanelHub, picture
from panel_screens import Screen
from playwright.sync_api import expect
from waiting import until

EVIL = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(2)</script>',
    "javascript:alert(3)",
    "{name} | {n}",
    "'onload='alert(4)",
]


@pytest.mark.parametrize("evil", EVIL)
def test_markup_in_every_field_is_shown_as_text(hub: PanelHub, screen: Screen, evil: str) -> None:
    artifact = hub.one(
        f"{evil}.png", chain=f"chain {evil}", step=f"step {evil}", workflow_name=f"run {evil}", tags=(evil,), actor=evil
    )
    hub.reject(artifact, evil, by=evil)
    second = hub.one(f"{evil} 2.png", of=artifact)
    elements = "document.querySelectorAll('script:not([src]), [onerror], [onload], img[src=x]').length"
    screen.show_all()
    expect(screen.cells).to_have_count(1)
    screen.page.get_by_role("button", name="More filters").click()
    expect(screen.page.get_by_label("Chain", exact=True).locator("option")).to_have_text(["Any chain", f"chain {evil}"])
    screen.page.get_by_label("Tag", exact=True).click()
    expect(screen.page.locator(".adb-option:visible")).to_have_text([f"{evil}1"])
    screen.cells.first.click()
    screen.sees(f"{evil} 2.png")
    screen.press("c", "c", "?", "Escape", "c")
    screen.viewer.locator(".adb-version").nth(1).click()
    screen.sees(f"{evil}.png", "Rejected")
    expect(screen.viewer.locator(".adb-told")).to_have_text(f"by {evil}: {evil}")
    expect(screen.viewer.locator(".adb-tag")).to_have_text([evil])
    facts = screen.viewer.locator(".adb-facts")
    for text in (f"run {evil}", f"step {evil}"):
        expect(facts.get_by_text(text, exact=True)).to_be_visible()
    expect(screen.viewer.locator(".adb-story")).to_contain_text(f"by {evil}")
    screen.press("Delete")
    expect(screen.said).to_contain_text(f"{evil}.png")
    assert screen.page.evaluate(elements) == 0
    assert hub.artifact(second.id)


def test_markup_in_an_answer_is_shown_as_text(hub: PanelHub, screen: Screen) -> None:
    hub.one("shot.png")
    screen.open("shot.png")
    body = json.dumps({"type": "about:blank", "title": "x", "status": 409, "detail": EVIL[0], "code": "conflict"})
    screen.page.route(
        "**/approve", lambda route: route.fulfill(status=409, body=body, content_type="application/problem+json")
    )
    screen.press("a")
    expect(screen.said).to_contain_text(EVIL[0])
    screen.page.route(
        "**/artifacts?**", lambda route: route.fulfill(status=500, body=EVIL[1], content_type="text/html")
    )
    screen.press("Escape")
    screen.tab("All").click()
    expect(screen.page.locator(".adb-message")).to_contain_text("HTTP 500")


def test_an_event_with_markup_from_elsewhere_is_shown_as_text(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png")
    screen.open("shot.png")
    tag = quote("<b>bold</b>", safe="")
    requests.put(
        f"{hub.url}/artifacts/{artifact.id}/tags/{tag}", headers={"X-Artifact-Actor": quote(EVIL[0])}, timeout=20
    )
    expect(screen.viewer.locator(".adb-story")).to_contain_text("<b>bold</b>")
    expect(screen.viewer.locator(".adb-story")).to_contain_text(f"by {EVIL[0]}")
    decisions.untag(hub.library, artifact.id, "<b>bold</b>", by="carol")
    until(lambda: hub.artifact(artifact.id).tags == ())


def test_a_picture_that_is_a_page_is_never_shown_as_one(hub: PanelHub, screen: Screen) -> None:
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(2)</script></svg>"
    artifact = hub.one("shot.png")
    made = requests.post(f"{hub.url}/artifacts/{artifact.id}/edit", files={"file": ("a.svg", svg)}, timeout=20)
    hub.one("picture.png", data=picture(5))
    screen.show_all()
    expect(screen.cells).to_have_count(2)
    screen.cell("a.svg" if made.ok else "shot.png").click()
    expect(screen.title).to_be_visible()
    screen.shown()
    expect(screen.page.locator(".adb-viewer :is(iframe, object, embed)")).to_have_count(0)
