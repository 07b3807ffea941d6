"""A picture's journey: made on one ComfyUI, approved, delivered to another, worked on there, and known all the way."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

import pytest
from comfyui_graphs import Graph
from comfyui_studio import Studio, pixels


def files(studio: Studio) -> dict[str, int]:
    """Everything in a server's input folder, with its time."""
    paths = (path for path in (studio.server.folder / "input").rglob("*") if path.is_file())
    return {str(path): path.stat().st_mtime_ns for path in paths}


def test_a_picture_travels_from_server_to_server(studio: Studio, gpu_b: Studio) -> None:
    chain = f"film {uuid.uuid4()} x"
    made = studio.saved(chain=chain, step="one", approval="required")
    chain_id = studio.workflow(made["workflow_id"])["chain_id"]

    # Nothing that waits for a decision leaves.
    before = files(gpu_b)
    refused = studio.post(f"/artifacts/{made['id']}/transfer", {"server": "gpu-b"}, 409)
    assert refused["code"] == "not_usable"
    assert refused["artifact"]["approval_status"] == "pending"
    assert files(gpu_b) == before
    assert studio.get("/transfers", artifact=made["id"])["items"] == []

    approved = studio.post(f"/artifacts/{made['id']}/approve", {"approved_by": "bea"})
    assert (approved["approval_status"], approved["approved_by"]) == ("approved", "bea")

    # The second server has nothing of ours: it gets a file, and a name to load it by.
    step_two = {"workflow_name": "two", "server": "gpu-b", "chain_id": chain_id, "step_id": "two"}
    second = studio.post("/workflows", {**step_two, "prompt_id": str(uuid.uuid4())}, 201)
    body = {"server": "gpu-b", "subfolder": "from a", "target_workflow_id": second["id"]}
    transfer = studio.post(f"/artifacts/{made['id']}/transfer", body, 201)
    assert (transfer["status"], transfer["receipt_sha256"]) == ("completed", made["sha256"])
    assert transfer["target_filename"].startswith("from a/")
    arrived = gpu_b.server.folder / "input" / transfer["target_filename"]
    assert hashlib.sha256(arrived.read_bytes()).hexdigest() == made["sha256"]

    graph = Graph()
    written = graph.write(graph.add("ImageInvert", image=graph.add("LoadImage", image=transfer["target_filename"])))
    outcome = gpu_b.run(graph, prompt_id=second["prompt_id"])
    (result,) = gpu_b.written(outcome, written)
    last = studio.upload(
        f"/workflows/{second['id']}/artifacts", result, "core_00001_.png", output_key=f"{written.id}:images:0"
    )
    assert_inverted(studio.data(made["id"]), studio.data(last["id"]))

    ancestors = studio.get(f"/artifacts/{last['id']}/lineage")["ancestors"]
    assert [(step["relation"], step["artifact"]["id"], step["depth"]) for step in ancestors] == [
        ("input", made["id"], 1)
    ]
    descendants = studio.get(f"/artifacts/{made['id']}/lineage")["descendants"]
    assert [step["artifact"]["id"] for step in descendants] == [last["id"]]
    steps = studio.get(f"/chains/{chain_id}/workflows")["items"]
    assert sorted(step["step_id"] for step in steps) == ["one", "two"]

    # What is there is not sent again, and what has been used cannot be taken back.
    before = files(gpu_b)
    again = studio.post(f"/artifacts/{made['id']}/transfer", body, 201)
    assert again["id"] != transfer["id"]
    assert (again["status"], again["target_filename"]) == ("completed", transfer["target_filename"])
    assert files(gpu_b) == before
    taken_back = {"json": {"approval_status": "pending"}}
    assert studio.hub("PATCH", f"/artifacts/{made['id']}", 409, **taken_back)["code"] == "conflict"


@pytest.mark.parametrize(
    "body", [{"server": "gpu-x"}, {"server": "http://127.0.0.1:1"}, {"server": "gpu-b", "subfolder": "../up"}]
)
def test_a_transfer_goes_only_where_the_operator_said(studio: Studio, body: dict[str, Any]) -> None:
    artifact = studio.uploaded()
    studio.post(f"/artifacts/{artifact['id']}/transfer", body, 422)
    assert studio.get("/transfers", artifact=artifact["id"])["items"] == []


def test_changed_bytes_do_not_travel(studio: Studio, gpu_b: Studio) -> None:
    artifact = studio.uploaded()
    stored: Path = studio.stored(artifact["id"])
    whole = stored.read_bytes()
    stored.chmod(0o644)
    stored.write_bytes(whole[:-1] + b"\x00")
    before = files(gpu_b)
    try:
        assert studio.post(f"/artifacts/{artifact['id']}/transfer", {"server": "gpu-b"}, 409)["code"] == "not_usable"
    finally:
        stored.write_bytes(whole)
    assert files(gpu_b) == before


def test_a_server_that_is_its_own_target_loads_what_it_saved(studio: Studio) -> None:
    artifact = studio.saved()
    transfer = studio.post(f"/artifacts/{artifact['id']}/transfer", {"server": "gpu-a"}, 201)
    graph = Graph()
    written = graph.write(graph.add("LoadImage", image=transfer["target_filename"]))
    (result,) = studio.written(studio.run(graph), written)
    assert pixels(result) == pixels(studio.data(artifact["id"]))


def assert_inverted(before: bytes, after: bytes) -> None:
    pairs = zip(pixels(before)[2], pixels(after)[2], strict=True)
    assert all(254 <= one + other <= 255 for one, other in pairs)
