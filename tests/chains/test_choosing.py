"""On which server a step runs: the one that it names, or the least loaded that answers, also when it is asked again."""

from __future__ import annotations

from dataclasses import replace

from chaining import Studio, step
from comfyui_artifact_db.library import executing


def test_a_step_whose_server_has_left_goes_elsewhere_when_it_is_tried_again(studio: Studio) -> None:
    studio.fails = lambda graph: True
    studio.servers["gpu-b"].queue["queue_running"] = [[0, "other", {}, {}, []]]  # so that gpu-a is chosen
    chain = studio.run(step("one"), status="failed")
    studio.fails = lambda graph: False
    studio.configure(studio.library.config.servers["gpu-b"])
    executing.resume(studio.library, chain.id, by="ada")
    with studio.driving():
        studio.until(chain, "completed")
    servers = [one.server_address for one in studio.attempts(chain, "one")]
    assert servers == ["gpu-a", "gpu-b"]
    assert studio.workflow(chain, "one").server_address == "gpu-b"


def test_a_step_that_never_began_can_be_tried_again_once_its_server_is_configured(studio: Studio) -> None:
    everything = studio.library.config
    chain = studio.begin(step("one", server="gpu-a"), step("two", "one"))
    studio.configure(everything.servers["gpu-b"])
    with studio.driving():
        failed = studio.until(chain, "failed")
        assert "no server 'gpu-a' is configured" in str(failed.error_message)
        executing.resume(studio.library, chain.id, by="ada")
        studio.until(chain, "failed")
        assert studio.attempts(chain, "one")[0].server_address == ""
    studio.library.config = replace(everything)
    executing.resume(studio.library, chain.id, by="ada")
    with studio.driving():
        studio.until(chain, "completed")
    assert [one.status for one in studio.attempts(chain, "one")] == ["failed", "completed"]


def test_a_step_that_its_condition_skipped_runs_when_somebody_asks_for_it(studio: Studio) -> None:
    chain = studio.run(step("one"), step("two", "one", condition="1 > 2"))
    executing.retry(studio.library, studio.workflow(chain, "two").id, parameters=None, by="ada")
    with studio.driving():
        studio.until(chain, "completed")
    assert studio.statuses(chain) == {"one": "completed", "two": "completed"}
