"""SaveToArtifactDB: every value that reaches it becomes a versioned artifact, and goes on through it."""

from __future__ import annotations

from typing import Any

from comfy.cli_args import args
from comfy_api.latest import io
from comfy_execution.validation import validate_node_input

from ..errors import Invalid
from ..graphs.titles import title
from ..graphs.walking import leading_to, plain
from ..library import describing, identities, names, recording, runs
from . import embedding, keeping, latents, pixels, sounds, texts, values, videos
from .load import LOAD_NODE
from .loaded import LOADS
from .prompts import PROMPTS, Prompt, recorder
from .values import Encoding, Kind, Wanted
from .watching import WATCH
from .widgets import APPROVALS, DEFAULT_FORMAT, DEFAULT_QUALITY, DEFAULTS, Widgets, checked

_LINKED = {"approval": "COMBO,STRING", "format": "COMBO,STRING", "quality": "INT"}
"""What may be linked to a widget that is no text."""


class SaveToArtifactDB(io.ComfyNode):
    """Saved graphs depend on these names and on the order of outputs: add at the end only."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SaveToArtifactDB",
            display_name="Save to Artifact DB",
            category="artifact db",
            description="Keeps every picture, mask, video, sound, latent or text as a version never overwritten.",
            inputs=[
                io.MultiType.Input(
                    "value",
                    types=[io.Image, io.Mask, io.Video, io.Audio, io.Latent, io.String],
                    tooltip="What to keep; it goes on through the node unchanged.",
                ),
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
                io.Combo.Input(
                    "format",
                    options=values.FORMATS,
                    default=DEFAULT_FORMAT,
                    optional=True,
                    tooltip="default: png, mp4, flac, latent or txt, as the value is. Another must fit the value.",
                ),
                io.Int.Input(
                    "quality",
                    default=DEFAULT_QUALITY,
                    min=1,
                    max=100,
                    optional=True,
                    tooltip="Of webp, jpeg, avif, mp4, webm and mp3; webp loses nothing at 100. Others never lose any.",
                ),
            ],
            outputs=[
                io.Custom(values.ANY_OF_THEM).Output("value_out", display_name="value"),
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
        format: Any = None,
        quality: Any = None,
        input_types: Any = None,
    ) -> bool | str:
        """Refuse what cannot be before anything runs; a linked input is seen when it runs, and its type now.

        `input_types` are the types of what is linked. ComfyUI leaves checking them to who asks for them.
        """
        given = {"filename_prefix": filename_prefix, "chain": chain, "step": step, "approval": approval, "tags": tags}
        given |= {"format": format, "quality": quality}
        try:
            widgets = checked(**{name: DEFAULTS[name] if value is None else value for name, value in given.items()})
            for name, linked in (input_types or {}).items():
                _check_link(name, linked, None if format is None else widgets.wanted)
        except Invalid as error:
            return str(error)
        return True

    @classmethod
    def execute(
        cls,
        value: Any,
        filename_prefix: str,
        chain: str,
        step: str,
        approval: str,
        tags: str,
        format: str = DEFAULT_FORMAT,
        quality: int = DEFAULT_QUALITY,
    ) -> io.NodeOutput:
        """Encode, record in one transaction, and pass on. A database or a hub that is away does not fail the prompt."""
        widgets = checked(
            **{"filename_prefix": filename_prefix, "chain": chain, "step": step, "approval": approval, "tags": tags},
            **{"format": format, "quality": quality},
        )
        kind = values.kind_of(value)
        encodings = _encodings(value, kind, widgets.wanted)
        prompt, node_id = PROMPTS.running(), str(cls.hidden.unique_id)
        kept_by = recorder()
        keys = prompt.output_keys(node_id, kind.key, len(encodings))
        workflow_id = prompt.workflow_id(widgets.chain, widgets.step)
        inputs = _loaded_upstream(prompt, node_id)
        embedded = {} if args.disable_metadata else embedding.texts(cls.hidden.prompt, cls.hidden.extra_pnginfo)
        places, results = keeping.temporary_names(
            widgets.filename_prefix, [encoding.extension for encoding in encodings], _size(value, kind)
        )
        ids = [identities.new_id() for _ in keys]

        def keep(index: int) -> keeping.Kept:
            ours = {} if args.disable_metadata else embedding.lineage(ids[index], workflow_id, inputs)
            return keeping.keep(kept_by.store, encodings[index], embedded | ours, ids[index], places[index])

        kept = keeping.side_by_side(kept_by.store, keep, len(keys))
        labels = [names.labels(result["filename"], result["subfolder"]) for result in results]
        generated = describing.generated(prompt.graph, node_id)
        outputs = [
            recording.NewArtifact(
                artifact_id=artifact_id,
                output_key=key,
                filename=filename,
                file_type=_FILE_TYPES[kind],
                file_format=encoding.extension,
                metadata={**file.facts, **generated},
                node_id=node_id,
                subfolder=subfolder,
                status=widgets.status,
                tags=widgets.tags,
            )
            for artifact_id, key, (filename, subfolder), encoding, file in zip(
                ids, keys, labels, encodings, kept, strict=True
            )
        ]
        recorded = kept_by.record(
            [(output, file.placement) for output, file in zip(outputs, kept, strict=True)],
            actor=prompt.requested_by,
            workflow_id=workflow_id,
            run=_run(cls.hidden, prompt, widgets, inputs),
        )
        WATCH.follow(prompt)
        said = list(dict.fromkeys(encoding.lost for encoding in encodings if encoding.lost))
        if recorded.deferred:
            said.append(f"kept, and recorded as soon as {kept_by.keeper} is back: {recorded.deferred}")
        shown = _shown(value, kind, results) | {"artifact_ids": list(recorded.artifact_ids)}
        if (store_id := kept_by.store_id) is not None:
            shown["artifact_store"] = [store_id]
        return io.NodeOutput(
            *(value, list(recorded.artifact_ids), recorded.workflow_id),
            ui={**shown, "notes" if kind is values.TEXT else "text": said},
        )


_FILE_TYPES = {
    **{values.IMAGE: "image", values.MASK: "image", values.VIDEO: "video"},
    **{values.AUDIO: "audio", values.LATENT: "latent", values.TEXT: "text"},
}


def _check_link(name: str, linked: Any, wanted: Wanted | None) -> None:
    accepted = values.ANY_OF_THEM if name == "value" else _LINKED.get(name, "STRING")
    anything = not isinstance(linked, str) or linked == "*"
    if not anything and not validate_node_input(linked, accepted):
        raise Invalid(f"{name} takes {accepted}, and {linked} is linked to it", field=name)
    if name == "value" and wanted is not None and not anything:
        kinds = [kind for kind in values.KINDS if kind.name in [part.strip() for part in linked.split(",")]]
        problems = []
        for kind in kinds:
            try:
                wanted.of(kind)
            except Invalid as error:
                problems.append(error)
        if kinds and len(problems) == len(kinds):
            raise problems[0]


def _encodings(value: Any, kind: Kind, wanted: Wanted) -> list[Encoding]:
    file_format, quality = wanted.of(kind), wanted.quality
    if kind is values.IMAGE:
        return pixels.pictures(value, file_format, quality)
    if kind is values.MASK:
        return pixels.masks(value, file_format, quality)
    if kind is values.VIDEO:
        return videos.videos(value, file_format, quality, any_format=wanted.file_format == "default")
    if kind is values.AUDIO:
        return sounds.sounds(value, file_format, quality)
    if kind is values.LATENT:
        return latents.latents(value, file_format)
    return texts.texts(value, file_format)


def _size(value: Any, kind: Kind) -> tuple[int, int]:
    """Width and height, for names that tell them."""
    if kind is values.VIDEO:
        return tuple(value.get_dimensions())
    if kind is values.IMAGE:
        return value.shape[2], value.shape[1]
    return (value.shape[-1], value.shape[-2]) if kind is values.MASK else (0, 0)


def _shown(value: Any, kind: Kind, results: list[dict[str, str]]) -> dict[str, Any]:
    """What ComfyUI's own nodes show of such a value."""
    if kind is values.TEXT:
        return {"text": [value]}
    return {kind.key: results, **({"animated": [True]} if kind is values.VIDEO else {})}


def _run(hidden: Any, prompt: Prompt, widgets: Widgets, inputs: list[str]) -> runs.Run:
    return runs.Run(
        server_address=prompt.server_address,
        prompt_id=prompt.prompt_id,
        workflow_name=widgets.step or widgets.chain or title(prompt.graph, prompt.extra_pnginfo),
        chain=widgets.chain,
        step=widgets.step,
        others=prompt.other_workflow_ids(widgets.chain, widgets.step),
        workflow_definition=plain(prompt.graph),
        extra_pnginfo=plain(hidden.extra_pnginfo),
        client_id=prompt.client_id,
        requested_by=prompt.requested_by,
        inputs=inputs,
    )


def _loaded_upstream(prompt: Prompt, node_id: str) -> list[str]:
    """The artifacts that went into a node's inputs, from the load nodes that lead to it."""
    upstream = leading_to(prompt.graph, node_id)
    loads = [here for here, node in upstream.items() if node["class_type"] == LOAD_NODE]
    return list(dict.fromkeys(artifact_id for here in loads for artifact_id in LOADS.artifact_ids(prompt, here)))
