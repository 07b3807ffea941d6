"""A right call of every function of `library/` that takes a library: one line each in `CALLS`.

A new function belongs into it: `reads(…)` where it changes no row, `changes(…)` where it does. What is called gets a
`Scene`, in which there is one of everything; what has to happen before the call, and is not part of it, goes first.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db.comfyui_client import History, Reported
from comfyui_artifact_db.config import Server, load_config
from comfyui_artifact_db.errors import ServerUnreachable
from comfyui_artifact_db.library import (
    access,
    adopting,
    adopting_files,
    artifacts,
    attempts,
    bundles,
    capturing,
    chains,
    collecting,
    decisions,
    driving,
    edits,
    emptying,
    entrusting,
    events,
    executing,
    exporting,
    handovers,
    identities,
    importing,
    inputs,
    lineage,
    loads,
    overviews,
    pages,
    pointing,
    prefixes,
    proving,
    recording,
    recovery,
    repeats,
    replaying,
    runs,
    standings,
    stores,
    suggestions,
    switches,
    tags,
    takeovers,
    thumbnails,
    transfers,
    trash,
    uploads,
    verifying,
    witnessing,
    workflows,
)
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.library.views import Attempt
from comfyui_artifact_db.media.kinds import PNG
from comfyui_artifact_db.storage.local import Intent, Placement
from comfyui_servers_that import ComfyUI, serving
from making import Pictures, made_of, png

ASK = pages.Ask(50, None)
BY = "tester"


def unheard(count: int) -> None:
    """Is told how far a check has come, and tells nobody."""


class Scene:
    """A library in which there is one of everything, and the ids of it."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.pictures = Pictures(library)
        run = runs.Run("gpu-a", "p1", "picture", chain="film", step="a")
        self.usable, self.other = self.pictures.record(run=run, keys=("9:images:0", "9:images:1"), tags=("hero",))
        self.workflow_id = self.usable.workflow_id
        self.newer = self.pictures.one(workflow_id=self.workflow_id)
        self.pending = self.pictures.one(status="pending")
        self.deleted = trash.delete(library, self.pictures.one(workflow_id=self.workflow_id).id, by=BY)
        chain_id = workflows.get_workflow(library, self.workflow_id).chain_id
        assert chain_id is not None
        self.chain_id = chain_id
        self.root = exporting.Root("chain", chain_id, "film")
        self.transfer_id = transfers.create_transfer(library, self.newer.id, server="gpu-a", by=BY).id
        self.token = access.create_token(library, "ann", role="review", by=BY)[1]
        self.session = access.open_session(library, self.token)[1]
        self.request = repeats.Request("key", "fingerprint")
        self.folder = library.config.folder
        self.run = runs.Run("gpu-a", "p2", "a prompt of its own", requested_by=BY)

    def row(self, artifact_id: str) -> dict[str, Any]:
        """An artifact as its table has it."""
        with self.library.reading():
            return artifacts.row_of(artifact_id)

    def placement(self, artifact_id: str) -> Placement:
        with self.library.store.receiving() as part:
            part.write(png(4711))
            return self.library.store.finish(part, artifact_id=artifact_id, extension="png", day="2026-11-22")

    def output(self) -> tuple[recording.NewArtifact, Placement]:
        """A picture that may be recorded."""
        artifact_id = identities.new_id()
        new = recording.NewArtifact(artifact_id, "9:images:0", "a.png", "image", "png", tags=("new",))
        return new, self.placement(artifact_id)

    def promised(self, *, by: Library | None = None) -> Intent:
        """A record that got as far as its place."""
        output, placement = self.output()
        record = recording.promised([output], BY, self.workflow_id, None)
        intent = (by or self.library).store.promise(recording.KIND, [placement], record)
        self.library.store.place(intent)
        return intent

    def abandoned(self) -> None:
        """A record that a process which is gone had promised."""
        intent = self.promised()
        gone = open_library(load_config(self.folder, {}))
        shutil.move(intent.path, gone.store.staging)
        gone.close()

    def deliver_in_vain(self, attempt: Attempt) -> None:
        """A delivery to a server that nobody listens at."""
        with pytest.raises(ServerUnreachable):
            transfers.deliver_for(self.library, attempt, self.newer.id, by=BY)

    def transfer_row(self) -> dict[str, Any]:
        with self.library.reading():
            return transfers.row_of(self.transfer_id)

    def sending(self) -> dict[str, Any]:
        """A delivery that has begun."""
        with self.library.writing(BY) as tx:
            return transfers.start(tx, transfers.row_of(self.transfer_id))

    def purge(self) -> Intent:
        """The files of a chain whose rows are gone."""
        with self.library.store.receiving() as part:
            part.write(png(1))
            placement = self.library.store.finish(part, artifact_id="left", extension="png", day="2026-11-22")
        place = self.library.store.promise("record", [placement], {})
        self.library.store.place(place)
        self.library.store.fulfilled(place)
        record = {"chain_id": identities.new_id(), "files": [placement.local_path], "thumbnails": []}
        return self.library.store.promise(emptying.FILES, (), record)

    def in_trash(self) -> None:
        """The chain is in the trash."""
        chains.delete_chain(self.library, self.chain_id, actor=BY)

    def purged(self) -> Intent:
        """A chain that is gone by its event, as far as a process came that was killed then."""
        self.in_trash()
        kept: list[Intent] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(emptying, "complete_chain", lambda library, intent: kept.append(intent) or emptying.Emptied())
            patch.setattr(self.library.store, "fulfilled", lambda intent: None)
            emptying.empty(self.library, by=BY, ids=[self.chain_id])
        return kept[0]

    def bundle(self) -> Path:
        """What another hub exported."""
        (self.folder / "other").mkdir()
        hub = open_library(load_config(self.folder / "other", {}))
        picture = Pictures(hub).one(run=runs.Run("gpu-b", "p9", "picture", chain="import", step="a"), tags=("far",))
        chain_id = workflows.get_workflow(hub, picture.workflow_id).chain_id
        assert chain_id is not None
        target = self.folder / "import.zip"
        bundles.export_bundle(hub, exporting.Root("chain", chain_id, "import"), target, by=BY)
        hub.close()
        return target

    def interrupted_import(self) -> Intent:
        """An import that got as far as its places."""

        class Interrupted(BaseException):
            pass

        staging, aside = self.library.store.staging, self.folder / "aside"
        caught: list[Intent] = []

        def stop(library: Library, intent: Intent) -> bool:
            shutil.copytree(staging, aside)
            caught.append(intent)
            raise Interrupted

        path = self.bundle()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(importing, "complete", stop)
            with pytest.raises(Interrupted):
                importing.import_bundle(self.library, path, by=BY)
        shutil.copytree(aside, staging, dirs_exist_ok=True)
        return caught[0]

    def outputs(self) -> adopting.Plan:
        """What is to be taken in of a folder with one picture."""
        outputs = self.folder / "outputs"
        outputs.mkdir()
        (outputs / "far.png").write_bytes(png(96))
        return adopting.look_through(self.library, outputs)

    def interrupted_adoption(self) -> Intent:
        """A group of an import that got as far as its places."""
        plan = self.outputs()
        taken = adopting_files.Taker(self.library, {}).take(plan.waiting[0], identities.new_id())
        assert isinstance(taken, adopting_files.Taken)
        record = {"actor": BY, "label": "outputs", "tags": ["old"], "files": [asdict(taken.file)]}
        intent = self.library.store.promise(adopting.KIND, [taken.placement], record)
        self.library.store.place(intent)
        return intent

    def staged(self) -> adopting_files.Taken:
        """A file that was taken in and is promised to nobody."""
        taken = adopting_files.Taker(self.library, {}).take(self.outputs().waiting[0], identities.new_id())
        assert isinstance(taken, adopting_files.Taken)
        return taken

    def moved(self) -> str:
        """A workflow whose pointer somebody has moved behind the library's back."""
        with self.library.database.writing():
            self.library.database.engine.execute_sql(
                "UPDATE workflows SET latest_artifact_id = ? WHERE id = ?", (self.other.id, self.workflow_id)
            )
        return self.workflow_id

    def edit(self) -> object:
        with self.library.store.receiving() as part:
            part.write(png(99))
            return edits.edit(self.library, self.usable.id, part, PNG, by=BY, filename="e.png")

    @contextmanager
    def server(self) -> Iterator[ComfyUI]:
        """A ComfyUI that ran a prompt, p9, and is gpu-a for a while."""
        with serving(self.folder / "comfyui") as comfyui:
            comfyui.ran("p9", {"9": {"images": [comfyui.file("a.png", png(97))]}})
            self.library.config = replace(self.library.config, servers={"gpu-a": Server("gpu-a", comfyui.url)})
            yield comfyui

    def collect(self) -> object:
        with self.server():
            return collecting.download_and_store_artifacts(
                self.library, self.workflow_id, server="gpu-a", prompt_id="p9", by=BY
            )

    def collect_attempt(self, attempt: Any) -> object:
        history = History((Reported("9", "images", 0, filename="a.png"),), "success")
        with self.server():
            return collecting.collect_attempt(self.library, attempt, history, by=BY, patient=False)

    def capture(self) -> object:
        (self.folder / "output").mkdir()
        (self.folder / "output" / "a.png").write_bytes(png(9))
        history = History((Reported("9", "images", 0, filename="a.png"),), "success")
        return capturing.capture(self.library, self.run, history, self.folder / "output")

    def drive(self) -> object:
        """An engine drives the chain, of which no step runs."""
        attempts.finish(self.library, server_address="gpu-a", prompt_id="p1", status="completed", error=None, actor=BY)
        return driving.start(self.library, self.chain_id, engine="local", parameters={}, actor=BY)

    def hold(self) -> object:
        self.drive()
        return driving.take(self.library, BY, engine="local")

    def execute(self) -> object:
        """A step of a driven chain has a new attempt, which is not prepared."""
        self.drive()
        return executing.begin_attempt(self.library, self.step(), server="gpu-a", by=BY)

    def step(self) -> dict[str, Any]:
        """What the workflow is made of."""
        return made_of(workflows.get_workflow(self.library, self.workflow_id))

    def queue_step(self) -> object:
        how = {"workflow_name": "w", "chain_id": self.chain_id, "step_id": "next"}
        return workflows.create_workflow(self.library, actor=BY, **how)[0]  # type: ignore[arg-type]

    def fail_chain(self) -> object:
        attempt = self.execute()
        executing.conclude(self.library, attempt.id, status="failed", error="x", by=BY)  # type: ignore[attr-defined]
        return driving.conclude(self.library, self.chain_id, status="failed", error="x", by=BY)

    def take_over(self) -> object:
        other, _ = chains.create_chain(self.library, name="rerun", actor=BY)
        source = workflows.get_workflow(self.library, self.workflow_id)
        return takeovers.take_over(self.library, source, chain_id=other.id, workflow_id=identities.new_id(), by=BY)

    def upload(self) -> object:
        with self.library.store.receiving() as part:
            part.write(png(98))
            return uploads.upload(self.library, self.workflow_id, part, PNG, by=BY, filename="u.png")

    def handover(self) -> handovers.Handover:
        """A picture that another machine hands in."""
        told = {"artifact_id": identities.new_id(), "output_key": "9:images:0", "filename": "a.png"}
        run = {"server_address": "gpu-a", "prompt_id": "p3", "workflow_name": "picture"}
        output = {**told, "sha256": hashlib.sha256(png(95)).hexdigest()}
        return handovers.checked(self.library, {"run": run, "outputs": [output]})

    def hand_in(self) -> object:
        with self.library.store.receiving() as part:
            part.write(png(95))
            return handovers.record_outputs(self.library, self.handover(), [(part, PNG)], by=BY)


@dataclass(frozen=True)
class Call:
    """One call. `before` makes what the call is given beside the scene; it is no part of what is looked at."""

    call: Callable[..., object]
    changes: bool
    before: Callable[[Scene], object] | None = None
    told: bool = True


def reads(call: Callable[..., object], before: Callable[[Scene], object] | None = None) -> Call:
    """A call after which every row is as it was."""
    return Call(call, changes=False, before=before)


def changes(call: Callable[..., object], before: Callable[[Scene], object] | None = None) -> Call:
    """A call that changes rows, and says so in the log."""
    return Call(call, changes=True, before=before)


def minds(call: Callable[..., object], before: Callable[[Scene], Any] | None = None) -> Call:
    """A call that changes only what the program keeps for itself: see `BOOKKEEPING`."""
    return Call(call, changes=True, told=False, before=before)


BOOKKEEPING = {"idempotency_keys", "import_folders", "imported_files", "leases"}
"""Tables of which the log does not tell: nothing in them is said of a chain, a workflow, an artifact or a person."""

CALLS: dict[str, Call] = {
    "access.create_token": changes(
        lambda s: access.create_token(s.library, "bob", role="admin", by=BY, lasting=timedelta(days=1))
    ),
    "access.revoke_token": changes(lambda s: access.revoke_token(s.library, "ann", by=BY)),
    "access.list_tokens": reads(lambda s: access.list_tokens(s.library)),
    "access.who": reads(lambda s: access.who(s.library, s.token)),
    "access.open_session": changes(lambda s: access.open_session(s.library, s.token)),
    "access.close_session": changes(lambda s: access.close_session(s.library, s.session)),
    "access.who_session": reads(lambda s: access.who_session(s.library, s.session)),
    "adopting.checked_folder": reads(
        lambda s, _: adopting.checked_folder(s.library, s.folder / "outputs"), Scene.outputs
    ),
    "adopting.look_through": reads(Scene.outputs),
    "adopting.adopt": changes(lambda s, plan: adopting.adopt(s.library, plan, by=BY), Scene.outputs),
    "adopting.complete": changes(lambda s, intent: adopting.complete(s.library, intent), Scene.interrupted_adoption),
    "adopting_files.forget": reads(lambda s, taken: adopting_files.forget(s.library, taken), Scene.staged),
    "artifacts.get_artifact": reads(lambda s: artifacts.get_artifact(s.library, s.usable.id)),
    "artifacts.get_downloadable": reads(lambda s: artifacts.get_downloadable(s.library, s.usable.id)),
    "artifacts.get_latest_artifact": reads(lambda s: artifacts.get_latest_artifact(s.library, s.workflow_id)),
    "artifacts.get_latest_artifact_by_flag": reads(
        lambda s: artifacts.get_latest_artifact_by_flag(s.library, s.workflow_id)
    ),
    "artifacts.get_current_at": reads(
        lambda s: artifacts.get_current_at(s.library, s.workflow_id, "2030-01-01T00:00:00Z")
    ),
    "artifacts.get_dependency_artifact": reads(lambda s: artifacts.get_dependency_artifact(s.library, s.chain_id, "a")),
    "artifacts.list_workflow_artifacts": reads(
        lambda s: artifacts.list_workflow_artifacts(s.library, s.workflow_id, ASK)
    ),
    "artifacts.list_heads": reads(lambda s: artifacts.list_heads(s.library, s.workflow_id)),
    "artifacts.list_versions": reads(lambda s: artifacts.list_versions(s.library, s.usable.id, ASK)),
    "artifacts.list_artifacts": reads(lambda s: artifacts.list_artifacts(s.library, ASK, q="ComfyUI")),
    "artifacts.count_queue": reads(lambda s: artifacts.count_queue(s.library)),
    "tags.list_tags": reads(lambda s: tags.list_tags(s.library, ASK)),
    "tags.get_tags": reads(lambda s: tags.get_tags(s.library, [s.usable.id, s.other.id])),
    "tags.change_tags": changes(
        lambda s: tags.change_tags(s.library, [s.usable.id, s.other.id], add=["new"], remove=["hero"], by=BY)
    ),
    "suggestions.list_names": reads(lambda s: suggestions.list_names(s.library, ASK, kind="step", chain="film")),
    "artifacts.last_approved": reads(lambda s: artifacts.last_approved(s.library, s.usable)),
    "artifacts.require_usable": reads(lambda s: artifacts.require_usable(s.library, s.newer)),
    "artifacts.check_revision": reads(
        lambda s, row: artifacts.check_revision(s.library, row, row["revision"]), lambda s: s.row(s.usable.id)
    ),
    "artifacts.view": reads(
        lambda s, row: within(s, lambda: artifacts.view(s.library, row)), lambda s: s.row(s.usable.id)
    ),
    "artifacts.views": reads(
        lambda s, row: within(s, lambda: artifacts.views(s.library, [row])), lambda s: s.row(s.usable.id)
    ),
    "artifacts.unchanged": reads(lambda s, row: artifacts.unchanged(s.library, row), lambda s: s.row(s.usable.id)),
    "artifacts.has_its_bytes": reads(lambda s: artifacts.has_its_bytes(s.library, s.usable)),
    "artifacts.get_recorded": reads(lambda s: artifacts.get_recorded(s.library, s.usable.id)),
    "attempts.get_attempt": reads(lambda s, attempt: attempts.get_attempt(s.library, attempt.id), Scene.execute),
    "attempts.sent_before": reads(lambda s, attempt: attempts.sent_before(s.library, attempt), Scene.execute),
    "attempts.list_attempts": reads(lambda s: attempts.list_attempts(s.library, s.workflow_id)),
    "attempts.finish": changes(
        lambda s: attempts.finish(
            s.library, server_address="gpu-a", prompt_id="p1", status="completed", error=None, actor=BY
        )
    ),
    "bundles.export_bundle": reads(lambda s: bundles.export_bundle(s.library, s.root, s.folder / "film.zip", by=BY)),
    "capturing.capture": changes(Scene.capture),
    "chains.create_chain": changes(lambda s: chains.create_chain(s.library, name="other", actor=BY)),
    "chains.find_chain": reads(lambda s: chains.find_chain(s.library, s.chain_id)),
    "chains.get_chain": reads(lambda s: chains.get_chain(s.library, s.chain_id)),
    "chains.list_chains": reads(lambda s: chains.list_chains(s.library, ASK)),
    "chains.get_chains_with_failed_workflows": reads(lambda s: chains.get_chains_with_failed_workflows(s.library)),
    "standings.get_standings": reads(lambda s: standings.get_standings(s.library, s.chain_id)),
    "overviews.get_overviews": reads(lambda s: overviews.get_overviews(s.library, [s.chain_id])),
    "overviews.get_undelivered": reads(lambda s: overviews.get_undelivered(s.library, s.chain_id)),
    "chains.update_chain": changes(lambda s: chains.update_chain(s.library, s.chain_id, actor=BY, status="failed")),
    "chains.delete_chain": changes(lambda s: chains.delete_chain(s.library, s.chain_id, actor=BY)),
    "chains.undelete_chain": changes(
        lambda s, _: chains.undelete_chain(s.library, s.chain_id, actor=BY), Scene.in_trash
    ),
    "collecting.collect_attempt": changes(Scene.collect_attempt, Scene.execute),
    "collecting.download_and_store_artifacts": changes(Scene.collect),
    "decisions.approve": changes(lambda s: decisions.approve(s.library, s.pending.id, by=BY)),
    "decisions.reject": changes(lambda s: decisions.reject(s.library, s.pending.id, by=BY, reason="too dark")),
    "decisions.ask_again": changes(lambda s: decisions.ask_again(s.library, s.usable.id, by=BY)),
    "decisions.select": changes(lambda s: decisions.select(s.library, s.other.id, by=BY)),
    "decisions.tag": changes(lambda s: decisions.tag(s.library, s.usable.id, "new", by=BY)),
    "decisions.untag": changes(lambda s: decisions.untag(s.library, s.usable.id, "hero", by=BY)),
    "driving.start": changes(
        lambda s: driving.start(s.library, s.chain_id, engine="local", parameters={"a": 1}, actor=BY)
    ),
    "driving.get_drive": reads(lambda s, _: driving.get_drive(s.library, s.chain_id), Scene.drive),
    "driving.take": minds(lambda s, _: driving.take(s.library, BY, engine="local"), Scene.drive),
    "driving.keep": minds(lambda s, _: driving.keep(s.library, BY, [s.chain_id]), Scene.hold),
    "driving.give_back": minds(lambda s, _: driving.give_back(s.library, BY), Scene.hold),
    "driving.driver_of": reads(lambda s, _: driving.driver_of(s.library, s.chain_id), Scene.hold),
    "driving.list_driven": reads(
        lambda s, _: driving.list_driven(s.library, engine="local", chain_ids=[s.chain_id]), Scene.drive
    ),
    "driving.conclude": changes(
        lambda s, _: driving.conclude(s.library, s.chain_id, status="completed", error=None, by=BY), Scene.drive
    ),
    "executing.begin_attempt": changes(
        lambda s, _: executing.begin_attempt(s.library, s.step(), server="gpu-a", overrides={"9.a": 1}, by=BY),
        Scene.drive,
    ),
    "executing.get_overrides": reads(lambda s, attempt: executing.get_overrides(s.library, attempt.id), Scene.execute),
    "executing.list_overrides": reads(
        lambda s, attempt: executing.list_overrides(s.library, attempt.workflow_id), Scene.execute
    ),
    "executing.prepare": changes(
        lambda s, attempt: executing.prepare(
            s.library, attempt.id, parameters={"9.a": 1}, workflow_definition={"9": {}}, artifact_ids=[], by=BY
        ),
        Scene.execute,
    ),
    "executing.acknowledge": changes(
        lambda s, attempt: executing.acknowledge(s.library, attempt.id, by=BY), Scene.execute
    ),
    "executing.conclude": changes(
        lambda s, attempt: executing.conclude(s.library, attempt.id, status="failed", error="x", by=BY), Scene.execute
    ),
    "executing.move": changes(
        lambda s, attempt: executing.move(s.library, attempt.id, server="gpu-b", by=BY), Scene.execute
    ),
    "executing.withdraw": changes(
        lambda s, attempt: executing.withdraw(s.library, attempt.id, reason="x", by=BY), Scene.execute
    ),
    "executing.skip": changes(
        lambda s, workflow: executing.skip(s.library, workflow.id, reason="x", by=BY), Scene.queue_step
    ),
    "executing.give_up": changes(lambda s: executing.give_up(s.library, s.pending.id, error="x", by=BY)),
    "executing.fail": changes(
        lambda s, workflow: executing.fail(s.library, workflow.id, error="x", by=BY), Scene.queue_step
    ),
    "executing.retry": changes(
        lambda s, _: executing.retry(s.library, s.workflow_id, parameters={"9.a": 1}, by=BY), Scene.drive
    ),
    "executing.resume": changes(lambda s, _: executing.resume(s.library, s.chain_id, by=BY), Scene.fail_chain),
    "executing.cancel": changes(lambda s, _: executing.cancel(s.library, s.chain_id, by=BY), Scene.execute),
    "takeovers.take_over": changes(Scene.take_over),
    "edits.edit": changes(Scene.edit),
    "emptying.empty": changes(lambda s: emptying.empty(s.library, by=BY)),
    "emptying.complete_files": reads(lambda s, intent: emptying.complete_files(s.library, intent), Scene.purge),
    "emptying.complete_chain": changes(lambda s, intent: emptying.complete_chain(s.library, intent), Scene.purged),
    "edits.restore": changes(lambda s: edits.restore(s.library, s.newer.id, s.usable.id, by=BY)),
    "entrusting.begin": changes(
        lambda s, attempt: entrusting.begin(s.library, attempt.id, s.newer.id, by=BY), Scene.execute
    ),
    "entrusting.end": changes(
        lambda s, begun: entrusting.end(
            *(s.library, begun.transfer.id),
            **{"number": 1, "target_filename": "a.png", "sha256": s.newer.sha256, "by": BY},
        ),
        lambda s: entrusting.begin(s.library, s.execute().id, s.newer.id, by=BY),
    ),
    "events.list_events": reads(lambda s: events.list_events(s.library)),
    "events.last_seq": reads(lambda s: events.last_seq(s.library)),
    "events.history": reads(lambda s: events.history(s.library, s.usable.id)),
    "exporting.find_root": reads(lambda s: exporting.find_root(s.library, "film")),
    "exporting.export_folder": reads(lambda s: exporting.export_folder(s.library, s.root, s.folder / "film")),
    "importing.import_bundle": changes(lambda s, path: importing.import_bundle(s.library, path, by=BY), Scene.bundle),
    "importing.complete": changes(lambda s, intent: importing.complete(s.library, intent), Scene.interrupted_import),
    "inputs.delivered_names": reads(lambda s: inputs.delivered_names(s.library, server="gpu-a", prompt_id="p1")),
    "inputs.of_folders": reads(
        lambda s: inputs.of_folders(s.library, {"input": s.folder}, {}, ["9"], server="gpu-a", prompt_id="p1")
    ),
    "inputs.is_size_of_any": reads(lambda s: inputs.is_size_of_any(s.library, 1)),
    "inputs.recognised": reads(
        lambda s: inputs.recognised(s.library, [s.usable.sha256], server="gpu-a", prompt_id="p9")
    ),
    "lineage.get_lineage": reads(lambda s: lineage.get_lineage(s.library, s.usable.id)),
    "lineage.get_version_history": reads(lambda s: lineage.get_version_history(s.library, s.usable.id)),
    "loads.resolve": reads(lambda s: loads.resolve(s.library, loads.Wanted(chain="film", step="a"))),
    "pointing.prove_currents": reads(lambda s: pointing.prove_currents(s.library, None, unheard)),
    "pointing.prove_heads": reads(lambda s: pointing.prove_heads(s.library, None, unheard)),
    "pointing.fix_pointers": changes(
        lambda s, workflow_id: pointing.fix_pointers(s.library, [workflow_id], actor=BY), Scene.moved
    ),
    "prefixes.artifact_id": reads(lambda s: prefixes.artifact_id(s.library, s.usable.id)),
    "prefixes.find_chain": reads(lambda s: prefixes.find_chain(s.library, "film")),
    "prefixes.find": reads(lambda s: prefixes.find(s.library, s.chain_id)),
    "proving.prove_log": reads(lambda s: proving.prove_log(s.library, None, unheard)),
    "proving.prove_anchor": reads(lambda s: proving.prove_anchor(s.library, 1, "0" * 64, "2026-11-22T00:00:00.000Z")),
    "proving.prove_files": reads(lambda s: proving.prove_files(s.library, None, unheard)),
    "recording.record": changes(
        lambda s, output: recording.record(s.library, [output], actor=BY, workflow_id=s.workflow_id), Scene.output
    ),
    "recording.complete": changes(lambda s, intent: recording.complete(s.library, intent), Scene.promised),
    "recovery.recover_abandoned": changes(lambda s, _: recovery.recover_abandoned(s.library), Scene.abandoned),
    "replaying.compare": reads(
        lambda s: [replaying.compare(kind, s.library, None, unheard) for kind in replaying.KINDS]
    ),
    "repeats.find": reads(lambda s: repeats.find(s.library, s.request)),
    "repeats.keep": minds(lambda s: repeats.keep(s.library, s.request, {"status": 200})),
    "stores.id_of": reads(lambda s: stores.id_of(s.library)),
    "stores.settle": reads(lambda s: stores.settle(s.library)),
    "switches.get_recording": reads(lambda s: switches.get_recording(s.library)),
    "switches.switch_recording": reads(lambda s: switches.switch_recording(s.library, "all", by=BY)),
    "thumbnails.thumbnail": reads(lambda s: thumbnails.thumbnail(s.library, s.usable.id)),
    "thumbnails.begin": reads(lambda s: thumbnails.begin(s.library, s.usable.id)),
    "transfers.create_transfer": changes(
        lambda s: transfers.create_transfer(s.library, s.newer.id, server="gpu-b", by=BY)
    ),
    "transfers.deliver": changes(lambda s: transfers.deliver(s.library, s.transfer_id, by=BY)),
    "transfers.deliver_for": changes(lambda s, attempt: s.deliver_in_vain(attempt), Scene.execute),
    "transfers.latest_for": reads(
        lambda s, attempt: transfers.latest_for(s.library, attempt, s.newer.id), Scene.execute
    ),
    "transfers.known_names": reads(lambda s, row: transfers.known_names(s.library, row, s.newer), Scene.transfer_row),
    "transfers.alone": reads(lambda s: transfers.alone(s.library, s.transfer_id)),
    "transfers.finish": changes(
        lambda s, row: transfers.finish(s.library, row, BY, status="failed", error_message="no luck"), Scene.sending
    ),
    "transfers.list_interrupted": reads(lambda s: transfers.list_interrupted(s.library)),
    "transfers.require_retryable": reads(lambda s: transfers.require_retryable(s.library, s.transfer_id)),
    "transfers.get_transfer": reads(lambda s: transfers.get_transfer(s.library, s.transfer_id)),
    "transfers.list_transfers": reads(lambda s: transfers.list_transfers(s.library, ASK)),
    "trash.delete": changes(lambda s: trash.delete(s.library, s.newer.id, by=BY)),
    "trash.undelete": changes(lambda s: trash.undelete(s.library, s.deleted.id, by=BY)),
    "loads.find": reads(lambda s: loads.find(s.library, loads.Wanted(chain="film"), last_approved=True)),
    "loads.take": reads(lambda s: loads.take(s.library, loads.Wanted(chain="film"))),
    "handovers.checked": reads(Scene.handover),
    "handovers.record_outputs": changes(Scene.hand_in),
    "uploads.require_workflow": reads(lambda s: uploads.require_workflow(s.library, s.workflow_id)),
    "uploads.upload": changes(Scene.upload),
    "verifying.check": reads(lambda s: list(verifying.check(s.library))),
    "verifying.verify": reads(lambda s: list(verifying.verify(s.library))),
    "witnessing.witness": reads(lambda s: s.library.store.fulfilled(witnessing.witness(s.library, s.run))),
    "witnessing.complete": changes(
        lambda s, intent: witnessing.complete(s.library, intent), lambda s: witnessing.witness(s.library, s.run)
    ),
    "witnessing.mark_lost": changes(lambda s: witnessing.mark_lost(s.library, s.run, witnessing.CLEARED)),
    "witnessing.settle_left": changes(
        lambda s: witnessing.settle_left(
            s.library, "gpu-a", before="2099-01-01T00:00:00.000Z", known=lambda prompt_id: False, by=BY
        )
    ),
    "workflows.create_workflow": changes(
        lambda s: workflows.create_workflow(s.library, workflow_name="b", chain_id=s.chain_id, prompt_id="p2", actor=BY)
    ),
    "workflows.find_step": reads(lambda s: workflows.find_step(s.library, s.workflow_id)),
    "workflows.checked": reads(lambda s: workflows.checked(s.library, workflow_name="w")),
    "workflows.get_workflow": reads(lambda s: workflows.get_workflow(s.library, s.workflow_id)),
    "workflows.get_workflow_by_step": reads(lambda s: workflows.get_workflow_by_step(s.library, s.chain_id, "a")),
    "workflows.get_workflows_by_chain": reads(lambda s: workflows.get_workflows_by_chain(s.library, s.chain_id)),
    "workflows.list_workflows": reads(lambda s: workflows.list_workflows(s.library, ASK)),
    "workflows.update_workflow": changes(
        lambda s: workflows.update_workflow(s.library, s.workflow_id, prompt_id="p3", actor=BY)
    ),
}


def within(scene: Scene, call: Callable[[], object]) -> object:
    """A call of what takes part in its caller's snapshot."""
    with scene.library.reading():
        return call()
