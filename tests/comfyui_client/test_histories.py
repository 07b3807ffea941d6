"""Pins what is read from a server's history: every file whatever its key, texts, the ending; and none is believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from comfyui_artifact_db import errors
from comfyui_artifact_db.comfyui_client import ComfyUIServer, History, Reported, histories

Connect = Callable[..., ComfyUIServer]
ServerThat = Callable[..., Any]


def file(name: str, **more: Any) -> dict[str, Any]:
    return {"filename": name, "subfolder": "", "type": "output", **more}


def read(outputs: Any, **entry: Any) -> History:
    return History.of({"outputs": outputs, "status": {"status_str": "success"}, **entry})


def told(outputs: Any) -> list[tuple[str, str]]:
    """Key and file name or text of each output."""
    return [(one.output_key, one.filename if one.text is None else one.text) for one in read(outputs).outputs]


def test_every_file_is_an_output_whatever_its_key() -> None:
    assert told(
        {
            "1": {"images": [file("a.png"), file("b.png")], "animated": [True]},
            "2": {"audio": [file("c.flac")], "text": []},
            "3": {"gifs": [file("d.mp4", format="video/h264-mp4", frame_rate=24)]},
            "4": {"3d": [file("e.glb")], "latents": [file("f.latent")], "a b/c": [file("g.bin")]},
            "5:7.0.0.2": {"files": [file("h.txt")]},
        }
    ) == [
        ("1:images:0", "a.png"),
        ("1:images:1", "b.png"),
        ("2:audio:0", "c.flac"),
        ("3:gifs:0", "d.mp4"),
        ("4:3d:0", "e.glb"),
        ("4:latents:0", "f.latent"),
        ("4:a_b_c:0", "g.bin"),
        ("5:7.0.0.2:files:0", "h.txt"),
    ]


def test_files_in_shapes_of_a_nodes_own_are_found_and_counted_through() -> None:
    shape = {"pairs": [[file("a.png"), file("b.png")], {"mask": file("c.png"), "score": 1}], "note": file("d.png")}
    assert told({"1": {"x": shape}}) == [(f"1:x:{i}", f"{name}.png") for i, name in enumerate("abcd")]


def test_strings_are_outputs_under_text_alone() -> None:
    outputs = {"1": {"text": ["one", ["two", None], {"label": "no text"}, 3], "result": ["3d/x.glb", None]}}
    assert told(outputs) == [("1:text:0", "one"), ("1:text:1", "two")]
    assert told({"1": {"text": "bare"}}) == [("1:text:0", "bare")]
    assert told({"1": {"text": [file("a.txt"), "b"]}}) == [("1:text:0", "a.txt"), ("1:text:1", "b")]


def test_what_is_no_file_is_no_output() -> None:
    assert (
        told({"1": {"images": [None, 1, True, {}, {"filename": ""}, {"filename": 3}, []], "x": None}, "2": None}) == []
    )
    for outputs in (None, [], "x", {"1": []}):
        assert told(outputs) == []


def test_a_file_says_its_folder_in_our_way() -> None:
    (one, two) = read(
        {"1": {"images": [{"filename": "a.png"}, file("b.png", subfolder="x\\y\\", type="temp")]}}
    ).outputs
    assert (one.subfolder, one.folder_type) == ("", "output")
    assert (two.subfolder, two.folder_type) == ("x/y", "temp")


def test_copies_of_what_our_own_node_kept_say_so_and_its_notes_are_no_outputs() -> None:
    shown = {"images": [file("a.png"), file("b.png")], "artifact_ids": ["id-a", "id-b"], "text": ["kept, and …"]}
    assert read({"1": shown}).outputs == (
        Reported("1", "images", 0, filename="a.png", kept_as="id-a"),
        Reported("1", "images", 1, filename="b.png", kept_as="id-b"),
    )
    stored = read({"1": {**shown, "artifact_store": ["a-store"]}}).outputs
    assert [one.kept_in for one in stored] == ["a-store", "a-store"]
    for odd in ("a-store", [], [7], ["a", "b"], None):
        assert {one.kept_in for one in read({"1": {**shown, "artifact_store": odd}}).outputs} == {None}
    for ids in (["id-a"], "id-a", [1, 2], None):
        assert [one.kept_as for one in read({"1": {**shown, "artifact_ids": ids}}).outputs] == [None, None, None]


@pytest.mark.parametrize("key", ["audio", "latents"])
def test_so_do_copies_of_other_kinds(key: str) -> None:
    shown = {key: [file("a.bin")], "artifact_ids": ["id-a"], "text": ["kept, and …"]}
    assert read({"1": shown}).outputs == (Reported("1", key, 0, filename="a.bin", kept_as="id-a"),)


def test_a_text_that_our_own_node_kept_is_an_output() -> None:
    shown = {"text": ["a tale"], "artifact_ids": ["id-a"], "notes": ["kept, and …"]}
    graph = {"1": {"class_type": "SaveToArtifactDB"}}
    found = read({"1": shown}, prompt=[0, "p", graph, {}, []]).outputs
    assert found == (Reported("1", "text", 0, text="a tale", kept_as="id-a"),)


def test_what_our_own_nodes_say_is_no_output() -> None:
    graph = {"1": {"class_type": "LoadFromArtifactDB"}, "2": {"class_type": "PreviewAny"}}
    outputs = {"1": {"text": ["a.png · version 1 · approved"]}, "2": {"text": ["a text"]}}
    found = read(outputs, prompt=[0, "p", graph, {}, []]).outputs
    assert [one.output_key for one in found] == ["2:text:0"]


def test_what_comfyui_keeps_in_memory_is_read_as_what_it_sends() -> None:
    kept: dict[str, Any] = {
        "prompt": (0, "p", {"1": {"class_type": "X"}}, {"client_id": "c", "extra_pnginfo": {"workflow": {}}}, ["1"]),
        "outputs": {"1": {"images": (file("a.png"), file("b.png")), "text": ("t",)}},
        "status": {
            "status_str": "error",
            "messages": [("execution_cached", {"nodes": ["7"]}), ("execution_error", {"node_id": "1"})],
        },
    }
    found = History.of(kept)
    assert found == History.of(json.loads(json.dumps(kept)))
    assert [one.output_key for one in found.outputs] == ["1:images:0", "1:images:1", "1:text:0"]
    assert (found.ending, found.cached, found.client_id) == ("error", frozenset({"7"}), "c")


@pytest.mark.parametrize("messages", [None, 3, [["execution_cached"]], [["execution_cached", {"nodes": "7"}]], ["x"]])
def test_a_status_that_does_not_tell_of_cached_nodes_tells_of_none(messages: Any) -> None:
    entry = {"outputs": {}, "status": {"status_str": "success", "messages": messages}}
    assert History.of(entry).cached == frozenset()


@pytest.mark.parametrize(
    ("status", "ending", "message"),
    [
        ({"status_str": "success", "completed": True, "messages": []}, "success", None),
        ({"status_str": "error", "messages": []}, "error", None),
        (
            {
                "status_str": "error",
                "messages": [
                    ["execution_start", {}],
                    ["execution_error", {"node_id": "5", "node_type": "KSampler", "exception_message": "no memory\n"}],
                ],
            },
            *("error", "node 5 (KSampler): no memory"),
        ),
        ({"status_str": "error", "messages": [["execution_error", None]]}, "error", "a node: failed"),
        ({"status_str": "error", "messages": [["execution_interrupted", {"node_id": "5"}]]}, "interrupted", None),
        ({"status_str": "error", "messages": [7, "x", ["a"]]}, "error", None),
        (None, "", None),
        ({}, "", None),
        ("success", "", None),
    ],
)
def test_how_it_ended_is_read(status: Any, ending: str, message: str | None) -> None:
    history = read({}, status=status)
    assert (history.ending, history.message) == (ending, message)


def test_what_it_was_made_of_is_read_as_every_database_takes_it() -> None:
    graph = json.loads('{"1": {"inputs": {"x": NaN, "y": 1e999, "z": "\\ud800"}}}')
    extra = {"client_id": "ui", "extra_pnginfo": {"workflow": {"nodes": []}}, "secret": "not taken"}
    history = read({}, prompt=[1, "p", graph, extra, ["1"]])
    assert history.graph == {"1": {"inputs": {"x": None, "y": None, "z": "?"}}}
    assert history.extra_pnginfo == {"workflow": {"nodes": []}}
    assert history.client_id == "ui"
    for prompt in (None, [], [1], "x", [1, 2, 3, 4, 5]):
        bare = read({}, prompt=prompt)
        assert (bare.graph, bare.extra_pnginfo, bare.client_id) == (None, None, None)


def test_more_outputs_than_any_prompt_has_are_refused(server_that: ServerThat, connect: Connect) -> None:
    many = {"1": {"images": [file(f"{n}.png") for n in range(histories.MOST_OUTPUTS + 1)]}}
    with pytest.raises(histories.TooMany):
        read(many)
    there = server_that(lambda request: request.answer(200, json.dumps({"p": {"outputs": many}}).encode()))
    with connect(there.url) as server, pytest.raises(errors.DeliveryFailed, match="more outputs"):
        server.history("p")


def test_a_shape_without_a_bottom_is_followed_so_far() -> None:
    deep: Any = [file("deep.png")]
    for _ in range(500):
        deep = [deep]
    assert told({"1": {"x": [file("a.png"), deep]}}) == [("1:x:0", "a.png")]


def test_a_prompt_that_the_server_does_not_know_has_no_history(comfyui: Any, connect: Connect) -> None:
    comfyui.ran("p", {})
    with connect(comfyui.url) as server:
        assert server.history("p") is not None
        assert server.history("q") is None


@pytest.mark.parametrize("prompt_id", ["a/b", "50%", "?x=1#y", "ä ö", "%2e%2e"])
def test_any_text_may_be_a_prompts_id(comfyui: Any, connect: Connect, prompt_id: str) -> None:
    comfyui.ran(prompt_id, {})
    with connect(comfyui.url) as server:
        assert server.history(prompt_id) is not None


@pytest.mark.parametrize("prompt_id", ["", ".", "..", "a\nb"])
def test_an_id_that_would_lead_elsewhere_is_that_of_no_prompt(comfyui: Any, connect: Connect, prompt_id: str) -> None:
    with connect(comfyui.url) as server:
        assert server.history(prompt_id) is None
    assert comfyui.requests == []


def test_a_history_that_is_no_object_is_refused(server_that: ServerThat, connect: Connect) -> None:
    there = server_that(lambda request: request.answer(200, b'{"p": ["secret"]}'))
    with connect(there.url) as server, pytest.raises(errors.DeliveryFailed, match="not an object"):
        server.history("p")


def test_the_queue_says_what_waits_and_what_runs(comfyui: Any, connect: Connect) -> None:
    comfyui.queue = {"queue_running": [[1, "a", {}, {}, []]], "queue_pending": [[2, "b", {}, {}, []], 7, []]}
    with connect(comfyui.url) as server:
        assert [server.place_in_queue(prompt_id) for prompt_id in "abc"] == ["executing", "queued", None]
