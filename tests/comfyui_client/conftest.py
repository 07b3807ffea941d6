"""The client's calls, and what none of its errors may tell."""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from comfyui_artifact_db.comfyui_client import ComfyUIServer, Server
from comfyui_servers_that import TOKEN, comfyui, server_that

__all__ = ["comfyui", "server_that"]


@pytest.fixture
def token() -> str:
    """The secret that `connect` sends."""
    return TOKEN


@pytest.fixture
def connect() -> Callable[..., ComfyUIServer]:
    """A client for the server at a URL, which is called gpu-b and has a token."""

    def connected(url: str, *, timeout: float = 5.0, deadline: float = 20.0) -> ComfyUIServer:
        return ComfyUIServer(Server("gpu-b", url, TOKEN), timeout=timeout, deadline=deadline)

    return connected


def _upload(server: ComfyUIServer) -> object:
    return server.upload(io.BytesIO(bytes(300_000)), filename="v1.png", subfolder="", size=300_000)


def _fetch_digest(server: ComfyUIServer) -> object:
    return server.fetch_digest(filename="v1.png", subfolder="", folder_type="input", size=300_000)


def _system_stats(server: ComfyUIServer) -> object:
    return server.system_stats()


def _download(server: ComfyUIServer) -> object:
    return server.download(lambda block: None, filename="v1.png", subfolder="", folder_type="output", most=300_000)


def _history(server: ComfyUIServer) -> object:
    return server.history("p")


def _place_in_queue(server: ComfyUIServer) -> object:
    return server.place_in_queue("p")


def _queue_prompt(server: ComfyUIServer) -> object:
    server.queue_prompt({"9": {"class_type": "A", "inputs": {}}}, prompt_id="p", client_id="us")
    return None


def _interrupt(server: ComfyUIServer) -> object:
    server.interrupt("p")
    return None


def _queue_length(server: ComfyUIServer) -> object:
    return server.queue_length()


def _node_types(server: ComfyUIServer) -> object:
    return server.node_types()


_JSON = [_upload, _system_stats, _history, _place_in_queue, _queue_prompt, _queue_length, _node_types]


@pytest.fixture(params=[*_JSON, _fetch_digest, _download, _interrupt], ids=lambda call: call.__name__.lstrip("_"))
def call(request: pytest.FixtureRequest) -> Any:
    """Each call that the client can make, as a function of the client."""
    return request.param


@pytest.fixture(params=_JSON, ids=lambda call: call.__name__.lstrip("_"))
def json_call(request: pytest.FixtureRequest) -> Any:
    """Each call whose answer is JSON."""
    return request.param


@pytest.fixture
def assert_tells_nothing() -> Callable[..., None]:
    """The error names the server; neither it nor its causes show the token or, as `secrets`, what the server wrote."""

    def check(error: Any, *secrets: str) -> None:
        assert error.data["server"] == "gpu-b"
        assert "'gpu-b'" in str(error)
        told = "".join(traceback.format_exception(error)) + repr(error) + repr(error.data)
        for secret in (TOKEN, *secrets):
            assert secret not in told

    return check
