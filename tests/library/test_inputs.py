"""What went into an execution that only its server knows: told by the bytes of what its graph reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from comfyui_artifact_db.config import Server
from comfyui_artifact_db.db import models
from comfyui_artifact_db.db.querying import all_tuples
from comfyui_artifact_db.library import collecting, inputs, lineage, transfers, trash, workflows
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Artifact
from comfyui_servers_that import ComfyUI, serving
from making import Pictures, png


@pytest.fixture
def gpu_b(library: Library, tmp_path: Path) -> Iterator[ComfyUI]:
    """A ComfyUI that the library knows as gpu-b."""
    with serving(tmp_path / "comfyui") as comfyui:
        library.config = replace(library.config, servers={"gpu-b": Server("gpu-b", comfyui.url)})
        yield comfyui


def upload(gpu_b: ComfyUI, artifact: Artifact, name: str, **where: str) -> None:
    """Somebody puts an artifact's file into a folder of the server, under a name of their own."""
    gpu_b.file(name, Path(artifact.local_path).read_bytes(), **{"type": "input", **where})


def collect(library: Library, gpu_b: ComfyUI, graph: dict[str, Any], prompt_id: str = "p") -> Artifact:
    """What a prompt made, whose node 9 saved one picture."""
    made = gpu_b.file(f"{prompt_id}.png", png(sum(prompt_id.encode())))
    gpu_b.ran(prompt_id, {"9": {"images": [made]}}, graph=graph)
    workflow, _ = workflows.create_workflow(library, actor="runner", workflow_name="w", server="gpu-b")
    (artifact,) = collecting.download_and_store_artifacts(
        library, workflow.id, server="gpu-b", prompt_id=prompt_id, by="runner"
    )
    return artifact


def reading(*names: str, **nodes: Any) -> dict[str, Any]:
    """A graph in which each of these files is loaded by a node, and all of them lead to node 9."""
    loads = {f"1{at}": {"class_type": "LoadImage", "inputs": {"image": name}} for at, name in enumerate(names)}
    links = {f"image{at}": [node, 0] for at, node in enumerate([*loads, *nodes])}
    return {**loads, **nodes, "9": {"class_type": "SaveImage", "inputs": links}}


def went_in(library: Library, made: Artifact) -> dict[str, str]:
    """The ids of what went into an artifact's attempt, and the doors."""
    with library.reading():
        table = models.Lineage
        rows = table.select(table.artifact_id, table.via).where(table.attempt_id == made.attempt_id)
        return dict(all_tuples(rows))


def test_an_upload_is_recognised_by_its_bytes_whatever_it_is_called(
    library: Library, gpu_b: ComfyUI, pictures: Any
) -> None:
    photo, other = pictures.one(), pictures.one()
    upload(gpu_b, photo, "holiday (3).png", subfolder="from anna")
    upload(gpu_b, other, "not read.png")
    made = collect(library, gpu_b, reading("from anna/holiday (3).png"))
    assert went_in(library, made) == {photo.id: "upload"}
    assert [step.artifact.id for step in lineage.get_lineage(library, made.id).ancestors] == [photo.id]


def test_a_file_of_another_size_is_not_fetched_and_one_of_the_same_size_is_compared(
    library: Library, gpu_b: ComfyUI, pictures: Any
) -> None:
    photo = pictures.one()
    data = Path(photo.local_path).read_bytes()
    gpu_b.file("longer.png", data + b"x", type="input")
    gpu_b.file("alike.png", bytes(len(data)), type="input")
    made = collect(library, gpu_b, reading("longer.png", "alike.png"))
    assert went_in(library, made) == {}


def test_what_was_delivered_is_told_from_what_somebody_uploaded(
    library: Library, gpu_b: ComfyUI, pictures: Any
) -> None:
    """The same bytes are recorded twice; the older one is the one that travelled."""
    photo = pictures.one(data=png(5))
    twin = pictures.one(data=png(5))
    assert (photo.sha256, photo.id) < (twin.sha256, twin.id)
    transfer = transfers.create_transfer(library, photo.id, server="gpu-b", by="runner")
    done = transfers.deliver(library, transfer.id, by="runner")
    made = collect(library, gpu_b, reading(str(done.target_filename)))
    assert went_in(library, made) == {photo.id: "transfer"}


def test_of_equal_bytes_the_newest_that_is_not_in_the_trash_is_taken(
    library: Library, gpu_b: ComfyUI, pictures: Any
) -> None:
    _, newer, newest = (pictures.one(data=png(5)) for _ in range(3))
    trash.delete(library, newest.id, by="anna")
    upload(gpu_b, newer, "a.png")
    assert went_in(library, collect(library, gpu_b, reading("a.png"))) == {newer.id: "upload"}


def test_folders_that_are_written_behind_the_name_are_looked_into(
    library: Library, gpu_b: ComfyUI, pictures: Any
) -> None:
    photo, scrap = pictures.one(), pictures.one()
    upload(gpu_b, photo, "a.png", type="output", subfolder="day")
    upload(gpu_b, scrap, "b.png", type="temp")
    made = collect(library, gpu_b, reading("day/a.png [output]", "b.png [temp]"))
    assert went_in(library, made) == dict.fromkeys((photo.id, scrap.id), "upload")


def test_a_node_that_leads_to_no_output_put_nothing_in(library: Library, gpu_b: ComfyUI, pictures: Any) -> None:
    photo = pictures.one()
    upload(gpu_b, photo, "a.png")
    graph = {**reading(), "7": {"class_type": "LoadImage", "inputs": {"image": "a.png"}}}
    assert went_in(library, collect(library, gpu_b, graph)) == {}


def test_what_a_prompt_made_did_not_go_into_it(library: Library, gpu_b: ComfyUI) -> None:
    graph = reading("p.png [output]")
    first = collect(library, gpu_b, graph)
    assert went_in(library, first) == {}
    gpu_b.file("late.png", png(77))
    gpu_b.histories["p"]["outputs"]["9"]["images"].append({"filename": "late.png", "subfolder": "", "type": "output"})
    found = collecting.download_and_store_artifacts(
        library, first.workflow_id, server="gpu-b", prompt_id="p", by="runner"
    )
    assert len(found) == 2
    assert went_in(library, first) == {}


def test_what_a_load_node_names_by_its_id_went_in(library: Library, gpu_b: ComfyUI, pictures: Any) -> None:
    photo = pictures.one()
    load = {"class_type": "LoadFromArtifactDB", "inputs": {"artifact_id": photo.id.upper(), "chain": ""}}
    linked = {"class_type": "LoadFromArtifactDB", "inputs": {"artifact_id": ["3", 0]}}
    made = collect(library, gpu_b, reading(a=load, b=linked))
    assert went_in(library, made) == {photo.id: "node"}


@pytest.mark.parametrize(
    "name",
    [
        *("../s.png", "/etc/s.png", "C:\\s.png", "http://elsewhere/s.png", "s\x00.png"),
        *("[input]", "", f"{'s' * 5000}.png"),
    ],
)
def test_a_name_that_leads_elsewhere_is_not_asked_for(
    library: Library, gpu_b: ComfyUI, pictures: Any, name: str
) -> None:
    pictures.one()
    made = collect(library, gpu_b, reading(name))
    assert went_in(library, made) == {}
    assert gpu_b.views() == ["p.png"]


@pytest.mark.parametrize(
    "graph",
    [
        {"9": None},
        {"9": {"inputs": 3}},
        {"9": {"class_type": "A", "inputs": {"a": ["9", 0], "b": [["x"], 0], "c": [None, 0], "d": {}}}},
        {"9": {"class_type": ["A"], "inputs": {"a": ["8", 0]}}, "8": [1]},
    ],
)
def test_a_graph_of_any_shape_is_read(library: Library, gpu_b: ComfyUI, graph: Any) -> None:
    assert went_in(library, collect(library, gpu_b, graph)) == {}


def test_a_server_that_fails_over_an_input_has_its_outputs_collected_all_the_same(
    library: Library, gpu_b: ComfyUI, pictures: Any
) -> None:
    photo = pictures.one()
    upload(gpu_b, photo, "a.png")

    async def fail(_: Any) -> Any:
        return web.Response(status=500)

    gpu_b.instead["broken.png"] = fail
    made = collect(library, gpu_b, reading("broken.png", "a.png"))
    assert went_in(library, made) == {photo.id: "upload"}


def test_a_film_leads_back_to_its_photo_over_servers(library: Library, gpu_b: ComfyUI, pictures: Any) -> None:
    photo = pictures.one()
    upload(gpu_b, photo, "photo.png")
    frame = collect(library, gpu_b, reading("photo.png"), "frame")
    upload(gpu_b, frame, "frame.png")
    film = collect(library, gpu_b, reading("frame.png"), "film")
    told = [(step.artifact.id, step.depth) for step in lineage.get_lineage(library, film.id).ancestors]
    assert told == [(frame.id, 1), (photo.id, 2)]


def test_recognising_costs_the_same_however_often_the_bytes_are_recorded(library: Library) -> None:
    with library.reading():
        plans = [
            " ".join(str(row) for row in library.database.engine.execute_sql(f"EXPLAIN QUERY PLAN {sql}", params))
            for sql, params in (
                inputs.with_bytes("a" * 64, "p").sql(),
                models.Artifact.select().where(models.Artifact.file_size == 5).sql(),
            )
        ]
    assert "SEARCH t1 USING INDEX idx_artifacts_sha256 (sha256=?)" in plans[0]
    assert "TEMP B-TREE" not in plans[0]
    assert "USING INDEX idx_artifacts_size (file_size=?)" in plans[1]


def test_what_a_prompt_on_this_machine_has_read_is_told_by_its_bytes(library: Library, tmp_path: Path) -> None:
    photo, other = Pictures(library).one(), Pictures(library).one(data=png(77))
    folder = tmp_path / "input"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "another name.png").write_bytes(Path(photo.local_path).read_bytes())
    (folder / "unknown.png").write_bytes(png(4711))
    (tmp_path / "outside.png").write_bytes(Path(other.local_path).read_bytes())
    names = ("sub/another name.png", "unknown.png", "gone.png", "../outside.png", str(tmp_path / "outside.png"))
    graph = reading(*names)
    found = inputs.of_folders(library, {"input": folder}, graph, ["9"], server="gpu-a", prompt_id="p")
    assert found == {"upload": [photo.id]}
    assert inputs.of_folders(library, {"input": folder}, graph, ["12"], server="gpu-a", prompt_id="p") == {}


def test_more_than_can_be_hashed_in_minutes_is_not(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = Pictures(library).one()
    (tmp_path / "a.png").write_bytes(Path(photo.local_path).read_bytes())
    monkeypatch.setattr(inputs, "MOST_BYTES", photo.file_size - 1)
    assert inputs.of_folders(library, {"input": tmp_path}, reading("a.png"), ["9"], server="a", prompt_id="p") == {}
