"""A ComfyUI that is set up otherwise: another folder name, cross-origin pages let in, no metadata, a wrong file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from comfyui_graphs import Graph, saved_picture
from comfyui_studio import Studio, add_pack, pixels
from comfyui_visitors import MOUNTS, attacks, state, visits
from PIL import Image

from devtools.environment import ComfyUI
from devtools.servers import ComfyServer

ROOT = Path(__file__).resolve().parent.parent.parent
EVIL = "http://evil.example"
WRONG = {
    "a wrong key": ("[aproval]\n", ["unknown key 'aproval'", "accepted here: ", "approval"]),
    "a wrong value": ('[approval]\ndefault = "never"\n', ["approval.default is 'never'", "auto, required"]),
    "no TOML": ("database = \n", ["is not TOML", "line 1"]),
}
RIGHT = '[servers.gpu-a]\nurl = "{url}/"\n[approval]\ndefault = "required"\n'


@dataclass
class Said:
    """What a server with a wrong file said, before the file was mended."""

    routes: dict[str, Any] = field(default_factory=dict)
    nodes: str = ""
    own_routes: int = 0
    contract: int = 0


@dataclass
class Odd:
    studio: Studio
    said: dict[str, Said]


@pytest.fixture(scope="module")
def odd(comfyui_code: ComfyUI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    """Such a server. It began with a wrong file, was asked about it, and goes on with a right one."""
    server = ComfyServer(
        comfyui_code,
        tmp_path_factory.mktemp("comfyui-odd"),
        extension=False,
        config=WRONG["a wrong key"][0],
        arguments=("--enable-cors-header", "*", "--disable-metadata"),
    )
    os.symlink(ROOT, server.folder / "custom_nodes" / "main copy")
    add_pack(server)
    studio, file = Studio(server), server.data / "artifact-db.toml"
    try:
        server.start()
        said = {}
        for name, (text, _) in WRONG.items():
            file.write_text(text)
            said[name] = _asked_with_a_wrong_file(studio)
        assert set(os.listdir(server.data)) == {file.name}, "nothing is opened with a wrong file"
        file.write_text(RIGHT.format(url=server.url))
        yield Odd(studio, said)
    finally:
        server.stop()


def _asked_with_a_wrong_file(studio: Studio) -> Said:
    said = Said()
    for path in ("/artifact-db/health", "/api/artifact-db/artifacts", "/artifact-db/servers"):
        said.routes[path] = studio.ask("GET", path, 503).json()
    graph = Graph()
    graph.save(graph.picture())
    said.nodes = studio.run(graph, status="error").error
    said.own_routes = studio.ask("GET", "/queue").status_code
    said.contract = studio.ask("GET", "/artifact-db/openapi.json").status_code
    return said


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_file_stops_nothing_and_every_door_says_what_is_wrong(odd: Odd, wrong: str) -> None:
    said = odd.said[wrong]
    assert (said.own_routes, said.contract) == (200, 200)
    for problem in said.routes.values():
        assert problem["code"] == "bad_configuration"
        assert "the server's log says why" in problem["detail"]
    log = odd.studio.server.log.read_text(encoding="utf-8")
    for word in WRONG[wrong][1]:
        assert word in log
        assert word in said.nodes


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_said_of_a_wrong_file_names_no_folder_of_the_host(odd: Odd, wrong: str) -> None:
    assert str(odd.studio.server.folder) not in str(odd.said[wrong].routes)


def test_the_log_says_at_the_start_what_is_wrong(odd: Odd) -> None:
    log = odd.studio.server.log.read_text(encoding="utf-8")
    assert "ComfyUI Artifact DB cannot be used: unknown key 'aproval'" in log
    assert "IMPORT FAILED" not in log


def test_once_it_is_mended_it_is_used_without_a_restart(odd: Odd) -> None:
    assert odd.studio.get("/health")["status"] == "ok"
    artifact = odd.studio.saved()
    assert artifact["approval_status"] == "pending", "the file's default"
    assert odd.studio.workflow(artifact["workflow_id"])["server_address"] == "gpu-a"
    assert odd.studio.settled(artifact["workflow_id"])["status"] == "awaiting_approval"
    assert odd.studio.saved(approval="auto")["approval_status"] == "auto_approved"


def test_without_metadata_a_picture_carries_no_text(odd: Odd) -> None:
    graph = Graph()
    picture = graph.picture()
    save, core = graph.save(picture), graph.write(picture)
    outcome = odd.studio.run(graph, pnginfo={"workflow": {"nodes": []}})
    (artifact_id,), (theirs,) = outcome.ids(save), odd.studio.written(outcome, core)
    kept = odd.studio.stored(artifact_id)
    with Image.open(kept) as shown:
        assert shown.info == {}
    assert kept.read_bytes() == theirs
    assert pixels(theirs)[0] == "RGB"


def test_it_works_from_a_folder_of_another_name(odd: Odd) -> None:
    modules = odd.studio.ask("GET", "/tests/inside").json()["modules"]
    own = [name for name, file in modules.items() if file and Path(file).resolve() == ROOT / "__init__.py"]
    assert own == [str(odd.studio.server.folder / "custom_nodes" / "main copy")]
    assert "ComfyUI serves no scripts from a folder called 'main copy'" in odd.studio.server.log.read_text()


@pytest.mark.parametrize("mount", MOUNTS)
def test_letting_cross_origin_pages_into_comfyui_lets_none_in_here(odd: Odd, mount: str) -> None:
    studio = odd.studio
    asked = visits(studio, mount)
    before = state(studio)
    for visit in asked:
        preflight = studio.ask("OPTIONS", visit.path, headers={"Origin": EVIL, "Access-Control-Request-Method": "POST"})
        assert preflight.headers["Access-Control-Allow-Origin"] == "*", "ComfyUI lets everybody ask"
        if visit.method == "GET":
            with visit.send(studio, headers={"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}) as answer:
                assert answer.status_code == 403, visit.path
                assert answer.json()["code"] == "forbidden"
            continue
        for how, request in attacks(visit, studio.server.url):
            with visit.send(studio, **request) as answer:
                assert answer.status_code in (403, 415), f"{visit.method} {visit.path}, {how}: {answer.status_code}"
                assert answer.json()["code"] in ("forbidden", "wrong_media_type")
    assert state(studio) == before


def test_its_own_pages_may(odd: Odd) -> None:
    headers = {"Origin": odd.studio.server.url, "Sec-Fetch-Site": "same-origin"}
    odd.studio.hub("POST", "/chains", 201, json={"name": "from its own page"}, headers=headers)


def test_a_prompt_that_is_queued_from_anywhere_names_no_server(odd: Odd) -> None:
    graph = saved_picture(chain="http://evil.example/x")
    assert odd.studio.refusal(graph)["node_errors"]
