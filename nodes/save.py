"""SaveToArtifactDB: every picture that reaches it becomes a versioned artifact, and goes on through it."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import folder_paths
import torch
from comfy.cli_args import args
from comfy_api.latest import io

from ..errors import Invalid
from ..library import identities, names, recording, runs
from ..library.opening import Library
from ..storage.local import Placement
from . import pixels
from .load import LOAD_NODE, load_inputs
from .prompts import PROMPTS, Prompt, library

logger = logging.getLogger("artifact_db.nodes")

KIND = "images"
APPROVALS = {"default": None, "auto": "auto_approved", "required": "pending"}


class SaveToArtifactDB(io.ComfyNode):
    """Saved graphs depend on these names and on the order of outputs: add at the end only."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SaveToArtifactDB",
            display_name="Save to Artifact DB",
            category="artifact db",
            description="Keeps every picture as a version that is never overwritten, with what made it.",
            inputs=[
                io.Image.Input("value", tooltip="The pictures to keep; they go on through the node unchanged."),
                io.String.Input(
                    "filename_prefix", default="ComfyUI", tooltip="What the files are called, as in Save Image."
                ),
                io.String.Input("chain", default="", tooltip="A chain's name or id; a new name begins a chain."),
                io.String.Input("step", default="", tooltip="Which step of the chain this graph is."),
                io.Combo.Input(
                    "approval",
                    options=list(APPROVALS),
                    default="default",
                    tooltip="required: nothing downstream gets it before somebody has approved it.",
                ),
                io.String.Input("tags", default="", tooltip="Tags, separated by commas."),
            ],
            outputs=[
                io.Image.Output("value_out", display_name="value"),
                io.String.Output("artifact_id", is_output_list=True),
                io.String.Output("workflow_id"),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(
        cls, chain: Any = None, step: Any = None, tags: Any = None, filename_prefix: Any = None
    ) -> bool | str:
        """Refuse a name that looks like a path or a URL before anything runs; a linked input is seen when it runs."""
        try:
            _check(chain or "", step or "", tags or "", filename_prefix or "ComfyUI")
        except Invalid as error:
            return str(error)
        return True

    @classmethod
    def execute(
        cls, value: torch.Tensor, filename_prefix: str, chain: str, step: str, approval: str, tags: str
    ) -> io.NodeOutput:
        """Encode, record in one transaction, and pass on. A database that is away does not fail the prompt."""
        tag_list = _check(chain, step, tags, filename_prefix)
        prompt = PROMPTS.running()
        hub = library()
        keys = prompt.output_keys(str(cls.hidden.unique_id), KIND, len(value))
        info = None if args.disable_metadata else pixels.png_info(cls.hidden.prompt, cls.hidden.extra_pnginfo)
        places, results = _temporary_names(filename_prefix, value)
        ids = [identities.new_id() for _ in keys]

        def keep(index: int) -> Placement:
            with hub.store.receiving() as part:
                pixels.write_png(pixels.to_picture(value[index]), part, info)
                return hub.store.finish(part, artifact_id=ids[index], extension="png", day=identities.now()[:10])

        placements = _side_by_side(keep, len(keys))
        height, width, channels = value.shape[1:4]
        metadata = {
            "width": width,
            "height": height,
            "mode": {1: "L", 3: "RGB", 4: "RGBA"}.get(channels, str(channels)),
        }
        outputs = [
            recording.NewArtifact(
                artifact_id=artifact_id,
                output_key=key,
                filename=result["filename"],
                file_type="image",
                file_format="png",
                metadata=metadata,
                node_id=str(cls.hidden.unique_id),
                subfolder=result["subfolder"],
                status=APPROVALS[approval],
                tags=tag_list,
            )
            for artifact_id, key, result in zip(ids, keys, results, strict=True)
        ]
        recorded = recording.record(
            hub,
            list(zip(outputs, placements, strict=True)),
            actor=prompt.requested_by,
            workflow_id=prompt.workflow_id(chain, step),
            run=_run(cls.hidden, prompt, chain, step),
            keep_when_unavailable=True,
        )
        PROMPTS.follow(prompt)
        for placement, place in zip(placements, places, strict=True):
            _copy(hub, placement, place)
        said = [f"kept, and recorded as soon as the database is back: {recorded.deferred}"] if recorded.deferred else []
        shown = {"images": results, "artifact_ids": list(recorded.artifact_ids), "text": said}
        return io.NodeOutput(value, list(recorded.artifact_ids), recorded.workflow_id, ui=shown)


def _check(chain: str, step: str, tags: str, filename_prefix: str) -> tuple[str, ...]:
    names.checked_name(chain, "chain", empty=True)
    names.checked_name(step, "step", empty=True)
    names.checked_text(filename_prefix, "filename_prefix")
    if "://" in filename_prefix or ".." in filename_prefix or os.path.isabs(filename_prefix):
        raise Invalid(
            "filename_prefix is a name, with folders at most; no '..', no absolute path, no URL",
            field="filename_prefix",
        )
    return names.checked_tags(tags)


def _temporary_names(prefix: str, value: torch.Tensor) -> tuple[list[str], list[dict[str, str]]]:
    """Where the copies for ComfyUI's previews go, and what its history says of them."""
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_temp_directory(), value.shape[2], value.shape[1]
    )
    results = []
    for index in range(len(value)):
        file = f"{name.replace('%batch_num%', str(index))}_{counter + index:05}_.png"
        results.append({"filename": file, "subfolder": subfolder, "type": "temp"})
    return [os.path.join(folder, result["filename"]) for result in results], results


def _side_by_side(keep: Any, count: int) -> Sequence[Placement]:
    """Encode the pictures of a batch on several cores: Pillow leaves Python's lock while it compresses."""
    workers = min(count, os.cpu_count() or 1)
    if workers < 2:
        return [keep(index) for index in range(count)]
    with ThreadPoolExecutor(workers, thread_name_prefix="artifact-db-encode") as pool:
        return list(pool.map(keep, range(count)))


def _copy(hub: Library, placement: Placement, place: str) -> None:
    """A copy, never a link: what lies in ComfyUI's folders may be overwritten there."""
    try:
        shutil.copyfile(hub.store.path(placement.local_path), place)
    except OSError as error:
        logger.warning("the preview of %s could not be written: %s", placement.local_filename, error)


def _run(hidden: Any, prompt: Prompt, chain: str, step: str) -> runs.Run:
    graph = hidden.prompt or {}
    return runs.Run(
        server_address=prompt.server_address,
        prompt_id=prompt.prompt_id,
        workflow_name=step or chain or "ComfyUI",
        chain=chain,
        step=step,
        workflow_definition=graph,
        extra_pnginfo=hidden.extra_pnginfo,
        client_id=prompt.client_id,
        requested_by=prompt.requested_by,
        inputs=_loaded_upstream(graph, str(hidden.unique_id)),
    )


def _loaded_upstream(graph: dict[str, Any], node_id: str) -> list[str]:
    """The artifacts that went into a node's inputs, from the load nodes it can be reached from."""
    found, seen, waiting = [], set(), [node_id]
    while waiting:
        here = waiting.pop()
        if here in seen or here not in graph:
            continue
        seen.add(here)
        inputs = graph[here].get("inputs", {})
        if graph[here].get("class_type") == LOAD_NODE:
            found.append(PROMPTS.loaded(here, load_inputs(inputs)))
        waiting.extend(str(link[0]) for link in inputs.values() if isinstance(link, list) and len(link) == 2)
    return [artifact_id for artifact_id in dict.fromkeys(found) if artifact_id]
