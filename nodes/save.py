"""SaveToArtifactDB: every picture that reaches it becomes a versioned artifact, and goes on through it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Any, BinaryIO

import folder_paths
import torch
from comfy.cli_args import args
from comfy_api.latest import io

from ..errors import Invalid
from ..graphs.walking import leading_to, plain
from ..library import describing, identities, names, recording, runs
from ..library.opening import Library
from ..storage.files import Part, remove
from ..storage.local import Placement
from . import pixels
from .load import LOAD_NODE
from .loaded import LOADS
from .prompts import PROMPTS, Prompt, library

logger = logging.getLogger("artifact_db.nodes")

KIND = "images"
APPROVALS = {"default": None, "auto": "auto_approved", "required": "pending"}

MAX_PART = 200
"""Bytes of a folder or a name in a prefix; file systems take 255, and numbers follow."""


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
                io.String.Output("artifact_id", display_name="artifact_id", is_output_list=True),
                io.String.Output("workflow_id", display_name="workflow_id"),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(
        cls,
        chain: Any = None,
        step: Any = None,
        tags: Any = None,
        filename_prefix: Any = None,
        approval: Any = None,
    ) -> bool | str:
        """Refuse a name that looks like a path or a URL before anything runs; a linked input is seen when it runs."""
        given = {"filename_prefix": filename_prefix, "chain": chain, "step": step, "approval": approval, "tags": tags}
        try:
            _checked(**{name: _HARMLESS[name] if value is None else value for name, value in given.items()})
        except Invalid as error:
            return str(error)
        return True

    @classmethod
    def execute(
        cls, value: torch.Tensor, filename_prefix: str, chain: str, step: str, approval: str, tags: str
    ) -> io.NodeOutput:
        """Encode, record in one transaction, and pass on. A database that is away does not fail the prompt."""
        widgets = _checked(filename_prefix, chain, step, approval, tags)
        prompt = PROMPTS.running()
        hub = library()
        keys = prompt.output_keys(str(cls.hidden.unique_id), KIND, len(value))
        info = None if args.disable_metadata else pixels.png_info(cls.hidden.prompt, cls.hidden.extra_pnginfo)
        places, results = _temporary_names(widgets.filename_prefix, value)
        ids = [identities.new_id() for _ in keys]

        def keep(index: int) -> Placement:
            with hub.store.receiving() as part, _Preview(part, places[index]) as file:
                pixels.write_png(pixels.to_picture(value[index]), file, info)
                return hub.store.finish(part, artifact_id=ids[index], extension="png", day=identities.now()[:10])

        placements = _side_by_side(hub, keep, len(keys))
        height, width, channels = value.shape[1:4]
        metadata = {
            "width": width,
            "height": height,
            "mode": {1: "L", 3: "RGB", 4: "RGBA"}.get(channels, str(channels)),
            "bit_depth": 8,
            "animated": False,
            "frames": 1,
            **describing.generated(prompt.graph, str(cls.hidden.unique_id)),
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
                status=widgets.status,
                tags=widgets.tags,
            )
            for artifact_id, key, result in zip(ids, keys, results, strict=True)
        ]
        recorded = recording.record(
            hub,
            list(zip(outputs, placements, strict=True)),
            actor=prompt.requested_by,
            workflow_id=prompt.workflow_id(widgets.chain, widgets.step),
            run=_run(cls.hidden, prompt, widgets),
            keep_when_unavailable=True,
        )
        PROMPTS.follow(prompt)
        said = [f"kept, and recorded as soon as the database is back: {recorded.deferred}"] if recorded.deferred else []
        shown = {"images": results, "artifact_ids": list(recorded.artifact_ids), "text": said}
        return io.NodeOutput(value, list(recorded.artifact_ids), recorded.workflow_id, ui=shown)


@dataclass(frozen=True)
class _Widgets:
    """What the widgets say, checked and in its one spelling. `status` None leaves the choice to the approval rules."""

    filename_prefix: str
    chain: str
    step: str
    status: str | None
    tags: tuple[str, ...]


_HARMLESS = {"filename_prefix": "ComfyUI", "chain": "", "step": "", "approval": "default", "tags": ""}


def _checked(filename_prefix: str, chain: str, step: str, approval: str, tags: str) -> _Widgets:
    if approval not in APPROVALS:
        raise Invalid(f"approval is {approval!r}; accepted: {', '.join(APPROVALS)}", field="approval")
    return _Widgets(
        filename_prefix=_checked_prefix(filename_prefix),
        chain=names.checked_name(chain, "chain", empty=True),
        step=names.checked_name(step, "step", empty=True),
        status=APPROVALS[approval],
        tags=names.checked_tags(tags),
    )


def _checked_prefix(text: str) -> str:
    prefix = names.checked_text(text, "filename_prefix")
    path = PureWindowsPath(prefix)  # It knows both kinds of slashes, and drives.
    if path.drive or path.root or "://" in prefix or ".." in prefix or "\n" in prefix or "\t" in prefix:
        raise Invalid(
            "filename_prefix is a name, with folders at most; no '..', no absolute path, no URL, one line",
            field="filename_prefix",
        )
    if any(len(part.encode()) > MAX_PART for part in path.parts):
        raise Invalid(f"filename_prefix: a part of it is over {MAX_PART} bytes", field="filename_prefix")
    return prefix


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


def _side_by_side(hub: Library, keep: Callable[[int], Placement], count: int) -> list[Placement]:
    """Encode the pictures of a batch on several cores: Pillow leaves Python's lock while it compresses."""
    with ThreadPoolExecutor(min(count, os.cpu_count() or 1) or 1, thread_name_prefix="artifact-db-encode") as pool:
        kept = [pool.submit(keep, index) for index in range(count)]
    errors = [error for future in kept if (error := future.exception())]
    if errors:
        # A full disk, for example: of those that it took nobody was promised any.
        for future in kept:
            if not future.exception():
                remove(hub.store.staging / future.result().part)
        raise errors[0]
    return [future.result() for future in kept]


class _Preview:
    """Writes to a part of the store, and the same bytes to where ComfyUI shows them from.

    A second file, never a link: what lies in ComfyUI's folders may be overwritten there. One that cannot be written
    is missed, and nothing else is.
    """

    def __init__(self, part: Part, place: str) -> None:
        self._part = part
        self._place = place
        self._file: BinaryIO | None = None

    def __enter__(self) -> _Preview:
        with self._or_without():
            self._file = open(self._place, "wb")
        return self

    def __exit__(self, *_: object) -> None:
        with self._or_without():
            if self._file is not None:
                self._file.close()

    def write(self, data: bytes) -> int:
        with self._or_without():
            if self._file is not None:
                self._file.write(data)
        return self._part.write(data)

    def flush(self) -> None:
        self._part.flush()

    @contextmanager
    def _or_without(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            logger.warning("the preview %s could not be written: %s", os.path.basename(self._place), error)
            self._file = None


def _run(hidden: Any, prompt: Prompt, widgets: _Widgets) -> runs.Run:
    return runs.Run(
        server_address=prompt.server_address,
        prompt_id=prompt.prompt_id,
        workflow_name=widgets.step or widgets.chain or "ComfyUI",
        chain=widgets.chain,
        step=widgets.step,
        others=prompt.other_workflow_ids(widgets.chain, widgets.step),
        workflow_definition=plain(prompt.graph),
        extra_pnginfo=plain(hidden.extra_pnginfo),
        client_id=prompt.client_id,
        requested_by=prompt.requested_by,
        inputs=_loaded_upstream(prompt, str(hidden.unique_id)),
    )


def _loaded_upstream(prompt: Prompt, node_id: str) -> list[str]:
    """The artifacts that went into a node's inputs, from the load nodes that lead to it."""
    upstream = leading_to(prompt.graph, node_id)
    loads = [here for here, node in upstream.items() if node["class_type"] == LOAD_NODE]
    return list(dict.fromkeys(artifact_id for here in loads for artifact_id in LOADS.artifact_ids(prompt, here)))
