"""The demo: a chain file runs over two real ComfyUI servers, and waits in its middle for a person with the panel."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import environment, pictures
from .environment import ROOT
from .servers import ComfyServer, ServerFailed, free_port, tied_to_this_process

CHAIN_FILE = Path("examples", "chains", "day-to-night.yaml")
ROUTES = "/artifact-db"

Json = dict[str, Any]
Decide = Callable[[ComfyServer, Json], None]


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
        photo = folder / "photo.png"
        photo.write_bytes(pictures.photo(768, 512, seed=int(time.time())))
        code = _run_chain(a, photo, _approve if auto_approve else _ask)
        if code == 0 and not auto_approve:
            _say("both servers stay up; Ctrl-C ends them")
            while True:
                time.sleep(3600)
        return code
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


def _run_chain(a: ComfyServer, photo: Path, decide: Decide) -> int:
    """Run the chain file as anybody would, on gpu-a's hub, and pass on what that tells; returns its exit code."""
    command = [a.comfyui.command[0], str(ROOT), "--comfyui", str(a.folder)]
    command += ["chain", "run", str(ROOT / CHAIN_FILE), "--param", f"photo={photo}"]
    _say(f"artifact-db chain run {CHAIN_FILE} --param photo={photo.name}")
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, **a.comfyui.environment, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"},
        **tied_to_this_process(),
    )
    assert process.stdout is not None
    chain_id = ""
    try:
        for line in process.stdout:
            print(f"  {line}", end="", flush=True)
            if begun := re.search(r"chain \S+ \((\S+)\)", line):
                chain_id = begun[1]
            if "waits for a person" in line:
                (waiting,) = a.get(f"{ROUTES}/artifacts?queue=1&chain={chain_id}")["items"]
                decide(a, waiting)
        code = process.wait()
    finally:
        process.kill()
        process.wait()
    if code == 0:
        _tell(a, chain_id)
    return code


def _ask(a: ComfyServer, waiting: Json) -> None:
    """Say what a person can do; whatever they do, wherever they do it, the chain hears of it by itself."""
    page = f"{a.url}{ROUTES}/"
    _say(f"{waiting['filename']} waits for you, and nothing runs meanwhile: open it in the panel, which lists it first")
    print(f"    panel    {page}  (it is in ComfyUI's sidebar too: {a.url})")
    print("    approve  press a, and gpu-b goes on with it")
    print("    edit     drop another picture on it, and gpu-b goes on with that")
    print("    reject   press r and say why; it waits on, until you approve or edit it, or run the step again")
    print(f"    without a browser: curl -X POST {a.url}{ROUTES}/artifacts/{waiting['id']}/approve", flush=True)
    if sys.stdin and sys.stdin.isatty():
        webbrowser.open(page)


def _approve(a: ComfyServer, waiting: Json) -> None:
    a.post(f"{ROUTES}/artifacts/{waiting['id']}/approve", {"approved_by": "demo"})
    _say(f"{waiting['filename']} is approved by itself (--auto-approve)")


def _tell(a: ComfyServer, chain_id: str) -> None:
    """Which versions there are now, which of them went on, and where all of it is."""
    chain = a.get(f"{ROUTES}/chains/{chain_id}")
    print(f"\nchain {chain['name']}: {chain['status']}")
    last = None
    for step in sorted(chain["workflows"], key=lambda step: str(step["created_at"])):
        print(f"  {step['step_id'] or step['workflow_name']:<10} {step['status']:<10} {step['server_address']}")
        for version in a.get(f"{ROUTES}/workflows/{step['id']}/artifacts")["items"]:
            mark = "*" if version["is_latest"] else " "
            name, facts = version["filename"], version["metadata"]
            print(
                f"   {mark} version {version['version']}  {version['approval_status']:<13} {name}"
                f"  {facts.get('width')}x{facts.get('height')}"
            )
            last = version if version["is_latest"] else last
    if last is not None:
        print(f"  lineage of {last['filename']}:")
        for ancestor in a.get(f"{ROUTES}/artifacts/{last['id']}/lineage")["ancestors"]:
            found = ancestor["artifact"]
            state = f"version {found['version']}, {found['approval_status']}"
            print(f"    {ancestor['relation']:<7} {found['filename']} ({state})")
    print(f"\n  panel      {a.url}{ROUTES}/")
    print(f"  database   {a.data / 'artifacts.db'}")
    print(f"  files      {a.data / 'store'}\n", flush=True)


def _say(text: str) -> None:
    print(f"— {text}", flush=True)
