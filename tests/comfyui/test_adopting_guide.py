"""`docs/adopting.md` as somebody follows it: every command of it, in its order, on two real servers."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import invariants
import pytest
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import artifacts, chains, lineage, pages
from comfyui_artifact_db.library.opening import open_library
from commanding import ROOT, Shell
from making import png

from devtools.servers import ComfyServer

GUIDE = ROOT / "docs" / "adopting.md"
HUB = "http://127.0.0.1:8190/artifact-db"


class Follower:
    """Somebody at a shell, in a copy of the examples, with a home of their own; `told` has what commands answered."""

    def __init__(self, base: Path, servers: tuple[ComfyServer, ComfyServer]) -> None:
        self.folder = base / "adopting"
        shutil.copytree(ROOT / "examples" / "adopting", self.folder)
        (self.folder / "photo.png").write_bytes(png(7, (640, 480)))
        (base / "home").mkdir()
        self.shell = Shell(base / "home")
        self.shell.data.mkdir(parents=True)
        self.addresses = {"GPU_A": servers[0].url, "GPU_B": servers[1].url}
        self.hub = ""
        self.told: dict[str, str] = {}
        self.ends = ExitStack()

    def configure(self, text: str) -> None:
        for name, address in (("gpu-a", "GPU_A"), ("gpu-b", "GPU_B")):
            text = text.replace(f"http://{name}:8188", self.addresses[address])
        (self.shell.data / "artifact-db.toml").write_text(text)

    def obey(self, line: str) -> None:
        program, *arguments = shlex.split(line)
        if program == "cd":
            assert (ROOT / arguments[0]).is_dir()
        elif arguments[:1] == ["serve"]:
            self.hub = self.ends.enter_context(self.shell.serving()).url
        else:
            arguments = [self.hub if one == HUB else one for one in arguments]
            command = [sys.executable, *arguments] if program == "python3" else self.shell.command(*arguments)
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                cwd=self.folder,
                env=self.shell.environment(**self.addresses),
            )
            assert (done.returncode, done.stderr) == (0, ""), f"{line}\n{done.stdout}\n{done.stderr}"
            self.told[line] = done.stdout


@pytest.fixture
def follower(tmp_path: Path, servers: tuple[ComfyServer, ComfyServer]) -> Iterator[Follower]:
    follower = Follower(tmp_path, servers)
    with follower.ends:
        yield follower


def test_the_guide_for_adopting_can_be_followed_command_by_command(follower: Follower) -> None:
    blocks = re.findall(r"^```(sh|toml)\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert [language for language, _ in blocks].count("toml") == 1
    for language, text in blocks:
        if language == "toml":
            follower.configure(text)
            continue
        for line in text.splitlines():
            follower.obey(line)
    assert follower.told["python3 compare.py by-script.png exported/by-chain-small.png"] == "the same picture\n"
    library = open_library(load_config(follower.shell.data, {}))
    try:
        found = {one.name: one.status for one in chains.list_chains(library, pages.Ask(50, None)).items}
        assert found == {"by-script": "completed", "by-chain": "completed"}
        (small,) = artifacts.list_artifacts(library, pages.Ask(50, None), q="by-script small").items
        (before, *_) = lineage.get_lineage(library, small.id).ancestors
        assert (before.artifact.filename.split("_")[0], before.relation) == ("negative", "input")
        invariants.check(library)
    finally:
        library.close()


def test_a_script_goes_on_without_its_hub(follower: Follower) -> None:
    done = subprocess.run(
        [sys.executable, "direct.py", "photo.png", "result.png", "--hub", "http://127.0.0.1:9/artifact-db"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=follower.folder,
        env=follower.shell.environment(**follower.addresses),
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("not recorded: ")
    assert (follower.folder / "result.png").exists()
