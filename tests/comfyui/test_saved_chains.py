"""Which chain a SaveToArtifactDB joins or begins, and which widgets it refuses."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from comfyui_graphs import Graph, saved_picture
from comfyui_studio import Studio

BAD_NAMES = [
    *("/etc/passwd", "../up", "a/b", "a\\b", "C:\\x", "c:x", "http://evil.example/x", "file:///etc/passwd"),
    *("..", "nul\x00", "line\nbreak", "tab\tstop", "bell\x07", "half a pair \ud83d", "long " * 60),
]
BAD_PREFIXES = [
    *("", "   ", "/abs", "\\abs", "C:\\x", "c:x", "../up", "a/../../up", "a\\..\\up", "//host/share/x"),
    *("http://evil.example/x", "nul\x00", "line\nbreak", "tab\tstop", "bell\x07", "half a pair \ud83d"),
    *("x" * 250, "é" * 120, "long/" * 60 + "x"),
]
BAD_TAGS = ["nul\x00", "line\nbreak", "tab\tstop", "x" * 101, "half a pair \ud83d"]


def name() -> str:
    """A chain's name that no other test uses."""
    return f"chain {uuid.uuid4()} x"


def chain_of(studio: Studio, artifact: dict[str, Any]) -> str:
    return str(studio.workflow(artifact["workflow_id"])["chain_id"])


def test_a_name_begins_a_chain_and_the_next_prompt_joins_it(studio: Studio) -> None:
    chain = name()
    first, second = studio.saved(chain=chain, step="a"), studio.saved(chain=chain, step="b")
    assert first["workflow_id"] != second["workflow_id"]
    (row,) = studio.get("/chains", name=chain)["items"]
    assert chain_of(studio, first) == chain_of(studio, second) == row["id"]
    assert row["status"] == "executing_level_0"


def test_a_name_joins_the_newest_unfinished_chain_however_it_is_written(studio: Studio) -> None:
    written = name() + " é"
    for status in ("completed", "initializing", "cancelled"):
        made = studio.post("/chains", {"name": written, "status": status}, 201)
        if status == "initializing":
            open_chain = made
    for chain in (written, f"  {written} ", written.replace("é", "e\u0301")):
        assert chain_of(studio, studio.saved(chain=chain, step="a")) == open_chain["id"]


def test_a_finished_chain_is_left_alone_and_a_new_one_begun(studio: Studio) -> None:
    chain = name()
    first = chain_of(studio, studio.saved(chain=chain))
    studio.hub("PATCH", f"/chains/{first}", json={"status": "completed"})
    second = chain_of(studio, studio.saved(chain=chain))
    assert second != first
    assert len(studio.get("/chains", name=chain)["items"]) == 2


@pytest.mark.parametrize("write", [str.lower, str.upper])
def test_an_id_joins_that_chain(studio: Studio, write: Any) -> None:
    chain = studio.post("/chains", {"name": name(), "status": "completed"}, 201)
    graph = Graph()
    picture = graph.picture()
    graph.save(picture, chain=write(chain["id"]), step="a")
    graph.save(picture, chain=write(chain["id"]), step="a")
    (workflow,) = studio.workflows_of(studio.run(graph).prompt_id)
    assert workflow["chain_id"] == chain["id"]


def test_the_same_step_again_is_a_new_workflow(studio: Studio) -> None:
    chain = name()
    first, second = studio.saved(chain=chain, step="a"), studio.saved(chain=chain, step="a")
    assert first["workflow_id"] != second["workflow_id"]
    assert second["version"] == 1
    assert second["is_latest"]
    assert studio.artifact(first["id"])["is_latest"]


def test_an_id_of_no_chain_is_a_clear_error_and_nothing_is_recorded(studio: Studio) -> None:
    files, missing = studio.files(), str(uuid.uuid4())
    outcome = studio.run(saved_picture(chain=missing), status="error")
    assert outcome.error == f"no chain {missing}"
    assert_nothing_recorded(studio, outcome.prompt_id, files)


@pytest.mark.parametrize(
    ("widget", "value"),
    [
        *(("chain", value) for value in BAD_NAMES),
        *(("step", value) for value in BAD_NAMES),
        *(("filename_prefix", value) for value in BAD_PREFIXES),
        *(("tags", value) for value in BAD_TAGS),
        ("approval", "whatever"),
    ],
)
def test_a_bad_widget_is_refused_before_anything_runs(studio: Studio, widget: str, value: str) -> None:
    answer = studio.refusal(saved_picture(**{widget: value}))
    assert answer["node_errors"], "ComfyUI took it"
    (error,) = answer["node_errors"].values()
    told = " ".join(reason["details"] for reason in error["errors"])
    assert widget in told
    assert "Traceback" not in str(answer)
    assert answer["error"]["type"] == "prompt_outputs_failed_validation"


@pytest.mark.parametrize(
    ("widget", "value"),
    [
        ("chain", "../up"),
        ("step", "http://evil.example/x"),
        ("filename_prefix", "/abs"),
        ("filename_prefix", "nul\x00"),
        ("tags", "line\nbreak"),
        *((widget, None) for widget in ("chain", "step", "filename_prefix", "tags")),
    ],
)
def test_a_bad_value_that_is_linked_fails_clearly_when_it_runs(studio: Studio, widget: str, value: str | None) -> None:
    files, graph = studio.files(), Graph()
    text = graph.add("TestsTexts", texts={"__value__": [value]})
    graph.save(graph.picture(), **{widget: text})
    outcome = studio.run(graph, status="error")
    assert outcome.error.startswith(f"{widget}")
    assert_nothing_recorded(studio, outcome.prompt_id, files)


def test_good_values_may_be_linked(studio: Studio) -> None:
    chain, graph = name(), Graph()
    text = graph.add("PrimitiveString", value=chain)
    save = graph.save(graph.picture(), chain=text, step=text, filename_prefix=text, tags=text)
    (artifact_id,) = studio.run(graph).ids(save)
    artifact = studio.artifact(artifact_id)
    assert artifact["filename"] == f"{chain}_00001_.png"
    assert artifact["tags"] == [chain]
    assert studio.workflow(artifact["workflow_id"])["step_id"] == chain


def assert_nothing_recorded(studio: Studio, prompt_id: str, files: set[str]) -> None:
    assert studio.workflows_of(prompt_id) == []
    assert studio.files() == files
