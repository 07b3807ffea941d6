"""The calls for artifacts: what people and programs do to them, and what can be asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from . import downloads, problems
from .asking import Asking, checked, given, wrong
from .records import ApprovalStatus, Artifact, Event, Lineage, Queue, Related, TagCount, TagsChanged


class Artifacts(Asking):
    """Artifacts."""

    def create_artifact(
        self,
        workflow_id: str,
        local_path: str | Path,
        *,
        parent_artifact_id: str | None = None,
        version: int | None = None,
        approval_status: Literal["pending", "approved", "auto_approved", "edited"] | None = None,
        approved_by: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        output_key: str | None = None,
        subfolder: str | None = None,
        filename: str | None = None,
        id: str | None = None,
    ) -> Artifact:
        """Record a file: a new output of a workflow, or with `parent_artifact_id` the next version of what it edits.

        The file is copied, and stays as it is.

        Args:
            version: what it is taken to become; the hub counts. A wrong one is refused before anything is sent.
            approval_status: None follows the approval rules. approved_by: whose edit it is.
            output_key: the output that it is a version of, where it edits nothing. None: a new one.
            filename: what it is called; None: as the file is. id: a UUID of yours, not for edits.
        Raises:
            NotFound, TooLarge, Invalid. WrongFileType: an edit is of the type of what it edits.
            Conflict: it would become another version; the parent is another workflow's, or in the trash.
        """
        if parent_artifact_id is None:
            if approved_by is not None:
                raise wrong("approved_by", "approved_by goes with parent_artifact_id; approve the new artifact instead")
            if version not in (None, 1) and output_key is None:
                raise problems.told("conflict", f"a new output begins with version 1, not {version}", status=409)
            fields = given(id=id, output_key=output_key, approval_status=approval_status, subfolder=subfolder)
            path = {"workflow_id": workflow_id}
            return self._send("upload_artifact", local_path, filename, path, {**fields, **_with(metadata)})
        for name, value in {"output_key": output_key, "id": id, "subfolder": subfolder}.items():
            if value is not None:
                raise wrong(name, f"{name} is that of what it edits, or the hub's to choose; leave it out")
        self._require_next(workflow_id, parent_artifact_id, version)
        return self.edit_artifact(
            parent_artifact_id,
            local_path,
            approval_status=approval_status,
            approved_by=approved_by,
            metadata=metadata,
            filename=filename,
        )

    def record_outputs(self, record: Mapping[str, Any], files: Sequence[str | Path] = ()) -> list[Artifact]:
        """Record several outputs of one execution in one transaction, or none of them. Called again, nothing is twice.

        Args:
            record: whose outputs they are, each with the `artifact_id` that you choose and its `sha256`, and how the
                execution ended; as `Handover` in the contract has it.
            files: the files of the outputs, in their order. They are copied, and stay as they are.
        Returns:
            An artifact for each output, in their order.
        Raises:
            NotFound, TooLarge. Invalid: something is wrong with the record, or a file has other bytes.
            Conflict: an id has other bytes, or was recorded before and is deleted for good since.
        """
        sent = [(Path(file), Path(file).name) for file in files]
        for file, _ in sent:
            file.open("rb").close()  # What cannot be read is the caller's to know, whoever is asked.
        found = self._ask("record_outputs", body={"record": record}, files=sent)
        return [self._backend.artifact(one) for one in found["items"]]

    def edit_artifact(
        self,
        id: str,
        local_path: str | Path,
        *,
        approval_status: str | None = None,
        approved_by: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        filename: str | None = None,
        revision: int | None = None,
    ) -> Artifact:
        """Record a file as the next version of an artifact: `edited`, or as the approval rules say.

        Raises:
            NotFound, StaleRevision, WrongFileType, TooLarge, Invalid. Conflict: it is in the trash.
        """
        fields = {**given(approval_status=approval_status, approved_by=approved_by), **_with(metadata)}
        return self._send("edit_artifact", local_path, filename, {"artifact_id": id}, fields, revision=revision)

    def restore_artifact(
        self, id: str, from_version: str, *, approved_by: str | None = None, revision: int | None = None
    ) -> Artifact:
        """Make an older version (an id) of the same output the next version again.

        Raises:
            NotFound, StaleRevision, Invalid. NotUsable, Gone: the older version may not be used, or not any more.
        """
        body = {"from_version": from_version, **given(approved_by=approved_by)}
        return self._artifact("edit_artifact", path={"artifact_id": id}, body=body, revision=revision)

    def get_artifact(self, id: str) -> Artifact:
        """One artifact.

        Raises:
            NotFound: there is none with this id.
        """
        return self._artifact("get_artifact", path={"artifact_id": id})

    def find_output(
        self,
        *,
        artifact_id: str | None = None,
        chain: str | None = None,
        step: str | None = None,
        workflow: str | None = None,
        output: str | None = None,
        usable: bool = False,
        last_approved: bool = False,
    ) -> Artifact:
        """The artifact that names mean, as LoadFromArtifactDB finds it: the current one, or the head of `output`.

        Args:
            chain, workflow: names or ids; of a name the newest is meant.
            usable: it is to go on from here: its state is asked for and its bytes are proven.
            last_approved: while it is not usable, the newest usable version of the same output.
        Raises:
            Invalid, NotFound, Gone. NotUsable: `artifact` is as it is now.
        """
        names = {"artifact_id": artifact_id, "chain": chain, "step": step, "workflow": workflow, "output": output}
        return self._artifact("find_output", query=given(**names, usable=usable, last_approved=last_approved))

    def list_artifacts(
        self,
        *,
        q: str | None = None,
        kind: str | None = None,
        status: ApprovalStatus | None = None,
        tag: str | None = None,
        chain: str | None = None,
        step: str | None = None,
        workflow: str | None = None,
        latest: bool = False,
        queue: bool = False,
        trash: bool = False,
        since: str | None = None,
        until: str | None = None,
        min_size: int | None = None,
        max_size: int | None = None,
        sort: Literal["relevance", "-created", "created", "-size", "size"] | None = None,
    ) -> Iterator[Artifact]:
        """Artifacts, the newest first unless words are searched for (`q`) or `sort` says otherwise.

        `chain` and `workflow` are ids; `queue` keeps what waits for a decision; sizes are bytes.
        """
        query = {
            **{"q": q, "kind": kind, "status": status, "tag": tag, "chain": chain, "step": step, "workflow": workflow},
            **{"latest": latest, "queue": queue, "trash": trash, "since": since, "until": until, "sort": sort},
        }
        sizes = {"min_size": min_size, "max_size": max_size}
        return self._pages("list_artifacts", self._backend.artifact, query={**query, **sizes})

    def get_queue(self) -> Queue:
        """How many artifacts wait for a decision."""
        return Queue.from_json(self._ask("get_queue"))

    def get_artifact_versions(self, id: str) -> Iterator[Artifact]:
        """The versions of the output that an artifact belongs to, the newest first."""
        return self._pages("list_artifact_versions", self._backend.artifact, path={"artifact_id": id})

    def get_artifact_lineage(self, id: str, *, depth: int | None = None, limit: int | None = None) -> Lineage:
        """What an artifact was made from and what was made of it, across versions, workflows, chains and servers.

        Args:
            depth: how many steps to go at most. limit: how many to give at most each way, the nearest.
        """
        found = self._ask("get_artifact_lineage", path={"artifact_id": id}, query=given(depth=depth, limit=limit))
        sides = {side: [self._related(one) for one in found[side]] for side in ("ancestors", "descendants")}
        return Lineage.from_json({**found, **sides, "artifact": self._backend.artifact(found["artifact"])})

    def list_artifact_events(self, id: str) -> Iterator[Event]:
        """What happened to one artifact, the oldest first."""
        return self._pages("list_artifact_events", Event.from_json, path={"artifact_id": id})

    def update_artifact(self, id: str, *, approval_status: Literal["pending"], revision: int | None = None) -> Artifact:
        """Ask for a new decision: a usable artifact is pending again.

        Raises:
            NotFound, StaleRevision. Conflict: something downstream has used it, or it was rejected.
            Invalid: any other status is a decision: approve, reject or edit.
        """
        body = {"approval_status": approval_status}
        return self._artifact("request_review", path={"artifact_id": id}, body=body, revision=revision)

    def approve_artifact(
        self, id: str, *, approved_by: str | None = None, sha256: str | None = None, revision: int | None = None
    ) -> Artifact:
        """Approve an artifact; approved again by the same person it stays as it is.

        Args:
            approved_by: who decides; None: whoever asks. sha256: of the bytes that they saw.
        Raises:
            NotFound, StaleRevision, NotUsable, Gone. Conflict: somebody else was faster; `artifact` says how.
        """
        body = given(approved_by=approved_by, sha256=sha256)
        return self._artifact("approve_artifact", path={"artifact_id": id}, body=body, revision=revision)

    def reject_artifact(
        self,
        id: str,
        reason: str,
        *,
        approved_by: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        revision: int | None = None,
    ) -> Artifact:
        """Reject an artifact; nothing is offered downstream before somebody approves, edits or selects.

        Args:
            parameters: run the step again with these, `node_id.input` to values; for chains that an engine runs.
        Raises:
            NotFound, StaleRevision, Invalid. Conflict: somebody else was faster, or the step cannot run again now.
        """
        body = {"reason": reason, **given(approved_by=approved_by, parameters=parameters)}
        return self._artifact("reject_artifact", path={"artifact_id": id}, body=body, revision=revision)

    def select_artifact(self, id: str, *, approved_by: str | None = None, revision: int | None = None) -> Artifact:
        """Make a usable artifact the current one of its workflow: pick one of four, or go back to an older version.

        Raises:
            NotFound, StaleRevision, NotUsable, Gone.
        """
        body = given(approved_by=approved_by)
        return self._artifact("select_artifact", path={"artifact_id": id}, body=body, revision=revision)

    def delete_artifact(self, id: str, *, revision: int | None = None) -> Artifact:
        """Put an artifact into the trash; the newest fit version takes over what it stood for."""
        return self._artifact("delete_artifact", path={"artifact_id": id}, revision=revision)

    def undelete_artifact(self, id: str, *, revision: int | None = None) -> Artifact:
        """Take an artifact out of the trash."""
        return self._artifact("undelete_artifact", path={"artifact_id": id}, revision=revision)

    def tag_artifact(self, id: str, tag: str, *, revision: int | None = None) -> Artifact:
        """Put a tag on an artifact."""
        return self._artifact("tag_artifact", path={"artifact_id": id, "tag": tag}, revision=revision)

    def untag_artifact(self, id: str, tag: str, *, revision: int | None = None) -> Artifact:
        """Take a tag off an artifact."""
        return self._artifact("untag_artifact", path={"artifact_id": id, "tag": tag}, revision=revision)

    def list_tags(self, *, q: str | None = None) -> Iterator[TagCount]:
        """Every tag in use, by name; `q` keeps those that begin so."""
        return self._pages("list_tags", TagCount.from_json, query={"q": q})

    def change_tags(
        self, ids: Sequence[str], *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> list[TagsChanged]:
        """Put tags on up to 500 artifacts and take others off, in one transaction."""
        body = {"ids": list(ids), "add": list(add), "remove": list(remove)}
        return [TagsChanged.from_json(one) for one in self._ask("change_tags", body=body)["items"]]

    def download_artifact(self, artifact: Artifact | str, to: str | Path) -> Path:
        """Write an artifact's bytes into a file, which is there whole and with the recorded hash, or not at all.

        Args:
            artifact: one that was seen, whose hash is expected; or an id, whose hash is asked for.
            to: the file, or a folder that is there, where it gets the name `filename`. A file there is replaced.
        Returns:
            The file.
        Raises:
            BytesChanged: other bytes arrived than were recorded. NotFound, Gone. NotUsable: they changed in the store.
            OSError: the file cannot be written.
        """
        known = self.get_artifact(artifact) if isinstance(artifact, str) else artifact
        target = Path(to) / known.filename if Path(to).is_dir() else Path(to)
        downloads.write(self._backend.bytes_of(known.id), target, known)
        return target

    def _related(self, body: Mapping[str, Any]) -> Related:
        return Related.from_json({**body, "artifact": self._backend.artifact(body["artifact"])})

    def _send(
        self,
        operation: str,
        local_path: str | Path,
        filename: str | None,
        path: Mapping[str, str],
        fields: Mapping[str, Any],
        **more: Any,
    ) -> Artifact:
        file = Path(local_path)
        file.open("rb").close()  # What cannot be read is the caller's to know, whoever is asked.
        return self._artifact(operation, path=path, body=fields, files=[(file, filename or file.name)], **more)

    def _require_next(self, workflow_id: str, parent_id: str, version: int | None) -> None:
        """That the parent is of this workflow, and its output's next version this one."""
        parent = self.get_artifact(parent_id)
        if parent.workflow_id != workflow_id.lower():
            raise problems.told("conflict", f"artifact {parent_id} is not of workflow {workflow_id}", status=409)
        if version is not None:
            newest = next(self.get_artifact_versions(parent_id), parent)
            if newest.version + 1 != version:
                detail = f"the next version of {parent.output_key} is {newest.version + 1}, not {version}"
                raise problems.told("conflict", detail, status=409, artifact=newest.asdict())


def _with(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if metadata is None else {"metadata": checked(metadata)}
