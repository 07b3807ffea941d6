"""The pictures of the README, taken from a real panel on a real ComfyUI. Run by `dev.py screenshots`."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from PIL import Image, ImageOps

from . import chain_scene, environment, pictures
from .environment import ROOT
from .servers import ComfyServer, free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROUTES = "/artifact-db"
SIZE = {"width": 1440, "height": 900}
MAX_BYTES = 400_000
PANEL_WIDTH = 460
"""Pixels that the sidebar is drawn out to: four pictures beside each other."""

EXAMPLE = ROOT / "example_workflows" / "save_and_review.json"

HOURS = {
    "dusk": None,
    "dawn": ((40, 30, 66), (236, 150, 160), (255, 240, 200)),
    "noon": ((24, 54, 44), (88, 152, 212), (255, 248, 220)),
    "night": ((6, 10, 26), (28, 44, 92), (232, 236, 255)),
}
"""The colours of the ground, the sky and the sun at each hour; a dusk is as it was drawn."""

SCENES = {
    "valley": (960, 640, 3, "dusk"),
    "shore": (480, 270, 21, "dusk"),
    "pass": (400, 400, 12, "night"),
    "cliff": (360, 480, 31, "dusk"),
    "ridge": (480, 320, 5, "dawn"),
    "ridge_2": (480, 320, 6, "dawn"),
    "ridge_3": (480, 320, 14, "dawn"),
    "ridge_4": (480, 320, 9, "dawn"),
    "lake": (320, 400, 8, "noon"),
    "lake_2": (320, 400, 17, "noon"),
    "harbour": (480, 300, 33, "night"),
}
"""Width, height, seed and hour of the pictures that the graphs load."""

Json = dict[str, Any]


def screenshots(folder: Path) -> int:
    """Write panel.png, review.png and chain.png into `folder`; returns the exit code."""
    sys.path.append(str(ROOT / "tests"))
    from browsing import chromium  # type: ignore[import-not-found]

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="artifact-db-screenshots-") as base:
        port = free_port()
        server = ComfyServer(environment.comfyui(), Path(base), port=port, config=chain_scene.config(port))
        server.start()
        try:
            compared = _record(server)
            # No tour of templates over everything, and nothing that advertises another kind of nodes.
            server.post(
                "/settings",
                {
                    "Comfy.TutorialCompleted": True,
                    "Comfy.ColorPalette": "dark",
                    "ArtifactDB.Name": "anna",
                    "ArtifactDB.Toasts": False,
                    "Comfy.Minimap.Visible": False,
                },
            )
            with chromium() as browser:
                page = browser.new_page(viewport=SIZE, locale="en-GB")
                _open(page, server)
                _write(folder / "panel.png", page.screenshot())
                _compare(page, compared)
                _write(folder / "review.png", page.screenshot())
                _show_chain(page, server)
                _write(folder / "chain.png", page.screenshot())
        finally:
            server.stop()
    return 0


def _record(server: ComfyServer) -> Json:
    """A dozen pictures in every state; returns the version that is to be compared with the one before."""
    for name, (width, height, seed, hour) in SCENES.items():
        (server.folder / "input" / f"{name}.png").write_bytes(_scene(width, height, seed, hour))

    shore = _save(server, "shore", step="sketch", approval="auto")[0]
    _save(server, "pass", step="sketch", approval="auto")
    _save(server, "cliff", step="sketch", approval="auto")
    ridges = _save(server, "ridge", "ridge_2", "ridge_3", "ridge_4", step="keyframes", tags="ridge, morning")
    _post(server, ridges[1], "approve", {"approved_by": "ben"})
    reason = "The sun is cut off by the hill: move the camera up a little."
    _post(server, ridges[2], "reject", {"reason": reason, "approved_by": "ben"})
    lakes = _save(server, "lake", "lake_2", step="keyframes", tags="lake")
    _post(server, lakes[0], "approve", {"approved_by": "anna"})
    _save(server, "harbour", step="keyframes", tags="night")
    _edit(server, shore, "shore_by_night.png", _scene(480, 270, 21, "night"), by="clara")

    valley = _save(server, "valley", step="photograph", tags="valley, hero")[0]
    _post(server, valley, "reject", {"reason": "Too late in the day, make it an early morning.", "approved_by": "anna"})
    second = _edit(server, valley, "valley_dawn.png", _scene(960, 640, 3, "dawn"), by="ben", approval_status="pending")
    _post(server, second["id"], "approve", {"approved_by": "anna"})
    half = {"image": ["1", 0], "upscale_method": "lanczos", "scale_by": 0.5}
    small = _kept("valley_small", ["2", 0], step="develop", approval="required", tags="valley")
    developed = {
        "1": {"class_type": "LoadFromArtifactDB", "inputs": _asked(chain="short film", step="photograph")},
        "2": {"class_type": "ImageScaleBy", "inputs": half},
        "3": {"class_type": "SaveToArtifactDB", "inputs": small},
    }
    server.run(developed, actor="anna")
    return _edit(
        server, second["id"], "valley_noon.png", _scene(960, 640, 3, "noon"), by="clara", approval_status="pending"
    )


def _save(server: ComfyServer, *names: str, step: str, approval: str = "required", tags: str = "") -> list[str]:
    """Save pictures as one batch, called as its first."""
    graph: Json = {}
    batch = None
    for index, name in enumerate(names):
        graph[f"{index}"] = {"class_type": "LoadImage", "inputs": {"image": f"{name}.png"}}
        picture = [f"{index}", 0]
        if batch is not None:
            graph[f"batch {index}"] = {"class_type": "ImageBatch", "inputs": {"image1": batch, "image2": picture}}
            picture = [f"batch {index}", 0]
        batch = picture
    graph["save"] = {"class_type": "SaveToArtifactDB", "inputs": _kept(names[0], batch, step, approval, tags)}
    return list(server.run(graph, actor="anna")["save"]["artifact_ids"])


def _kept(name: str, value: list[Any] | None, step: str, approval: str, tags: str) -> Json:
    return {
        **{"value": value, "filename_prefix": name, "chain": "short film"},
        **{"step": step, "approval": approval, "tags": tags},
    }


def _asked(**names: str) -> Json:
    nothing = {"artifact_id": "", "chain": "", "step": "", "workflow": "", "output": ""}
    return {**nothing, **names, "if_not_usable": "fail", "timeout": 0}


def _edit(server: ComfyServer, artifact_id: str, filename: str, data: bytes, *, by: str, **fields: str) -> Json:
    route = f"{server.url}{ROUTES}/artifacts/{artifact_id}/edit"
    answer = requests.post(route, data={"approved_by": by, **fields}, files={"file": (filename, data)}, timeout=60)
    answer.raise_for_status()
    return dict(answer.json())


def _post(server: ComfyServer, artifact_id: str, verb: str, body: Json) -> None:
    server.post(f"{ROUTES}/artifacts/{artifact_id}/{verb}", body)


def _scene(width: int, height: int, seed: int, hour: str) -> bytes:
    """The landscape of `pictures.photo` at another hour."""
    dusk = pictures.photo(width, height, seed=seed)
    colours = HOURS[hour]
    if colours is None:
        return dusk
    ground, sky, sun = colours
    file = io.BytesIO()
    with Image.open(io.BytesIO(dusk)) as picture:
        ImageOps.colorize(picture.convert("L"), ground, sun, sky, 20, 226, 130).save(file, "PNG")
    return file.getvalue()


def _open(page: Page, server: ComfyServer) -> None:
    """The panel on the list of all, beside the example's graph, which has run."""
    page.goto(server.url)
    page.wait_for_function("window.app && document.querySelector('canvas')", timeout=60_000)
    page.wait_for_selector("[aria-label*='Artifact DB' i]")
    page.wait_for_timeout(2500)
    banner = page.query_selector(".pi-rocket, [class*=rocket]")
    if banner is not None:  # the one that advertises "Nodes 2.0" pushes everything down
        page.mouse.click(SIZE["width"] - 32, 20)
    graph = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    page.evaluate(
        "(graph) => app.loadGraphData(graph, true, true, app.extensionManager.workflow?.activeWorkflow)", graph
    )
    page.click("[aria-label*='Artifact DB' i]")
    page.wait_for_selector(".adb-loaded")
    _widen(page)
    page.evaluate("() => app.queuePrompt(0, 1)")
    page.click(".adb-tab:nth-child(2)")
    page.wait_for_selector(".adb-cell.adb-loaded[aria-label*='tile_']")
    page.evaluate("""() => {
      const { ds, canvas } = app.canvas;
      ds.scale = 1;
      ds.offset = [555, 60];
      app.canvas.setDirty(true, true);
    }""")
    page.wait_for_timeout(1500)
    page.wait_for_function("!document.body.innerText.includes('job completed')")  # the frontend says so for a while
    _settle(page)


def _widen(page: Page) -> None:
    gutter = page.query_selector(".p-splitter-gutter")
    box = gutter.bounding_box() if gutter else None
    panel = page.query_selector(".adb-panel")
    wide = panel.bounding_box() if panel else None
    if box is None or wide is None:
        return
    x, y = box["x"] + box["width"] / 2, box["y"] + 200
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + PANEL_WIDTH - wide["width"], y, steps=8)
    page.mouse.up()


def _compare(page: Page, artifact: Json) -> None:
    """One version under the other, by slider."""
    page.click(f".adb-cell[aria-label*='{artifact['filename']}']")
    page.wait_for_selector(".adb-version >> nth=2")
    page.keyboard.press("c")
    page.keyboard.press("c")
    stage = page.locator(".adb-stage").bounding_box()
    assert stage is not None
    page.mouse.move(stage["x"] + stage["width"] * 0.52, stage["y"] + stage["height"] * 0.4)
    _settle(page)


def _show_chain(page: Page, server: ComfyServer) -> None:
    """A chain that waits for a person, on the hub's own page."""
    workflow = server.post(f"{ROUTES}/workflows", {"workflow_name": "photos"})
    route = f"{server.url}{ROUTES}/workflows/{workflow['id']}/artifacts"
    answer = requests.post(route, files={"file": ("valley.png", _scene(960, 640, 3, "dusk"))}, timeout=60)
    answer.raise_for_status()
    name = chain_scene.run(server, answer.json()["id"])
    page.emulate_media(color_scheme="dark")
    page.goto(f"{server.url}{ROUTES}/")
    page.click(".adb-tab:nth-child(3)")
    page.click(f".adb-chain-row >> text={name}")
    page.wait_for_timeout(1500)
    _settle(page)


def _settle(page: Page) -> None:
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    page.wait_for_timeout(800)


def _write(path: Path, data: bytes) -> None:
    """Keep a screenshot; in as few colours as it takes to be small enough to be loaded with a README."""
    for colours in (0, 256, 128, 64):
        file = io.BytesIO()
        with Image.open(io.BytesIO(data)) as whole:
            plain = whole.convert("RGB")
            picture = plain.quantize(colours, dither=Image.Dither.FLOYDSTEINBERG) if colours else plain
            picture.save(file, "PNG", optimize=True)
        if file.tell() <= MAX_BYTES:
            break
    path.write_bytes(file.getvalue())
    print(f"{path}  {file.tell() // 1000} KB{f', {colours} colours' if colours else ''}")


if __name__ == "__main__":
    sys.exit(screenshots(Path(sys.argv[1])))
