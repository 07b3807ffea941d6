"""Which artifact a LoadFromArtifactDB means, what it tells of it, and which widgets it refuses."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from comfyui_graphs import Graph, loaded_picture
from comfyui_studio import Studio, picture, pixels

BAD_NAMES = ["/etc/passwd", "../up", "a/b", "C:\\x", "http://evil.example/x", "..", "nul\x00", "line\nbreak", "x" * 256]
BAD_IDS = ["7", "../up", "http://evil.example/x", "nul\x00", "{" + str(uuid.uuid4()) + "}"]
BAD_KEYS = ["9", "9:images", "9:images:x", "../9:images:0", "9:images:0\x00", "9:ima ges:0"]


def name() -> str:
    """A name that no other test uses."""
    return f"film {uuid.uuid4()} x"


def loaded(studio: Studio, **widgets: Any) -> str:
    """The id of what a load node gives for these widgets; its pixels are checked against that artifact."""
    graph = Graph()
    load = graph.load(**widgets)
    image, artifact_id = graph.write(load), graph.show(load[2])
    outcome = studio.run(graph)
    (told,) = outcome.text(artifact_id)
    ((_, _, shown),) = [pixels(file) for file in studio.written(outcome, image)]
    assert shown == pixels(studio.data(told))[2]
    return told


def test_an_artifact_by_its_id(studio: Studio) -> None:
    first, second = studio.saved(), studio.saved()
    assert loaded(studio, artifact_id=first["id"]) == first["id"]
    assert loaded(studio, artifact_id=f" {second['id'].upper()} ") == second["id"]


def test_a_step_of_a_chain_by_name_and_by_id(studio: Studio) -> None:
    chain = name()
    steps = {step: studio.saved(chain=chain, step=step) for step in ("a", "b")}
    (row,) = studio.get("/chains", name=chain)["items"]
    for named in (chain, f" {chain} ", row["id"], row["id"].upper()):
        for step, artifact in steps.items():
            assert loaded(studio, chain=named, step=step) == artifact["id"]


def test_a_name_means_the_newest_run_and_an_id_the_one(studio: Studio) -> None:
    chain = name()
    old = studio.saved(chain=chain, step="a")
    old_chain = studio.workflow(old["workflow_id"])["chain_id"]
    studio.hub("PATCH", f"/chains/{old_chain}", json={"status": "completed"})
    new = studio.saved(chain=chain, step="a")
    assert loaded(studio, chain=chain, step="a") == new["id"]
    assert loaded(studio, chain=old_chain, step="a") == old["id"]


def test_a_step_that_ran_again_gives_its_newest_workflow(studio: Studio) -> None:
    chain = name()
    studio.saved(chain=chain, step="a")
    again = studio.saved(chain=chain, step="a")
    assert loaded(studio, chain=chain, step="a") == again["id"]


def test_a_chain_without_a_step_gives_its_newest_workflow(studio: Studio) -> None:
    chain = name()
    studio.saved(chain=chain, step="a")
    last = studio.saved(chain=chain, step="b")
    assert loaded(studio, chain=chain) == last["id"]


def test_a_workflow_by_name_and_by_id(studio: Studio) -> None:
    step = name()
    old, new = studio.saved(step=step), studio.saved(step=step)
    assert loaded(studio, workflow=step) == new["id"]
    assert loaded(studio, workflow=old["workflow_id"].upper()) == old["id"]


def test_the_current_artifact_unless_an_output_is_named(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.picture(batch=3))
    ids = studio.run(graph).ids(save)
    workflow = studio.artifact(ids[0])["workflow_id"]
    assert loaded(studio, workflow=workflow) == ids[0]
    assert loaded(studio, workflow=workflow, output=f"{save.id}:images:2") == ids[2]
    studio.post(f"/artifacts/{ids[1]}/select")
    assert loaded(studio, workflow=workflow) == ids[1]
    edit = studio.upload(f"/artifacts/{ids[2]}/edit", studio.data(ids[0]), "edited.png")
    assert loaded(studio, workflow=workflow, output=f"{save.id}:images:2") == edit["id"]
    assert loaded(studio, artifact_id=ids[2]) == ids[2]


def test_ids_that_come_from_a_save_node_of_the_same_graph(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.picture(batch=3))
    load = graph.load(artifact_id=save[1])
    images, ids = graph.write(load), graph.show(load[2])
    outcome = studio.run(graph)
    assert outcome.text(ids) == outcome.ids(save)
    kept = [pixels(studio.data(artifact_id))[2] for artifact_id in outcome.ids(save)]
    assert [pixels(file)[2] for file in studio.written(outcome, images)] == kept
    assert len(outcome.text(load)) == 3


def test_the_metadata_is_json_that_tells_of_the_artifact(studio: Studio) -> None:
    own = {"camera": "é", "id": "not this one", "sha256": "nor this"}
    upload = f"/workflows/{studio.uploaded()['workflow_id']}/artifacts"
    artifact = studio.upload(upload, picture(), "a.png", metadata=json.dumps(own))
    studio.post(f"/artifacts/{artifact['id']}/approve", {"approved_by": "bea"})
    graph = Graph()
    metadata = graph.show(graph.load(artifact_id=artifact["id"])[3])
    (text,) = studio.run(graph).text(metadata)
    told = json.loads(text)
    assert {told[key] == artifact[key] for key in ("id", "workflow_id", "output_key", "version", "sha256")} == {True}
    assert (told["approval_status"], told["approved_by"]) == ("approved", "bea")
    assert (told["width"], told["height"], told["camera"]) == (24, 16, "é")


def test_the_node_shows_which_version_it_gave(studio: Studio) -> None:
    artifact = studio.saved(approval="required")
    studio.post(f"/artifacts/{artifact['id']}/approve", {"approved_by": "bea"})
    graph = Graph()
    load = graph.load(artifact_id=artifact["id"])
    graph.write(load)
    (text,) = studio.run(graph).text(load)
    assert artifact["filename"] in text
    assert "version 1" in text
    assert "approved by bea" in text


@pytest.mark.parametrize(
    "widgets",
    [
        {},
        {"step": "a"},
        {"output": "9:images:0"},
        *({"artifact_id": value} for value in BAD_IDS),
        *({"chain": value} for value in BAD_NAMES),
        *({"workflow": value} for value in BAD_NAMES),
        *({"chain": "film", "step": value} for value in BAD_NAMES),
        *({"chain": "film", "output": value} for value in BAD_KEYS),
        *({"chain": "film", "if_not_usable": value} for value in ("whatever", "")),
        *({"chain": "film", "timeout": value} for value in (-1, 10**9)),
    ],
)
def test_a_bad_widget_is_refused_before_anything_runs(studio: Studio, widgets: dict[str, Any]) -> None:
    answer = studio.refusal(loaded_picture(**widgets))
    assert answer["node_errors"], "ComfyUI took it"
    told = " ".join(reason["details"] for reason in answer["node_errors"]["1"]["errors"])
    assert (list(widgets) or ["artifact_id"])[-1] in told


def test_a_bad_widget_is_refused_also_beside_a_linked_one(studio: Studio) -> None:
    graph = Graph()
    graph.write(graph.load(chain=graph.add("PrimitiveString", value="film"), step="../up"))
    assert "step is a name, not a path" in str(studio.refusal(graph)["node_errors"])


@pytest.mark.parametrize(
    ("widget", "value"),
    [
        *(("artifact_id", value) for value in ("", "7", None)),
        *((widget, value) for widget in ("chain", "workflow") for value in ("", "../up", None)),
    ],
)
def test_a_bad_value_that_is_linked_fails_clearly_when_it_runs(studio: Studio, widget: str, value: str | None) -> None:
    graph = Graph()
    text = graph.add("TestsTexts", texts={"__value__": [value]})
    graph.write(graph.load(**{widget: text}))
    error = studio.run(graph, status="error").error
    assert error.startswith(widget if value != "" else "name an artifact_id, a chain or a workflow")


@pytest.mark.parametrize(
    ("widgets", "error"),
    [
        ({"artifact_id": "0190163d-8694-739b-aea5-966c26f8ad91"}, "no artifact 0190163d-8694-739b-aea5-966c26f8ad91"),
        ({"chain": "nobody made this"}, "no chain is called 'nobody made this' yet"),
        ({"workflow": "nobody made this"}, "nothing is recorded for workflow 'nobody made this' yet"),
    ],
)
def test_what_does_not_exist_fails_by_name(studio: Studio, widgets: dict[str, str], error: str) -> None:
    assert studio.run(loaded_picture(**widgets), status="error").error == error


def test_a_step_and_an_output_that_are_not_there_fail_by_name(studio: Studio) -> None:
    chain = name()
    artifact = studio.saved(chain=chain, step="a")
    outcome = studio.run(loaded_picture(chain=chain, step="b"), status="error")
    assert outcome.error == f"nothing is recorded for chain {chain!r}, step 'b' yet"
    outcome = studio.run(loaded_picture(chain=chain, step="a", output="7:images:9"), status="error")
    assert outcome.error == f"workflow 'a' ({artifact['workflow_id']}) does not have output '7:images:9' yet"
