"""Owns `doctor` where the records are at a hub: whether it takes them, and what is still on its way there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..comfyui_client.sessions import OriginSession
from ..config import Config, Server
from ..errors import ServerFailed
from ..library.examining import MAX_NAMED, Check, configuration, machine, staging
from ..library.recording import KIND
from ..storage import inspecting

TIMEOUT, DEADLINE = 5.0, 10.0
"""Seconds without a byte, and for a whole answer."""

NEEDED = "record"
"""The permission that a machine needs of its hub."""

SOON = 60.0
"""Seconds after which what is on its way waits for something."""


def examine(config: Config) -> Iterator[Check]:
    """Look at everything on this machine, and at the hub from here. Nothing is changed."""
    assert config.hub is not None
    yield configuration(config)
    yield _hub(config.hub)
    yield from machine(config, None)
    if not config.store.is_dir():
        yield Check("store", "note", f"{config.store} is not there yet; it is made when it is first needed")
        return
    yield from staging(config.store)
    yield _waiting(config.store)


def _hub(hub: Server) -> Check:
    session = OriginSession(hub, timeout=TIMEOUT, deadline=DEADLINE)
    try:
        with session.exchange("GET", "/artifact-db/session", also=range(200, 600)) as answer:
            status, body = answer.status_code, answer.content
    except ServerFailed as error:
        return Check("hub", "wrong", f"{hub.url} is away: {error}", data={"url": hub.url})
    finally:
        session.close()
    told: dict[str, Any] = {}
    with suppress(ValueError):
        told = dict(json.loads(body))
    data = {"url": hub.url, "status": status, "name": told.get("name"), "role": told.get("role")}
    if status in (401, 403):
        what = "does not know this machine's token" if hub.token else "asks this machine for a token"
        remedy = "`artifact-db token create NAME --role record` there makes one; hub_token_env names its variable here"
        return Check("hub", "wrong", f"{hub.url} {what}; {remedy}", data=data)
    if status != 200 or "permissions" not in told:
        return Check(
            "hub", "wrong", f"{hub.url} answers {status}, and not as a hub does; is this its address?", data=data
        )
    if NEEDED not in told["permissions"]:
        text = f"{hub.url} knows this machine as {told['name']!r}, whose role {told['role']!r} may not record"
        return Check("hub", "wrong", f"{text}; give it a token with --role record", data=data)
    return Check("hub", "ok", f"{hub.url} takes records from {told['name']!r}, role {told['role']!r}", data=data)


def _waiting(root: Path) -> Check:
    """What is on its way. What a living process has just promised is in nobody's way."""
    waiting, artifacts = [], 0
    for path, body in inspecting.intents(root):
        with suppress(OSError, KeyError, TypeError):
            if body["kind"] != KIND or time.time() - path.stat().st_mtime < SOON:
                continue
            record = body["record"]
            names = ", ".join(output["filename"] for output in record["outputs"]) or "how it ended"
            run = record.get("run") or {}
            artifacts += len(record["outputs"])
            waiting.append(f"{path.name}: {names}, of prompt {run.get('prompt_id')} ({run.get('workflow_name')})")
    if not waiting:
        return Check("outbox", "ok", "nothing waits for the hub", data={"records": 0, "artifacts": 0})
    text = (
        f"{len(waiting)} record(s) with {artifacts} artifact(s) wait for the hub, or were refused by it; ComfyUI's log "
        "says why, and its next start sends them again"
    )
    more = len(waiting) - MAX_NAMED
    items = (*waiting[:MAX_NAMED], *((f"and {more} more",) if more > 0 else ()))
    return Check("outbox", "wrong", text, items, {"records": len(waiting), "artifacts": artifacts})
