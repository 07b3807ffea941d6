"""Promises that nobody kept: completed by the next process, or set aside where `doctor` finds them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import acting
import invariants
import processes
import pytest
from comfyui_artifact_db.config import Config
from comfyui_artifact_db.library import artifacts, pages, recording, recovery
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.storage import staging
from comfyui_artifact_db.storage.local import Intent
from waiting import until

Reopen = Callable[[], Library]
RECORD = {"actor": "x", "workflow_id": "y", "run": None, "outputs": []}


def artifact_ids(library: Library) -> set[str]:
    return {artifact.id for artifact in artifacts.list_artifacts(library, pages.Ask()).items}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def abandon(library: Library, workflow_id: str, *, placed: bool = True, shade: int = 4711) -> Intent:
    """A promise whose process is gone: the library is closed, its intent stays."""
    intent = acting.promise(library, workflow_id, shade)
    if placed:
        library.store.place(intent)
    library.close()
    return intent


@pytest.mark.parametrize("placed", [False, True])
def test_a_promise_of_a_process_that_is_gone_is_completed(
    library: Library, pictures: Any, reopened: Reopen, placed: bool
) -> None:
    first = pictures.one()
    intent = abandon(library, first.workflow_id, placed=placed)
    again = reopened()
    (new,) = artifact_ids(again) - {first.id}
    artifact = artifacts.get_artifact(again, new)
    assert (artifact.version, artifact.sha256, artifact.usable) == (2, intent.placements[0].sha256, True)
    invariants.check(again)
    again.close()
    assert names(again.store.root / "staging") == names(again.store.root / "quarantine") == []


def test_a_promise_that_was_kept_already_is_only_tidied_up(library: Library, pictures: Any, reopened: Reopen) -> None:
    first = pictures.one()
    intent = acting.promise(library, first.workflow_id)
    library.store.place(intent)
    recording.complete(library, intent)
    library.close()
    again = reopened()
    assert len(artifact_ids(again)) == 2
    invariants.check(again)
    again.close()
    assert names(again.store.root / "staging") == []


def test_several_promises_are_completed_in_their_order(library: Library, pictures: Any, reopened: Reopen) -> None:
    first = pictures.one()
    for shade in range(3):
        library.store.place(acting.promise(library, first.workflow_id, shade))
    library.close()
    again = reopened()
    versions = artifacts.list_versions(again, first.id, pages.Ask()).items
    assert [a.version for a in versions] == [4, 3, 2, 1]
    from hashlib import sha256

    from making import png

    assert [a.sha256 for a in versions[:3]] == [sha256(png(shade)).hexdigest() for shade in (2, 1, 0)]
    invariants.check(again)


def test_parts_that_were_promised_to_nobody_go(library: Library, reopened: Reopen) -> None:
    part = library.store.staging / "half.part"
    part.write_bytes(b"half of something")
    library.close()
    again = reopened()
    again.prepare()
    assert not part.exists()
    assert names(again.store.root / "quarantine") == []


def test_what_cannot_be_removed_yet_keeps_nobody_from_what_is_recorded(
    library: Library, pictures: Any, reopened: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pictures.one()
    part = library.store.staging / "half.part"
    part.write_bytes(b"half of something")
    library.close()

    def in_use(path: Path) -> None:
        raise PermissionError(13, "used by another process")

    with monkeypatch.context() as patch:
        patch.setattr(staging, "remove", in_use)
        assert artifact_ids(reopened()) == {first.id}
    reopened().prepare()
    assert not part.exists()


def test_whatever_recovery_meets_the_next_record_that_waits_is_seen_to(
    library: Library, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pictures.one()
    monkeypatch.setattr(recovery, "RETRY_SECONDS", (0.02,))

    def unheard_of(*_: object) -> None:
        raise ArithmeticError("nobody has heard of this")

    with monkeypatch.context() as patch:
        patch.setattr(recovery.Deferred, "_complete_some", unheard_of)
        patch.setattr(threading, "excepthook", lambda _: None)
        library.deferred.add(library, acting.promise(library, first.workflow_id, 1), "away")
        until(lambda: library.deferred._thread is None)
    library.deferred.add(library, acting.promise(library, first.workflow_id, 2), "away")
    until(lambda: not len(library.deferred))
    assert len(artifact_ids(library)) == 3


@pytest.mark.parametrize("torn", [b"", b'{"kind": "rec', b"[]", b"null", b'{"kind": "record"}', b"\xff\xfe\0", b"7"])
def test_a_torn_intent_is_set_aside_and_does_not_hold_up_the_others(
    library: Library, pictures: Any, reopened: Reopen, torn: bytes
) -> None:
    first = pictures.one()
    (library.store.staging / "0.intent.json").write_bytes(torn)
    abandon(library, first.workflow_id)
    again = reopened()
    assert len(artifact_ids(again)) == 2
    assert names(again.store.root / "quarantine") == ["0.intent.json"]
    invariants.check(again)


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "of another release", "placements": [], "record": {}},
        {"kind": "record", "placements": [], "record": {}},
        {"kind": "record", "placements": [], "record": {**RECORD, "outputs": [{"colour": 1}]}},
        {"kind": "record", "placements": [], "record": {**RECORD, "actor": ""}},
        {"kind": "purge", "placements": [], "record": {}},
        {"kind": "record", "placements": [], "record": {**RECORD, "workflow_id": 1 << 70}},
    ],
)  # fmt: skip
def test_an_intent_of_another_release_is_set_aside_and_does_not_hold_up_the_others(
    library: Library, pictures: Any, reopened: Reopen, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    first = pictures.one()
    (library.store.staging / "0.intent.json").write_text(json.dumps(body))
    abandon(library, first.workflow_id)
    again = reopened()
    with caplog.at_level(logging.ERROR, "artifact_db.library"):
        assert len(artifact_ids(again)) == 2
    assert "quarantine" in caplog.text
    assert names(again.store.root / "quarantine") == ["0.intent.json"]


def test_an_intent_that_has_lost_its_file_is_set_aside_and_told(
    library: Library, pictures: Any, reopened: Reopen, caplog: pytest.LogCaptureFixture
) -> None:
    first = pictures.one()
    intent = abandon(library, first.workflow_id)
    (library.store.root / intent.placements[0].local_path).unlink()
    again = reopened()
    with caplog.at_level(logging.ERROR, "artifact_db.library"):
        assert artifact_ids(again) == {first.id}
    assert "lost its files" in caplog.text
    assert names(again.store.root / "quarantine") == [intent.path.name]
    invariants.check(again)


def test_what_the_rules_refuse_is_set_aside_with_its_file(
    library: Library, pictures: Any, reopened: Reopen, caplog: pytest.LogCaptureFixture
) -> None:
    first = pictures.one()
    intent = abandon(library, "01234567-89ab-7def-8123-456789abcdef")
    again = reopened()
    with caplog.at_level(logging.ERROR, "artifact_db.library"):
        assert artifact_ids(again) == {first.id}
    assert "quarantine" in caplog.text
    placement = intent.placements[0]
    aside = names(again.store.root / "quarantine")
    assert len(aside) == 2
    assert any(name.endswith(placement.local_filename) for name in aside)
    invariants.check(again)


def test_setting_aside_a_promise_under_an_id_that_is_taken_leaves_the_first_file(
    library: Library, pictures: Any, reopened: Reopen
) -> None:
    first = pictures.one()
    with library.store.receiving() as part:
        part.write(b"other bytes")
        placement = library.store.finish(part, artifact_id=first.id, extension="png", day="2026-11-22")
    output = recording.NewArtifact(first.id, first.output_key, "a.png", "image", "png")
    body = {"actor": "x", "workflow_id": first.workflow_id, "run": None, "outputs": [recording.asdict(output)]}
    library.store.promise(recording.KIND, [placement], body)
    library.close()
    again = reopened()
    assert artifacts.get_artifact(again, first.id).usable
    assert len(names(again.store.root / "quarantine")) == 2
    invariants.check(again)


def test_a_living_process_keeps_its_promises_to_itself(
    library: Library, pictures: Any, config: Config, reopened: Reopen
) -> None:
    first = pictures.one()
    with processes.started("promising", config.folder, first.workflow_id) as process:
        again = reopened()
        assert artifact_ids(again) == {first.id}
        assert recovery.recover_abandoned(again) == 0
        assert [name for name in names(library.store.root / "staging") if name.endswith(".intent.json")]
        (made,) = processes.go_on(process)
        assert artifact_ids(again) == {first.id, made}
    assert artifacts.get_artifact(again, made).usable
    invariants.check(again)


def test_a_process_that_dies_leaves_its_promises_to_the_next_one(
    library: Library, pictures: Any, config: Config, reopened: Reopen
) -> None:
    first = pictures.one()
    with processes.started("promising", config.folder, first.workflow_id) as process:
        process.kill()
        process.wait()
    again = reopened()
    assert len(artifact_ids(again)) == 2
    invariants.check(again)


def test_two_processes_that_recover_at_once_complete_each_promise_once(
    library: Library, pictures: Any, config: Config
) -> None:
    first = pictures.one()
    for shade in range(4):
        library.store.place(acting.promise(library, first.workflow_id, shade))
    library.close()
    with (
        processes.started("recording_many", config.folder, "1") as one,
        processes.started("recording_many", config.folder, "1") as two,
    ):
        for process in (one, two):
            assert process.stdin is not None
            process.stdin.write("go on\n")
            process.stdin.flush()
        made = processes.go_on(one) + processes.go_on(two)
    from comfyui_artifact_db.library.opening import open_library

    again = open_library(config)
    assert len(artifact_ids(again)) == 1 + 4 + len(made)
    invariants.check(again)
    again.close()
    assert names(again.store.root / "staging") == names(again.store.root / "quarantine") == []
