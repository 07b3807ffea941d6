"""Pins records that are kept at a hub: durable here until it has them, once there however often they are sent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.comfyui_client import History
from comfyui_artifact_db.config import Config, Server, load_config
from comfyui_artifact_db.db import models
from comfyui_artifact_db.errors import BadConfiguration, NotFound, NotUsable, Unavailable
from comfyui_artifact_db.library import (
    access,
    artifacts,
    attempts,
    decisions,
    emptying,
    handovers,
    identities,
    pages,
    stores,
    trash,
    workflows,
)
from comfyui_artifact_db.library.loads import Wanted
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.library.recording import NewArtifact, Recorded
from comfyui_artifact_db.library.runs import Run
from comfyui_artifact_db.records import hub as hub_records
from comfyui_artifact_db.records import hub_identity, outbox
from comfyui_artifact_db.records.hub import HubRecorder, RefusedByHub
from comfyui_artifact_db.records.loaded import Loaded
from comfyui_artifact_db.storage.local import Intent
from losing import Wire, wire
from making import png
from running import ServedHub, served
from waiting import until

Open = Callable[..., HubRecorder]


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub is tried again soon."""
    monkeypatch.setattr(outbox, "WAITS", (0.05,))


@pytest.fixture
def hub(config: Config, library: Library) -> Iterator[ServedHub]:
    library.prepare()
    with served(config) as hub:
        yield hub
    invariants.check(library)


@pytest.fixture
def lossy(hub: ServedHub) -> Iterator[Wire]:
    with wire(hub.port) as lossy:
        yield lossy


@pytest.fixture
def machine(tmp_path: Path, lossy: Wire) -> Iterator[Open]:
    """Opens the records of a machine, each time as another process of it would; its hub is at the end of the wire."""
    opened: list[HubRecorder] = []

    def start(url: str | None = None, token: str | None = None) -> HubRecorder:
        own = Config(tmp_path, None, "", tmp_path / "machine", hub=Server("hub", url or lossy.url, token))
        opened.append(HubRecorder(own))
        return opened[-1]

    yield start
    for records in opened:
        records.close()


class Prompt:
    """An execution on a machine."""

    def __init__(self, records: HubRecorder, **told: Any) -> None:
        self.records = records
        self.run = Run("gpu-a", identities.new_id(), "picture", requested_by="anna", **told)
        self.workflow_id = identities.new_id()
        self.made = 0

    def save(self, *shades: int, **told: Any) -> Recorded:
        """Record pictures, as a node does."""
        outputs = []
        for shade in shades:
            new = NewArtifact(
                identities.new_id(), f"9:images:{self.made}", f"{shade}.png", "image", "png", {"seed": shade}, **told
            )
            self.made += 1
            with self.records.store.receiving() as part:
                part.write(png(shade))
                day = "2026-11-22"
                placement = self.records.store.finish(part, artifact_id=new.artifact_id, extension="png", day=day)
            outputs.append((new, placement))
        return self.records.record(outputs, actor="anna", workflow_id=self.workflow_id, run=self.run)

    def end(self, status: str = "completed", error: str | None = None) -> None:
        self.records.finish(self.run, status, error, actor="anna", went_in={})


def away(records: HubRecorder, lossy: Wire) -> None:
    """The hub takes no connection any more, and the one that was kept is gone."""
    lossy.refused = 10_000
    records._hub.close()


def left(records: HubRecorder) -> list[str]:
    """What lies in the staging folders but locks."""
    found = sorted(path.name for path in (records.store.root / "staging").rglob("*") if path.is_file())
    return [name for name in found if not name.endswith(".lock")]


def idle(records: HubRecorder) -> bool:
    return not left(records)


def attempt(library: Library, workflow_id: str) -> Any:
    (found,) = attempts.list_attempts(library, workflow_id)
    return found


def all_of(library: Library) -> list[Any]:
    return list(artifacts.list_artifacts(library, pages.Ask(500, None)).items)


def test_a_record_is_at_the_hub_when_it_is_answered_and_nothing_of_it_is_left_here(
    machine: Open, library: Library
) -> None:
    records = machine()
    prompt = Prompt(records, chain="film", step="a")
    first, second = prompt.save(1, 2, tags=("hero",)), prompt.save(3)
    assert (first.deferred, first.workflow_id, second.workflow_id) == (None, prompt.workflow_id, prompt.workflow_id)
    assert records.store_id == stores.id_of(library)
    found = [artifacts.get_artifact(library, one) for one in (*first.artifact_ids, *second.artifact_ids)]
    assert [one.metadata["seed"] for one in found] == [1, 2, 3]
    assert found[0].tags == ("hero",)
    assert attempt(library, prompt.workflow_id).status == "executing"
    prompt.end()
    until(lambda: idle(records))
    ended = attempt(library, prompt.workflow_id)
    assert (ended.status, ended.requested_by) == ("completed", "anna")


def test_more_outputs_than_a_hub_takes_together_are_all_recorded_of_one_execution(
    machine: Open, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_records, "PATIENCE", 60.0)
    records = machine()
    prompt = Prompt(records)
    recorded = prompt.save(*range(handovers.MOST_OUTPUTS + 1))
    assert (recorded.deferred, recorded.workflow_id) == (None, prompt.workflow_id)
    prompt.end()
    until(lambda: idle(records))
    with library.reading():
        owners = {row["id"]: row["workflow_id"] for row in models.Artifact.select().dicts()}
    assert owners == dict.fromkeys(recorded.artifact_ids, prompt.workflow_id)
    assert attempt(library, prompt.workflow_id).status == "completed"


def test_a_prompt_is_recorded_with_its_empty_files_and_ends_with_the_last_of_its_outputs(
    machine: Open, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handovers, "MOST_OUTPUTS", 2)
    records = machine()
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "nothing.txt").touch()
    entry = {
        "prompt": [1, "p1", {"9": {"class_type": "Many", "inputs": {}}}, {}, ["9"]],
        "outputs": {"9": {"files": [{"filename": "nothing.txt", "type": "output"}], "text": ["a", "b", "c", "d"]}},
        "status": {"status_str": "success", "completed": True, "messages": []},
    }
    run = Run("gpu-a", "p1", "texts")
    assert records.capture(run, History.of(entry), folder, went_in={}, for_good=False) == 5
    until(lambda: len(all_of(library)) == 5)
    assert sorted(one.file_size for one in all_of(library)) == [0, 1, 1, 1, 1]
    until(lambda: attempt(library, all_of(library)[0].workflow_id).status == "completed")
    assert len({one.workflow_id for one in all_of(library)}) == 1


def test_every_answer_that_is_lost_leaves_one_record(machine: Open, lossy: Wire, library: Library) -> None:
    records = machine()
    prompt = Prompt(records, chain="film")
    recorded: list[str] = []
    for shade in range(6):
        lossy.unanswered = shade % 3
        lossy.cut = [7] if shade == 4 else []
        records._hub.close()  # The next call has a connection of its own.
        recorded += prompt.save(shade).artifact_ids
    prompt.end()
    until(lambda: idle(records))
    assert sorted(one.id for one in all_of(library)) == sorted(recorded)
    assert {one.workflow_id for one in all_of(library)} == {prompt.workflow_id}
    assert attempt(library, prompt.workflow_id).status == "completed"


def test_while_the_hub_is_away_records_are_kept_and_follow_in_their_order(
    machine: Open, lossy: Wire, library: Library
) -> None:
    records = machine()
    away(records, lossy)
    prompt = Prompt(records)
    told = [prompt.save(shade) for shade in range(5)]
    prompt.end("failed", "no luck")
    assert all(one.deferred for one in told)
    assert [one.workflow_id for one in told] == [prompt.workflow_id] * 5
    with pytest.raises(Unavailable, match="is away"):
        records.find(Wanted(chain="film"), last_approved=False)
    assert len(left(records)) == 2 * 5 + 1  # parts with their intents, and how it ended
    assert all_of(library) == []
    lossy.refused = 0
    until(lambda: idle(records))
    ids = [one for recorded in told for one in recorded.artifact_ids]
    assert [one.id for one in reversed(all_of(library))] == ids
    assert attempt(library, prompt.workflow_id).error_message == "no luck"


def test_what_a_process_left_that_is_gone_is_sent_by_the_next_and_its_prompt_is_lost(
    machine: Open, lossy: Wire, library: Library
) -> None:
    records = machine()
    there = Prompt(records)
    there.save(1)
    away(records, lossy)
    waits = Prompt(records, chain="film", step="a")
    kept = waits.save(2, 3)
    records.close()  # With its locks it gives up what it holds, as a process does that is killed.
    after = machine()
    assert len(all_of(library)) == 1
    lossy.refused = 0
    until(lambda: idle(after))
    assert {one.id for one in all_of(library)} > set(kept.artifact_ids)
    for prompt in (there, waits):
        ended = attempt(library, prompt.workflow_id)
        assert ended.status == "outcome_unknown"
        assert "ComfyUI ended" in ended.error_message


def test_a_promise_that_comes_back_without_its_files_is_struck_where_the_hub_has_them(
    machine: Open, lossy: Wire, library: Library, tmp_path: Path
) -> None:
    records = machine()
    away(records, lossy)
    kept = Prompt(records).save(1)
    records.close()
    (folder,) = (path for path in (tmp_path / "machine" / "staging").iterdir() if path.is_dir())
    shutil.copytree(folder, tmp_path / "as it was")
    lossy.refused = 0
    after = machine()
    until(lambda: idle(after) and len(all_of(library)) == 1)
    after.close()
    shutil.copytree(tmp_path / "as it was", folder, ignore=shutil.ignore_patterns("*.part"))
    again = machine()
    until(lambda: idle(again))
    assert [one.id for one in all_of(library)] == list(kept.artifact_ids)
    assert not list((tmp_path / "machine" / "quarantine").iterdir())


def test_a_promise_whose_files_nobody_has_goes_into_quarantine(
    machine: Open, lossy: Wire, library: Library, tmp_path: Path
) -> None:
    records = machine()
    away(records, lossy)
    Prompt(records).save(1)
    records.close()
    for part in (tmp_path / "machine" / "staging").rglob("*.part"):
        part.unlink()
    lossy.refused = 0
    after = machine()
    until(lambda: idle(after))
    assert [path.name.endswith(".intent.json") for path in (tmp_path / "machine" / "quarantine").iterdir()] == [True]


def test_a_machine_that_the_hub_does_not_know_is_told_and_loses_nothing(machine: Open, library: Library) -> None:
    _, token = access.create_token(library, "gpu-a", role="record", by="ann")
    _, weak = access.create_token(library, "weak", role="view", by="ann")
    kept: list[str] = []
    for wrong in ("adb_" + "x" * 43, weak):
        records = machine(token=wrong)
        prompt = Prompt(records)
        for shade in (1, 2):
            with pytest.raises(RefusedByHub, match=r"refused the record.*Nothing is lost") as refused:
                prompt.save(shade)
            assert wrong not in str(refused.value)
        with pytest.raises((RefusedByHub, NotFound)):
            records.find(Wanted(chain="film"), last_approved=False)
        kept += [name for name in left(records) if name.endswith(".intent.json")]
        records.close()
    assert all_of(library) == []
    records = machine(token=token)
    until(lambda: idle(records))
    assert len(all_of(library)) == 4


def test_a_machine_knows_the_hub_that_it_spoke_to_last_while_that_is_away(
    machine: Open, lossy: Wire, library: Library
) -> None:
    first = machine()
    until(lambda: first.store_id)
    first.close()
    lossy.refused = 10_000
    again = machine()
    assert again.store_id == stores.id_of(library)
    assert Prompt(again).save(1).deferred is not None
    assert machine("http://127.0.0.1:9").store_id is None  # It is of that address alone.
    file = again.store.root / hub_identity.FILE
    file.write_bytes(b"{")
    assert machine().store_id is None


def test_a_machine_that_cannot_remember_its_hub_hands_its_records_in(machine: Open, library: Library) -> None:
    records = machine()
    until(lambda: records.store_id)
    records.close()
    file = records.store.root / hub_identity.FILE
    file.unlink()
    file.mkdir()
    again = machine()
    assert Prompt(again).save(1).deferred is None
    assert len(all_of(library)) == 1


def test_what_the_hub_refuses_stays_here_and_what_comes_after_it_goes_by(machine: Open, library: Library) -> None:
    records = machine()
    nowhere = Prompt(records, chain=identities.new_id())
    with pytest.raises(RefusedByHub, match="no chain"):
        nowhere.save(1)
    prompt = Prompt(records)
    assert prompt.save(2).deferred is None
    prompt.end()
    until(lambda: attempt(library, prompt.workflow_id).status == "completed")
    assert len([name for name in left(records) if name.endswith(".part")]) == 1


def test_whatever_goes_wrong_with_one_record_what_comes_after_it_goes_by(
    machine: Open, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = machine()
    prompt = Prompt(records)
    remove, hand_over = outbox.remove, outbox._handover

    def in_use(path: Path) -> None:
        monkeypatch.setattr(outbox, "remove", remove)
        raise PermissionError(13, "used by another process")

    def unheard_of(intent: Intent) -> Any:
        monkeypatch.setattr(outbox, "_handover", hand_over)
        raise KeyError("outputs")

    monkeypatch.setattr(outbox, "remove", in_use)
    assert prompt.save(1).deferred is None, "the hub has it; what is left here is nobody's"
    monkeypatch.setattr(outbox, "_handover", unheard_of)
    with pytest.raises(RefusedByHub, match="KeyError"):
        prompt.save(2)
    assert prompt.save(3).deferred is None
    assert len(all_of(library)) == 2
    records.close()
    again = machine()
    until(lambda: idle(again))
    assert len(all_of(library)) == 3


def test_a_store_that_cannot_be_read_for_a_moment_keeps_a_record_waiting(
    machine: Open, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = machine()
    is_file = Path.is_file
    failing = [OSError(5, "Input/output error")]

    def broken(path: Path) -> bool:
        if path.suffix == ".part" and failing:
            raise failing.pop()
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", broken)
    Prompt(records).save(1)
    until(lambda: len(all_of(library)) == 1)
    assert not failing


def test_what_was_deleted_for_good_meanwhile_is_not_sent_again(machine: Open, lossy: Wire, library: Library) -> None:
    records = machine()
    prompt = Prompt(records)
    until(lambda: records.store_id)
    lossy.unanswered = 1
    recorded = prompt.save(1)
    assert recorded.deferred is not None
    away(records, lossy)
    until(lambda: len(all_of(library)) == 1)
    trash.delete(library, recorded.artifact_ids[0], by="ann")
    emptying.empty(library, by="ann", ids=list(recorded.artifact_ids))
    lossy.refused = 0
    prompt.end()
    until(lambda: idle(records))
    assert all_of(library) == []


def test_an_artifact_is_loaded_when_it_is_usable_and_its_bytes_are_proven_each_time(
    machine: Open, library: Library
) -> None:
    records = machine()
    prompt = Prompt(records, chain="film", step="a")
    (first,) = prompt.save(1, status="pending").artifact_ids
    wanted = Wanted(chain="film", step="a")
    assert records.find(wanted, last_approved=False).id == first
    with pytest.raises(NotUsable, match="waits for a decision"):
        records.take(wanted, last_approved=False)
    with pytest.raises(NotFound):
        records.take(Wanted(chain="another"), last_approved=False)
    decisions.approve(library, first, by="ada")
    for spoil in (lambda path: None, Path.unlink, lambda path: (path.chmod(0o600), path.write_bytes(b"other"))):
        taken = records.take(wanted, last_approved=False)
        path = records.path(taken)
        assert (taken.id, taken.approved_by, path.read_bytes()) == (first, "ada", png(1))
        assert not os.access(path, os.W_OK) or os.geteuid() == 0
        spoil(path)
    assert records.take(wanted, last_approved=False).sha256 == taken.sha256
    assert records.path(taken).read_bytes() == png(1)


def test_a_download_that_breaks_off_goes_on_or_leaves_nothing(machine: Open, lossy: Wire, library: Library) -> None:
    records = machine()
    (made,) = Prompt(records).save(1).artifact_ids
    wanted = Wanted(artifact_id=made)
    records._hub.close()
    records.find(wanted, last_approved=False)
    lossy.cut = [-1, 300]
    records._hub.close()
    with pytest.raises(Unavailable):
        records.take(wanted, last_approved=False)
    assert not list((records.store.root / "loaded").iterdir())
    lossy.cut = []
    assert records.path(records.take(wanted, last_approved=False)).read_bytes() == png(1)


def test_what_was_loaded_and_is_longest_unused_makes_room(machine: Open, library: Library) -> None:
    records = machine()
    records._loaded = Loaded(records.store.root, most=2 * len(png(1)) + 10)
    made = Prompt(records).save(1, 2, 3).artifact_ids
    paths = []
    for artifact_id in (made[0], made[1], made[0], made[2]):
        paths.append(records.path(records.take(Wanted(artifact_id=artifact_id), last_approved=False)))
    assert [path.exists() for path in (paths[0], paths[1], paths[3])] == [True, False, True]


def test_nothing_here_opens_a_database(tmp_path: Path) -> None:
    (tmp_path / "artifact-db.toml").write_text('hub = "http://127.0.0.1:1"\nhub_token_env = "T"\n')
    config = load_config(tmp_path, {"T": "s3cret"})
    assert config.hub == Server("hub", "http://127.0.0.1:1", "s3cret")
    assert "s3cret" not in repr(config)
    with pytest.raises(BadConfiguration, match=r"recorded into the hub http://127\.0\.0\.1:1"):
        open_library(config)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["artifact-db.toml"]


def test_what_was_promised_to_a_hub_is_recorded_here_once_there_is_none(
    machine: Open, lossy: Wire, tmp_path: Path, config: Config
) -> None:
    records = machine()
    away(records, lossy)
    kept = Prompt(records).save(1, 2)
    records.close()
    own = replace(config, store=tmp_path / "machine", database=f"sqlite:///{tmp_path / 'own.db'}")
    library = open_library(own)
    try:
        library.prepare()
        assert {one.id for one in all_of(library)} == set(kept.artifact_ids)
        assert workflows.get_workflow(library, kept.workflow_id).status == "outcome_unknown"
        invariants.check(library)
    finally:
        library.close()
