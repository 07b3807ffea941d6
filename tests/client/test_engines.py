"""Pins what an engine has of the record: a library in its process and a hub over HTTP tell it and do the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from chaining import Studio, step
from comfyui_artifact_db.chains.records import LocalRecords, Records
from comfyui_artifact_db.chains.stages import Stage
from comfyui_artifact_db.client.engine import HubRecords
from comfyui_artifact_db.comfyui_client import History
from comfyui_artifact_db.config import Server
from comfyui_artifact_db.errors import BadConfiguration, Conflict, NotFound, NotUsable, Unavailable, UnknownServer
from comfyui_artifact_db.library import (
    artifacts,
    chains,
    decisions,
    driving,
    events,
    executing,
    fetching,
    lineage,
    pages,
    transfers,
    trash,
)
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Chain
from comfyui_servers_that import SUCCESS
from engines import FARM, Engine, farm, over_http, strict, token_of
from making import made_of, png
from running import served
from waiting import until

WAYS = ("library", "hub")


@dataclass
class Farm:
    """A studio whose chains an engine drives that has nothing but `records`."""

    studio: Studio
    records: Records
    folder: Path

    @property
    def library(self) -> Library:
        return self.studio.library

    def begin(self, *tables: dict[str, Any], **more: Any) -> Chain:
        """A chain that nobody else drives."""
        return self.studio.begin(*tables, **{"engine": "temporal", **more})

    def run(self, *tables: dict[str, Any], status: str = "completed", **more: Any) -> Chain:
        """A chain that has come to an end, or to a person."""
        chain = self.begin(*tables, **more)
        assert Engine(self.records, chain).run(status) == status
        return chain


@pytest.fixture(params=WAYS)
def engine(request: pytest.FixtureRequest, studio: Studio, tmp_path: Path) -> Iterator[Farm]:
    """Both ways, one after the other: no test can tell them apart."""
    if request.param == "library":
        yield Farm(studio, LocalRecords(studio.library), tmp_path)
        return
    with over_http(studio, tmp_path / "farm") as (_, records):
        yield Farm(studio, records, tmp_path)


def queued(studio: Studio, *names: str) -> list[dict[str, Any]]:
    """The graphs that were queued, on any server or on these."""
    return [asked["prompt"] for name in names or studio.servers for asked in studio.servers[name].queued]


def test_a_chain_comes_to_its_end_with_exactly_the_bytes_that_were_made(engine: Farm) -> None:
    studio = engine.studio
    chain = engine.run(
        step("one", server="gpu-a", parameters={"7.text": "{{ prompt }}"}),
        step("two", "one", server="gpu-b", condition="one.output.meta.width == 8"),
        step("three", "two", server="gpu-a"),
        step("never", "one", condition="one.output.meta.width > 100"),
        defaults={"prompt": "a cat"},
    )
    wanted = {"one": "completed", "two": "completed", "three": "completed", "never": "skipped"}
    assert studio.statuses(chain) == wanted
    first, second, third = (studio.current(chain, name) for name in ("one", "two", "three"))
    for made, server in ((first, "gpu-b"), (second, "gpu-a")):
        (graph,) = [graph for graph in queued(studio, server) if graph["1"]["inputs"]["image"] != "none.png"]
        there = studio.servers[server].folder / "input" / graph["1"]["inputs"]["image"]
        assert there.read_bytes() == Path(made.local_path).read_bytes()
    ancestors = lineage.get_lineage(studio.library, third.id).ancestors
    assert [found.artifact.id for found in ancestors] == [second.id, first.id]
    assert len(queued(studio)) == 3
    assert studio.made == 3
    assert first.metadata["width"] == 8
    assert (first.filename, first.output_key) == ("made_00001_.png", "9:images:0")


def test_every_question_has_the_same_answer(studio: Studio, tmp_path: Path) -> None:
    chain = Farm(studio, LocalRecords(studio.library), tmp_path).run(
        step("one", server="gpu-a", retry={"attempts": 2, "backoff": 0.01}), step("two", "one", server="gpu-b")
    )
    workflow = studio.workflow(chain, "two")
    executing.retry(studio.library, workflow.id, parameters={"7.seed": 5}, by="anna")
    (delivered,) = transfers.list_transfers(studio.library, pages.Ask()).items
    assert delivered.target_filename is not None
    first, last = studio.attempts(chain, "two")
    artifact = studio.current(chain, "one")
    spoken_of = {event.chain_id for event in events.list_events(studio.library, limit=500) if event.chain_id}
    local = LocalRecords(studio.library)

    def untold(view: Any) -> Any:
        """What no outside program is told is left out."""
        return replace(view, local_path="", file_mtime_ns=None, file_inode=None)

    def standings(records: Records) -> Any:
        found = records.get_standings(chain.id)
        steps = found.steps.items()
        return found.chain, {key: (one, attempt, current and untold(current)) for key, (one, attempt, current) in steps}

    ask: dict[str, Callable[[Records], Any]] = {
        "store_id": lambda records: records.store_id(),
        "last_seq": lambda records: records.last_seq(),
        "list_events": lambda records: records.list_events(after=3, limit=5),
        "list_driven": lambda records: records.list_driven(engine="temporal"),
        "list_driven of some": lambda records: sorted(records.list_driven(engine="temporal", chain_ids=spoken_of)),
        "list_driven of none": lambda records: records.list_driven(engine="temporal", chain_ids=[]),
        "get_chain": lambda records: records.get_chain(chain.id),
        "get_drive": lambda records: records.get_drive(chain.id),
        "get_standings": standings,
        "find_step": lambda records: records.find_step(workflow.id),
        "find_step of none": lambda records: records.find_step(chain.id),
        "sent_before": lambda records: records.sent_before(last),
        "sent_before the first": lambda records: records.sent_before(first),
        "get_overrides": lambda records: records.get_overrides(last),
        "get_overrides of none": lambda records: records.get_overrides(first),
        "get_artifact": lambda records: untold(records.get_artifact(artifact.id)),
        "list_heads": lambda records: [untold(one) for one in records.list_heads(workflow.id)],
        "read": lambda records: records.read(artifact),
        "deliver again": lambda records: records.deliver(first, artifact.id),
    }
    with over_http(studio, tmp_path / "farm") as (_, records):
        for name, asked in ask.items():
            assert asked(records) == asked(local), name
        for name in ("delivered_names", "is_size_of_any", "recognised", "recorded_outputs"):
            assert hasattr(records, name)
        assert list(records.recorded_outputs(first.id)) == ["9:images:0"]
        assert list(records.delivered_names(server="gpu-b", prompt_id=first.prompt_id)) == [delivered.target_filename]
        assert (records.is_size_of_any(artifact.file_size), records.is_size_of_any(1)) == (True, False)
        assert records.recognised([artifact.sha256, "0" * 64], server="gpu-b", prompt_id="other") == {
            "transfer": [artifact.id]
        }


def test_a_step_waits_for_a_person_and_takes_what_they_chose(engine: Farm) -> None:
    studio = engine.studio
    studio.pictures = 3
    chain = engine.begin(step("one", server="gpu-a", requires_approval=True), step("two", "one", server="gpu-b"))
    driver = Engine(engine.records, chain)
    assert driver.run("awaiting_approval") == "awaiting_approval"
    assert len(queued(studio)) == 1
    chosen = studio.heads(chain, "one")[1]
    decisions.approve(studio.library, chosen.id, by="anna")
    studio.pictures = 1
    assert driver.run() == "completed"
    (sent,) = studio.servers["gpu-b"].queued
    there = studio.servers["gpu-b"].folder / "input" / sent["prompt"]["1"]["inputs"]["image"]
    assert there.read_bytes() == Path(chosen.local_path).read_bytes()


@pytest.mark.parametrize(("then", "status"), [("approve", "completed"), ("fail", "failed")])
def test_a_decision_that_does_not_come_is_made_as_the_file_says(engine: Farm, then: str, status: str) -> None:
    limit = {"after": "1s", "then": then}
    chain = engine.run(step("one", requires_approval=True, approval_timeout=limit), status=status)
    artifact = engine.studio.current(chain, "one")
    assert (artifact.approval_status, artifact.approved_by) == (
        ("approved", "chain: approval_timeout") if then == "approve" else ("pending", None)
    )


def test_nothing_is_decided_before_its_time(engine: Farm) -> None:
    limit = {"after": "1h", "then": "approve"}
    chain = engine.run(step("one", requires_approval=True, approval_timeout=limit), status="awaiting_approval")
    engine.records.expire(chain.id, "one")
    engine.records.expire(chain.id, "another")
    assert engine.studio.current(chain, "one").approval_status == "pending"


def test_a_step_that_fails_is_tried_again_and_its_error_is_told(engine: Farm) -> None:
    failures = iter((True, False, True))
    engine.studio.fails = lambda graph: next(failures)
    chain = engine.run(step("one", retry={"attempts": 2, "backoff": 0.01}))
    tries = [(one.number, one.status, one.error_message) for one in engine.studio.attempts(chain, "one")]
    assert tries == [(1, "failed", "node 9: no luck"), (2, "completed", None)]
    other = engine.run(step("one"), status="failed", name="other")
    assert engine.studio.statuses(other) == {"one": "failed"}


def test_a_text_goes_into_the_graph_itself(engine: Farm) -> None:
    studio = engine.studio
    for server in studio.servers.values():
        server.runs = lambda graph: ({"7": {"text": [f"after {graph['7']['inputs']['text']}"]}}, SUCCESS)
    told = step("two", parameters={"7.text": "{{ one.output.text }}"})
    chain = engine.run(step("one", parameters={"7.text": "dawn"}), {**told, "depends_on": ["one"]})
    assert queued(studio)[-1]["7"]["inputs"]["text"] == "after dawn"
    assert Path(studio.current(chain, "two").local_path).read_text() == "after after dawn"


def test_what_arrives_late_is_collected_when_it_is_there(engine: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "WAITS", (0.01, 0.01))
    studio, server = engine.studio, engine.studio.servers["gpu-a"]
    studio.pictures = 2

    async def busy(request: web.Request) -> web.Response:
        return web.Response(status=503)

    server.instead["made_00002_.png"] = busy
    chain = engine.begin(step("one", server="gpu-a"))
    driver = Engine(engine.records, chain)
    while not studio.statuses(chain) or not studio.attempts(chain, "one")[0].error_message:
        driver.turn()
    assert [one.output_key for one in studio.heads(chain, "one")] == ["9:images:0"]
    assert studio.attempts(chain, "one")[0].status == "executing"
    del server.instead["made_00002_.png"]
    assert driver.run() == "completed"
    assert sorted(one.output_key for one in studio.heads(chain, "one")) == ["9:images:0", "9:images:1"]
    assert len(queued(studio)) == 1


def test_a_server_that_is_away_is_left_for_another_one(engine: Farm) -> None:
    studio = engine.studio
    chain = engine.run(step("one", server="gpu-a"))
    studio.servers["gpu-a"].away = True
    more = engine.run(step("one"), name="other")
    assert studio.attempts(more, "one")[0].server_address == "gpu-b"
    studio.servers["gpu-a"].away = False
    assert studio.statuses(chain) == {"one": "completed"}


def test_a_file_that_went_in_is_known_by_its_bytes(engine: Farm) -> None:
    studio = engine.studio
    first = engine.run(step("one", server="gpu-a"))
    artifact = studio.current(first, "one")
    server = studio.servers["gpu-b"]
    server.file("by_hand.png", Path(artifact.local_path).read_bytes(), type="input")
    server.node_types["LoadImage"]["input"]["required"]["image"][0].append("by_hand.png")
    second = engine.run(step("one", server="gpu-b", parameters={"1.image": "by_hand.png"}), name="other")
    found = lineage.get_lineage(studio.library, studio.current(second, "one").id).ancestors
    assert [one.artifact.id for one in found] == [artifact.id]


def test_a_chain_in_the_trash_is_left(engine: Farm) -> None:
    chain = engine.begin(step("one", requires_approval=True), step("two", "one"))
    driver = Engine(engine.records, chain)
    driver.run("awaiting_approval")
    chains.delete_chain(engine.library, chain.id, actor="anna")
    assert driver.run() == "gone"
    with pytest.raises(NotFound):
        engine.records.get_chain(chain.id)


def test_calls_that_come_twice_do_the_same_once(engine: Farm) -> None:
    chain = engine.begin(step("one", server="any"))
    records, library = engine.records, engine.library
    driver = Engine(records, chain)
    driver.turn(Stage.BEGIN)
    workflow = engine.studio.workflow(chain, "one")
    attempt = records.find_step(workflow.id)[1]
    assert attempt is not None
    other = next(name for name in engine.studio.servers if name != attempt.server_address)
    graph = {"9": {"class_type": "SaveImage", "inputs": {}}}

    def twice(call: Callable[[], Any]) -> None:
        first, before = call(), events.last_seq(library)
        assert (call(), events.last_seq(library)) == (first, before)

    twice(lambda: records.begin_attempt(made_of(workflow), server=other, overrides=None).id)
    twice(lambda: records.move(attempt.id, server=other))
    twice(lambda: records.conclude_chain(chain.id, status="executing_level_0", error=None))
    written: dict[str, Any] = {"parameters": {}, "workflow_definition": graph, "artifact_ids": []}
    records.prepare(attempt.id, **written)
    assert records.prepare(attempt.id, **written).workflow_definition == graph
    twice(lambda: records.acknowledge(attempt.id))
    twice(lambda: records.conclude(attempt.id, status="completed", error=None))
    again = records.begin_attempt(made_of(workflow), server=other, overrides={"7.seed": 7})
    assert records.get_overrides(again) == {"7.seed": 7}
    twice(lambda: records.withdraw(again.id, reason="it came after all"))
    twice(lambda: records.fail(workflow.id, error="never"))
    twice(lambda: [one.id for one in records.cancel_chain(chain.id)])
    assert engine.studio.statuses(chain) == {"one": "failed"}


def test_refusals_are_the_same_errors(engine: Farm) -> None:
    chain = engine.run(step("one", server="gpu-a"), step("two", "one", server="gpu-b"))
    records, studio = engine.records, engine.studio
    artifact, (attempt,) = studio.current(chain, "one"), studio.attempts(chain, "two")
    with pytest.raises(UnknownServer):
        records.begin_attempt(made_of(studio.workflow(chain, "two")), server="gpu-z", overrides=None)
    with pytest.raises(Conflict):
        records.acknowledge(attempt.id)
    with pytest.raises(NotFound):
        records.conclude(artifact.id, status="failed", error=None)
    executing.retry(studio.library, attempt.workflow_id, parameters=None, by="anna")
    decisions.reject(studio.library, artifact.id, by="anna", reason="too dark")
    newest = records.find_step(attempt.workflow_id)[1]
    assert newest is not None
    now = records.get_artifact(artifact.id)
    for ask in (lambda: records.deliver(newest, artifact.id), lambda: records.read(now)):
        with pytest.raises(NotUsable) as refused:
            ask()
        assert artifacts.why_not_usable(refused.value.data["artifact"]) == "it was rejected (too dark)"


def test_bytes_that_changed_are_given_to_nobody(engine: Farm) -> None:
    chain = engine.begin(step("one", server="gpu-a", requires_approval=True), step("two", "one", server="gpu-b"))
    driver = Engine(engine.records, chain)
    driver.run("awaiting_approval")
    artifact = engine.studio.current(chain, "one")
    path = Path(artifact.local_path)
    path.chmod(0o644)
    path.write_bytes(b"x" * artifact.file_size)
    driver.turn()
    with pytest.raises(NotUsable):
        engine.records.read(artifact)
    assert not engine.studio.servers["gpu-b"].queued
    path.write_bytes(png(1001))
    trash.delete(engine.library, artifact.id, by="anna")


def test_the_log_names_the_engine_and_its_token_and_no_secret(studio: Studio, tmp_path: Path) -> None:
    token = token_of(studio)
    with served(strict(studio)) as hub, farm(studio, hub.url, tmp_path / "farm", token=token) as records:
        Farm(studio, records, tmp_path).run(step("one", server="gpu-a"), step("two", "one", server="gpu-b"))
    log = events.list_events(studio.library, limit=500)
    assert {event.actor for event in log} == {"anna", "tester", FARM, f"chain ({FARM})"}
    by_token = {event.action for event in log if event.actor == FARM}
    pointers = {"artifact.head_changed", "workflow.current_changed"}
    assert by_token == {"artifact.recorded", "attempt.updated", "workflow.updated", *pointers}
    assert all(driving.is_engine(event.actor) for event in log if event.action.startswith("transfer."))
    assert token not in repr(log)


@pytest.mark.parametrize("role", ["view", "review"])
def test_a_token_that_may_not_record_changes_nothing_and_says_so(studio: Studio, tmp_path: Path, role: str) -> None:
    token = token_of(studio, role)
    chain = studio.begin(step("one"), engine="temporal")
    before = events.last_seq(studio.library)
    with served(strict(studio)) as hub, farm(studio, hub.url, tmp_path / "farm", token=token) as records:
        with pytest.raises(Unavailable, match="permission 'record'"):
            records.conclude_chain(chain.id, status="completed", error=None)
        with pytest.raises(Unavailable):
            Engine(records, chain).turn()
    assert events.last_seq(studio.library) == before


def test_the_clock_of_the_hub_is_what_counts(studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose clock is wrong neither ends prompts before their time nor decides for people."""
    limit = {"after": "1h", "then": "approve"}
    chain = studio.begin(step("one", requires_approval=True, approval_timeout=limit, timeout=600), engine="temporal")
    now = datetime.now(timezone.utc) + timedelta(hours=2)
    with over_http(studio, tmp_path / "farm") as (_, records):
        records.last_seq()
        assert records.seconds_since(chain.created_at) < 60

        class Wrong(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return now

        for module in ("client.hub", "library.identities"):
            monkeypatch.setattr(f"comfyui_artifact_db.{module}.datetime", Wrong)
        records.last_seq()
        assert -60 < records.seconds_since(chain.created_at) < 60
        monkeypatch.undo()
    assert Engine(LocalRecords(studio.library), chain).run("awaiting_approval") == "awaiting_approval"


def test_a_server_that_only_the_farm_knows_fails_the_step_and_says_so(studio: Studio, tmp_path: Path) -> None:
    chain = studio.begin(step("one", server="gpu-a"), engine="temporal")
    knows_less = replace(strict(studio), servers={"gpu-b": studio.library.config.servers["gpu-b"]})
    with served(knows_less) as hub, farm(studio, hub.url, tmp_path / "farm") as records:
        assert Engine(records, chain).run() == "failed"
    assert "no server 'gpu-a' is configured" in str(studio.workflow(chain, "one").error_message)


def test_a_hub_that_takes_a_delivery_for_abandoned_and_cannot_make_it_is_in_nobodys_way(
    studio: Studio, tmp_path: Path
) -> None:
    chain = studio.begin(step("one", server="gpu-a"), step("two", "one", server="gpu-b"), engine="temporal")
    token = token_of(studio)
    with served(strict(studio)) as hub, farm(studio, hub.url, tmp_path / "farm", token=token) as records:
        driver = Engine(records, chain)
        driver.begin("two")
        attempt = records.find_step(studio.workflow(chain, "two").id)[1]
        assert attempt is not None
        records._call("begin_delivery", attempt_id=attempt.id, artifact_id=studio.current(chain, "one").id)
    behind_a_wall = replace(
        strict(studio), servers={**strict(studio).servers, "gpu-b": Server("gpu-b", "http://127.0.0.1:1")}
    )
    with served(behind_a_wall) as hub, farm(studio, hub.url, tmp_path / "farm", token=token) as records:
        records.last_seq()
        until(lambda: transfers.list_transfers(studio.library, pages.Ask()).items[0].status == "failed")
        assert Engine(records, chain).run() == "completed"
    (delivered,) = transfers.list_transfers(studio.library, pages.Ask()).items
    assert (delivered.status, delivered.attempts) == ("completed", 3)


def test_without_a_hub_in_the_configuration_there_is_none(studio: Studio) -> None:
    with pytest.raises(BadConfiguration):
        HubRecords(studio.library.config)


def test_a_receipt_for_other_bytes_is_refused(studio: Studio, tmp_path: Path) -> None:
    chain = Farm(studio, LocalRecords(studio.library), tmp_path).run(step("one"), step("two", "one"))
    (attempt,) = studio.attempts(chain, "two")
    history = History((), "success")
    with over_http(studio, tmp_path / "farm") as (_, records):
        records.collect(attempt, history, patient=False)
        begun = records._call("begin_delivery", attempt_id=attempt.id, artifact_id=studio.current(chain, "one").id)
        assert begun["transfer"]["status"] == "completed"
        with pytest.raises(Exception, match="receipt"):
            records._call(
                "end_delivery", transfer_id=begun["transfer"]["id"], number=1, target_filename="x", sha256="0" * 64
            )
