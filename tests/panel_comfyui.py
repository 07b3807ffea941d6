"""A browser on a real ComfyUI with the panel in its sidebar, on either frontend."""

from __future__ import annotations

import json
from typing import Any

from comfyui_graphs import Graph
from comfyui_studio import Studio
from panel_screens import Screen
from playwright.sync_api import ConsoleMessage, Error, Locator, Page, expect
from waiting import until

TAB = "[aria-label*='Artifact DB' i]"
NOISE = ("user.css", "reading 'id'", "Content Security Policy", "net::ERR", "fetch", "Failed to load")
"""What the frontends themselves log on a machine without the internet."""


class ComfyScreen(Screen):
    """ComfyUI's page. Only what our own scripts do counts as trouble: the frontends have errors of their own."""

    def __init__(self, page: Page, studio: Studio) -> None:
        super().__init__(page)
        self.studio = studio

    def _failed(self, error: Error) -> None:
        if "artifact" in (error.stack or ""):
            super()._failed(error)

    def _logged(self, message: ConsoleMessage) -> None:
        if "artifact" in message.text.lower() and not any(noise in message.text for noise in NOISE):
            super()._logged(message)

    def visit(self, url: str | None = None) -> ComfyScreen:
        self.page.goto(url or self.studio.server.url)
        self.page.locator(TAB).first.wait_for(timeout=60_000)
        until(lambda: self.page.evaluate("Boolean(window.app?.graph && window.app.canvas?.canvas)"))
        return self

    @property
    def side_tab(self) -> Locator:
        return self.page.locator(TAB).first

    def open_panel(self) -> ComfyScreen:
        self.side_tab.click()
        self.page.locator(".adb-panel .adb-tabs").wait_for()
        return self

    def close_panel(self) -> None:
        if self.viewer.is_visible():
            self.press("Escape")
        self.side_tab.click()
        expect(self.page.locator(".adb-panel")).to_have_count(0)

    def count(self) -> str:
        """What the tab's badge says."""
        return "".join(filter(str.isdigit, self.side_tab.inner_text()))

    def graph(self, expression: str) -> Any:
        """What the graph says; `nodes` are its nodes."""
        return self.page.evaluate(f"(() => {{ const nodes = window.app.graph.nodes; return {expression} }})()")

    def empty_graph(self) -> None:
        self.page.evaluate("window.app.graph.clear()")
        until(lambda: self.graph("nodes.length") == 0)

    def add_node(self, kind: str = "EmptyLatentImage") -> None:
        """A node that is selected, as after a click on it."""
        self.page.evaluate(
            """(kind) => {
              const node = window.LiteGraph.createNode(kind);
              node.pos = [400, 300];
              window.app.graph.add(node);
              window.app.canvas.selectNode(node);
            }""",
            kind,
        )

    def loaders(self) -> list[str]:
        """The artifact ids that the graph's load nodes are set to."""
        found = self.graph(
            "nodes.filter((one) => one.type === 'LoadFromArtifactDB')"
            ".map((one) => one.widgets.find((widget) => widget.name === 'artifact_id').value)"
        )
        return [str(value) for value in found]


def saved(studio: Studio, *, approval: str = "required", workflow: dict[str, Any] | None = None) -> dict[str, Any]:
    """A picture that a graph saved, as the browser's page would have queued it."""
    graph = Graph()
    save = graph.save(graph.picture(width=320, height=200), approval=approval, filename_prefix="shot")
    outcome = studio.run(graph, actor="anna", pnginfo={"workflow": workflow} if workflow else None)
    return studio.artifact(outcome.ids(save)[0])


def workflow_of(*kinds: str) -> dict[str, Any]:
    """A graph as the frontend saves it."""
    nodes = [
        {
            **{
                "id": number,
                "type": kind,
                "pos": [100 + 300 * number, 200],
                "size": [270, 110],
                "flags": {},
                "order": number,
            },
            **{"mode": 0, "inputs": [], "outputs": [], "properties": {}, "widgets_values": []},
        }
        for number, kind in enumerate(kinds, 1)
    ]
    return json.loads(
        json.dumps(
            {"last_node_id": len(kinds), "last_link_id": 0, "nodes": nodes, "links": [], "groups": [], "version": 0.4}
        )
    )  # type: ignore[no-any-return]
