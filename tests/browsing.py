"""Finds a Chromium and opens it, for the tests of the panel and for the screenshots."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
HOW_TO_GET_ONE = "no Chromium: install your system's package `chromium`, or run `python -m playwright install chromium`"


class NoChromium(RuntimeError):
    """There is none; the message says how to get one."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium: the system's, else the one that playwright has installed.

    Raises:
        NoChromium: there is neither.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = next((found for name in NAMES if (found := shutil.which(name))), None)
        if path is None and not Path(playwright.chromium.executable_path).exists():
            raise NoChromium(HOW_TO_GET_ONE)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
