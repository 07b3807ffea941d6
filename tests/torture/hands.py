"""Owns a worker that calls the library itself, as nodes and the command line do."""

from __future__ import annotations

from comfyui_artifact_db.library import (
    attempts,
    chains,
    decisions,
    edits,
    emptying,
    identities,
    recording,
    runs,
    transfers,
    trash,
    workflows,
)
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.media.kinds import PNG
from comfyui_artifact_db.storage.local import Placement

from .work import Worker, sha256

Acknowledged = dict[str, str]


class Hand(Worker):
    """Saves as SaveToArtifactDB does, and decides, edits, deletes and delivers."""

    library: Library

    def save(self) -> Acknowledged:
        """A batch of pictures of one execution: a new one, one that was seen before, or into a workflow there is."""
        data = [self.picture() for _ in range(self.rng.choice((1, 1, 2, 4)))]
        promised = {identities.new_id(): each for each in data}
        prompt = f"prompt-{self.rng.randrange(12)}" if self.rng.random() < 0.4 else identities.new_id()
        chain = self.rng.choice(("", "film", "comic", "trailer"))
        run = runs.Run("gpu-a", prompt, "picture", chain=chain, step=self.rng.choice(("", "a", "b")) if chain else "")
        status = self.rng.choice((None, "pending"))
        outputs = []
        told = {artifact_id: sha256(each) for artifact_id, each in promised.items()}
        actor = self.begin("save", told, prompt)
        for index, (artifact_id, each) in enumerate(promised.items()):
            name = f"ComfyUI_{index:05}_.png"
            new = recording.NewArtifact(
                artifact_id, f"9:images:{index}", name, "image", "png", status=status, tags=("hero",)
            )
            outputs.append((new, self._stage(artifact_id, each)))
        recorded = recording.record(
            self.library,
            outputs,
            actor=actor,
            workflow_id=identities.new_id(),
            run=run,
            keep_when_unavailable=True,
        )
        kept = {artifact_id: sha256(promised[artifact_id]) for artifact_id in recorded.artifact_ids}
        return {} if recorded.deferred else kept

    def edit(self) -> Acknowledged:
        artifact_id, new_id, data = self.there.artifact(), identities.new_id(), self.picture()
        actor = self.begin("edit", {new_id: sha256(data)})
        with self.library.store.receiving() as part:
            part.write(data)
            status = self.rng.choice((None, "pending", "approved"))
            edited = edits.edit(
                self.library, artifact_id, part, PNG, by=actor, filename="e.png", new_id=new_id, status=status
            )
        return {edited.id: sha256(data)}

    def restore(self) -> Acknowledged:
        artifact_id = self.there.artifact("approval_status NOT IN ('pending', 'rejected')")
        restored = edits.restore(self.library, artifact_id, artifact_id, by=self.begin("restore"))
        return {restored.id: restored.sha256}

    def approve(self) -> Acknowledged:
        artifact_id = self.there.artifact("approval_status = 'pending'")
        decisions.approve(self.library, artifact_id, by=self.begin("approve"))
        return {}

    def reject(self) -> Acknowledged:
        decisions.reject(self.library, self.there.artifact(), by=self.begin("reject"), reason="too dark")
        return {}

    def select(self) -> Acknowledged:
        decisions.select(self.library, self.there.artifact("is_latest = FALSE"), by=self.begin("select"))
        return {}

    def ask_again(self) -> Acknowledged:
        decisions.ask_again(self.library, self.there.artifact(), by=self.begin("ask_again"))
        return {}

    def tag(self) -> Acknowledged:
        artifact_id = self.there.artifact()
        actor = self.begin("tag")
        decisions.tag(self.library, artifact_id, f"of-{actor}", by=actor)
        return {}

    def untag(self) -> Acknowledged:
        decisions.untag(self.library, self.there.artifact(), "hero", by=self.begin("untag"))
        return {}

    def delete(self) -> Acknowledged:
        trash.delete(self.library, self.there.artifact("deleted_at IS NULL"), by=self.begin("delete"))
        return {}

    def undelete(self) -> Acknowledged:
        trash.undelete(self.library, self.there.artifact("deleted_at IS NOT NULL"), by=self.begin("undelete"))
        return {}

    def create_chain(self) -> Acknowledged:
        chains.create_chain(self.library, name="film", actor=self.begin("create_chain"))
        return {}

    def delete_chain(self) -> Acknowledged:
        chains.delete_chain(self.library, self.there.one("chains"), actor=self.begin("delete_chain"))
        return {}

    def undelete_chain(self) -> Acknowledged:
        chain_id = self.there.one("chains", "deleted_at IS NOT NULL")
        chains.undelete_chain(self.library, chain_id, actor=self.begin("undelete_chain"))
        return {}

    def empty(self) -> Acknowledged:
        """The trash, of one thing that is in it."""
        table = self.rng.choice(("chains", "artifacts"))
        entity_id = self.there.one(table, "deleted_at IS NOT NULL")
        emptying.empty(self.library, by=self.begin("empty"), ids=[entity_id])
        return {}

    def create_workflow(self) -> Acknowledged:
        chain_id = self.there.one("chains")
        workflows.create_workflow(
            self.library,
            workflow_name="step",
            chain_id=chain_id,
            step_id="c",
            prompt_id=identities.new_id(),
            actor=self.begin("create_workflow"),
        )
        return {}

    def update_workflow(self) -> Acknowledged:
        workflow_id = self.there.one("workflows")
        actor = self.begin("update_workflow")
        workflows.update_workflow(self.library, workflow_id, prompt_id=f"of-{actor}", actor=actor)
        return {}

    def finish(self) -> Acknowledged:
        prompt = f"prompt-{self.rng.randrange(12)}"
        attempts.finish(
            self.library,
            server_address="gpu-a",
            prompt_id=prompt,
            status="completed",
            error=None,
            actor=self.begin("finish"),
        )
        return {}

    def transfer(self) -> Acknowledged:
        artifact_id = self.there.artifact("approval_status NOT IN ('pending', 'rejected') AND deleted_at IS NULL")
        actor = self.begin("transfer")
        transfer = transfers.create_transfer(self.library, artifact_id, server="gpu-a", by=actor)
        transfers.deliver(self.library, transfer.id, by=actor)
        return {}

    def _stage(self, artifact_id: str, data: bytes) -> Placement:
        with self.library.store.receiving() as part:
            part.write(data)
            return self.library.store.finish(part, artifact_id=artifact_id, extension="png", day="2026-11-22")
