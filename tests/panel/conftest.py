"""One hub for all tests of the panel's page, emptied for each; a browser for each module, a new page for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import invariants
import pytest
from browsing import chromium
from panel_hub import PanelHub
from panel_screens import Screen
from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def hub_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelHub]:
    hub = PanelHub(tmp_path_factory.mktemp("hub"))
    yield hub
    invariants.check(hub.library)
    hub.close()


@pytest.fixture
def hub(hub_process: PanelHub) -> PanelHub:
    """The hub with nothing recorded."""
    hub_process.clear()
    return hub_process


# Not for the session: while playwright runs it has the thread's event loop, which other tests need.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


Visit = Callable[..., Screen]


@pytest.fixture
def screens(browser: Browser) -> Iterator[Visit]:
    """Opens fresh browsers, as of different people; none of them may have had any trouble in the end."""
    opened: list[Screen] = []

    def visit(url: str | None = None, *, width: int = 1280, height: int = 800, scheme: str = "dark") -> Screen:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
        screen = Screen(context.new_page())
        opened.append(screen)
        return screen.visit(url) if url else screen

    yield visit
    for screen in opened:
        screen.page.context.close()
    assert [trouble for screen in opened for trouble in screen.troubles] == []


@pytest.fixture
def screen(screens: Visit, hub: PanelHub) -> Screen:
    """A browser on the hub's page, which is empty."""
    return screens(hub.url + "/")
