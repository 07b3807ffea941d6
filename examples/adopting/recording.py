"""Tells a hub which prompts a script of yours ran, so that it fetches and keeps what they made. Standard library only.

Copy it beside your script. It never stops the script: what the hub does not take is said, and that is all.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from typing import Any


class Recording:
    """One run of a script, as a chain of the hub at `hub`; None records nothing."""

    def __init__(self, hub: str | None, name: str) -> None:
        self._hub = hub
        self._chain_id = self._ask("POST", "/chains", {"name": name, "status": "executing_level_0"}).get("id")

    def ran(self, step: str, server: str, prompt_id: str) -> None:
        """A prompt has ended on a server, which is named as the hub's configuration names it."""
        body = {"chain_id": self._chain_id, "step_id": step, "workflow_name": step, "server": server}
        workflow = self._ask("POST", "/workflows", body) if self._chain_id else {}
        if "id" in workflow:
            self._ask("POST", f"/workflows/{workflow['id']}/collect", {"server": server, "prompt_id": prompt_id})

    def done(self) -> None:
        """The script has come to its end."""
        if self._chain_id:
            self._ask("PATCH", f"/chains/{self._chain_id}", {"status": "completed"})

    def _ask(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if self._hub is None:
            return {}
        try:
            return self._answer(method, self._hub + path, body)
        except Exception as error:  # whatever it is, also what is no answer of a hub: the script matters more
            print(f"not recorded: {error}", file=sys.stderr)
            return {}

    def _answer(self, method: str, url: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            raise OSError(error.read().decode(errors="replace")) from error
