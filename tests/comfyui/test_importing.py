"""Importing the extension does no work: no file, no folder and no thread before ComfyUI's server has started."""

from __future__ import annotations

import json
import os
from pathlib import Path

from devtools.environment import ComfyUI
from devtools.servers import ComfyServer

WATCHER = """
import json, pathlib, sys, threading
threads = [thread.name for thread in threading.enumerate()]
(pathlib.Path(__file__).parent / "seen.json").write_text(json.dumps([threads, sorted(sys.modules)]))
NODE_CLASS_MAPPINGS = {}
"""


def test_importing_does_no_work(comfyui_code: ComfyUI, tmp_path: Path) -> None:
    # Packs of a further folder are imported after all of the first one, so this one sees what ours have left behind.
    watcher = tmp_path / "further" / "watcher"
    watcher.mkdir(parents=True)
    (watcher / "__init__.py").write_text(WATCHER)
    (tmp_path / "further.yaml").write_text(f"further:\n    custom_nodes: {tmp_path / 'further'}\n")
    arguments = ("--quick-test-for-ci", "--extra-model-paths-config", str(tmp_path / "further.yaml"))
    server = ComfyServer(comfyui_code, tmp_path / "comfyui", arguments=arguments)
    try:
        server.launch()
        assert server.process is not None
        assert server.process.wait(60) == 0, server.last_lines()
    finally:
        server.stop()
    threads, modules = json.loads((watcher / "seen.json").read_text())
    assert str(server.folder / "custom_nodes" / "comfyui-artifact-db") in modules
    assert [name for name in threads if "artifact" in name or "Pool" in name] == []
    assert os.listdir(server.data) == ["artifact-db.toml"]
    assert "IMPORT FAILED" not in server.log.read_text(encoding="utf-8")
