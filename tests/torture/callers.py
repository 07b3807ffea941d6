"""Owns a worker that speaks REST with a hub, as the panel and programs do."""

from __future__ import annotations

from typing import Any

import requests
from comfyui_artifact_db.library import identities

from .logs import read
from .work import HubGone, NothingThere, Refused, Worker, sha256

Acknowledged = dict[str, str]

REFUSALS = (404, 409, 410, 412)


class Caller(Worker):
    """Uploads, edits, decides, deletes and delivers through the routes."""

    url: str

    def open(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def upload(self) -> Acknowledged:
        """A picture for a workflow: of a new output, or the next version of one."""
        workflow_id, new_id, data = self._workflow(), identities.new_id(), self.picture()
        fields = {"id": new_id, "approval_status": self.rng.choice(("pending", "auto_approved", "approved"))}
        if self.rng.random() < 0.5:
            fields["output_key"] = "9:images:0"
        self.begin("upload", {new_id: sha256(data)})
        answer = self._ask("POST", f"/workflows/{workflow_id}/artifacts", data=fields, files=_file(data))
        return {answer["id"]: sha256(data)}

    def edit(self) -> Acknowledged:
        artifact_id, data = self.there.artifact(), self.picture()
        self.begin("edit")
        answer = self._ask("POST", f"/artifacts/{artifact_id}/edit", files=_file(data))
        return {answer["id"]: sha256(data)}

    def restore(self) -> Acknowledged:
        artifact_id = self.there.artifact("approval_status NOT IN ('pending', 'rejected')")
        self.begin("restore")
        answer = self._ask("POST", f"/artifacts/{artifact_id}/edit", json={"from_version": artifact_id})
        return {answer["id"]: answer["sha256"]}

    def approve(self) -> Acknowledged:
        return self._decide("approve", "approval_status = 'pending'")

    def reject(self) -> Acknowledged:
        return self._decide("reject", json={"reason": "too dark"})

    def select(self) -> Acknowledged:
        return self._decide("select", "is_latest = FALSE")

    def undelete(self) -> Acknowledged:
        return self._decide("undelete", "deleted_at IS NOT NULL")

    def transfer(self) -> Acknowledged:
        where = "approval_status NOT IN ('pending', 'rejected') AND deleted_at IS NULL"
        return self._decide("transfer", where, json={"server": "gpu-a"})

    def delete(self) -> Acknowledged:
        artifact_id = self.there.artifact("deleted_at IS NULL")
        self.begin("delete")
        self._ask("DELETE", f"/artifacts/{artifact_id}")
        return {}

    def delete_chain(self) -> Acknowledged:
        chain_id = self.there.one("chains")
        self.begin("delete_chain")
        self._ask("DELETE", f"/chains/{chain_id}")
        return {}

    def undelete_chain(self) -> Acknowledged:
        chain_id = self.there.one("chains", "deleted_at IS NOT NULL")
        self.begin("undelete_chain")
        self._ask("POST", f"/chains/{chain_id}/undelete")
        return {}

    def empty(self) -> Acknowledged:
        chain_id = self.there.one("chains", "deleted_at IS NOT NULL")
        self.begin("empty")
        self._ask("POST", "/trash/empty", json={"ids": [chain_id]})
        return {}

    def create_workflow(self) -> Acknowledged:
        self.begin("create_workflow")
        self._ask("POST", "/workflows", json={"workflow_name": "step", "prompt_id": identities.new_id()})
        return {}

    def create_once(self) -> Acknowledged:
        """A request that is sent twice with one key, and once more by others when its hub was killed: see `repeat`."""
        self._create_once(self.begin("create_once"))
        return {}

    def repeat(self) -> Acknowledged:
        """Send a request again of which nobody knows what came of it: in the name, and with the key, of who sent it."""
        left = [each for each in read(self.log.folder).values() if (each.op, each.outcome) == ("create_once", "open")]
        if not left:
            raise NothingThere
        change = self.rng.choice(left)
        self._create_once(change.actor)
        self.log.done(change.actor, change.op, {}, ())
        raise NothingThere  # of its own

    def _create_once(self, actor: str) -> None:
        request = {"json": {"workflow_name": "step", "prompt_id": f"of-{actor}"}, "key": actor, "actor": actor}
        first, again = (self._ask("POST", "/workflows", **request) for _ in range(2))
        assert (first["id"], first["prompt_id"]) == (again["id"], f"of-{actor}"), f"{actor} made two of one"

    def _decide(self, op: str, where: str = "TRUE", **body: Any) -> Acknowledged:
        artifact_id = self.there.artifact(where)
        self.begin(op)
        self._ask("POST", f"/artifacts/{artifact_id}/{op}", **body)
        return {}

    def _workflow(self) -> str:
        return self.there.one("workflows")

    def _ask(self, method: str, path: str, *, actor: str = "", key: str = "", **request: Any) -> Any:
        headers = {"X-Artifact-Actor": actor or self._actor, **({"Idempotency-Key": key} if key else {})}
        try:
            answer = self._session.request(method, self.url + path, headers=headers, timeout=30, **request)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise HubGone from error
        if answer.status_code in REFUSALS:
            raise Refused(answer.text)
        if answer.status_code >= 300:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None


def _file(data: bytes) -> dict[str, Any]:
    return {"file": ("picture.png", data, "image/png")}
