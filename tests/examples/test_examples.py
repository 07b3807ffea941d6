"""Runs the examples as a user does, on real ComfyUI servers: with a hub, and with a library in their own process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from comfyui_artifact_db.client.records import Artifact
from loading import ROOT
from PIL import Image, ImageChops, ImageOps

if TYPE_CHECKING:
    from conftest import Place


@pytest.fixture(scope="package")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that makes the checkout importable under the name under which it is installed."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "sitecustomize.py").write_text(
        f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r}); import loading\n"
    )
    return folder


def run_file(place: Place, installed: Path, script: Path, *arguments: str, cwd: Path | None = None) -> list[str]:
    """The lines that a script prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def run(place: Place, installed: Path, example: str, *arguments: str) -> list[str]:
    """The lines that an example prints."""
    return run_file(place, installed, ROOT / "examples" / example, *place.arguments, *arguments)


def test_the_python_of_the_readme_runs(place: Place, installed: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (script,) = [block for block in blocks if "comfyui_artifact_db.client" in block]
    here = 'connect("http://127.0.0.1:8190", actor="runner")'
    assert here in script
    there = f"connect({place.arguments[1]!r})" if place.way == "hub" else f"open_local({place.arguments[1]!r})"
    (tmp_path / "script.py").write_text(script.replace(here, there))
    Image.effect_noise((20, 20), 70).save(tmp_path / "frame.png")
    first, delivered = run_file(place, installed, tmp_path / "script.py", cwd=tmp_path)
    assert first == "409 not_usable pending"
    newest = next(place.db.list_transfers())
    assert (newest.target_filename, newest.status, newest.target_server) == (delivered, "completed", "gpu-b")


def picture(place: Place, artifact: Artifact, folder: Path) -> Image.Image:
    """What an artifact shows."""
    with Image.open(place.db.download_artifact(artifact, folder / artifact.id)) as opened:
        return opened.convert("RGB")


def test_the_examples_tell_one_story(place: Place, installed: Path, tmp_path: Path) -> None:
    db = place.db
    (chain_id,) = run(place, installed, "automatic_chain.py", "--servers", "gpu-a", "gpu-b")
    chain = db.get_chain(chain_id)
    assert chain.status == "completed"
    first, second = (db.get_workflow_by_step(chain_id, step) for step in ("extract_frame1", "edit_frame1"))
    frame, edited = (db.get_latest_artifact(one.id, usable=True) for one in (first, second))
    assert (first.server_address, second.server_address) == ("gpu-a", "gpu-b")
    negative = ImageChops.invert(picture(place, frame, tmp_path))
    apart = ImageChops.difference(picture(place, edited, tmp_path), negative)
    assert all(most <= 1 for _, most in apart.getextrema())  # ComfyUI rounds down.
    assert [one.artifact.id for one in db.get_artifact_lineage(edited.id).ancestors] == [frame.id]

    told = run(place, installed, "chain_status.py", "--chain", chain_id)
    assert told == [
        f"edit_frame1: completed -> {edited.filename}",
        f"extract_frame1: completed -> {frame.filename}",
    ]

    approving = ("human_in_the_loop.py", "--workflow", second.id, "--target", "gpu-a")
    assert run(place, installed, *approving) == [
        f"Review: {edited.filename}",
        "version 1, approved by user@example.com, is on gpu-a",
    ]
    assert db.get_artifact(edited.id).approval_status == "approved"


def test_a_person_edits_what_a_step_made(place: Place, installed: Path, tmp_path: Path) -> None:
    db = place.db
    path = tmp_path / "photo.png"
    Image.effect_noise((40, 30), 90).convert("RGB").save(path)
    workflow = db.create_workflow("photo")
    photo = db.create_artifact(workflow.id, path)
    editing = ("human_in_the_loop.py", "--workflow", workflow.id, "--target", "gpu-b", "--edit", "--by", "ada")
    assert run(place, installed, *editing)[-1] == "version 2, approved by ada, is on gpu-b"
    edited = db.get_latest_artifact(workflow.id, usable=True)
    assert (edited.parent_artifact_id, edited.version) == (photo.id, 2)
    assert db.get_artifact(photo.id).approval_status == "pending"
    mirrored = ImageOps.mirror(picture(place, photo, tmp_path))
    assert picture(place, edited, tmp_path).tobytes() == mirrored.tobytes()
    (delivered,) = db.list_transfers(artifact=edited.id)
    assert delivered.receipt_sha256 == edited.sha256


def test_the_status_of_a_chain_that_has_begun(place: Place, installed: Path) -> None:
    chain = place.db.create_chain("film")
    place.db.create_workflow("edit", chain_id=chain.id, step_id="edit_frame1", status="executing")
    place.db.create_workflow("edit", chain_id=chain.id, step_id="edit_frame2")
    assert run(place, installed, "chain_status.py", "--chain", chain.id) == [
        "edit_frame1: executing -> None",
        "edit_frame2: queued -> None",
    ]
