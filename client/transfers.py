"""The calls for deliveries of artifacts to ComfyUI servers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import overload

from . import problems
from .asking import Asking, given
from .records import Artifact, Transfer, TransferStatus

POLL_SECONDS = 0.5
REMIND_SECONDS = 15.0
"""After how long a delivery is asked for again that has not ended: whoever was to do it may have been killed."""


class Transfers(Asking):
    """Transfers."""

    @overload
    def upload_artifact_to_server(
        self,
        artifact: Artifact | str,
        target_server: str,
        *,
        subfolder: str = "",
        target_workflow_id: str | None = None,
        wait: bool = True,
    ) -> Transfer: ...

    @overload
    def upload_artifact_to_server(
        self,
        *,
        artifact_id: str,
        target_server: str,
        subfolder: str = "",
        target_workflow_id: str | None = None,
        wait: bool = True,
    ) -> Transfer: ...

    def upload_artifact_to_server(
        self,
        artifact: Artifact | str | None = None,
        target_server: str = "",
        *,
        artifact_id: str | None = None,
        subfolder: str = "",
        target_workflow_id: str | None = None,
        wait: bool = True,
    ) -> Transfer:
        """Deliver a usable artifact to a server and prove it, by reading back what arrived.

        Nothing is sent where the server has those bytes.

        Args:
            artifact: one that was seen, or its id (also as `artifact_id`).
            target_server: the name or the URL of a registered server.
            target_workflow_id: what it is delivered for; its lineage then says so.
            wait: until it has arrived; else a hub may answer while it is under way.
        Returns:
            The transfer; its `target_filename` is what a LoadImage-like widget of the target is given.
        Raises:
            NotFound, UnknownServer, Invalid. NotUsable, Gone: it may not travel; `artifact` is as it is now.
            DeliveryFailed: it did not arrive; `transfer` says why, and `retry_transfer` tries again.
        """
        wanted = artifact.id if isinstance(artifact, Artifact) else artifact or artifact_id
        if wanted is None:
            raise TypeError("which artifact? give it, or its artifact_id")
        body = given(subfolder=subfolder or None, target_workflow_id=target_workflow_id)
        body["server"] = self._server_name(target_server)
        asked = self._ask("transfer_artifact", path={"artifact_id": wanted}, body=body)
        return self._delivered(Transfer.from_json(asked), wait=wait)

    def retry_transfer(self, id: str, *, wait: bool = True) -> Transfer:
        """Try a delivery again that failed.

        Raises:
            As `upload_artifact_to_server`. Conflict: it was delivered already, or is under way.
        """
        asked = self._ask("retry_transfer", path={"transfer_id": id})
        return self._delivered(Transfer.from_json(asked), wait=wait)

    def get_transfer(self, id: str) -> Transfer:
        """One delivery.

        Raises:
            NotFound: there is none with this id.
        """
        return Transfer.from_json(self._ask("get_transfer", path={"transfer_id": id}))

    def list_transfers(
        self, *, status: TransferStatus | None = None, artifact: str | None = None, server: str | None = None
    ) -> Iterator[Transfer]:
        """Deliveries, the newest first; `artifact` is an id, `server` a name."""
        query = {"status": status, "artifact": artifact, "server": server}
        return self._pages("list_transfers", Transfer.from_json, query=query)

    def _delivered(self, transfer: Transfer, *, wait: bool) -> Transfer:
        remind = time.monotonic() + REMIND_SECONDS
        while wait and transfer.status in ("pending", "uploading"):
            time.sleep(POLL_SECONDS)
            transfer = self.get_transfer(transfer.id)
            if time.monotonic() >= remind:
                remind += REMIND_SECONDS
                with suppress(problems.Conflict):  # It is under way, or done.
                    transfer = Transfer.from_json(self._ask("retry_transfer", path={"transfer_id": transfer.id}))
        if wait and transfer.status == "failed":
            detail = f"{transfer.target_server}: {transfer.error_message}"
            raise problems.told("delivery_failed", detail, status=502, transfer=transfer.asdict())
        return transfer
