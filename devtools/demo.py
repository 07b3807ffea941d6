"""The demo: a picture is made on one ComfyUI, a person decides, and a second ComfyUI goes on with what was approved."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import environment, pictures
from .servers import ComfyServer, ServerFailed, free_port

CHAIN = "dusk-to-negative"
ROUTES = "/artifact-db"

Json = dict[str, Any]


def demo(folder: Path, *, auto_approve: bool) -> int:
    """Run the demo below `folder`; returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    comfyui = environment.comfyui()
    ports = free_port(), free_port()
    config = "".join(
        f'[servers.gpu-{name}]\nurl = "http://127.0.0.1:{port}"\n\n' for name, port in zip("ab", ports, strict=True)
    )
    a = ComfyServer(comfyui, folder / "server-a", port=ports[0], config=config)
    b = ComfyServer(comfyui, folder / "server-b", port=ports[1])
    began = time.monotonic()
    _say(f"starting two ComfyUI servers below {folder}")
    try:
        for server in (a, b):
            server.launch()
        for server in (a, b):
            server.wait()
        _say(f"gpu-a is at {a.url}, gpu-b at {b.url} ({time.monotonic() - began:.0f} s)")
        chain = _run_chain(a, b, _decide_alone if auto_approve else _wait_for_decision)
        _tell(a, chain)
        if not auto_approve:
            _say("both servers stay up; Ctrl-C ends them")
            while True:
                time.sleep(3600)
    except (ServerFailed, urllib.error.HTTPError) as error:
        detail = error.read().decode(errors="replace") if isinstance(error, urllib.error.HTTPError) else ""
        print(f"\nthe demo failed: {error} {detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        _say("stopping")
    finally:
        for server in (a, b):
            server.stop()
    return 0


def _run_chain(a: ComfyServer, b: ComfyServer, decide: Callable[[ComfyServer, Json], None]) -> Json:
    chain = a.post(
        f"{ROUTES}/chains", {"name": CHAIN, "description": "The demo's two steps.", "status": "executing_level_0"}
    )

    _say("step 1, on gpu-a: a picture, saved through SaveToArtifactDB as pending")
    (a.folder / "input" / "dusk.png").write_bytes(pictures.photo(768, 512, seed=int(time.time())))
    outputs = a.run(_first_graph(chain["id"]), actor="demo")
    picture = a.get(f"{ROUTES}/artifacts/{outputs['2']['artifact_ids'][0]}")
    a.request("PATCH", f"{ROUTES}/chains/{chain['id']}", {"status": "awaiting_approval"})
    decide(a, picture)

    current = a.get(f"{ROUTES}/workflows/{picture['workflow_id']}/latest?usable=1")
    _say(f"delivering version {current['version']} ({current['approval_status']}) to gpu-b")
    a.request("PATCH", f"{ROUTES}/chains/{chain['id']}", {"status": "executing_level_1", "current_level": 1})
    step = a.post(
        f"{ROUTES}/workflows",
        {"chain_id": chain["id"], "step_id": "develop", "workflow_name": "develop", "server": "gpu-b"},
    )
    transfer = a.post(
        f"{ROUTES}/artifacts/{current['id']}/transfer", {"server": "gpu-b", "target_workflow_id": step["id"]}
    )
    if transfer["status"] != "completed":
        raise ServerFailed(f"the transfer {transfer['status']}: {transfer['error_message']}")
    _say(f"gpu-b has it as {transfer['target_filename']}, read back and proven")

    _say("step 2, on gpu-b: its negative")
    prompt_id = str(uuid.uuid4())
    graph = _second_graph(transfer["target_filename"])
    change = {"prompt_id": prompt_id, "status": "executing", "workflow_definition": graph}
    a.request("PATCH", f"{ROUTES}/workflows/{step['id']}", change)  # written down before it is queued
    (image,) = b.run(graph, prompt_id=prompt_id)["3"]["images"]
    _upload(
        a, f"{ROUTES}/workflows/{step['id']}/artifacts", image["filename"], _view(b, image), output_key="3:images:0"
    )
    a.request("PATCH", f"{ROUTES}/workflows/{step['id']}", {"status": "completed"})
    return dict(a.request("PATCH", f"{ROUTES}/chains/{chain['id']}", {"status": "completed"}))


def _first_graph(chain_id: str) -> Json:
    save = {"value": ["1", 0], "filename_prefix": "dusk", "chain": chain_id, "step": "photograph"}
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "dusk.png"}},
        "2": {"class_type": "SaveToArtifactDB", "inputs": {**save, "approval": "required", "tags": "demo"}},
    }


def _second_graph(image: str) -> Json:
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": image}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "negative"}},
    }


def _decide_alone(a: ComfyServer, picture: Json) -> None:
    a.post(f"{ROUTES}/artifacts/{picture['id']}/approve", {"approved_by": "demo"})
    _say("approved by itself (--auto-approve)")


def _wait_for_decision(a: ComfyServer, picture: Json) -> None:
    """Until the step's current artifact is usable, whoever decides: in this terminal, or over REST."""
    route = f"{a.url}{ROUTES}/artifacts/{picture['id']}"
    _say("the picture waits for a decision; nothing goes on before somebody approves it")
    page = f"{a.url}{ROUTES}/"
    print(f"    look:     {page}  (the same panel is in ComfyUI's sidebar)")
    print(f"    download: {route}/download")
    print(f"    approve:  curl -X POST {route}/approve")
    print(f"    edit:     curl -F file=@edited.png {route}/edit")
    lines = _terminal_lines()
    if lines is not None:
        webbrowser.open(page)
        print("    or here:  a = approve, r REASON = reject, e FILE = upload an edited version\n> ", end="", flush=True)
    while not _is_usable(a, picture["workflow_id"]):
        if lines is None:
            time.sleep(0.5)
            continue
        with contextlib.suppress(queue.Empty):
            _obey(a, picture, lines.get(timeout=0.5))
    decided = a.get(f"{ROUTES}/workflows/{picture['workflow_id']}/latest")
    _say(f"{decided['approval_status']} by {decided['approved_by']}")


def _is_usable(a: ComfyServer, workflow_id: str) -> bool:
    return bool(a.get(f"{ROUTES}/workflows/{workflow_id}/latest")["usable"])


def _obey(a: ComfyServer, picture: Json, line: str) -> None:
    word, _, rest = line.strip().partition(" ")
    route = f"{ROUTES}/artifacts/{picture['id']}"
    try:
        if word == "a":
            a.post(f"{route}/approve", {"approved_by": "you"})
        elif word == "r":
            a.post(f"{route}/reject", {"reason": rest, "approved_by": "you"})
            print("rejected; approve it after all (a), or hand in a better one (e FILE)")
        elif word == "e":
            file = Path(rest).expanduser()
            _upload(a, f"{route}/edit", file.name, file.read_bytes(), approved_by="you")
            return
        else:
            print("a = approve, r REASON = reject, e FILE = edited version")
    except urllib.error.HTTPError as error:
        print(error.read().decode(errors="replace"))
    except OSError as error:
        print(f"{rest}: {error.strerror}")
    print("> ", end="", flush=True)


def _terminal_lines() -> queue.Queue[str] | None:
    """What is typed, line by line; None where nobody can type."""
    if not sys.stdin or not sys.stdin.isatty():
        return None
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _tell(a: ComfyServer, chain: Json) -> None:
    details = a.get(f"{ROUTES}/chains/{chain['id']}")
    print(f"\nchain {details['name']}: {details['status']}")
    last = None
    for step in sorted(details["workflows"], key=lambda step: step["created_at"]):
        print(f"  {step['step_id']:<12} {step['status']:<10} on {step['server_address']}")
        for version in a.get(f"{ROUTES}/workflows/{step['id']}/artifacts")["items"]:
            mark = "*" if version["is_latest"] else " "
            print(
                f"   {mark} version {version['version']}  {version['approval_status']:<13} {version['filename']}"
                f"  {version['metadata'].get('width')}x{version['metadata'].get('height')}  {version['id']}"
            )
            last = version if version["is_latest"] else last
    if last is not None:
        lineage = a.get(f"{ROUTES}/artifacts/{last['id']}/lineage")
        print(f"  lineage of {last['filename']}:")
        for ancestor in lineage["ancestors"]:
            found = ancestor["artifact"]
            state = f"version {found['version']}, {found['approval_status']}"
            print(f"    {ancestor['relation']:<7} {found['filename']} ({state})")
    print(f"\n  database   {a.data / 'artifacts.db'}")
    print(f"  files      {a.data / 'store'}")
    print(f"  routes     {a.url}{ROUTES}/chains/{chain['id']}")
    print(f"  events     {a.url}{ROUTES}/events")
    for server in a.get(f"{ROUTES}/servers")["items"]:
        print(f"  {server['name']:<10} {server['url']}")
    print()


def _view(server: ComfyServer, image: Json) -> bytes:
    query = "&".join(f"{key}={image[key]}" for key in ("filename", "subfolder", "type"))
    with urllib.request.urlopen(f"{server.url}/view?{query}", timeout=60) as answer:
        return bytes(answer.read())


def _upload(server: ComfyServer, path: str, filename: str, data: bytes, **fields: str) -> Json:
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
    body = b"".join([*parts, head.encode(), data, f"\r\n--{boundary}--\r\n".encode()])
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(server.url + path, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))


def _say(text: str) -> None:
    print(f"— {text}", flush=True)
