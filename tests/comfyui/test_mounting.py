"""The routes inside ComfyUI: all of them, twice, guarded, and beside everything that was there before."""

from __future__ import annotations

import json
import os
from pathlib import Path

import contract
import pytest
import requests
from comfyui_studio import Studio, picture
from comfyui_visitors import MOUNTS, attacks, state, visits

ROOT = Path(__file__).resolve().parent.parent.parent
CHANGING = ("POST", "PUT", "PATCH", "DELETE")


@pytest.mark.parametrize("mount", MOUNTS)
def test_every_route_answers_under_both_mounts(studio: Studio, mount: str) -> None:
    for visit in visits(studio, mount):
        with visit.send(studio) as answer:
            told = f"{visit.method} {visit.path}: {answer.status_code}"
            assert answer.status_code not in (403, 405, 415, 500), told
            if answer.status_code in (404, 501):
                assert answer.headers["Content-Type"].startswith("application/problem+json"), told
            path = visit.path.removeprefix(mount)
            contract.check(visit.method, path, answer.status_code, answer.headers, answer.content)


@pytest.mark.parametrize("mount", MOUNTS)
def test_no_page_of_another_site_can_change_anything(studio: Studio, mount: str) -> None:
    asked = visits(studio, mount, CHANGING)
    before = state(studio)
    for visit in asked:
        for how, request in attacks(visit, studio.server.url):
            with visit.send(studio, **request) as answer:
                assert answer.status_code in (403, 415), f"{visit.method} {visit.path}, {how}: {answer.status_code}"
    assert state(studio) == before


@pytest.mark.parametrize("mount", MOUNTS)
def test_no_page_of_another_site_can_read_anything(studio: Studio, mount: str) -> None:
    for visit in visits(studio, mount, ("GET",)):
        for headers in (
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Host": "evil.example"},
            {"Host": "192.0.2.7", "Origin": "http://192.0.2.7"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            with visit.send(studio, headers=headers) as answer:
                assert answer.status_code == 403, f"{visit.path}, {headers}"
                assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("mount", MOUNTS)
def test_an_unknown_route_and_a_wrong_method_are_told_as_problems(studio: Studio, mount: str) -> None:
    assert studio.ask("GET", f"{mount}/nothing/here", 404).json()["code"] == "not_found"
    wrong = studio.ask("DELETE", f"{mount}/events", 405)
    assert wrong.headers["Allow"] == "GET"


@pytest.mark.parametrize("mount", MOUNTS)
def test_a_picture_can_be_asked_about_and_fetched_in_pieces(studio: Studio, mount: str) -> None:
    data = picture()
    path = f"{mount}/artifacts/{studio.uploaded(data)['id']}/download"
    assert studio.ask("GET", path, 200).content == data
    assert studio.ask("GET", path, 206, headers={"Range": "bytes=10-19"}).content == data[10:20]
    assert studio.ask("HEAD", path, 200).headers["Content-Length"] == str(len(data))


def test_an_upload_may_be_larger_than_comfyui_allows_for_its_own(studio: Studio) -> None:
    made = studio.post("/workflows", {"workflow_name": "large"}, 201)
    data = os.urandom(1024) * (101 * 1024)
    artifact = studio.upload(f"/workflows/{made['id']}/artifacts", data, "large.bin")
    assert artifact["file_size"] == len(data)
    studio.hub("DELETE", f"/artifacts/{artifact['id']}")


@pytest.mark.parametrize("mount", MOUNTS)
def test_events_stream_out_of_comfyui(studio: Studio, mount: str) -> None:
    with requests.get(
        f"{studio.server.url}{mount}/events", headers={"Accept": "text/event-stream"}, stream=True, timeout=20
    ) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        lines = stream.iter_lines()
        assert next(lines) == b": connected"
        artifact = studio.saved()
        for line in lines:
            if line.startswith(b"data: ") and json.loads(line[6:])["entity_id"] == artifact["id"]:
                break
        studio.ask("GET", "/queue", 200)


def test_the_routes_of_comfyui_are_as_they_are_without_us(studio: Studio, gpu_b: Studio) -> None:
    for path in ("/queue", "/api/queue", "/embeddings", "/api/users", "/nothing", "/artifact-dbx", "/extensions/x.js"):
        ours, theirs = studio.ask("GET", path), gpu_b.ask("GET", path)
        assert ours.status_code == theirs.status_code, path
        assert ours.headers.get("Content-Type") == theirs.headers.get("Content-Type"), path
        assert set(ours.headers) == set(theirs.headers), path


def test_other_nodes_are_as_they_are_without_us(studio: Studio, gpu_b: Studio) -> None:
    with_us, without = (s.ask("GET", "/object_info", 200).json() for s in (studio, gpu_b))
    ours = {"SaveToArtifactDB", "LoadFromArtifactDB"}
    assert {name for name in set(with_us) - set(without) if not name.startswith("Tests")} == ours
    assert set(without) <= set(with_us)
    for name in ("KSampler", "SaveVideo", "PreviewAny"):
        assert with_us[name] == without[name]


def test_nothing_of_ours_lies_where_other_packs_import_from(studio: Studio) -> None:
    inside = studio.ask("GET", "/tests/inside", 200).json()
    searched = [(studio.server.folder / path).resolve() for path in inside["path"]]
    assert [path for path in searched if path.is_relative_to(ROOT)] == []
    assert inside["middlewares"] != []
    assert [name for name in inside["middlewares"] if "artifact" in name] == []
    own = {name: Path(file).resolve() for name, file in inside["modules"].items() if Path(file).is_absolute()}
    own = {name: file for name, file in own.items() if file.is_relative_to(ROOT) and "tests" not in file.parts}
    assert len(own) > 30
    assert len(set(own.values())) == len(own), "each of our files is imported once"
    folder = str(studio.server.folder / "custom_nodes" / "comfyui-artifact-db")
    assert [name for name in own if not name.startswith(folder)] == []
    assert Path(inside["modules"]["nodes"]).parent == Path(inside["modules"]["execution"]).parent


def test_the_log_of_a_start_has_no_complaint(studio: Studio) -> None:
    start, _, _ = studio.server.log.read_text(encoding="utf-8").partition("To see the GUI go to")
    assert "IMPORT FAILED" not in start
    assert "Traceback" not in start
    assert "artifact" not in "".join(line for line in start.splitlines() if "ERROR" in line or "WARN" in line).lower()


def test_the_scripts_of_the_panel_are_served(studio: Studio) -> None:
    scripts = [path for path in studio.ask("GET", "/extensions").json() if path.startswith("/extensions/comfyui-art")]
    assert scripts
    for path in scripts:
        studio.ask("GET", path, 200)
