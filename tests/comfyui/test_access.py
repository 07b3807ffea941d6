"""Tokens on a real ComfyUI: its own flags and middlewares change nothing of who may do what, at neither place."""

from __future__ import annotations

from pathlib import Path

import contract
import pytest
from comfyui_artifact_db.server_routes.table import ROUTES
from comfyui_studio import Studio
from comfyui_visitors import MOUNTS, visits
from commanding import Shell

MAY = {"view": ("view",), "review": ("view", "review"), "record": ("view", "record")}
ELSEWHERE = {"X-Forwarded-For": "198.51.100.7"}
"""What a proxy says of another machine."""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def token(shell: Shell, studio: Studio, *arguments: str) -> str:
    """What `artifact-db token` prints for this server."""
    done = shell.run("--comfyui", str(studio.server.folder), "token", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("role", "mount"), [("view", MOUNTS[0]), ("review", MOUNTS[1]), ("record", MOUNTS[0])])
def test_a_token_opens_what_its_role_may_and_nothing_else(studio: Studio, shell: Shell, role: str, mount: str) -> None:
    name = f"{role} at {mount.replace('/', ' ')}"
    bearer = {**ELSEWHERE, "Authorization": f"Bearer {token(shell, studio, 'create', name, '--role', role)}"}
    signed = studio.ask("POST", f"{mount}/session", 200, headers=bearer)
    session = {
        **ELSEWHERE,
        "Cookie": signed.headers["Set-Cookie"].partition(";")[0],
        "Origin": studio.server.url,
        "Sec-Fetch-Site": "same-origin",
    }
    assert studio.ask("GET", f"{mount}/session", 200, headers=session).json()["name"] == name
    for headers in (bearer, session):
        for route, visit in zip(ROUTES, visits(studio, mount), strict=True):
            if route.permission == "public":
                continue
            with visit.send(studio, headers=headers) as answer:
                told = (visit.method, visit.path, answer.status_code)
                assert (answer.status_code == 403) == (route.permission not in MAY[role]), told
                assert answer.status_code not in (401, 500), told
                path = visit.path.removeprefix(mount)
                contract.check(visit.method, path, answer.status_code, answer.headers, answer.content)
    token(shell, studio, "revoke", name)
    for headers in (bearer, session):
        studio.ask("GET", f"{mount}/artifacts", 401, headers=headers)


@pytest.mark.parametrize("mount", MOUNTS)
def test_nobody_elsewhere_is_let_in_without_a_token_and_this_machine_always(studio: Studio, mount: str) -> None:
    for route, visit in zip(ROUTES, visits(studio, mount), strict=True):
        with visit.send(studio, headers=ELSEWHERE) as answer:
            # POST /session is public, and asks for a token all the same.
            assert (answer.status_code == 401) == (route.permission != "public" or visit.method == "POST"), visit
    assert studio.ask("GET", f"{mount}/session", 200).json()["via"] == "machine"


def test_neither_the_prompts_nor_comfyuis_settings_have_a_token(studio: Studio, shell: Shell) -> None:
    secret = token(shell, studio, "create", "nowhere", "--role", "record")
    studio.ask("POST", "/artifact-db/session", 200, headers={"Authorization": f"Bearer {secret}"})
    artifact = studio.saved()
    seen = studio.data(artifact["id"])
    for path in ("/queue", "/history", "/settings", "/object_info", "/artifact-db/events?limit=500"):
        seen += studio.ask("GET", path, 200).content
    assert secret.encode() not in seen
    assert secret.removeprefix("adb_").encode() not in seen
    kept = b"".join(path.read_bytes() for path in studio.server.data.rglob("*") if path.is_file())
    assert secret.encode() not in kept
    token(shell, studio, "revoke", "nowhere")
