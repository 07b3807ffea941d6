"""A hub that drives chains over two servers which run graphs at once, and a browser's view of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import chaining
from chaining import Studio
from comfyui_artifact_db.library import chains
from comfyui_artifact_db.library.views import Chain
from comfyui_servers_that import serving
from panel_hub import PanelHub, picture
from panel_screens import Screen
from playwright.sync_api import Locator, expect

DIAMOND: tuple[dict[str, Any], ...] = (
    chaining.step("extract", server="gpu-a", parameters={"7.text": "{{ prompt }}", "7.seed": 1}),
    chaining.step("sky", "extract", server="gpu-b"),
    chaining.step("figure", "extract", server="gpu-a", requires_approval=True),
    chaining.step("compose", "sky", "figure", server="gpu-b", parameters={"7.text": "{{ prompt }}"}),
)
"""Four steps on three levels, with a person in the middle."""

DEFAULTS = {"prompt": "a dragon breathing fire over the harbour at dawn, seen from the sea"}


class ChainHub(PanelHub):
    """The hub's own process drives the chains; what is begun here it takes within a second."""

    def __init__(self, home: Path, studio: dict[str, Any]) -> None:
        tables = [f'[servers.{name}]\nurl = "{server.url}"' for name, server in studio.items()]
        super().__init__(home, "\n".join(tables))
        self.studio = Studio(self.library, studio)
        for server in studio.values():
            server.runs = lambda graph, server=server: self._run(server, graph)

    def _run(self, server: Any, graph: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        if self.studio.fails(graph):
            return {}, chaining.ERROR
        self.made += 1
        return {"9": {"images": [server.file(f"made_{self.made:05}_.png", picture(self.made))]}}, chaining.SUCCESS

    def begin(self, *steps: dict[str, Any], name: str = "film", **more: Any) -> Chain:
        return self.studio.begin(*(steps or DIAMOND), defaults=DEFAULTS, name=name, **more)

    def until(self, chain: Chain, status: str) -> Chain:
        return self.studio.until(chain, status)

    def by_hand(self, name: str, status: str = "executing_level_0", **more: Any) -> Chain:
        """A chain of a runner elsewhere."""
        return chains.create_chain(self.library, name=name, status=status, actor="runner", **more)[0]


@contextmanager
def chain_hub(folder: Path) -> Iterator[ChainHub]:
    with serving(folder / "gpu-a") as a, serving(folder / "gpu-b") as b:
        hub = ChainHub(folder / "hub", {"gpu-a": a, "gpu-b": b})
        try:
            yield hub
        finally:
            hub.close()


class ChainScreen:
    """The view of chains on a page."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.page = screen.page
        screen.tab("Chains").click()

    @property
    def rows(self) -> Locator:
        return self.page.locator(".adb-chain-row")

    def row(self, name: str) -> Locator:
        return self.page.locator(".adb-chain-row", has_text=name)

    @property
    def chain(self) -> Locator:
        return self.page.locator(".adb-chain")

    def open(self, name: str) -> ChainScreen:
        self.row(name).first.click()
        expect(self.chain.locator("h2")).to_have_text(name)
        return self

    def step(self, name: str) -> Locator:
        return self.chain.locator(".adb-step", has=self.page.get_by_text(name, exact=True))

    def state(self, name: str) -> Locator:
        return self.step(name).locator(".adb-standing")

    def tell(self, name: str) -> Locator:
        """The step in detail."""
        self.step(name).locator(".adb-step-name").click()
        side = self.page.locator(".adb-step-told")
        expect(side.locator("h3")).to_have_text(name)
        return side

    def button(self, name: str) -> Locator:
        return self.chain.get_by_role("button", name=name, exact=True)
