"""A hub that collects from one server, gpu-b, without much patience; and what it collected, as it is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.config import Config, Server
from comfyui_artifact_db.library import fetching
from comfyui_servers_that import TOKEN, ComfyUI
from hubs import Answer, Hub, Serve

WRITTEN = "what the server wrote"


class Gathering:
    """A hub, the workflow of a prompt `p` that runs on gpu-b, and requests to collect it."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.workflow_id = ""

    async def announce(self, prompt_id: str = "p", **columns: Any) -> str:
        """A workflow whose prompt is executing; it becomes the one that is asked for."""
        body = {"workflow_name": "w", "server": "gpu-b", "prompt_id": prompt_id, "status": "executing", **columns}
        self.workflow_id = (await self.hub.post("/workflows", 201, json=body)).json["id"]
        return self.workflow_id

    async def ask(self, expect: int = 200, *, workflow_id: str | None = None, **body: Any) -> Answer:
        """One request to collect."""
        path = f"/workflows/{workflow_id or self.workflow_id}/collect"
        answer = await self.hub.post(path, expect, json={"server": "gpu-b", "prompt_id": "p", **body})
        assert WRITTEN.encode() not in answer.body
        return answer

    async def collect(self, **body: Any) -> list[dict[str, Any]]:
        """What was collected."""
        items: list[dict[str, Any]] = (await self.ask(**body)).json["items"]
        return items

    async def keys(self, **body: Any) -> list[str]:
        """The outputs of what was collected."""
        return [item["output_key"] for item in await self.collect(**body)]

    async def data(self, artifact: dict[str, Any]) -> bytes:
        return (await self.hub.get(f"/artifacts/{artifact['id']}/download")).body

    async def workflow(self, workflow_id: str | None = None) -> dict[str, Any]:
        found: dict[str, Any] = (await self.hub.get(f"/workflows/{workflow_id or self.workflow_id}")).json
        return found

    async def state(self, workflow_id: str | None = None) -> tuple[str, str, str | None]:
        """The statuses of the workflow and of its newest attempt, and what both say went wrong."""
        found = await self.workflow(workflow_id)
        newest = found["attempts"][0]
        assert found["error_message"] == newest["error_message"]
        return found["status"], newest["status"], newest["error_message"]

    async def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.hub.get("/events?limit=500")).json["items"]
        return found


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No collection waits longer than a test should."""
    monkeypatch.setattr(fetching, "WAITS", (0.02, 0.04))
    monkeypatch.setattr(fetching, "TIMEOUT", 0.5)
    monkeypatch.setattr(fetching, "DEADLINE", 0.8)


@pytest.fixture
async def gathering_from(
    serve: Serve, config: Config, hasty: None, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Callable[[str], Awaitable[Gathering]]]:
    """A hub whose gpu-b is at a URL. Whatever a test does with it, the rules hold and the token is nowhere."""
    made: list[Hub] = []

    async def at(url: str) -> Gathering:
        hub = await serve(replace(config, servers={"gpu-b": Server("gpu-b", url, TOKEN)}))
        hub.secrets = (TOKEN,)
        made.append(hub)
        gathering = Gathering(hub)
        await gathering.announce()
        return gathering

    with caplog.at_level("DEBUG"):
        yield at
    assert TOKEN not in caplog.text
    for hub in made:
        told = "".join(hub.rows())
        assert TOKEN not in told
        assert WRITTEN not in told
        invariants.check(hub.library)
        invariants.check_log_tells_the_rows(hub.library)
        assert not [name for name in hub.files() if name.startswith("staging") and not name.endswith(".lock")]


@pytest.fixture
async def gathering(gathering_from: Callable[[str], Awaitable[Gathering]], comfyui: ComfyUI) -> Gathering:
    """A hub whose gpu-b does as ComfyUI does."""
    return await gathering_from(comfyui.url)
