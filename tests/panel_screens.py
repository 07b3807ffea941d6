"""One browser page with the panel in it, worked as a person does: by mouse, by keys, and by looking."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Dialog, Error, Locator, Page, expect
from waiting import until

SECONDS = 15_000
expect.set_options(timeout=SECONDS)

FILES = """([selector, kind, name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: "image/png" }));
  const target = document.querySelector(selector);
  const how = { bubbles: true, cancelable: true };
  const hand = (event) => target.dispatchEvent(event);
  if (kind === "paste") hand(new ClipboardEvent("paste", { ...how, clipboardData: transfer }));
  else for (const type of ["dragover", "drop"]) hand(new DragEvent(type, { ...how, dataTransfer: transfer }));
}"""
"""Hands a file to the page as the desktop would: a browser without a screen has no desktop to drag from."""

HOLD = """(pattern) => {
  const { client } = artifactDbPanel.host;
  const ask = client.fetcher;
  const released = new Promise((resolve) => (globalThis.release = resolve));
  client.fetcher = async (path, options) => {
    const held = new RegExp(pattern).test(path);
    if (held) client.fetcher = ask;
    const answer = await ask(path, options);
    if (held) await released;
    return answer;
  };
}"""


class Screen:
    """A page; what goes wrong in it without being asked for is in `troubles`."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.troubles: list[str] = []
        page.set_default_timeout(SECONDS)
        page.on("pageerror", self._failed)
        page.on("dialog", self._asked)
        page.on("console", self._logged)

    def leave(self) -> None:
        """Look no longer; the page is somebody else's."""
        self.page.remove_listener("pageerror", self._failed)
        self.page.remove_listener("dialog", self._asked)
        self.page.remove_listener("console", self._logged)

    def _failed(self, error: Error) -> None:
        self.troubles.append(f"error: {error}")

    def _asked(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":  # ComfyUI's own, for a graph that is not saved
            dialog.accept()
            return
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _logged(self, message: ConsoleMessage) -> None:
        # Chromium itself logs every answer that is an error.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.troubles.append(f"console: {message.text}")

    def visit(self, url: str) -> Screen:
        self.page.goto(url)
        self.tab("Waiting").wait_for()
        self.connected()
        return self

    def connected(self) -> None:
        """Wait until changes are heard."""
        until(lambda: self.page.evaluate("globalThis.artifactDbPanel?.host.live.connected ?? true"))

    def tab(self, name: str) -> Locator:
        return self.page.locator(".adb-tab", has_text=name)

    def show_all(self) -> Screen:
        self.tab("All").click()
        return self

    @property
    def cells(self) -> Locator:
        return self.page.locator(".adb-cell[role=option]")

    def cell(self, name: str) -> Locator:
        return self.page.locator(".adb-cell[role=option]", has_text=name)

    def names(self) -> list[str]:
        """The names in the list, in the order in which they are read."""
        return self.page.locator(".adb-cell .adb-caption").all_text_contents()

    @property
    def viewer(self) -> Locator:
        return self.page.locator(".adb-viewer")

    @property
    def title(self) -> Locator:
        return self.viewer.locator("h2")

    @property
    def state(self) -> Locator:
        return self.viewer.locator("header .adb-badge")

    @property
    def said(self) -> Locator:
        return self.page.locator(".adb-said")

    def button(self, name: str) -> Locator:
        return self.viewer.get_by_role("button", name=name, exact=True)

    def open(self, name: str) -> Screen:
        self.cell(name).click()
        expect(self.title).to_have_text(name)
        expect(self.viewer.locator(".adb-story li").first).to_be_visible()
        return self

    def press(self, *keys: str) -> Screen:
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def sees(self, name: str, state: str | None = None) -> None:
        """The viewer shows this one, in this state."""
        expect(self.title).to_have_text(name)
        if state:
            expect(self.state).to_have_text(state)

    def hand_in(self, kind: str, data: bytes, name: str = "edited.png", selector: str = ".adb-stage") -> None:
        """Drop or paste a file."""
        self.page.evaluate(FILES, [selector, kind, name, base64.b64encode(data).decode()])

    def focused(self) -> str:
        """What has the focus, as a screen reader would call it."""
        return str(
            self.page.evaluate(
                "(at => at === document.body ? 'nothing'"
                " : at.getAttribute('aria-label') || at.textContent || at.className)"
                "(document.activeElement)"
            )
        )

    def hold(self, pattern: str) -> Callable[[], None]:
        """Hold back the first answer to a path like this, as the hub gave it, until what is returned is called."""
        self.page.evaluate(HOLD, pattern)
        return lambda: self.page.evaluate("release()")

    def view(self) -> dict[str, float]:
        """How the picture lies on the stage."""
        return dict(
            self.page.evaluate(
                "(({a, e, f}) => ({scale: a, x: e, y: f}))"
                "(new DOMMatrix(getComputedStyle(document.querySelector('.adb-picture')).transform))"
            )
        )

    def shown(self) -> None:
        """Wait until the picture is there."""
        until(lambda: self.page.evaluate("document.querySelector('.adb-picture')?.naturalWidth > 0"))


def serious(screen: Screen, within: str = "html") -> list[str]:
    """What axe finds serious or critical."""
    found: dict[str, Any] = Axe().run(screen.page, context=within, options={"resultTypes": ["violations"]}).response
    return [
        f"{violation['id']}: {node['html'][:160]} {node['failureSummary']}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
