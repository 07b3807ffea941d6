"""What SaveToArtifactDB refuses, what it shows of each kind, and that graphs of before its newer widgets run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from comfyui_graphs import Graph, Node
from comfyui_studio import Studio
from waiting import until

KINDS = ["image", "mask", "video", "audio", "latent", "text"]


def value(graph: Graph, kind: str) -> Node:
    """A value of a kind, as ComfyUI's own nodes make it."""
    make = {
        "image": lambda: graph.add("EmptyImage", width=32, height=24, batch_size=1, color=0x336699),
        "mask": lambda: graph.add("SolidMask", value=0.5, width=32, height=24),
        "video": lambda: graph.add("CreateVideo", images=value(graph, "image"), fps=8.0),
        "audio": lambda: graph.add("EmptyAudio", duration=0.5, sample_rate=44100, channels=2),
        "latent": lambda: graph.add("EmptyLatentImage", width=64, height=64, batch_size=2),
        "text": lambda: graph.add("PrimitiveString", value="once upon a time"),
    }
    return make[kind]()


def output_of(graph: Graph, kind: str, **widgets: Any) -> Node:
    return graph.save(value(graph, kind), **widgets)


@pytest.mark.parametrize("kind", KINDS)
def test_history_shows_it_as_comfyuis_own_nodes_do(studio: Studio, kind: str) -> None:
    graph = Graph()
    save = output_of(graph, kind, filename_prefix="shown/of")
    outcome = studio.run(graph)
    shown, (artifact_id,) = outcome.ui(save), outcome.ids(save)
    assert shown.pop("artifact_store") == [studio.rows("SELECT id FROM store_identity")[0][0]]
    if kind == "text":
        assert shown["text"] == ["once upon a time"]
        assert (set(shown), shown["notes"]) == ({"text", "artifact_ids", "notes"}, [])
        return
    key = {"audio": "audio", "latent": "latents"}.get(kind, "images")
    (copy,) = shown[key]
    assert (copy["type"], copy["subfolder"]) == ("temp", "shown")
    assert shown.get("animated") == ([True] if kind == "video" else None)
    assert studio.ask("GET", "/view", 200, params=copy).content == studio.data(artifact_id)
    assert studio.artifact(artifact_id)["filename"] == copy["filename"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_value_goes_on_to_nodes_of_its_kind(studio: Studio, kind: str) -> None:
    graph = Graph()
    save = output_of(graph, kind)
    node, name, widgets = {
        "image": ("SaveImage", "images", {"filename_prefix": "on"}),
        "mask": ("MaskToImage", "mask", {}),
        "video": ("SaveVideo", "video", {"filename_prefix": "on", "format": "auto", "codec": "auto"}),
        "audio": ("SaveAudio", "audio", {"filename_prefix": "on"}),
        "latent": ("SaveLatent", "samples", {"filename_prefix": "on"}),
        "text": ("PreviewAny", "source", {}),
    }[kind]
    after = graph.add(node, **{name: save[0]}, **widgets)
    if kind == "mask":
        after = graph.write(after)
    assert studio.run(graph).ui(after)


@pytest.mark.parametrize(
    ("kind", "file_format"),
    [("image", "mp4"), ("image", "flac"), ("mask", "latent"), ("video", "png"), ("video", "mp3"), ("audio", "mp4"),
     ("latent", "png"), ("text", "webp"), ("text", "latent")],
)  # fmt: skip
def test_a_format_that_does_not_fit_is_refused_before_anything_runs(
    studio: Studio, kind: str, file_format: str
) -> None:
    graph = Graph()
    save = output_of(graph, kind, format=file_format)
    answer = studio.refusal(graph)
    details = answer["node_errors"][save.id]["errors"][0]["details"]
    name = {"text": "STRING"}.get(kind, kind.upper())
    assert f"format {file_format} does not fit a value that is {name}; it fits: default, " in details
    assert ("Create Video" in details) == (kind == "image")


def test_where_it_cannot_be_known_before_it_is_refused_before_anything_is_kept(studio: Studio) -> None:
    before = studio.files()
    graph = Graph()
    graph.save(graph.add("TestsAnything", value=value(graph, "text")), format="png")
    error = studio.run(graph, status="error").error
    assert error == "format png does not fit a value that is STRING; it fits: default, txt, json"
    assert studio.files() == before


@pytest.mark.parametrize("given", [5, None, ["a", "b"]])
def test_what_is_none_of_these_kinds_is_refused_clearly(studio: Studio, given: Any) -> None:
    graph = Graph()
    graph.save(graph.add("TestsAnything", value={"__value__": given}))
    error = studio.run(graph, status="error").error
    assert error.startswith(f"a {type(given).__name__} cannot be kept; accepted: IMAGE,")


@pytest.mark.parametrize(
    ("widgets", "said"),
    [
        ({"format": "bmp"}, "format is 'bmp'; accepted: default, png"),
        ({"format": "PNG"}, "format is 'PNG'"),
        ({"quality": 0}, "quality is 0; accepted: 1 to 100"),
        ({"quality": 101}, "quality is 101"),
    ],
)
def test_a_format_or_a_quality_that_there_is_not_is_refused(studio: Studio, widgets: dict[str, Any], said: str) -> None:
    graph = Graph()
    save = graph.save(graph.picture(), **widgets)
    assert said in studio.refusal(graph)["node_errors"][save.id]["errors"][0]["details"]


@pytest.mark.parametrize("name", ["value", "chain", "quality"])
def test_a_link_of_another_type_is_refused_as_comfyui_refuses_it(studio: Studio, name: str) -> None:
    graph = Graph()
    other = graph.add("EmptyLatentImage", width=64, height=64, batch_size=1)
    if name == "value":
        other = graph.add("VAELoader", vae_name="pixel_space")
    save = graph.save(graph.picture(), **{name: other[0]}) if name != "value" else graph.save(other)
    details = studio.refusal(graph)["node_errors"][save.id]["errors"][0]["details"]
    assert f"{name} takes " in details
    assert "is linked to it" in details


def test_a_graph_from_before_its_newer_widgets_runs(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.picture())
    assert set(graph[save.id]["inputs"]) == {"value", "filename_prefix", "chain", "step", "approval", "tags"}
    (artifact_id,) = studio.run(graph).ids(save)
    assert studio.artifact(artifact_id)["file_format"] == "png"


def test_its_inputs_and_outputs_are_where_saved_graphs_expect_them(studio: Studio) -> None:
    node = studio.ask("GET", "/object_info/SaveToArtifactDB").json()["SaveToArtifactDB"]
    names = [*node["input_order"]["required"], *node["input_order"]["optional"]]
    assert names == ["value", "filename_prefix", "chain", "step", "approval", "tags", "format", "quality"]
    assert node["output_name"] == ["value", "artifact_id", "workflow_id"]
    assert node["output_is_list"] == [False, True, False]
    loader = studio.ask("GET", "/object_info/LoadFromArtifactDB").json()["LoadFromArtifactDB"]
    assert [*loader["input_order"]["required"]] == [
        *("artifact_id", "chain", "step", "workflow", "output", "if_not_usable", "timeout")
    ]
    assert loader["output_name"] == [*("image", "mask", "artifact_id", "metadata", "video", "audio", "latent", "text")]
    assert loader["output"][:4] == ["IMAGE", "MASK", "STRING", "STRING"]


def test_a_list_of_texts_is_as_many_artifacts(studio: Studio) -> None:
    graph = Graph()
    save = graph.save(graph.add("TestsTexts", texts={"__value__": ["one", "two", "three"]}))
    outcome = studio.run(graph)
    assert outcome.ui(save)["text"] == ["one", "two", "three"]
    artifacts = [studio.artifact(one) for one in outcome.ids(save)]
    assert [one["output_key"] for one in artifacts] == [f"{save.id}:text:{index}" for index in range(3)]
    assert [studio.data(one["id"]).decode() for one in artifacts] == ["one", "two", "three"]


@pytest.mark.parametrize("kind", KINDS)
def test_one_graph_serves_every_kind(studio: Studio, kind: str) -> None:
    saved = Graph()
    save = output_of(saved, kind)
    (artifact_id,) = studio.run(saved).ids(save)
    graph = Graph()
    load = graph.load(artifact_id=artifact_id)
    outputs = {"image": 0, "mask": 1, "video": 4, "audio": 5, "latent": 6, "text": 7}
    shown = {name: graph.show(graph.add("TestsDigest", value=load[output])) for name, output in outputs.items()}
    told = graph.show(load[3])
    outcome = studio.run(graph)
    reached = {name for name, node in shown.items() if node.id in outcome.entry["outputs"]}
    assert reached == ({"image", "mask"} if kind in ("image", "mask") else {kind})
    assert json.loads(outcome.text(told)[0])["id"] == artifact_id
    assert outcome.message("execution_error") is None


def test_of_a_file_that_no_output_gives_only_the_facts_go_on(studio: Studio) -> None:
    artifact = studio.uploaded(b"glTF" + bytes(100), "a.glb")
    graph = Graph()
    load = graph.load(artifact_id=artifact["id"])
    image, told = graph.show(graph.add("TestsDigest", value=load[0])), graph.show(load[2])
    outcome = studio.run(graph)
    assert image.id not in outcome.entry["outputs"]
    assert outcome.text(told) == [artifact["id"]]
    assert outcome.text(load) == ["a.glb · version 1 · auto_approved · 3d: no output gives such a file"]


@pytest.mark.parametrize(
    ("filename", "head"), [("a.mp4", b"\0\0\0\x18ftypisom"), ("a.flac", b"fLaC"), ("a.latent", b"\x02\0\0\0\0\0\0\0{}")]
)
def test_a_damaged_file_fails_clearly(studio: Studio, filename: str, head: bytes) -> None:
    artifact = studio.uploaded(head + b"\x7f" * 64, filename)
    graph = Graph()
    kind = artifact["file_type"]
    graph.show(graph.add("TestsDigest", value=graph.load(artifact_id=artifact["id"])[4]))
    said = {"video": "the video", "audio": "the sound", "latent": "the latent"}[kind]
    error = studio.run(graph, status="error").error
    assert error.startswith((f"{said} cannot be read: ", "the file holds tensors, and no latent"))


def test_a_text_that_is_not_utf_8_fails_clearly(studio: Studio) -> None:
    artifact = studio.uploaded(b"x" * 5000 + "é".encode("latin-1"), "a.txt")
    assert artifact["file_type"] == "text"
    graph = Graph()
    graph.show(graph.load(artifact_id=artifact["id"])[7])
    assert studio.run(graph, status="error").error.startswith("the text cannot be read: ")


def test_a_long_video_is_saved_and_loaded_in_little_memory(studio: Studio) -> None:
    """200 frames of 512 x 512 are 600 MB as ComfyUI's floats, which the graph holds once; saving them adds little."""
    graph = Graph()
    pictures = graph.add("EmptyImage", width=512, height=512, batch_size=200, color=0x336699)
    made = graph.add("CreateVideo", images=pictures, fps=25.0)
    before = graph.add("TestsMemory", after=made, reset=True)
    save = graph.save(graph.add("TestsBoth", one=made, other=before))
    after = graph.add("TestsMemory", after=save[0], reset=False)
    shown = [graph.show(node) for node in (before, after)]
    outcome = studio.outcome(studio.queue(graph), seconds=120)
    grown = int(outcome.text(shown[1])[0]) - int(outcome.text(shown[0])[0])
    assert grown < 200_000_000, "a second copy of the frames would be 600 MB"
    (artifact_id,) = outcome.ids(save)
    again = Graph()
    empty = again.add("TestsMemory", after=value(again, "text"), reset=True)
    load = again.load(
        artifact_id=again.add("TestsBoth", one=again.add("PrimitiveString", value=artifact_id), other=empty)[0]
    )
    copy = again.save(load[4])
    full = again.add("TestsMemory", after=copy[0], reset=False)
    shown = [again.show(node) for node in (empty, full)]
    outcome = studio.outcome(studio.queue(again), seconds=120)
    assert int(outcome.text(shown[1])[0]) - int(outcome.text(shown[0])[0]) < 100_000_000
    assert until(lambda: studio.artifact(outcome.ids(copy)[0]))["file_type"] == "video"
