"""Pins the calls that runners are made of, on a hub and on a library alike, by the names of the original design."""

from __future__ import annotations

import hashlib
import itertools
import json
import uuid
from pathlib import Path

import contract
import pytest
from comfyui_artifact_db.client.problems import (
    Conflict,
    DeliveryFailed,
    Gone,
    Incomplete,
    Invalid,
    NotFound,
    NotUsable,
    StaleRevision,
    UnknownServer,
    WrongFileType,
)
from comfyui_artifact_db.library import artifacts
from making import png
from running import Runner
from tampering import tamper

NOBODY = str(uuid.UUID(int=7))


def as_rest(record: object, name: str) -> None:
    """That a record, as JSON, is what the contract has under a name."""
    contract.validate(json.loads(json.dumps(record.asdict())), "components", "schemas", name)  # type: ignore[attr-defined]


def test_an_automatic_chain_goes_from_server_to_server(runner: Runner) -> None:
    db = runner.db
    chain = db.create_chain(name="image-edit-to-video-pipeline")
    workflow_1 = db.create_workflow(chain_id=chain.id, step_id="extract_frame1", workflow_name="imageSave")
    runner.execute(workflow_1, "gpu-a")
    artifacts_1 = db.download_and_store_artifacts(workflow_1.id)
    assert db.get_workflow(workflow_1.id).latest_artifact_id == artifacts_1[0].id
    assert [one.id for one in db.download_and_store_artifacts(workflow_1.id)] == [one.id for one in artifacts_1]

    workflow_2 = db.create_workflow(chain_id=chain.id, step_id="edit_frame1", workflow_name="qwen_image_edit")
    dep_artifact = db.get_latest_artifact(workflow_1.id)
    assert dep_artifact is not None
    target = runner.comfyui.servers["gpu-b"]
    transfer = db.upload_artifact_to_server(
        artifact=dep_artifact, target_server=target.url, target_workflow_id=workflow_2.id
    )
    assert (transfer.status, transfer.target_server, transfer.receipt_sha256) == (
        "completed",
        "gpu-b",
        dep_artifact.sha256,
    )
    again = db.upload_artifact_to_server(artifact_id=dep_artifact.id, target_server="gpu-b")
    assert again.target_filename == transfer.target_filename
    assert [one.id for one in db.list_transfers(artifact=dep_artifact.id)] == [again.id, transfer.id]
    assert db.get_transfer(transfer.id) == transfer
    for record, name in (
        (chain, "Chain"),
        (workflow_1, "Workflow"),
        (dep_artifact, "Artifact"),
        (transfer, "Transfer"),
    ):
        as_rest(record, name)


def test_outputs_of_one_execution_are_recorded_together_and_once(runner: Runner, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.png", "b.png")]
    for shade, file in enumerate(files):
        file.write_bytes(png(50 + shade))
    told = [
        {
            "artifact_id": str(uuid.uuid4()),
            "output_key": f"9:images:{index}",
            "filename": file.name,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        for index, file in enumerate(files)
    ]
    run = {"server_address": "gpu-a", "prompt_id": str(uuid.uuid4()), "workflow_name": "größe"}
    record = {"run": run, "outputs": told, "ending": {"status": "completed"}}
    made = runner.db.record_outputs(record, files)
    assert [(one.id, one.filename) for one in made] == [(one["artifact_id"], one["filename"]) for one in told]
    assert runner.db.record_outputs(record, files) == made
    workflow = runner.db.get_workflow(made[0].workflow_id)
    assert (workflow.workflow_name, workflow.status) == ("größe", "completed")
    assert runner.db.record_outputs({"run": run, "ending": {"status": "failed"}}) == []
    assert runner.db.get_workflow(workflow.id).status == "completed"
    other = {**record, "outputs": [{**told[0], "artifact_id": str(uuid.uuid4())}]}
    with pytest.raises(Invalid, match="nothing is recorded"):
        runner.db.record_outputs(other, files[1:])


def test_a_human_in_the_loop_approves_or_edits(runner: Runner, tmp_path: Path) -> None:
    db = runner.db
    made = runner.picture()
    workflow_1 = db.get_workflow(id=made.workflow_id)
    artifact_1 = db.get_latest_artifact(workflow_1.id)
    assert artifact_1 is not None
    pending = db.update_artifact(artifact_1.id, approval_status="pending")
    assert (pending.approval_status, pending.usable) == ("pending", False)
    assert (db.get_queue().waiting, [one.id for one in db.list_artifacts(queue=True)]) == (1, [made.id])
    with pytest.raises(NotUsable) as refused:
        db.get_latest_artifact(workflow_1.id, usable=True)
    assert refused.value.artifact == pending
    with pytest.raises(NotUsable):
        db.upload_artifact_to_server(artifact_1, "gpu-b")

    approved = db.approve_artifact(artifact_1.id, approved_by="user@example.com")
    assert (approved.approved_by, approved.is_latest) == ("user@example.com", True)
    assert db.get_latest_artifact(workflow_1.id, usable=True) == approved

    review = db.download_artifact(artifact_1, tmp_path)
    edited_file = tmp_path / "edited.png"
    edited_file.write_bytes(png(4711))
    assert review.read_bytes() != edited_file.read_bytes()
    with pytest.raises(Conflict, match=r"the next version of .* is 2, not 3"):
        db.create_artifact(workflow_1.id, edited_file, parent_artifact_id=artifact_1.id, version=3)
    artifact_2 = db.create_artifact(
        workflow_id=workflow_1.id,
        local_path=edited_file,
        parent_artifact_id=artifact_1.id,
        version=2,
        approval_status="approved",
        approved_by="user@example.com",
        metadata={"brush": "ü"},
    )
    assert (artifact_2.version, artifact_2.is_latest, artifact_2.approval_status) == (2, True, "approved")
    assert artifact_2.metadata["brush"] == "ü"
    assert db.get_artifact(artifact_1.id).is_latest is False
    assert db.get_workflow(workflow_1.id).latest_artifact_id == artifact_2.id
    artifact = db.get_latest_artifact(workflow_1.id)
    assert artifact == artifact_2
    assert db.upload_artifact_to_server(artifact, "gpu-b").receipt_sha256 == artifact_2.sha256
    assert [one.version for one in db.get_artifact_versions(artifact_1.id)] == [2, 1]
    assert edited_file.read_bytes() == png(4711)


def test_the_status_of_a_chain_is_asked_for(runner: Runner) -> None:
    db = runner.db
    chain = db.create_chain("film")
    for number in (1, 2):
        step = db.create_workflow("extract", chain_id=chain.id, step_id=f"extract_frame{number}")
        runner.picture(step, filename=f"frame_{number:03}.png")
        db.update_workflow(step.id, status="completed")
    executing = db.create_workflow("edit", chain_id=chain.id, step_id="edit_frame1", status="executing")
    db.create_workflow("edit", chain_id=chain.id, step_id="edit_frame2")
    chain = db.get_chain(id=chain.id)
    told = []
    for workflow in db.get_workflows_by_chain(chain.id):
        artifact = db.get_latest_artifact(workflow.id)
        told.append(f"{workflow.step_id}: {workflow.status} -> {artifact and artifact.filename}")
    assert told == [
        "edit_frame1: executing -> None",
        "edit_frame2: queued -> None",
        "extract_frame1: completed -> frame_001.png",
        "extract_frame2: completed -> frame_002.png",
    ]
    found = db.get_workflow_by_step(chain.id, "edit_frame1")
    assert found.id == executing.id
    as_rest(chain, "ChainDetails")
    as_rest(found, "WorkflowDetails")
    as_rest(next(db.list_chains(name="film")), "ChainSummary")
    as_rest(next(db.list_workflows(chain=chain.id, status="queued")), "WorkflowSummary")


def test_what_is_not_there_is_not_found(runner: Runner) -> None:
    db = runner.db
    chain = db.create_chain("film")
    for ask in (
        lambda: db.get_chain(NOBODY),
        lambda: db.get_chain("no id"),
        lambda: db.get_workflow(NOBODY),
        lambda: db.get_workflows_by_chain(NOBODY),
        lambda: db.get_workflow_by_step(chain.id, "x"),
        lambda: db.get_latest_artifact(NOBODY),
        lambda: db.get_artifact(NOBODY),
        lambda: list(db.get_artifact_versions(NOBODY)),
        lambda: list(db.list_artifact_events(NOBODY)),
        lambda: db.get_transfer(NOBODY),
        lambda: db.approve_artifact(NOBODY),
        lambda: db.create_workflow("edit", chain_id=NOBODY),
        lambda: db.create_artifact(NOBODY, runner.file()),
        lambda: db.download_artifact(NOBODY, runner.folder / "x"),
        lambda: db.cancel_chain(NOBODY),
    ):
        with pytest.raises(NotFound) as refused:
            ask()
        assert (refused.value.status, refused.value.code) == (404, "not_found")
        assert refused.value.detail == str(refused.value) != ""


def test_a_conflict_shows_what_the_other_person_did(runner: Runner) -> None:
    db = runner.db
    picture = runner.picture(approval_status="pending")
    first = db.approve_artifact(picture.id, approved_by="ada", revision=picture.revision)
    assert db.approve_artifact(picture.id, approved_by="ada", revision=picture.revision) == first
    with pytest.raises(Conflict, match="ada has decided already: approved") as refused:
        db.approve_artifact(picture.id, approved_by="bob")
    assert (refused.value.status, refused.value.title, refused.value.code) == (409, "Conflict", "conflict")
    assert refused.value.artifact == first
    with pytest.raises(StaleRevision) as stale:
        db.select_artifact(picture.id, revision=picture.revision)
    assert (stale.value.status, stale.value.artifact) == (412, first)


def test_a_rejection_has_a_reason_and_is_taken_back_by_approval(runner: Runner) -> None:
    db = runner.db
    picture = runner.picture()
    with pytest.raises(Invalid) as refused:
        db.reject_artifact(picture.id, "")
    assert refused.value.field == "reason"
    rejected = db.reject_artifact(picture.id, "too dark", approved_by="ada")
    assert (rejected.approval_status, rejected.rejection_reason, rejected.decided_by) == ("rejected", "too dark", "ada")
    with pytest.raises(Conflict):
        db.update_artifact(picture.id, approval_status="pending")
    assert db.approve_artifact(picture.id, sha256=picture.sha256).usable
    told = [(event.action, event.actor) for event in db.list_artifact_events(picture.id)]
    assert [action for action, _ in told if action.startswith("artifact.")] == [
        *("artifact.recorded", "artifact.head_changed", "artifact.rejected", "artifact.approved")
    ]
    assert {actor for _, actor in told} == {"anna"}


def test_a_status_that_is_somebodys_decision_is_not_just_set(runner: Runner) -> None:
    picture = runner.picture()
    with pytest.raises(Invalid, match="approve, reject and edit") as refused:
        runner.db.update_artifact(picture.id, approval_status="approved")  # type: ignore[arg-type]
    assert (refused.value.status, refused.value.field) == (422, "approval_status")
    assert runner.db.get_artifact(picture.id) == picture


def test_one_of_four_is_picked_and_older_versions_come_back(runner: Runner) -> None:
    db, step = runner.db, runner.step()
    four = [runner.picture(step) for _ in range(4)]
    assert db.get_latest_artifact(step.id) == four[0]
    assert db.select_artifact(four[2].id).is_latest
    assert {one.output_key for one in db.list_workflow_artifacts(step.id, heads=True)} == {
        f"upload:images:{number}" for number in range(4)
    }
    edited = db.edit_artifact(four[2].id, runner.file())
    assert (edited.version, edited.approval_status, edited.approved_by) == (2, "edited", "anna")
    restored = db.restore_artifact(edited.id, four[2].id)
    assert (restored.version, restored.sha256) == (3, four[2].sha256)
    next_version = db.create_artifact(step.id, runner.file(), output_key=four[0].output_key)
    assert (next_version.version, next_version.parent_artifact_id) == (2, None)


def test_files_are_what_they_are_and_not_what_they_are_called(runner: Runner) -> None:
    db, picture = runner.db, runner.picture(filename="Bild ü'\"; 1.png")
    assert picture.filename == "Bild ü'\"; 1.png"
    with pytest.raises(WrongFileType):
        db.edit_artifact(picture.id, runner.file(b"no picture at all", "picture.png"))
    with pytest.raises(Invalid) as refused:
        db.create_artifact(picture.workflow_id, runner.file(b"", "empty.png"))
    assert refused.value.field == "file"
    with pytest.raises(FileNotFoundError):
        db.create_artifact(picture.workflow_id, runner.folder / "nothing.png")
    for wrong in ({"approved_by": "ada"}, {"parent_artifact_id": picture.id, "output_key": "9:images:0"}):
        with pytest.raises(Invalid) as refused:
            db.create_artifact(picture.workflow_id, runner.file(), **wrong)  # type: ignore[arg-type]
        assert refused.value.field in wrong
    with pytest.raises(Conflict, match="is not of workflow"):
        db.create_artifact(runner.step().id, runner.file(), parent_artifact_id=picture.id)


def test_an_id_of_ones_own_makes_the_same_thing_once(runner: Runner) -> None:
    db = runner.db
    chain_id, workflow_id, artifact_id = (str(uuid.uuid4()) for _ in range(3))
    file = runner.file()
    for _ in range(2):
        assert db.create_chain("film", id=chain_id).id == chain_id
        assert db.create_workflow("edit", id=workflow_id, chain_id=chain_id, step_id="a").id == workflow_id
        assert db.create_artifact(workflow_id, file, id=artifact_id).id == artifact_id
    assert len(list(db.list_workflow_artifacts(workflow_id))) == 1
    with pytest.raises(Conflict):
        db.create_chain("another", id=chain_id)


def test_servers_are_named_or_their_url_is_theirs(runner: Runner) -> None:
    db, picture = runner.db, runner.picture()
    a, b = db.list_servers()
    assert (a.name, b.name, a.url) == ("gpu-a", "gpu-b", runner.comfyui.servers["gpu-a"].url)
    assert db.create_workflow("edit", server=a.url + "/").server_address == "gpu-a"
    for wrong in ("gpu-z", "http://127.0.0.1:9", "http://user:secret@127.0.0.1:9"):
        with pytest.raises(UnknownServer) as refused:
            db.upload_artifact_to_server(picture, wrong)
        assert (refused.value.servers, refused.value.field) == (["gpu-a", "gpu-b"], "server")
        assert "secret" not in str(refused.value)
    assert not list(db.list_transfers())


def test_a_delivery_that_fails_is_told_and_tried_again(runner: Runner) -> None:
    db, picture = runner.db, runner.picture()
    comfyui = runner.comfyui.servers["gpu-b"]
    comfyui.after_storing = lambda path: path.write_bytes(b"other bytes")
    try:
        with pytest.raises(DeliveryFailed) as refused:
            db.upload_artifact_to_server(picture, "gpu-b")
    finally:
        comfyui.after_storing = lambda path: None
    transfer = refused.value.transfer
    assert transfer is not None
    assert (transfer.status, transfer.target_filename) == ("failed", None)
    assert next(db.list_transfers(status="failed")) == transfer
    assert db.retry_transfer(transfer.id).status == "completed"
    with pytest.raises(Conflict):
        db.retry_transfer(transfer.id)


def test_outputs_that_cannot_be_had_are_named(runner: Runner) -> None:
    db, step = runner.db, runner.step(server="gpu-a")
    comfyui = runner.comfyui.servers["gpu-a"]
    gone = {"filename": "gone.png", "subfolder": "", "type": "output"}
    here = comfyui.file("here.png", png(99))
    comfyui.ran("prompt-x", {"9": {"images": [gone, here]}})
    with pytest.raises(Incomplete) as refused:
        db.download_and_store_artifacts(step.id, prompt_id="prompt-x")
    assert [one["output_key"] for one in refused.value.missing] == ["9:images:0"]
    assert [one.filename for one in db.list_workflow_artifacts(step.id)] == ["here.png"]
    with pytest.raises(Conflict) as unknown:
        db.download_and_store_artifacts(runner.step(server="gpu-a").id, prompt_id="never heard of")
    assert unknown.value.data["state"] == "unknown"


def test_tags_searches_and_pages(runner: Runner) -> None:
    db, step = runner.db, runner.step()
    made = [runner.picture(step, filename=f"shot_{number}.png") for number in range(7)]
    tag = "day/one {ü} 100%"
    assert db.tag_artifact(made[0].id, tag).tags == [tag]
    changed = db.change_tags([made[1].id, NOBODY], add=[tag])
    assert [(one.status, one.tags) for one in changed] == [(200, [tag]), (404, None)]
    assert [(one.tag, one.count) for one in db.list_tags()] == [(tag, 2)]
    assert {one.id for one in db.list_artifacts(tag=tag)} == {made[0].id, made[1].id}
    assert db.untag_artifact(made[0].id, tag).tags == []
    assert [one.id for one in db.list_artifacts(q="shot_3")] == [made[3].id]
    assert [one.id for one in db.list_artifacts(workflow=step.id, sort="created")] == [one.id for one in made]
    assert [one.id for one in itertools.islice(db.list_artifacts(), 2)] == [made[6].id, made[5].id]
    with pytest.raises(Invalid):
        next(db.list_artifacts(sort="by-mood"))  # type: ignore[arg-type]


def test_lists_go_on_over_all_of_their_pages(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comfyui_artifact_db.client.asking.PAGE", 2)
    db, step = runner.db, runner.step()
    made = [runner.picture(step).id for _ in range(5)]
    assert [one.id for one in db.list_artifacts()] == made[::-1]
    assert [one.id for one in db.list_artifacts(sort="created", latest=False)] == made
    seqs = [event.seq for event in db.list_events()]
    assert seqs == list(range(1, len(seqs) + 1))
    assert [event.seq for event in db.list_events(after=3)] == seqs[3:]
    for _ in range(3):
        db.tag_artifact(made[0], "a")
        db.untag_artifact(made[0], "a")
    told = [event.action for event in db.list_artifact_events(made[0])]
    assert told == ["artifact.recorded", "artifact.head_changed", *["artifact.tagged", "artifact.untagged"] * 3]


def test_the_log_is_followed_without_a_gap(runner: Runner) -> None:
    db = runner.db
    last = [event.seq for event in db.list_events()][-1:] or [0]
    following = db.follow_events(after=last[0], poll=0.02)
    chain = db.create_chain("film")
    first = next(following)
    assert (first.action, first.entity_id, first.actor) == ("chain.created", chain.id, "anna")
    as_rest(first, "Event")
    db.update_chain(chain.id, status="executing_level_0")
    assert (next(following).action, first.seq + 1) == ("chain.updated", first.seq + 1)


def test_lineage_goes_across_workflows(runner: Runner) -> None:
    db = runner.db
    first = runner.picture()
    edited = db.edit_artifact(first.id, runner.file())
    found = db.get_artifact_lineage(edited.id)
    assert [(one.artifact.id, one.relation, one.of, one.depth) for one in found.ancestors] == [
        (first.id, "parent", edited.id, 1)
    ]
    assert found.links == [{"from": first.id, "to": edited.id, "relation": "parent"}]
    as_rest(found, "Lineage")


def test_deleting_is_undone(runner: Runner) -> None:
    db, picture = runner.db, runner.picture()
    assert db.delete_artifact(picture.id).deleted_at is not None
    with pytest.raises(Gone):
        db.download_artifact(picture, runner.folder / "x.png")
    assert [one.id for one in db.list_artifacts(trash=True)] == [picture.id]
    assert db.undelete_artifact(picture.id).deleted_at is None
    chain = db.create_chain("film")
    db.delete_chain(chain.id)
    with pytest.raises(NotFound):
        db.get_chain(chain.id)
    assert db.undelete_chain(chain.id).id == chain.id


def test_what_changes_is_what_was_named_and_null_is_a_value(runner: Runner) -> None:
    db = runner.db
    chain = db.create_chain("film", description="of dusk")
    failed = db.update_chain(chain.id, status="failed", error_message="no luck")
    assert (failed.status, failed.error_message, failed.description) == ("failed", "no luck", "of dusk")
    assert db.update_chain(chain.id, error_message=None).error_message is None
    with pytest.raises(StaleRevision):
        db.update_chain(chain.id, status="completed", revision=chain.revision)
    with pytest.raises(Invalid):
        db.create_chain("film", chain_definition={"not": {"json": object()}})
    step = db.create_workflow("edit", workflow_definition={"1": {}}, parameters={"1.x": 2}, requires_approval=True)
    assert db.update_workflow(step.id, parameters=None).parameters is None
    assert db.get_workflow(step.id).workflow_definition == {"1": {}}
    assert runner.picture(step).approval_status == "pending"


def test_a_download_is_whole_and_right_or_not_there(runner: Runner) -> None:
    db, picture = runner.db, runner.picture()
    kept = artifacts.get_artifact(runner.library, picture.id)
    # In this process a path is absolute; over HTTP it tells nothing of the host.
    path = kept.local_path if runner.way == "library" else runner.library.store.relative(kept.local_path)
    assert picture.local_path == path
    target = db.download_artifact(picture.id, runner.folder / "copy.png")
    assert target.read_bytes() == Path(kept.local_path).read_bytes()
    assert db.download_artifact(picture, runner.folder) == runner.folder / picture.filename
    before = sorted(runner.folder.iterdir())
    tamper(kept, png(31))
    with pytest.raises(NotUsable) as refused:
        db.download_artifact(picture, runner.folder / "other.png")
    assert refused.value.artifact is not None
    assert refused.value.artifact.usable is False
    assert sorted(runner.folder.iterdir()) == before
    tamper(kept, target.read_bytes())


def test_a_client_is_closed_by_with_and_what_it_did_stays(runner: Runner) -> None:
    with runner.open() as other:
        other.create_chain("film")
    other.close()
    assert next(runner.db.list_chains()).name == "film"
