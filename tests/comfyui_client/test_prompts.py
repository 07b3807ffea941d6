"""Queueing a graph on a server, following its queue, ending it, and what the server says of its nodes."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_artifact_db.comfyui_client import ComfyUIServer
from comfyui_artifact_db.comfyui_client.node_types import NodeTypes
from comfyui_artifact_db.config import Server
from comfyui_artifact_db.errors import PromptRefused, ServerFailed
from comfyui_servers_that import ComfyUI

GRAPH = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "x"}},
}
HAS = {node["class_type"]: {"input": {}} for node in GRAPH.values()}
"""What a server says of its nodes that has all that the graph needs."""


@pytest.fixture
def client(comfyui: ComfyUI) -> ComfyUIServer:
    return ComfyUIServer(Server("gpu-b", comfyui.url), timeout=5, deadline=5)


def test_a_graph_is_queued_under_our_own_id(client: ComfyUIServer, comfyui: ComfyUI) -> None:
    with client:
        client.queue_prompt(GRAPH, prompt_id="p1", client_id="us", extra_data={"artifact_db": {"actor": "anna"}})
        assert client.place_in_queue("p1") == "queued"
        assert client.queue_length() == 1
    (asked,) = comfyui.queued
    assert asked == {
        "prompt": GRAPH,
        "prompt_id": "p1",
        "client_id": "us",
        "extra_data": {"artifact_db": {"actor": "anna"}},
    }


def test_a_prompt_is_taken_out_of_the_queue_or_interrupted(client: ComfyUIServer, comfyui: ComfyUI) -> None:
    with client:
        client.queue_prompt(GRAPH, prompt_id="p1", client_id="us")
        client.queue_prompt(GRAPH, prompt_id="p2", client_id="us")
        client.interrupt("p1")
        assert client.place_in_queue("p1") is None
        assert client.place_in_queue("p2") == "queued"
    assert comfyui.interrupted == ["p1"], "it may have begun between the two requests"


SECRET = "what the server wrote"
NOT_IN_LIST = {"type": "value_not_in_list", "message": SECRET, "extra_info": {"input_name": "ckpt_name"}}
OF_NO_KIND = {"type": SECRET, "extra_info": {"input_name": SECRET}}


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        ({"4": {"errors": [NOT_IN_LIST]}}, "node 4 (CheckpointLoaderSimple): ckpt_name: value not in list"),
        ({"4": {"errors": [OF_NO_KIND]}}, "node 4 (CheckpointLoaderSimple): refused"),
        ({SECRET: {"errors": []}}, "it has no output, or is none that this server can run"),
        ({"4": SECRET}, "no reason given"),
        ([SECRET], "it has no output"),
    ],
)
def test_a_refusal_names_nodes_and_inputs_and_quotes_nothing(
    client: ComfyUIServer, comfyui: ComfyUI, refusal: Any, message: str
) -> None:
    comfyui.node_types = HAS
    comfyui.refusal = 400, {"error": {"message": SECRET}, "node_errors": refusal}
    with client, pytest.raises(PromptRefused) as caught:
        client.queue_prompt(GRAPH, prompt_id="p1", client_id="us")
    assert message in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.data["queued"] is False


def test_a_refusal_that_names_no_node_tells_which_nodes_the_server_has_not(
    client: ComfyUIServer, comfyui: ComfyUI
) -> None:
    """Where a node is missing, ComfyUI says so in words of its own, and of no node."""
    comfyui.node_types = HAS
    comfyui.refusal = 400, {"error": {"type": "invalid_prompt", "message": SECRET}, "node_errors": []}
    graph = {**GRAPH, "7": {"class_type": "OfAPack", "inputs": {}}}
    with client, pytest.raises(PromptRefused, match="refuses the graph: the server has no node OfAPack") as caught:
        client.queue_prompt(graph, prompt_id="p1", client_id="us")
    assert SECRET not in str(caught.value)


def test_a_graph_of_which_a_part_was_dropped_is_refused_and_known_to_be_queued(
    client: ComfyUIServer, comfyui: ComfyUI
) -> None:
    """ComfyUI answers 200, leaves out what is not valid, and runs the rest."""
    comfyui.refusal = 200, {"node_errors": {"9": {"errors": [{"type": "required_input_missing"}]}}}
    with client, pytest.raises(PromptRefused, match="required input missing") as caught:
        client.queue_prompt(GRAPH, prompt_id="p1", client_id="us")
    assert caught.value.data["queued"] is True


def test_a_server_that_fails_is_told_from_one_that_refuses(client: ComfyUIServer, comfyui: ComfyUI) -> None:
    comfyui.refusal = 500, {}
    with client, pytest.raises(ServerFailed, match="status 500") as caught:
        client.queue_prompt(GRAPH, prompt_id="p1", client_id="us")
    assert not isinstance(caught.value, PromptRefused)


def test_what_a_graph_needs_and_a_server_has_not_is_named() -> None:
    types = NodeTypes.of(
        {
            "CheckpointLoaderSimple": {"input": {"required": {"ckpt_name": [["b.safetensors"], {}]}}},
            "SaveImage": {"input": {"required": {"images": ["IMAGE"], "filename_prefix": ["STRING", {}]}}},
            "LoadImage": {"input": {"required": {"image": [["a.png"], {"image_upload": True}]}}},
            "Newer": {"input": {"optional": {"mode": ["COMBO", {"options": ["fast", "slow"]}]}}},
            "Odd": {"input": 3},
            "Odder": [],
        }
    )
    graph = {
        **GRAPH,
        "1": {"class_type": "LoadImage", "inputs": {"image": "not there yet.png"}},
        "2": {"class_type": "Newer", "inputs": {"mode": "medium"}},
        "3": {"class_type": "Unknown", "inputs": {}},
        "5": {"class_type": "Odd", "inputs": {"a": 1}},
    }
    assert types.missing(graph) == [
        "ckpt_name 'a.safetensors' of node CheckpointLoaderSimple",
        "mode 'medium' of node Newer",
        "node Unknown",
    ]
    assert types.missing({"9": GRAPH["9"], "2": {"class_type": "Newer", "inputs": {"mode": "fast"}}}) == []


def test_the_nodes_of_a_server_are_read_over_http(client: ComfyUIServer, comfyui: ComfyUI) -> None:
    comfyui.node_types = {"A": {"input": {"required": {"x": [["1", "2"]]}}}}
    with client:
        assert client.node_types().inputs == {"A": {"x": ("1", "2")}}
