"""LoadFromArtifactDB: gives a graph the approved version, and says clearly when there is none."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from comfy.model_management import throw_exception_if_processing_interrupted
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..errors import Gone, Invalid, NotFound, NotUsable, Unavailable, WrongFileType
from ..library import artifacts, events, loads
from ..library.opening import Library
from ..library.views import Artifact
from . import pixels
from .prompts import PROMPTS, library

LOAD_NODE = "LoadFromArtifactDB"
ANSWERS = ["fail", "block", "wait", "last_approved"]

POLL_SECONDS = 0.2
"""How often a waiting node looks for a decision, and for an interrupt."""

_NAMES = ("artifact_id", "chain", "step", "workflow", "output")


def load_inputs(inputs: dict[str, Any]) -> str:
    """The widgets that say what a load node loads, as one text; a linked one counts by its link."""
    return json.dumps({name: inputs.get(name, "") for name in (*_NAMES, "if_not_usable")}, sort_keys=True)


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
                    tooltip="While it is not approved: fail, stop this branch, wait, or take the last approved version.",
                ),
                io.Int.Input(
                    "timeout", default=0, min=0, max=30 * 24 * 3600, tooltip="Seconds to wait at most; 0: no limit."
                ),
            ],
            outputs=[
                io.Image.Output("image"),
                io.Mask.Output("mask"),
                io.String.Output("artifact_id_out", display_name="artifact_id"),
                io.String.Output("metadata"),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
        )

    @classmethod
    def validate_inputs(
        cls,
        artifact_id: Any = None,
        chain: Any = None,
        step: Any = None,
        workflow: Any = None,
        output: Any = None,
    ) -> bool | str:
        """Refuse what names nothing, and names that look like paths or URLs; linked inputs are seen when it runs."""
        given = (artifact_id, chain, step, workflow, output)
        if None in given:
            return True
        try:
            loads.Wanted(*given).check()
        except Invalid as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, if_not_usable: str = "fail", timeout: int = 0, **given: Any) -> str:
        """What would be loaded now: its id, its hash, and whether it may be. Unchanged, ComfyUI's cache serves it."""
        hub = library()
        if any(given.get(name) is None for name in _NAMES):
            # A linked name is not known here; what it means can only change when something is recorded or decided.
            return f"event {events.last_seq(hub)}"
        wanted = loads.Wanted(*(given[name] for name in _NAMES))
        try:
            artifact = _choose(hub, wanted, if_not_usable)
        except (NotFound, NotUsable) as error:
            return f"{error.code} {error}"
        return f"{artifact.id} {artifact.sha256} {artifact.usable}"

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
        wanted = loads.Wanted(artifact_id, chain, step, workflow, output)
        hub = await asyncio.to_thread(library)
        try:
            if if_not_usable == "wait":
                artifact = await _wait(hub, wanted, timeout)
            else:
                artifact = await asyncio.to_thread(_usable, hub, wanted, if_not_usable)
        except (NotUsable, Gone, NotFound) as error:
            if if_not_usable != "block":
                raise
            blocked = [ExecutionBlocker(None) for _ in range(4)]
            return io.NodeOutput(*blocked, ui={"text": [f"this branch stops here: {error}"]})
        image, mask = await asyncio.to_thread(_read, hub, artifact)
        node_id = str(cls.hidden.unique_id)
        inputs = (cls.hidden.prompt or {}).get(node_id, {}).get("inputs", {})
        PROMPTS.remember_load(node_id, load_inputs(inputs), artifact.id)
        return io.NodeOutput(image, mask, artifact.id, _metadata(artifact), ui={"text": [_told(artifact)]})


def _choose(hub: Library, wanted: loads.Wanted, if_not_usable: str) -> Artifact:
    artifact = loads.resolve(hub, wanted)
    if if_not_usable == "last_approved" and artifacts.why_not_usable(artifact) is not None:
        return artifacts.last_approved(hub, artifact)
    return artifact


def _usable(hub: Library, wanted: loads.Wanted, if_not_usable: str) -> Artifact:
    return artifacts.require_usable(hub, _choose(hub, wanted, if_not_usable))


async def _wait(hub: Library, wanted: loads.Wanted, timeout: int) -> Artifact:
    deadline = time.monotonic() + timeout if timeout else None
    while True:
        throw_exception_if_processing_interrupted()
        try:
            return await asyncio.to_thread(_usable, hub, wanted, "wait")
        except (NotFound, NotUsable, Unavailable) as error:
            if wanted.artifact_id and isinstance(error, NotFound):
                raise
            if deadline is not None and time.monotonic() >= deadline:
                raise NotUsable(f"waited {timeout} s, and still: {error}", **error.data) from error
        await asyncio.sleep(POLL_SECONDS)


def _read(hub: Library, artifact: Artifact) -> tuple[Any, Any]:
    if artifact.file_type != "image":
        raise WrongFileType(f"artifact {artifact.id} is {artifact.file_type}, not a picture", field="artifact_id")
    with hub.store.reading(hub.store.relative(artifact.local_path)) as file:
        return pixels.from_picture(file)


def _metadata(artifact: Artifact) -> str:
    told = ("id", "workflow_id", "output_key", "version", "approval_status", "approved_by", "filename", "sha256")
    return json.dumps({**{name: getattr(artifact, name) for name in told}, **artifact.metadata}, ensure_ascii=False)


def _told(artifact: Artifact) -> str:
    by = f" by {artifact.approved_by}" if artifact.approved_by else ""
    return f"{artifact.filename} · version {artifact.version} · {artifact.approval_status}{by}"
