"""Owns deliveries that another process makes, which has no database: begun here, made there, ended with a receipt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import Invalid
from . import artifacts, attempts, identities, transfers
from .views import Artifact, Transfer

if TYPE_CHECKING:
    from .opening import Library


@dataclass(frozen=True)
class Entrusted:
    """A delivery that somebody else makes: of these bytes, which may be there already under one of these names.

    One that is `completed` is made.
    """

    transfer: Transfer
    artifact: Artifact
    known: tuple[str, ...]


def begin(library: Library, attempt_id: str, artifact_id: str, *, by: str) -> Entrusted:
    """Begin a delivery as `deliver_for` does, for somebody else to make and to end with `end`.

    Whoever asks again after a crash begins the next try of the same transfer.

    Raises:
        NotFound: the attempt or the artifact is gone. UnknownServer. NotUsable, Gone: it may not travel.
        Conflict: this process is at it at this moment.
    """
    attempt = attempts.get_attempt(library, attempt_id)
    found = transfers.latest_for(library, attempt, artifact_id)
    server = library.config.server(attempt.server_address).name
    transfer_id = found.id if found is not None else identities.new_id()
    with transfers.alone(library, transfer_id):
        artifact = artifacts.get_artifact(library, artifact_id)
        if found is not None and found.status == "completed":
            return Entrusted(found, artifact, ())
        artifacts.require_usable(library, artifact)
        with library.writing(by) as tx:
            if found is None:
                row = transfers.add(tx, transfer_id, artifact.id, server, "", attempt.workflow_id)
            else:
                row = transfers.row_of(transfer_id)
            row = transfers.start(tx, row)
        return Entrusted(Transfer.of(row), artifact, tuple(transfers.known_names(library, row, artifact)))


def end(
    library: Library,
    transfer_id: str,
    *,
    number: int,
    by: str,
    target_filename: str | None = None,
    sha256: str | None = None,
    error: str | None = None,
) -> Transfer:
    """Write down how the try of this number ended, unless a later one has begun; the transfer as it is then.

    Args:
        target_filename: what the server calls it; sha256: of what was read back; error: why there is none of both.
    Raises:
        NotFound. Invalid: other bytes than the artifact's were read back, or nothing is said.
    """
    with library.reading():
        row = {**transfers.row_of(transfer_id), "attempts": number}
        expected = artifacts.row_of(row["artifact_id"])["sha256"]
    if error is not None:
        return transfers.finish(library, row, by, status="failed", error_message=error)
    if sha256 != expected or not target_filename:
        raise Invalid(f"a receipt has a name, and the hash of what is there: {expected}", field="sha256")
    receipt = {"target_filename": target_filename, "receipt_sha256": sha256}
    return transfers.finish(library, row, by, status="completed", error_message=None, **receipt)
