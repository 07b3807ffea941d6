"""A hub in a process of its own, stopped and started on one port, and a second process beside it: this one."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import deleting
import requests
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.library import artifacts, chains, decisions, identities, pages, recording, runs
from comfyui_artifact_db.library.opening import open_library
from comfyui_artifact_db.library.views import Artifact
from comfyui_artifact_db.media import facts, kinds
from commanding import Shell
from PIL import Image, ImageDraw

from devtools.servers import free_port

COLOURS = ("#b4553f", "#3f7bb4", "#4f9a5b", "#a88a2f", "#7a4fb0", "#2f9a98")


def picture(number: int = 0, size: tuple[int, int] = (320, 200), *, kind: str = "PNG") -> bytes:
    """A picture that a person can tell from others: a coloured disc on a darker ground."""
    image = Image.new("RGB", size, (24 + number % 200, 30 + number // 200 % 200, 40))
    width, height = size
    at = width * (20 + number * 37 % 60) / 100
    ImageDraw.Draw(image).ellipse(
        (at - height / 3, height / 6, at + height / 3, height * 5 / 6), COLOURS[number % len(COLOURS)]
    )
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


class PanelHub:
    """A hub's process on a port of its own; `library` is another process's door to the same database."""

    def __init__(self, home: Path, config: str = "") -> None:
        self.shell = Shell(home)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/artifact-db"
        self.shell.data.mkdir(parents=True)
        (self.shell.data / "artifact-db.toml").write_text(config, encoding="utf-8")
        self.log = home / "hub.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()
        self.library = open_library(load_config(self.shell.data, {}))
        self.made = 0

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(self.shell.program), "serve", "--port", str(self.port)],
                env=self.shell.environment(),
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 30
        while True:
            try:
                requests.get(f"{self.url}/health", timeout=5)
                return
            except requests.ConnectionError:
                assert time.monotonic() < end, self.log.read_text()
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.03)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def close(self) -> None:
        self.stop()
        self.library.close()

    def clear(self) -> None:
        """Everything is gone: each test begins with an empty list."""
        if self.process is None:
            self.start()
        for chain in chains.list_chains(self.library, pages.Ask(500, None)).items:
            deleting.for_good(self.library, chain.id, by="tests")

    def record(
        self,
        name: str | None = None,
        *,
        of: Artifact | None = None,
        chain: str = "film",
        step: str = "one",
        status: str | None = "pending",
        count: int = 1,
        actor: str = "anna",
        data: bytes | None = None,
        size: tuple[int, int] = (320, 200),
        workflow_name: str = "text-to-image",
        metadata: dict[str, Any] | None = None,
        **more: Any,
    ) -> list[Artifact]:
        """Record pictures as one run does; `of` makes a further version of that artifact's output."""
        outputs = []
        for index in range(count):
            self.made += 1
            artifact_id = identities.new_id()
            filename = name or f"shot_{self.made:04}.png"
            content = data if data is not None else picture(self.made, size)
            # What breaks off in its first bytes, or is no picture at all, is still called one here.
            kind = kinds.PNG if filename.endswith(".png") else kinds.classify(content[: kinds.HEAD_SIZE], filename)
            with self.library.store.receiving() as part:
                part.write(content)
                placement = self.library.store.finish(
                    part, artifact_id=artifact_id, extension=kind.file_format, day="2026-11-22"
                )
            key = of.output_key if of else f"9:images:{index}"
            known = metadata
            if known is None and kind is kinds.PNG:
                known = {"width": size[0], "height": size[1]}
            elif known is None:
                known = facts.describe(part.path, kind)
            new = recording.NewArtifact(
                artifact_id, key, filename, kind.file_type, kind.file_format, known, status=status, **more
            )
            outputs.append((new, placement))
        workflow_id = of.workflow_id if of else identities.new_id()
        run = None if of else runs.Run("gpu-a", f"prompt-{self.made}", workflow_name, chain, step, requested_by=actor)
        recorded = recording.record(self.library, outputs, actor=actor, workflow_id=workflow_id, run=run)
        assert recorded.deferred is None, recorded.deferred
        return [self.artifact(artifact_id) for artifact_id in recorded.artifact_ids]

    def one(self, name: str | None = None, **how: Any) -> Artifact:
        """As `record`, for one picture."""
        return self.record(name, **how)[0]

    def queue(self, names: Sequence[str]) -> list[Artifact]:
        """Pictures that wait, of a run each; the first name is the newest, as lists have it."""
        return [self.one(name) for name in reversed(names)][::-1]

    def artifact(self, artifact_id: str) -> Artifact:
        return artifacts.get_artifact(self.library, artifact_id)

    def status(self, artifact: Artifact) -> str:
        return self.artifact(artifact.id).approval_status

    def approve(self, artifact: Artifact, by: str = "bob") -> Artifact:
        return decisions.approve(self.library, artifact.id, by=by)

    def reject(self, artifact: Artifact, reason: str = "too dark", by: str = "bob") -> Artifact:
        return decisions.reject(self.library, artifact.id, by=by, reason=reason)

    def versions(self, artifact: Artifact) -> list[Artifact]:
        return list(artifacts.list_versions(self.library, artifact.id, pages.Ask(500, None)).items)

    def change_bytes(self, artifact: Artifact) -> None:
        """Somebody writes other bytes into the stored file, past the program."""
        path = Path(self.artifact(artifact.id).local_path)
        path.chmod(0o644)
        path.write_bytes(picture(999))
