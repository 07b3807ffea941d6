"""LoadFromArtifactDB: gives a graph the approved version, and says clearly when there is none."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from comfy.model_management import throw_exception_if_processing_interrupted
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..errors import Gone, Invalid, NotFound, NotUsable, Unavailable
from ..library import artifacts, loads
from ..library.views import Artifact
from ..records.interface import Recorder
from ..storage.files import store_errors
from . import latents, lending, pixels, sounds, texts
from .loaded import LOADS, Asked, Given
from .prompts import PROMPTS, executing_node, recorder

LOAD_NODE = "LoadFromArtifactDB"
ANSWERS = ["fail", "block", "wait", "last_approved"]

OUTPUTS = ("image", "mask", "artifact_id", "metadata", "video", "audio", "latent", "text")

OLDEST_PARENT = 100
"""How many edits back it is looked up whether a picture is a mask."""

POLL_SECONDS = 0.2
"""How often a waiting node looks for a decision, and for an interrupt."""


class LoadFromArtifactDB(io.ComfyNode):
    """Saved graphs depend on these names and on the order of outputs: add at the end only."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id=LOAD_NODE,
            display_name="Load from Artifact DB",
            category="artifact db",
            description="Loads an approved artifact: one by its id, or what a step of a chain offers.",
            inputs=[
                io.String.Input("artifact_id", default="", tooltip="One artifact; empty: what the names below mean."),
                io.String.Input("chain", default="", tooltip="A chain's name or id; of a name its newest run."),
                io.String.Input("step", default="", tooltip="A step of that chain."),
                io.String.Input("workflow", default="", tooltip="A workflow's name or id."),
                io.String.Input(
                    "output", default="", tooltip="An output key such as 9:images:0; empty: the current artifact."
                ),
                io.Combo.Input(
                    "if_not_usable",
                    options=ANSWERS,
                    default="fail",
                    tooltip="While it is not approved: fail, stop this branch, wait, or take the last approved one.",
                ),
                io.Int.Input(
                    "timeout", default=0, min=0, max=30 * 24 * 3600, tooltip="Seconds to wait at most; 0: no limit."
                ),
            ],
            outputs=[
                io.Image.Output("image", display_name="image"),
                io.Mask.Output("mask", display_name="mask"),
                io.String.Output("artifact_id_out", display_name="artifact_id"),
                io.String.Output("metadata", display_name="metadata"),
                io.Video.Output("video", display_name="video"),
                io.Audio.Output("audio", display_name="audio"),
                io.Latent.Output("latent", display_name="latent"),
                io.String.Output("text", display_name="text"),
            ],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(
        cls,
        artifact_id: Any = None,
        chain: Any = None,
        step: Any = None,
        workflow: Any = None,
        output: Any = None,
        if_not_usable: Any = None,
    ) -> bool | str:
        """Refuse what names nothing, and names that look like paths or URLs; linked inputs are seen when it runs."""
        given = (artifact_id, chain, step, workflow, output)
        wanted = loads.Wanted(*("" if value is None else value for value in given))
        try:
            _check_answer(ANSWERS[0] if if_not_usable is None else if_not_usable)
            _ = wanted.checked_names() if None in given else wanted.checked()
        except Invalid as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> str:
        """Unchanged as long as the node would find what it found when it last ran; ComfyUI's cache serves it then."""
        kept = recorder()
        return LOADS.fingerprint(PROMPTS.running(), executing_node(), lambda asked: _look(kept, asked))

    @classmethod
    async def execute(
        cls,
        artifact_id: str,
        chain: str,
        step: str,
        workflow: str,
        output: str,
        if_not_usable: str,
        timeout: int,
    ) -> io.NodeOutput:
        """Load it, or answer as `if_not_usable` says. Waiting holds up no request and ends on an interrupt."""
        wanted = loads.Wanted(artifact_id, chain, step, workflow, output).checked()
        asked = Asked(wanted, _check_answer(if_not_usable))
        prompt, node_id = PROMPTS.running(), executing_node()
        kept = await asyncio.to_thread(recorder)
        try:
            if if_not_usable == "wait":
                artifact = await _wait(kept, asked, timeout)
            else:
                artifact = await asyncio.to_thread(_take, kept, asked)
        except (NotUsable, Gone, NotFound) as error:
            if if_not_usable != "block":
                raise
            LOADS.remember(prompt, node_id, asked, None)
            return _given({}, f"this branch stops here: {error}")
        values = await asyncio.to_thread(_read, kept, artifact)
        LOADS.remember(prompt, node_id, asked, Given(artifact.id, _state(artifact)))
        told = {"artifact_id": artifact.id, "metadata": _metadata(artifact)}
        return _given({**values, **told}, _told(artifact, values))


def _given(values: dict[str, Any], said: str) -> io.NodeOutput:
    """What the artifact has; every other output stops its branch in silence, so that one graph serves several kinds."""
    outputs = [values.get(name, ExecutionBlocker(None)) for name in OUTPUTS]
    return io.NodeOutput(*outputs, ui={"text": [said]})


def _check_answer(value: Any) -> str:
    if value not in ANSWERS:
        raise Invalid(f"if_not_usable is {value!r}; accepted: {', '.join(ANSWERS)}", field="if_not_usable")
    return str(value)


def _look(kept: Recorder, asked: Asked) -> str:
    """What the node would find now, in a line that changes exactly when it would give something else."""
    try:
        return _state(kept.find(asked.wanted, last_approved=asked.last_approved))
    except (NotFound, NotUsable) as error:
        return str(error)


def _state(artifact: Artifact) -> str:
    return f"{artifact.id} {artifact.sha256} {artifacts.why_not_usable(artifact)}"


def _take(kept: Recorder, asked: Asked) -> Artifact:
    return kept.take(asked.wanted, last_approved=asked.last_approved)


async def _wait(kept: Recorder, asked: Asked, timeout: int) -> Artifact:
    deadline = time.monotonic() + timeout if timeout else None
    while True:
        throw_exception_if_processing_interrupted()
        try:
            return await asyncio.to_thread(_take, kept, asked)
        except (NotFound, NotUsable, Unavailable) as error:
            if asked.wanted.artifact_id and isinstance(error, NotFound):
                raise
            if deadline is not None and time.monotonic() >= deadline:
                raise NotUsable(f"waited {timeout} s, and still: {error}", **error.data) from error
        await asyncio.sleep(POLL_SECONDS)


def _read(kept: Recorder, artifact: Artifact) -> dict[str, Any]:
    """What a graph gets of an artifact, by the names of the outputs. Of some kinds there is nothing to give."""
    path = kept.path(artifact)
    if artifact.file_type == "video":
        return {"video": lending.from_video(path)}
    if artifact.file_type not in ("image", "audio", "latent", "text"):
        return {}
    with store_errors("reading a file"), path.open("rb") as file:
        if artifact.file_type == "audio":
            return {"audio": sounds.from_sound(file)}
        if artifact.file_type == "latent":
            return {"latent": latents.from_latents(file)}
        if artifact.file_type == "text":
            return {"text": texts.from_text(file)}
        image, mask = pixels.from_picture(file, is_mask=_is_mask(kept, artifact))
        return {"image": image, "mask": mask}


def _is_mask(kept: Recorder, artifact: Artifact) -> bool:
    """Whether a picture was saved as a mask, or is an edit of one that was."""
    for _ in range(OLDEST_PARENT):
        if artifact.metadata.get(pixels.MASK_FACT) is True:
            return True
        if artifact.parent_artifact_id is None:
            return False
        artifact = kept.get(artifact.parent_artifact_id)
    return False


def _metadata(artifact: Artifact) -> str:
    told = ("id", "workflow_id", "output_key", "version", "approval_status", "approved_by", "filename", "sha256")
    return json.dumps({**artifact.metadata, **{name: getattr(artifact, name) for name in told}}, ensure_ascii=False)


def _told(artifact: Artifact, values: dict[str, Any]) -> str:
    by = f" by {artifact.approved_by}" if artifact.approved_by else ""
    kind = "" if values else f" · {artifact.file_type}: no output gives such a file"
    return f"{artifact.filename} · version {artifact.version} · {artifact.approval_status}{by}{kind}"
