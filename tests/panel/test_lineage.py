"""Pins the small graph of where an artifact comes from and what came of it, and walking along it."""

from __future__ import annotations

from comfyui_artifact_db.library import identities, recording, runs
from comfyui_artifact_db.library.views import Artifact
from panel_hub import PanelHub, picture
from panel_screens import Screen, serious
from playwright.sync_api import expect
from waiting import until


def made_from(hub: PanelHub, name: str, *inputs: Artifact) -> Artifact:
    """A picture of a run of its own, into which these went."""
    hub.made += 1
    artifact_id = identities.new_id()
    with hub.library.store.receiving() as part:
        part.write(picture(hub.made))
        placement = hub.library.store.finish(part, artifact_id=artifact_id, extension="png", day="2026-11-22")
    run = runs.Run("gpu-a", f"made-{hub.made}", name, "film", name, inputs=tuple(one.id for one in inputs))
    new = recording.NewArtifact(artifact_id, "9:images:0", name, "image", "png", {"width": 320, "height": 200})
    recording.record(hub.library, [(new, placement)], actor="anna", workflow_id=identities.new_id(), run=run)
    return hub.artifact(artifact_id)


def relatives(screen: Screen) -> list[str]:
    return [str(one.get_attribute("aria-label")) for one in screen.viewer.locator(".adb-relative").all()]


def test_one_walks_from_the_film_back_to_the_photo(hub: PanelHub, screen: Screen) -> None:
    photo = hub.one("photo.png", status="auto_approved")
    frame = made_from(hub, "frame.png", photo)
    made_from(hub, "film.png", frame)
    screen.show_all().open("film.png")
    up = ["Went into it: photo.png, version 1", "Went into it: frame.png, version 1", "This one: film.png, version 1"]
    until(lambda: relatives(screen) == up)
    screen.viewer.get_by_role("button", name="Went into it: frame.png").click()
    screen.sees("frame.png")
    around = [
        *("Went into it: photo.png, version 1", "This one: frame.png, version 1", "Made from it: film.png, version 1"),
    ]
    until(lambda: relatives(screen) == around)
    expect(screen.viewer.locator(".adb-link-input")).to_have_count(2)
    assert serious(screen) == []
    screen.press("Escape")
    expect(screen.cell("frame.png")).to_be_focused()


def test_versions_and_inputs_are_told_apart(hub: PanelHub, screen: Screen) -> None:
    photo = hub.one("photo.png", status="auto_approved")
    edit = hub.one("edit.png", of=photo, status="edited", parent_artifact_id=photo.id)
    made_from(hub, "film.png", edit)
    screen.show_all().open("edit.png")
    until(lambda: [label.split(":")[0] for label in relatives(screen)] == ["What it edits", "This one", "Made from it"])
    expect(screen.viewer.locator(".adb-link-parent")).to_have_count(1)
    expect(screen.viewer.locator(".adb-link-input")).to_have_count(1)


def test_of_many_the_nearest_are_shown_and_the_others_counted(hub: PanelHub, screen: Screen) -> None:
    photo = hub.one("photo.png", status="auto_approved")
    for number in range(7):
        made_from(hub, f"film_{number}.png", photo)
    screen.show_all().open("photo.png")
    until(lambda: len(relatives(screen)) == 5)
    expect(screen.viewer.locator(".adb-more")).to_have_text("and 3 more")


def test_what_has_no_relatives_has_no_graph(hub: PanelHub, screen: Screen) -> None:
    hub.one("alone.png", status="auto_approved")
    screen.show_all().open("alone.png")
    expect(screen.viewer.locator(".adb-family")).to_have_count(0)
