"""Makes real pictures and records them through the same door as everybody else."""

from __future__ import annotations

import io
from typing import Any

from comfyui_artifact_db.library import artifacts, identities, recording, runs
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Artifact, Workflow
from PIL import Image


def png(shade: int = 0, size: tuple[int, int] = (8, 8)) -> bytes:
    """A small picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, (shade % 256, shade // 256 % 256, 7)).save(file, "PNG")
    return file.getvalue()


def made_of(workflow: Workflow) -> dict[str, Any]:
    """What an engine makes a step's workflow of."""
    names = ("id", "chain_id", "step_id", "workflow_name", "requires_approval", "workflow_definition")
    return {name: getattr(workflow, name) for name in names}


class Pictures:
    """Records pictures into one library; every picture has bytes of its own."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.made = 0

    def record(
        self,
        *,
        workflow_id: str | None = None,
        keys: tuple[str, ...] = ("9:images:0",),
        status: str | None = None,
        actor: str = "tester",
        run: runs.Run | None = None,
        data: bytes | None = None,
        **more: Any,
    ) -> list[Artifact]:
        """Record one picture for each output key in one transaction; without a workflow it makes one."""
        outputs = []
        for key in keys:
            self.made += 1
            artifact_id = identities.new_id()
            with self.library.store.receiving() as part:
                part.write(data if data is not None else png(self.made))
                placement = self.library.store.finish(part, artifact_id=artifact_id, extension="png", day="2026-11-22")
            new = recording.NewArtifact(
                artifact_id, key, f"ComfyUI_{self.made:05}_.png", "image", "png", status=status, **more
            )
            outputs.append((new, placement))
        if workflow_id is None and run is None:
            run = runs.Run("gpu-a", f"prompt-{self.made}", "text-to-image")
        workflow_id = workflow_id or identities.new_id()
        recorded = recording.record(self.library, outputs, actor=actor, workflow_id=workflow_id, run=run)
        return [artifacts.get_recorded(self.library, artifact_id) for artifact_id in recorded.artifact_ids]

    def one(self, **how: Any) -> Artifact:
        """As `record`, for one picture."""
        return self.record(**how)[0]
