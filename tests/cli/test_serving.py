"""Pins `artifact-db serve`: where it keeps its things, what it needs, and how it ends."""

from __future__ import annotations

import shutil
import signal
import socket
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from commanding import ROOT, Shell
from making import png
from waiting import until

ENDING = [signal.SIGTERM, signal.SIGINT]
by_signal = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to end a program kindly")


def staged(shell: Shell) -> list[Path]:
    return list((shell.data / "store" / "staging").iterdir())


@by_signal
@pytest.mark.parametrize("how", ENDING, ids=lambda how: how.name)
def test_it_serves_from_a_clean_folder_until_it_is_told_to_stop(shell: Shell, how: signal.Signals) -> None:
    with shell.serving() as hub:
        health = hub.get("/health").json()
        assert health["status"] == "ok"
        assert hub.get("/artifacts").json() == {"items": [], "next_cursor": None}
        assert len(staged(shell)) == 2, "a folder and its lock"
        code, out, err = hub.end(how)
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    assert "WARNING" not in err
    assert "ERROR" not in err
    assert staged(shell) == []
    assert {path.name for path in shell.data.iterdir()} >= {"artifacts.db", "store"}
    assert [path.name for path in shell.home.iterdir()] == ["config"], "nothing where it was started"


@by_signal
def test_it_ends_at_once_while_a_stream_is_read_and_a_file_is_on_its_way(shell: Shell) -> None:
    with shell.serving() as hub:
        made = requests.post(hub.url + "/workflows", json={"workflow_name": "w"}, timeout=20).json()
        stream = requests.get(hub.url + "/events", headers={"Accept": "text/event-stream"}, stream=True, timeout=20)
        lines = stream.iter_lines()
        assert next(lines) == b": connected"
        port = urlsplit(hub.url).port
        with closing(socket.create_connection(("127.0.0.1", port or 0))) as upload:
            upload.sendall(
                f"POST /artifact-db/workflows/{made['id']}/artifacts HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                "Content-Length: 100000000\r\nContent-Type: multipart/form-data; boundary=edge\r\n\r\n"
                '--edge\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'.encode()
                + bytes(3_000_000)
            )
            until(lambda: [part for part in shell.data.rglob("*.part") if part.stat().st_size])
            code, out, err = hub.end(signal.SIGTERM)
        assert [line for line in lines if line] == []
        stream.close()
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    assert staged(shell) == []
    assert list((shell.data / "store" / "files").iterdir()) == []


def test_it_needs_neither_comfyui_nor_torch(shell: Shell) -> None:
    poison = shell.home / "poison"
    poison.mkdir()
    for name in (
        "torch",
        "numpy",
        "comfy",
        "comfy_api",
        "comfy_execution",
        "folder_paths",
        "server",
        "execution",
        "av",
    ):
        (poison / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')")
    with shell.serving(PYTHONPATH=str(poison)) as hub:
        made = requests.post(hub.url + "/workflows", json={"workflow_name": "w"}, timeout=20).json()
        files = {"file": ("a.png", png(1))}
        uploaded = requests.post(f"{hub.url}/workflows/{made['id']}/artifacts", files=files, timeout=20)
        assert uploaded.status_code == 201
        assert hub.get(f"/artifacts/{uploaded.json()['id']}/download").content == png(1)
        for path in ("/artifacts?q=dragon", "/events", "/servers", f"/artifacts/{uploaded.json()['id']}/lineage"):
            assert hub.get(path).status_code == 200
        hub.process.terminate()
        _, err = hub.process.communicate(timeout=30)
    assert "was imported" not in err


def test_it_finds_the_configuration_of_a_comfyui(shell: Shell) -> None:
    data = shell.home / "ComfyUI" / "user" / "__artifact_db"
    data.mkdir(parents=True)
    (data / "artifact-db.toml").write_text('[servers.gpu-a]\nurl = "http://127.0.0.1:8188"\n')
    with shell.serving("--comfyui", "ComfyUI") as hub:
        assert [server["name"] for server in hub.get("/servers").json()["items"]] == ["gpu-a"]
    assert (data / "artifacts.db").is_file()
    assert not shell.data.exists()


def test_a_variable_wins_over_the_file_and_relative_paths_count_from_it(shell: Shell) -> None:
    shell.data.mkdir(parents=True)
    (shell.data / "artifact-db.toml").write_text('database = "sqlite:///from-the-file.db"\nstore = "kept"\n')
    with shell.serving(ARTIFACT_DB_DATABASE="sqlite:///from-a-variable.db") as hub:
        hub.get("/health")
    names = {path.name for path in shell.data.iterdir()}
    assert {"from-a-variable.db", "kept"} <= names
    assert "from-the-file.db" not in names


def test_a_clone_of_another_name_is_the_same_program(tmp_path: Path) -> None:
    clone = tmp_path / "my pack.2"
    left_out = shutil.ignore_patterns(".*", "tests", "bench", "devtools", "build", "__pycache__", "*.md")
    shutil.copytree(ROOT, clone, ignore=left_out)
    shell = Shell(tmp_path / "home", clone)
    shell.home.mkdir()
    version = shell.run("--version")
    assert (version.returncode, version.stderr) == (0, "")
    assert version.stdout.startswith("artifact-db ")
    with shell.serving() as hub:
        assert hub.get("/health").json()["version"] == version.stdout.split()[1]
        assert hub.get("/openapi.json").status_code == 200
    assert (shell.data / "artifacts.db").is_file()


def test_it_says_how_it_is_used(shell: Shell) -> None:
    done = shell.run("--help")
    assert done.returncode == 0
    assert "serve" in done.stdout
    assert shell.run("serve", "--help").returncode == 0
