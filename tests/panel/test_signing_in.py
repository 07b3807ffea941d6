"""Pins the panel of a hub that wants to know who asks: a token is given once, and its role is what is offered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from comfyui_artifact_db.library import access
from panel_hub import PanelHub
from panel_screens import Screen, serious
from playwright.sync_api import Browser, expect
from waiting import until


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelHub]:
    """A hub at which this machine has no rights of its own."""
    hub = PanelHub(tmp_path_factory.mktemp("guarded"), "local_trust = false\n")
    yield hub
    hub.close()


@pytest.fixture
def screen(browser: Browser, guarded: PanelHub) -> Iterator[Screen]:
    """A browser that nobody has signed in with yet."""
    guarded.clear()
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    screen = Screen(context.new_page())
    screen.page.goto(guarded.url + "/")
    yield screen
    context.close()
    assert screen.troubles == []


def token(hub: PanelHub, name: str, role: str) -> str:
    return access.create_token(hub.library, name, role=role, by="tests")[1]


def sign_in(screen: Screen, token: str) -> None:
    field = screen.page.get_by_label("Token")
    expect(field).to_be_focused()
    screen.page.keyboard.type(token)
    screen.press("Enter")


def test_a_token_is_asked_for_once_and_kept_where_no_script_sees_it(guarded: PanelHub, screen: Screen) -> None:
    artifact = guarded.one("shot.png")
    expect(screen.page.get_by_text("This hub asks who you are.")).to_be_visible()
    expect(screen.page.locator(".adb-cell")).to_have_count(0)
    assert serious(screen) == []
    sign_in(screen, "adb_wrong")
    expect(screen.page.get_by_role("alert")).to_contain_text("does not know this token")
    screen.page.get_by_label("Token").fill("")
    secret = token(guarded, "ada", "review")
    sign_in(screen, secret)
    screen.open("shot.png").press("a")
    screen.sees("shot.png", "Approved")
    expect(screen.viewer.locator(".adb-story li").first).to_contain_text("by ada")
    assert guarded.artifact(artifact.id).decided_by == "ada"
    kept = screen.page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
    assert secret not in kept
    assert "session" not in kept
    assert screen.page.evaluate("document.documentElement.outerHTML").find(secret) == -1
    screen.page.reload()
    expect(screen.page.get_by_text("ada (may decide)")).to_be_visible()
    expect(screen.page.get_by_text("Nothing waits for you.")).to_be_visible()


def test_after_signing_in_changes_are_heard(guarded: PanelHub, screen: Screen) -> None:
    sign_in(screen, token(guarded, "bea", "review"))
    expect(screen.page.get_by_text("Nothing waits for you.")).to_be_visible()
    screen.connected()
    guarded.one("fresh.png")
    expect(screen.cells).to_have_count(1)
    expect(screen.page).to_have_title("(1) Artifact DB")


def test_a_hub_that_is_away_cannot_sign_anybody_out_and_that_is_said(guarded: PanelHub, screen: Screen) -> None:
    sign_in(screen, token(guarded, "ivy", "view"))
    out = screen.page.get_by_role("button", name="Sign out")
    expect(out).to_be_visible()
    guarded.stop()
    out.click()
    expect(screen.said).to_contain_text("The server did not answer")
    guarded.start()
    screen.connected()
    out.click()
    expect(screen.page.get_by_label("Token")).to_be_visible()


def test_who_may_only_look_is_offered_no_decisions(guarded: PanelHub, screen: Screen) -> None:
    artifact = guarded.one("shot.png")
    sign_in(screen, token(guarded, "cid", "view"))
    screen.open("shot.png")
    expect(screen.button("Download")).to_be_visible()
    for name in ("Approve", "Reject", "Delete", "Upload an edited version"):
        expect(screen.button(name)).to_have_count(0)
    screen.press("a")
    expect(screen.said).to_contain_text("You may look, not decide")
    screen.press("r", "Delete")
    assert guarded.status(artifact) == "pending"


def test_a_token_that_is_revoked_ends_what_is_shown(guarded: PanelHub, screen: Screen) -> None:
    guarded.one("shot.png")
    sign_in(screen, token(guarded, "dot", "review"))
    screen.open("shot.png")
    access.revoke_token(guarded.library, "dot", by="tests")
    screen.press("a")
    expect(screen.page.get_by_text("This hub asks who you are.")).to_be_visible()
    expect(screen.viewer).to_be_hidden()
    sign_in(screen, token(guarded, "eve", "review"))
    expect(screen.cells).to_have_count(1)


def test_signing_out_shows_nothing_any_more(guarded: PanelHub, screen: Screen) -> None:
    guarded.one("shot.png")
    sign_in(screen, token(guarded, "fay", "admin"))
    expect(screen.cells).to_have_count(1)
    screen.page.get_by_role("button", name="Sign out").click()
    expect(screen.page.get_by_text("This hub asks who you are.")).to_be_visible()
    until(lambda: not screen.cells.first.is_visible())
