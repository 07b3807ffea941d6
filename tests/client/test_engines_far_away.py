"""Pins what the way to a hub may do to an engine: nothing is lost and nothing is done twice, however bad it is."""

from __future__ import annotations

import random
import threading
import tracemalloc
from pathlib import Path

import comfyui_servers_that
import pytest
from chaining import Studio, step, studio_of
from comfyui_artifact_db.errors import Unavailable
from comfyui_artifact_db.library import events, fetching, pages, transfers
from comfyui_artifact_db.library.opening import Library
from comfyui_servers_that import SUCCESS
from commanding import Shell
from engines import Engine, a_person, assert_done_once, farm, film, hub_file, over_http, strict, token_of
from losing import wire
from running import served
from waiting import until

LARGE = 300 * 1024 * 1024
SLACK = 24 * 1024 * 1024
"""Bytes that a hub, two servers and an engine may hold in one process while 300 MB go by."""


def test_a_chain_comes_to_its_end_over_a_wire_that_is_slow_and_loses_answers(studio: Studio, tmp_path: Path) -> None:
    chain = studio.begin(*film(), engine="temporal")
    with served(strict(studio)) as hub, wire(hub.port) as lossy:
        lossy.delay, lossy.loses = 0.005, 3
        with farm(studio, lossy.url, tmp_path / "farm") as records, a_person(studio, chain):
            assert Engine(records, chain).run(seconds=60) == "completed"
        assert lossy.lost > 10
    assert_done_once(studio, chain)


def test_a_download_and_an_upload_that_are_cut_go_on_or_begin_again(studio: Studio, tmp_path: Path) -> None:
    data = random.Random(7).randbytes(3_000_000)
    for server in studio.servers.values():
        server.runs = lambda graph, server=server: ({"9": {"images": [server.file("a.bin", data)]}}, SUCCESS)
    loads = {"parameters": {"7.text": "{{ one.outputs['9:images:0'] }}"}, "depends_on": ["one"]}
    chain = studio.begin(step("one", server="gpu-a"), {**step("two", server="gpu-b"), **loads}, engine="temporal")
    with served(strict(studio)) as hub, wire(hub.port) as lossy, farm(studio, lossy.url, tmp_path / "farm") as records:
        driver = Engine(records, chain)
        driver.begin("two")
        # Of the next answers of the hub only the beginning comes, also of the file.
        lossy.cut = [100, 1_000_000, 20, 1_500_000, 40, 1_000_000]
        assert driver.run() == "completed"
        assert not lossy.cut
    (delivered,) = transfers.list_transfers(studio.library, pages.Ask()).items
    assert (studio.servers["gpu-b"].folder / "input" / str(delivered.target_filename)).read_bytes() == data
    assert Path(studio.current(chain, "two").local_path).read_bytes() == data


def test_a_hub_that_is_away_is_waited_for(studio: Studio, tmp_path: Path) -> None:
    chain = studio.begin(*film(), engine="temporal")
    with wire(1) as lossy, farm(studio, lossy.url, tmp_path / "farm") as records:
        driver = Engine(records, chain)
        with pytest.raises(Unavailable, match="the hub"):
            driver.turn()
        ended: list[str] = []
        thread = threading.Thread(target=lambda: ended.append(driver.run(seconds=60)))
        thread.start()
        until(lambda: driver.waited > 1)
        with served(strict(studio)) as hub, a_person(studio, chain):
            lossy.lead_to(hub.port)
            thread.join(60)
    assert ended == ["completed"]
    assert_done_once(studio, chain)


def until_told(studio: Studio, more: int, ended: list[str]) -> None:
    """Wait until the log has so many events more, or the chain has ended."""
    before = events.last_seq(studio.library)
    until(lambda: ended or events.last_seq(studio.library) >= before + more, 60)


def test_a_hub_that_is_killed_again_and_again_loses_nothing(studio: Studio, tmp_path: Path) -> None:
    chain = studio.begin(*film(), engine="temporal")
    shell = Shell(tmp_path / "home")
    shell.home.mkdir()
    config = hub_file(studio, tmp_path)
    with wire(1) as lossy, farm(studio, lossy.url, tmp_path / "farm") as records:
        driver, ended = Engine(records, chain), list[str]()
        thread = threading.Thread(target=lambda: ended.append(driver.run(seconds=120)))
        with a_person(studio, chain):
            thread.start()
            for more in (3, 12, 10_000):
                with shell.serving(ARTIFACT_DB_CONFIG=str(config)) as hub:
                    lossy.lead_to(int(hub.url.split(":")[2].split("/")[0]))
                    until_told(studio, more, ended)
                    hub.process.kill()
            thread.join(60)
    assert ended == ["completed"]
    assert_done_once(studio, chain)


def test_a_worker_that_is_gone_leaves_its_work_to_another(studio: Studio, tmp_path: Path) -> None:
    """In the middle of a delivery and of a collection: what it had begun is begun again, and done once."""
    chain = studio.begin(step("one", server="gpu-a"), step("two", "one", server="gpu-b"), engine="temporal")
    with over_http(studio, tmp_path / "first") as (hub, records):
        first = Engine(records, chain)
        first.begin("two")
        attempt = records.find_step(studio.workflow(chain, "two").id)[1]
        assert attempt is not None
        artifact = studio.current(chain, "one")
        records._call("begin_delivery", attempt_id=attempt.id, artifact_id=artifact.id)
        (left,) = transfers.list_transfers(studio.library, pages.Ask()).items
        assert (left.status, left.attempts) == ("uploading", 1)
        with farm(studio, hub.url, tmp_path / "second", token=token_of(studio, name="other farm")) as others:
            assert Engine(others, chain).run() == "completed"
        late = records._call(
            "end_delivery", transfer_id=left.id, number=1, error="the first one comes back, and has failed"
        )
        assert (late["status"], late["attempts"]) == ("completed", 2)
    (delivered,) = transfers.list_transfers(studio.library, pages.Ask()).items
    assert (delivered.id, delivered.status) == (left.id, "completed")
    assert studio.made == 2


def test_300_mb_go_by_without_being_held(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comfyui_servers_that, "LARGEST_UPLOAD", 2 * LARGE)
    monkeypatch.setattr(fetching, "WAITS", (0.01, 0.01))
    with studio_of(library, tmp_path) as studio:
        source = studio.servers["gpu-a"].folder / "output" / "large.bin"
        source.parent.mkdir(parents=True)
        block = random.Random(1).randbytes(1024 * 1024)
        with source.open("wb") as file:
            for number in range(LARGE // len(block)):
                file.write(number.to_bytes(8, "big") + block[8:])
        made = {"images": [{"filename": "large.bin", "subfolder": "", "type": "output"}]}
        studio.servers["gpu-a"].runs = lambda graph: ({"9": made}, SUCCESS)
        loads = {"parameters": {"7.text": "{{ one.outputs['9:images:0'] }}"}, "depends_on": ["one"]}
        second = {**step("two", server="gpu-b"), **loads}
        chain = studio.begin(step("one", server="gpu-a"), second, engine="temporal")
        with over_http(studio, tmp_path / "farm") as (_, records):
            tracemalloc.start()
            try:
                assert Engine(records, chain).run(seconds=120) == "completed"
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        artifact = studio.current(chain, "one")
        assert artifact.file_size == LARGE
        (delivered,) = transfers.list_transfers(library, pages.Ask()).items
        assert delivered.receipt_sha256 == artifact.sha256
        assert peak < SLACK
