"""A definition is checked as a whole: everything that is wrong is found at once, with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from comfyui_artifact_db.chains import checking, files
from comfyui_artifact_db.chains.definitions import ApprovalTimeout, Definition, Retry
from comfyui_artifact_db.chains.problems import ChainInvalid
from comfyui_artifact_db.errors import Invalid

GRAPH = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["4", 1]}},
    "12:9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
}
SERVERS = ("gpu-a", "gpu-b")

DESIGNED = """\
name: image-edit-to-video-pipeline
description: From a photo to a film
parameters: { prompt: "a dragon breathing fire", source: photo.png }
steps:
  - id: extract_frame1
    workflow: workflows/extract.json
    server: gpu-a
    inputs: { "1.image": "{{ source }}" }
  - id: edit_frame1
    workflow: workflows/edit.json
    depends_on: [extract_frame1]
    requires_approval: true
    approval_timeout: { after: 3d, then: fail }
    parameters:
      "2.image": "{{ extract_frame1.output.image }}"
      "7.text": "{{ prompt }}"
  - id: make_video
    workflow: workflows/video.json
    depends_on: [edit_frame1]
    condition: "edit_frame1.output.meta.width >= 512"
    retry: { attempts: 3, backoff: 2 }
    on_error: fail
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three workflows beside a chain file."""
    (tmp_path / "workflows").mkdir()
    for name in ("extract", "edit", "video"):
        (tmp_path / "workflows" / f"{name}.json").write_text(json.dumps(GRAPH))
    return tmp_path


def check(folder: Path, text: str) -> Definition:
    file = folder / "chain.yaml"
    file.write_text(text)
    return checking.check_file(file, servers=SERVERS)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ChainInvalid) as caught:
        check(folder, text)
    return [str(problem) for problem in caught.value.problems]


def test_the_chain_of_the_design_is_right(folder: Path) -> None:
    found = check(folder, DESIGNED)
    assert [[step.id for step in level] for level in found.levels] == [
        ["extract_frame1"], ["edit_frame1"], ["make_video"],
    ]  # fmt: skip
    edit, film = found.step("edit_frame1"), found.step("make_video")
    assert edit.workflow == GRAPH
    assert (edit.workflow_name, edit.server, edit.requires_approval) == ("edit", "any", True)
    assert edit.approval_timeout == ApprovalTimeout(3 * 86400.0, "fail")
    assert edit.parameters["7.text"] == "{{ prompt }}"
    assert (film.condition, film.retry) == ("edit_frame1.output.meta.width >= 512", Retry(3, 2.0))
    assert found.parameters == {"prompt": "a dragon breathing fire", "source": "photo.png"}


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_the_file(folder: Path) -> None:
    text = """\
name: a/b
paramters: {}
steps:
  - id: one
    workflow: workflows/none.json
    server: gpu-z
    depends_on: [three]
  - id: two
    workflow: workflows/edit.json
    depends_on: [one, four]
    parameters:
      "8.text": x
      "7.txt": "{{ three.output.image }}"
      "7text": x
      "7.text": "{{ promt }} {{ one.image }}"
    retry: { attempts: 0 }
  - id: three
    workflow: { "1": { class_type: A, inputs: {} } }
    depends_on: [two]
    condition: "one.output."
"""
    *found, last = problems(folder, text)
    assert last.startswith("line 20: steps[2].condition: the template cannot be read: ")
    assert found == [
        "line 1: name: name is a name, not a path or a URL: no '/', '\\', '..' or line breaks",
        "line 2: paramters: unknown key; accepted here: name, description, parameters, steps",
        "line 5: steps[0].workflow: workflows/none.json cannot be read: No such file or directory",
        "line 6: steps[0].server: no server 'gpu-z' is configured (configured: gpu-a, gpu-b; or `any`)",
        "line 7: steps[0].depends_on: these wait for each other: one → three → two → one",
        "line 10: steps[1].depends_on[1]: no step is called 'four'",
        "line 12: steps[1].parameters[\"8.text\"]: the workflow has no node '8' (it has 1, 2, 7, 12:9)",
        "line 13: steps[1].parameters[\"7.txt\"]: node 7 (CLIPTextEncode) has no input 'txt' (it has text, clip)",
        'line 14: steps[1].parameters["7text"]: a key is `node_id.input`, such as 7.text',
        "line 15: steps[1].parameters[\"7.text\"]: a step has no 'image' (it has output, outputs, status, skipped)",
        "line 15: steps[1].parameters[\"7.text\"]: 'promt' is neither a parameter of the chain nor a step",
        "line 16: steps[1].retry.attempts: a whole number from 1 to 100",
    ]


def step(**more: Any) -> dict[str, Any]:
    return {"id": "one", "workflow": GRAPH, **more}


def told(*steps: Any, **chain: Any) -> list[str]:
    """What is wrong with a chain that came over HTTP."""
    with pytest.raises(ChainInvalid) as caught:
        checking.check(files.Tree({"name": "film", "steps": list(steps), **chain}), servers=SERVERS)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"id": "a-b"}, "steps[0].id: an id has letters, digits and _"),
        ({"id": 3}, "steps[0].id: an id has letters"),
        ({"workflow": "a.json"}, "steps[0].workflow: over HTTP a workflow is a graph itself"),
        ({"workflow": None}, "`workflow` is the name of a file, or a graph itself"),
        ({"workflow": {"nodes": [], "links": []}}, "export it with File → Export (API)"),
        ({"workflow": {"1": {"inputs": {}}}}, "a graph in API format maps"),
        ({"workflow": {}}, "a graph in API format maps"),
        ({"depends_on": "one"}, "steps[0].depends_on: a list of ids of steps"),
        ({"depends_on": ["one"]}, "these wait for each other: one → one"),
        ({"server": 3}, "no server 3 is configured"),
        ({"requires_approval": "yes"}, "steps[0].requires_approval: true or false"),
        ({"approval_timeout": {"after": "3d", "then": "fail"}}, "nothing to wait for without"),
        ({"requires_approval": True, "approval_timeout": {"after": "soon"}}, "a duration"),
        ({"requires_approval": True, "approval_timeout": {"after": 3}}, "then is missing"),
        ({"timeout": "-3"}, "steps[0].timeout: a duration"),
        ({"timeout": "9999w"}, "steps[0].timeout: a duration"),
        ({"retry": 3}, "steps[0].retry: a mapping of `attempts` and `backoff`"),
        ({"retry": {"attempts": True}}, "steps[0].retry.attempts: a whole number"),
        ({"on_error": "ignore"}, "steps[0].on_error: fail or continue"),
        ({"inputs": {"1.image": 3}}, "a file, or the id of an artifact: a text"),
        ({"inputs": ["1.image"]}, "a mapping of `node_id.input` to values"),
        ({"condition": 3}, "steps[0].condition: a text"),
        ({"parameters": {"1.image": "{{ one.output.image }}"}}, "which it does not wait for"),
        ({"parameters": {"1.image": {"deep": ["{% x %}"]}}}, "the template cannot be read"),
        ({"retries": 3}, "steps[0].retries: unknown key"),
    ],
)
def test_what_is_wrong_with_a_step_is_said(more: dict[str, Any], message: str) -> None:
    assert any(message in one for one in told(step(**more))), told(step(**more))


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ({"name": None}, "name: name is not a text"),
        ({"description": 3}, "description: a text"),
        ({"parameters": ["a"]}, "parameters: a mapping"),
        ({"parameters": {"a b": 1}}, 'parameters["a b"]: a parameter\'s name'),
        ({"parameters": {"a": "{{ b }}"}}, "parameters.a: a default is a plain value"),
        ({"parameters": {"one": 1}}, "a parameter is called 'one'"),
        ({"steps": []}, "steps: a list of 1 to 1000 steps"),
        ({"steps": ["one"]}, "steps[0]: a step is a mapping"),
        ({"steps": [step(), step()]}, "another step is called 'one' already"),
    ],
)
def test_what_is_wrong_with_a_chain_is_said(chain: dict[str, Any], message: str) -> None:
    assert any(message in one for one in told(*[step()], **chain)), told(*[step()], **chain)


@pytest.mark.parametrize("value", [None, [], "a", 3])
def test_what_is_no_mapping_is_no_chain(value: Any) -> None:
    with pytest.raises(ChainInvalid, match="a chain is a mapping"):
        checking.check(files.Tree(value), servers=SERVERS)


def test_a_step_may_use_what_it_waits_for_through_others() -> None:
    steps = [
        step(id="a"),
        step(id="b", depends_on=["a"]),
        step(id="c", depends_on=["b"], parameters={"1.image": "{{ a.output.image }}"}),
    ]
    found = checking.check(files.Tree({"name": "film", "steps": steps}), servers=())
    assert [[one.id for one in level] for level in found.levels] == [["a"], ["b"], ["c"]]


def test_steps_that_wait_for_the_same_run_side_by_side() -> None:
    edges = {"end": ["left", "right"], "left": ["start"], "right": ["start"], "start": []}
    steps = [step(id=name, depends_on=others) for name, others in edges.items()]
    found = checking.check(files.Tree({"name": "diamond", "steps": steps}), servers=())
    assert [[one.id for one in level] for level in found.levels] == [["start"], ["left", "right"], ["end"]]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(90, 90.0), (1.5, 1.5), ("90s", 90.0), ("15m", 900.0), ("2h", 7200.0), ("3d", 259200.0), ("1w", 604800.0),
     ("500ms", 0.5), ("10", 10.0), (True, None), ("", None), ("1y", None), ([], None), (-1, None)],
)  # fmt: skip
def test_durations(value: Any, seconds: float | None) -> None:
    from comfyui_artifact_db.chains import fields

    assert fields.seconds(value) == seconds


def test_a_file_that_is_none_is_said(folder: Path) -> None:
    with pytest.raises(Invalid, match="cannot be read"):
        checking.check_file(folder / "none.yaml", servers=())
    (folder / "chain.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Invalid, match="UTF-8"):
        checking.check_file(folder / "chain.yaml", servers=())
    assert problems(folder, "name: &a x\n") == ["line 1: anchors and aliases (& and *) are not taken; write it out"]


def test_a_workflow_that_is_not_json_is_said(folder: Path) -> None:
    (folder / "workflows" / "edit.json").write_text("{")
    assert [one.split(": Expecting")[0] for one in problems(folder, DESIGNED)] == [
        "line 10: steps[1].workflow: workflows/edit.json is not JSON"
    ]


def test_the_example_is_right() -> None:
    root = Path(__file__).resolve().parents[2]
    found = checking.check_file(root / "examples" / "chains" / "day-to-night.yaml", servers=("gpu-a", "gpu-b"))
    assert [[one.id for one in level] for level in found.levels] == [["negative"], ["small"]]
