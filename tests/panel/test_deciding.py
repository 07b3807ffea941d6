"""Pins what a reviewer does to an artifact: deciding, giving reasons, choosing, taking back."""

from __future__ import annotations

from panel_hub import PanelHub, picture
from panel_screens import Screen
from playwright.sync_api import expect
from waiting import until


def test_what_waits_comes_first_and_is_counted(hub: PanelHub, screen: Screen) -> None:
    hub.queue(["one.png", "two.png"])
    hub.one("done.png", status="auto_approved")
    expect(screen.tab("Waiting").locator(".adb-count")).to_have_text("2")
    expect(screen.cells).to_have_count(2)
    assert screen.names() == ["one.png", "two.png"]
    expect(screen.page).to_have_title("(2) Artifact DB")
    screen.show_all()
    expect(screen.cells).to_have_count(3)


def test_approving_by_mouse_takes_it_off_the_queue_and_can_be_undone(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png")
    screen.open("shot.png").button("Approve").click()
    screen.sees("shot.png", "Approved")
    expect(screen.said).to_contain_text("Approved shot.png")
    assert hub.status(artifact) == "approved"
    screen.said.get_by_role("button", name="Undo").click()
    screen.sees("shot.png", "Waiting")
    assert hub.status(artifact) == "pending"
    screen.press("Escape")
    expect(screen.cells).to_have_count(1)


def test_rejecting_asks_for_a_reason_and_keeps_it(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png")
    screen.open("shot.png").button("Reject").click()
    reason = screen.page.get_by_label("Why is it rejected?")
    expect(reason).to_be_focused()
    screen.press("Enter")
    expect(reason).to_have_attribute("aria-invalid", "true")
    assert hub.status(artifact) == "pending"
    screen.page.keyboard.type("The left arm")
    screen.press("Shift+Enter")
    screen.page.keyboard.type("bends the wrong way, a u/r?")
    screen.press("Enter")
    screen.sees("shot.png", "Rejected")
    expect(screen.viewer.locator(".adb-told")).to_contain_text("The left arm")
    expect(reason).to_be_hidden()
    rejected = hub.artifact(artifact.id)
    assert rejected.rejection_reason == "The left arm\nbends the wrong way, a u/r?"
    expect(screen.viewer.locator(".adb-story li").first).to_contain_text("bends the wrong way")


def test_a_rejection_can_be_called_off(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png")
    screen.open("shot.png").press("r")
    screen.page.keyboard.type("no")
    screen.press("Escape")
    expect(screen.page.get_by_label("Why is it rejected?")).to_be_hidden()
    expect(screen.viewer).to_be_focused()
    assert hub.status(artifact) == "pending"


def test_what_is_being_typed_outlives_changes_from_elsewhere(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png")
    screen.open("shot.png").press("r")
    screen.page.keyboard.type("too ")
    hub.one("shot_b.png", of=artifact)
    expect(screen.viewer.locator(".adb-version")).to_have_count(2)
    screen.page.keyboard.type("dark")
    screen.press("Enter")
    until(lambda: hub.artifact(artifact.id).rejection_reason == "too dark")


def test_a_late_answer_leaves_the_next_reason_as_it_is_typed(hub: PanelHub, screen: Screen) -> None:
    one, two = hub.queue(["one.png", "two.png"])
    screen.open("one.png")
    release = screen.hold("reject$")
    screen.press("r")
    screen.page.keyboard.type("too dark")
    screen.press("Enter")
    screen.button("Next").click()
    screen.sees("two.png")
    screen.press("r")
    screen.page.keyboard.type("six fing")
    until(lambda: hub.status(one) == "rejected")
    release()
    expect(screen.said).to_contain_text("Rejected one.png")
    screen.page.keyboard.type("ers, and a")
    expect(screen.page.get_by_label("Why is it rejected?")).to_have_value("six fingers, and a")
    assert hub.status(two) == "pending"


def test_one_of_four_is_chosen(hub: PanelHub, screen: Screen) -> None:
    four = hub.record(count=4, status="auto_approved")
    assert hub.artifact(four[0].id).is_latest
    screen.show_all()
    screen.open(four[2].filename).button("Offer this one").click()
    expect(screen.viewer.locator(".adb-chip")).to_have_text("Current")
    assert hub.artifact(four[2].id).is_latest
    screen.press("Escape")
    expect(screen.page.locator(".adb-current")).to_have_count(1)
    expect(screen.cell(four[2].filename).locator(".adb-current")).to_be_visible()


def test_a_review_is_asked_for_again(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png", status="auto_approved")
    screen.show_all().open("shot.png").button("Ask for a review").click()
    screen.sees("shot.png", "Waiting")
    assert hub.status(artifact) == "pending"


def test_deleting_can_be_undone_from_the_notice_and_later(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png")
    hub.one("other.png")
    screen.open("shot.png").press("Delete")
    screen.sees("shot.png", "In the trash")
    assert hub.artifact(artifact.id).deleted_at
    screen.press("u")
    screen.sees("shot.png", "Waiting")
    screen.press("Delete")
    screen.sees("shot.png", "In the trash")
    screen.button("Take out of the trash").click()
    screen.sees("shot.png", "Waiting")
    assert not hub.artifact(artifact.id).deleted_at
    screen.shown()
    screen.press("Escape")
    expect(screen.cells).to_have_count(2)


def test_an_approval_that_is_taken_back_leaves_what_was_there_before(hub: PanelHub, screen: Screen) -> None:
    rejected = hub.reject(hub.one("rejected.png"), "hands are wrong")
    usable = hub.one("usable.png", status="auto_approved")
    screen.show_all().open("rejected.png").press("a")
    screen.sees("rejected.png", "Approved")
    screen.press("u")
    screen.sees("rejected.png", "Rejected")
    assert hub.artifact(rejected.id).rejection_reason == "hands are wrong"
    screen.press("Escape")
    screen.open("usable.png").press("a")
    screen.sees("usable.png", "Approved")
    expect(screen.said).to_contain_text("Approved usable.png")
    expect(screen.said.get_by_role("button", name="Undo")).to_have_count(0)
    screen.press("u")
    assert hub.status(usable) == "approved"


def test_an_edit_that_is_taken_back_leads_back_to_what_was_edited(hub: PanelHub, screen: Screen) -> None:
    hub.one("shot.png", status="approved")
    screen.show_all().open("shot.png").hand_in("drop", picture(77))
    screen.sees("edited.png", "Edited")
    screen.press("u")
    screen.sees("shot.png", "Approved")
    expect(screen.said).to_contain_text("Taken back")


def test_a_deleted_one_leaves_the_list(hub: PanelHub, screen: Screen) -> None:
    hub.queue(["one.png", "two.png", "three.png"])
    screen.open("two.png").press("Delete", "Escape")
    expect(screen.cells).to_have_count(2)
    until(lambda: screen.names() == ["one.png", "three.png"])
    until(lambda: "three.png" in screen.focused())


def test_facts_and_history_say_who_when_and_why(hub: PanelHub, screen: Screen) -> None:
    artifact = hub.one("shot.png", tags=("dusk", "hero"), workflow_name="dusk landscape", step="render")
    hub.reject(artifact, "too dark", by="bob")
    hub.approve(artifact, by="carol")
    screen.show_all().open("shot.png")
    facts = screen.viewer.locator(".adb-facts")
    for fact in ("320 × 200", "dusk landscape", "render", "anna", artifact.sha256):
        expect(facts).to_contain_text(fact)
    expect(screen.viewer.locator(".adb-tag")).to_have_text(["dusk", "hero"])
    told = screen.viewer.locator(".adb-story li")
    expect(told).to_have_count(3)
    expect(told.nth(0)).to_contain_text("Approvedby carol")
    expect(told.nth(1)).to_contain_text("Rejectedby bob")
    expect(told.nth(1).locator("q")).to_have_text("too dark")
    expect(told.nth(2)).to_contain_text("Recordedby anna")
    assert told.nth(0).locator("time").get_attribute("datetime")
    expect(screen.viewer.locator(".adb-told")).to_have_text("by carol")
