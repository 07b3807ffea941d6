"""The panel with 10,000 artifacts against the panel with 100, and against 100 cells that are simply there."""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filling
from browsing import chromium
from measuring import Figure, figure, in_turns

from devtools import environment
from devtools.servers import ComfyServer

MANY, FEW = 10_000, 100
OPENINGS = 11
SCROLLS = 3
SECONDS = 10
SPEED = 2000
"""Pixels a second: sixteen rows of the sidebar's narrow list, faster than anybody looks."""
SLOW = 25
"""Milliseconds between two frames from which on one was left out, at 60 a second."""

TAB = "[aria-label*='Artifact DB' i]"
ALL_SHOWN = """() => {
  const cells = [...document.querySelectorAll(".adb-cell")];
  return cells.length > 0 && cells.every((cell) => cell.classList.contains("adb-loaded"));
}"""

FIRST_THUMBNAIL = """() => {
  window.firstThumbnail = new Promise((done) => {
    addEventListener("click", ({ timeStamp }) => {
      const loaded = async ({ target }) => {
        if (!target.matches?.(".adb-thumb")) return;
        document.removeEventListener("load", loaded, true);
        await target.decode();
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - timeStamp)));
      };
      document.addEventListener("load", loaded, true);
    }, { capture: true, once: true });
  });
}"""
"""Milliseconds from the click to the task after the frame that shows a thumbnail, whichever is the first."""

SCROLL = """async ([selector, seconds, speed]) => {
  const element = document.querySelector(selector);
  element.scrollTop = 0;
  await new Promise((done) => setTimeout(done, 300));
  const frames = [];
  let began, last, behind = 0;
  await new Promise((done) => {
    const step = (now) => {
      began ??= now;
      if (last !== undefined) frames.push(now - last);
      last = now;
      if (now - began > seconds * 1000) return done();
      const way = ((now - began) / 1000) * speed;
      const end = element.scrollHeight - element.clientHeight;
      if (selector === ".adb-list") {
        element.scrollTop = way;
        behind += way > end + 1;
      } else {
        element.scrollTop = end - Math.abs(end - (way % (2 * end)));
      }
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  return { frames, behind };
}"""
"""The milliseconds between frames of a scroll. Cells that are simply there have an end, where it turns back."""

SIMPLY_THERE = """async ([count]) => {
  const list = document.querySelector(".adb-list"), box = list.getBoundingClientRect();
  const cells = [...document.querySelectorAll(".adb-cell")].map((cell) => cell.getBoundingClientRect());
  const { items } = await (await fetch(`/artifact-db/artifacts?queue=1&limit=${count}`)).json();
  const side = cells[0].width, columns = new Set(cells.map(({ left }) => left)).size;
  const there = document.createElement("div");
  there.id = "simply-there";
  Object.assign(there.style, {
    position: "fixed", zIndex: 5000, contain: "strict",
    overflow: "hidden auto", padding: "8px", scrollbarGutter: "stable",
    left: `${box.left}px`, top: `${box.top}px`, width: `${box.width}px`, height: `${box.height}px`,
    display: "grid", gap: "8px", gridTemplateColumns: `repeat(${columns}, ${side}px)`, alignContent: "start",
    background: getComputedStyle(document.querySelector(".adb-panel")).backgroundColor,
  });
  for (const item of items) {
    const cell = document.createElement("div"), picture = document.createElement("img");
    const caption = document.createElement("div");
    caption.textContent = item.filename;
    Object.assign(caption.style, { height: "22px", font: "11px system-ui", overflow: "hidden" });
    picture.src = item.thumbnail_url;
    Object.assign(picture.style, { width: `${side}px`, height: `${side}px`, objectFit: "contain", display: "block" });
    cell.append(picture, caption);
    there.append(cell);
  }
  document.body.append(there);
  await Promise.all([...there.querySelectorAll("img")].map((picture) => picture.decode()));
  return there.querySelectorAll("img").length;
}"""
"""A plain grid over the list, as large, with cells as large and the same pictures, all of it there from the start."""


def run() -> list[Figure]:
    """The time to the first thumbnail after a click on the tab, and the slow frames of a scroll."""
    with _servers() as (many, few), chromium() as browser:
        pages = {server.url: _page(browser, server) for server in (many, few)}
        figures = [_first_thumbnail(pages[many.url], pages[few.url])]
        pages[few.url].close()
        return [*figures, *_scroll(pages[many.url])]


@contextlib.contextmanager
def _servers() -> Iterator[tuple[ComfyServer, ComfyServer]]:
    with tempfile.TemporaryDirectory(prefix="artifact-db-bench-") as folder:
        servers = [ComfyServer(environment.comfyui(), Path(folder) / str(count)) for count in (MANY, FEW)]
        try:
            for server, count in zip(servers, (MANY, FEW), strict=True):
                filling.fill(server.data, count)
                server.launch()
            for server in servers:
                server.wait()
                server.post("/settings", {"Comfy.TutorialCompleted": True, "Comfy.ColorPalette": "dark"})
            yield servers[0], servers[1]
        finally:
            for server in servers:
                server.stop()


def _page(browser: Any, server: ComfyServer) -> Any:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(server.url)
    page.wait_for_function("window.app && document.querySelector('canvas')", timeout=60_000)
    page.wait_for_selector(TAB)
    page.wait_for_timeout(2500)  # the frontend goes on with its own start
    # Thumbnails come from the server each time, not out of the browser's cache: the first look is what counts.
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    return page


def _first_thumbnail(many: Any, few: Any) -> Figure:
    def opened(page: Any) -> float:
        page.bring_to_front()
        page.evaluate(FIRST_THUMBNAIL)
        page.click(TAB)
        taken = float(page.evaluate("window.firstThumbnail"))
        page.wait_for_function(ALL_SHOWN)
        page.click(TAB)
        page.wait_for_selector(".adb-list", state="detached")
        page.wait_for_timeout(200)
        return taken / 1000

    ours, rival = in_turns(lambda: opened(many), lambda: opened(few), runs=OPENINGS)
    return figure("first thumbnail", ours, rival, goal=1.5, unit="s", rival_name=f"{FEW} artifacts instead of {MANY:,}")


def _scroll(page: Any) -> list[Figure]:
    page.bring_to_front()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    measured: dict[str, list[list[float]]] = {".adb-list": [], "#simply-there": []}

    def scrolled(selector: str) -> float:
        page.evaluate("() => document.querySelector('#simply-there')?.remove()")
        if page.query_selector(".adb-list"):
            page.click(TAB)
            page.wait_for_selector(".adb-list", state="detached")
        page.click(TAB)
        page.wait_for_function(ALL_SHOWN)
        if selector == "#simply-there":
            count = page.evaluate(SIMPLY_THERE, [FEW])
            assert count == FEW, count
        asked.clear()
        found = page.evaluate(SCROLL, [selector, SECONDS, SPEED])
        frames = found["frames"]
        measured[selector].append(frames)
        slow = sum(frame > SLOW for frame in frames)
        thumbnails = sum("/thumbnail" in url for url in asked)
        print(
            f"  scroll of {selector:<13} {slow:>3} slow of {len(frames)} frames, p95 {_p95(frames):.1f} ms,"
            f" longest {max(frames):.0f} ms, at the loaded end for {found['behind']} frames, heap {_heap(page):.0f} MB,"
            f" {thumbnails} thumbnails and {len(asked) - thumbnails} other requests",
            file=sys.stderr,
        )
        return slow + 1  # that there may be none must not make it a division by nothing

    ours, rival = in_turns(lambda: scrolled(".adb-list"), lambda: scrolled("#simply-there"), runs=SCROLLS)
    there = f"{FEW} cells that are simply there"
    p95 = [statistics.median(map(_p95, runs[1:])) / 1000 for runs in measured.values()]
    return [
        figure(f"slow frames + 1 in {SECONDS} s of scrolling", ours, rival, goal=1.2, unit="frames", rival_name=there),
        figure("95th percentile of the frames", p95[0], p95[1], goal=1.2, unit="s", rival_name=there),
    ]


def _p95(frames: list[float]) -> float:
    return statistics.quantiles(frames, n=20)[-1]


def _heap(page: Any) -> float:
    """MB of JavaScript objects that something still holds."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used = float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6
    session.detach()
    return used
