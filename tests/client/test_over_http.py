"""Pins what the way to a hub may do to a call: connections, answers and parts of answers that are lost, and secrets."""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import subprocess
import sys
import time
import traceback
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db.client import ArtifactDB, Problem, connect, problems
from comfyui_artifact_db.config import Config, Server
from comfyui_artifact_db.errors import BadConfiguration
from comfyui_artifact_db.library import access, events, transfers
from comfyui_artifact_db.library.opening import Library
from comfyui_servers_that import ComfyUI, Misbehaving, Request, comfyui, server_that
from locking import impatient, locked
from losing import Wire, wire
from making import png
from running import ServedHub, served

__all__ = ["comfyui", "impatient", "server_that"]

SECRET = "s3cret-t0ken"
SHA256 = hashlib.sha256(png(77)).hexdigest()


@pytest.fixture
def hub(config: Config, library: Library) -> Iterator[ServedHub]:
    library.prepare()
    with served(config) as hub:
        yield hub


@pytest.fixture
def lossy(hub: ServedHub) -> Iterator[Wire]:
    with wire(hub.port) as lossy:
        yield lossy


@pytest.fixture
def db(lossy: Wire) -> Iterator[ArtifactDB]:
    with connect(lossy.url, actor="anna", backoff=0.01, timeout=20) as db:
        yield db


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "picture.png").write_bytes(png(77))
    return tmp_path / "picture.png"


def actions(library: Library) -> list[str]:
    return [event.action for event in events.list_events(library, limit=500)]


def test_every_post_whose_answer_is_lost_is_done_once(
    db: ArtifactDB, lossy: Wire, library: Library, file: Path
) -> None:
    def lost(times: int = 1) -> None:
        db.close()  # The next call has a connection of its own.
        lossy.unanswered = times

    lost()
    chain = db.create_chain("film")
    lost(3)
    workflow = db.create_workflow("edit", chain_id=chain.id, step_id="a")
    lost()
    picture = db.create_artifact(workflow.id, file)
    lost(2)
    run = {"server_address": "gpu-a", "prompt_id": "p", "workflow_name": "render", "chain": chain.id}
    told = {"artifact_id": str(uuid.uuid4()), "output_key": "9:images:0", "filename": "a.png", "sha256": SHA256}
    db.record_outputs({"run": run, "outputs": [told]}, [file])
    lost()
    edited = db.edit_artifact(picture.id, file, approval_status="pending")
    lost()
    approved = db.approve_artifact(edited.id, approved_by="ada")
    lost()
    db.reject_artifact(edited.id, "too dark")
    assert (approved.version, approved.approval_status) == (2, "approved")
    assert lossy.unanswered == 0
    assert [one.id for one in db.list_chains()] == [chain.id]
    assert [one.id for one in db.list_workflows(step="a")] == [workflow.id]
    assert [one.version for one in db.list_workflow_artifacts(workflow.id)] == [2, 1]
    assert [one.id for one in db.list_artifacts(chain=chain.id) if one.id not in (picture.id, edited.id)] == [
        told["artifact_id"]
    ]
    done = actions(library)
    for action in ("chain.created", "attempt.created", "artifact.edited", "artifact.approved"):
        assert done.count(action) == 1, action
    assert (done.count("workflow.created"), done.count("artifact.recorded")) == (2, 2)


def test_a_change_is_not_lost_and_a_deletion_is_not_missed_when_answers_are(
    db: ArtifactDB, lossy: Wire, library: Library
) -> None:
    chain = db.create_chain("film")
    db.close()
    lossy.unanswered = 1
    assert db.update_chain(chain.id, status="executing_level_0").status == "executing_level_0"
    db.close()
    lossy.unanswered = 1
    db.delete_chain(chain.id)
    assert (actions(library).count("chain.updated"), actions(library).count("chain.deleted")) == (1, 1)
    with pytest.raises(problems.NotFound):
        db.delete_chain(chain.id)


def test_a_change_of_a_revision_that_may_have_arrived_is_not_sent_again(db: ArtifactDB, lossy: Wire) -> None:
    chain = db.create_chain("film")
    db.close()
    lossy.unanswered = 1
    with pytest.raises(problems.HubUnreachable) as lost:
        db.update_chain(chain.id, status="failed", revision=chain.revision)
    assert (lost.value.status, lost.value.code) == (0, "hub_unreachable")
    assert db.get_chain(chain.id).status == "failed"


def test_a_hub_that_is_starting_is_waited_for_and_one_that_is_gone_is_told(db: ArtifactDB, lossy: Wire) -> None:
    lossy.refused = 4
    assert db.create_chain("film").name == "film"
    db.close()
    lossy.refused = 100
    before = lossy.connections
    with pytest.raises(problems.HubUnreachable):
        db.create_chain("film")
    assert lossy.connections - before == 6


def test_a_large_upload_whose_answer_is_lost_is_recorded_once(db: ArtifactDB, lossy: Wire, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(24 << 20)
    workflow = db.create_workflow("edit")
    db.close()
    lossy.unanswered = 1
    made = db.create_artifact(workflow.id, large)
    assert made.file_size == 24 << 20
    assert [one.id for one in db.list_workflow_artifacts(workflow.id)] == [made.id]


def test_a_download_that_breaks_off_goes_on_where_it_was(
    db: ArtifactDB, lossy: Wire, hub: ServedHub, tmp_path: Path
) -> None:
    noise = tmp_path / "noise.bin"
    noise.write_bytes(os.urandom(3 << 20))
    artifact = db.create_artifact(db.create_workflow("edit").id, noise)
    db.close()
    lossy.cut = [1 << 20, 300_000, 0]
    copy = db.download_artifact(artifact, tmp_path / "copy.bin")
    assert copy.read_bytes() == noise.read_bytes()
    assert lossy.cut == []


def test_a_file_that_is_larger_than_memory_allows_goes_through(hub: ServedHub, tmp_path: Path) -> None:
    script = (
        "import resource, sys; import loading; from comfyui_artifact_db.client import connect\n"
        "db = connect(sys.argv[1]); w = db.create_workflow('edit'); db.list_servers()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "a = db.create_artifact(w.id, sys.argv[2]); db.download_artifact(a, sys.argv[3])\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.write(b"begin")
        file.truncate(128 << 20)
    done = subprocess.run(
        [sys.executable, "-c", script, hub.url, str(large), str(tmp_path / "copy.bin")],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 50, "megabytes"
    assert (tmp_path / "copy.bin").stat().st_size == 128 << 20


@pytest.mark.usefixtures("impatient")
def test_a_busy_database_is_waited_for(db: ArtifactDB, library: Library) -> None:
    chain = db.create_chain("film")
    with ThreadPoolExecutor(1) as pool:
        with locked(Path(library.config.database.removeprefix("sqlite:///"))):
            asked = pool.submit(db.update_chain, chain.id, status="failed")
            time.sleep(0.3)
            assert not asked.done()
        assert asked.result(30).status == "failed"


def test_a_token_opens_the_hub_and_is_never_shown(
    config: Config, library: Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    library.prepare()
    token, secret = access.create_token(library, "robot", role="record", by="admin")
    with served(replace(config, local_trust=False)) as hub:
        caplog.set_level(logging.DEBUG)
        with connect(hub.url, token=secret) as db:
            chain = db.create_chain("film")
            assert next(db.list_events(after=1)).actor == "robot"
            assert secret not in repr(db) + repr(db._backend) + repr(vars(db._backend))
        monkeypatch.setenv("ARTIFACT_DB_TOKEN", secret)
        monkeypatch.setenv("ARTIFACT_DB_HUB", hub.url + "/artifact-db")
        with connect() as db:
            assert db.get_chain(chain.id).name == "film"
            with pytest.raises(problems.Forbidden) as refused:
                db.delete_chain(chain.id)
            assert (refused.value.status, refused.value.code) == (403, "forbidden")
        with connect(token=SECRET) as db, pytest.raises(problems.Denied) as denied:
            db.get_chain(chain.id)
        told = "".join(traceback.format_exception(denied.value)) + repr(denied.value)
        assert SECRET not in told
        assert (denied.value.status, denied.value.code) == (401, "unauthorized")
    assert secret not in caplog.text
    assert SECRET not in caplog.text
    assert token is not None


@pytest.mark.parametrize("token", ["", "two words", "line\nend", "ümlaut"])
def test_a_token_that_cannot_be_sent_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        connect("http://127.0.0.1:1", token=token or " ")
    assert token == "" or token not in str(refused.value)


@pytest.mark.parametrize("url", ["127.0.0.1:8190", "ftp://hub", f"http://me:{SECRET}@hub", "http://hub/?q"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadConfiguration) as refused:
        connect(url)
    assert SECRET not in str(refused.value)


def test_without_an_address_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARTIFACT_DB_HUB", raising=False)
    with pytest.raises(BadConfiguration, match="ARTIFACT_DB_HUB"):
        connect()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [(200, b"<html>", "text/html"), (404, b"<html>", "text/html"), (500, b"{", "application/json"),
     (200, b"{", "application/json"), (302, b"", "text/html"), (500, b'{"code": 1}', "application/problem+json")],
)  # fmt: skip
def test_who_is_no_hub_is_told(server_that: Any, status: int, body: bytes, kind: str) -> None:
    headers = {"Content-Type": kind, **({"Location": "http://127.0.0.1:9/"} if status == 302 else {})}
    server = server_that(lambda request: request.answer(status, body, **headers))
    with connect(server.url, backoff=0.01, retries=1, token=SECRET) as db, pytest.raises(problems.HubFailed) as told:
        db.get_queue()
    assert (told.value.status, told.value.code) == (status, "hub_failed")


def test_a_proxy_that_stumbles_is_asked_again(server_that: Any) -> None:
    answers = [(502, b"bad"), (503, b"busy"), (504, b"late"), (429, b"slow")]
    keys = []

    def behave(request: Request) -> None:
        keys.append(request.headers["Idempotency-Key"])
        status, body = answers.pop(0) if answers else (501, b"")
        request.answer(status, body)

    server: Misbehaving = server_that(behave)
    with connect(server.url, backoff=0.01) as db, pytest.raises(problems.HubFailed) as told:
        db.create_chain("film")
    assert told.value.status == 501
    assert (len(keys), len(set(keys))) == (5, 1)


def test_other_bytes_than_were_recorded_are_never_kept(db: ArtifactDB, server_that: Any, file: Path) -> None:
    artifact = db.create_artifact(db.create_workflow("edit").id, file)
    liar = server_that(lambda request: request.answer(200, b"other bytes"))
    target = file.with_name("copy.png")
    before = sorted(file.parent.iterdir())
    with connect(liar.url, backoff=0.01) as other, pytest.raises(problems.BytesChanged) as told:
        other.download_artifact(artifact, target)
    assert told.value.artifact == artifact
    assert sorted(file.parent.iterdir()) == before


def test_a_delivery_whose_hub_was_killed_is_asked_for_again(
    config: Config, library: Library, file: Path, comfyui: ComfyUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comfyui_artifact_db.client.transfers.REMIND_SECONDS", 0.1)
    monkeypatch.setattr("comfyui_artifact_db.client.transfers.POLL_SECONDS", 0.05)
    library.config = config = replace(config, servers={"gpu-b": Server("gpu-b", comfyui.url)})
    with served(config) as hub, connect(hub.url, backoff=0.01) as db:
        artifact = db.create_artifact(db.create_workflow("edit").id, file)
        left = transfers.create_transfer(library, artifact.id, server="gpu-b", by="of a killed hub")
        assert db._delivered(db.get_transfer(left.id), wait=True).status == "completed"


def test_problems_can_be_handed_to_another_process(db: ArtifactDB, file: Path) -> None:
    artifact = db.create_artifact(db.create_workflow("edit").id, file, approval_status="pending")
    with pytest.raises(problems.NotUsable) as refused:
        db.get_latest_artifact(artifact.workflow_id, usable=True)
    again: Problem = pickle.loads(pickle.dumps(refused.value))
    assert type(again) is problems.NotUsable
    assert (again.status, again.detail, again.artifact, str(again)) == (
        *(409, refused.value.detail, artifact),
        str(refused.value),
    )
    with pytest.raises(problems.Invalid) as invalid:
        db.create_chain("")
    assert pickle.loads(pickle.dumps(invalid.value)).field == "name"


def test_several_threads_use_one_client(db: ArtifactDB) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = {chain.id for chain in pool.map(lambda number: db.create_chain(f"film {number}"), range(24))}
    assert {chain.id for chain in db.list_chains()} == made
    assert len(made) == 24
