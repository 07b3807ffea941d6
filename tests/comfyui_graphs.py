"""Graphs in ComfyUI's API format, written as the UI would send them: every widget has its default."""

from __future__ import annotations

import random
from typing import Any

SAVE = "SaveToArtifactDB"
LOAD = "LoadFromArtifactDB"


class Node:
    """A node of a graph; `node[1]` is a link to its second output."""

    def __init__(self, node_id: str) -> None:
        self.id = node_id

    def __getitem__(self, output: int) -> list[Any]:
        return [self.id, output]


class Graph(dict[str, dict[str, Any]]):
    """A graph that is built node by node."""

    def add(self, class_type: str, **inputs: Any) -> Node:
        """A node with its inputs; a `Node` among them stands for a link to its first output."""
        node = Node(str(len(self) + 1))
        given = {name: value[0] if isinstance(value, Node) else value for name, value in inputs.items()}
        self[node.id] = {"class_type": class_type, "inputs": given}
        return node

    def picture(self, *, kind: str = "TestsPicture", **how: Any) -> Node:
        """A picture that nobody has made before, unless a `seed` says which."""
        widgets = {"seed": random.getrandbits(50), "width": 24, "height": 16, "batch": 1, "channels": 3}
        return self.add(kind, **{**widgets, **how})

    def sound(self, **how: Any) -> Node:
        """A sound that nobody has made before, unless a `seed` says which."""
        widgets = {"bits": 16, "batch": 1, "channels": 2, "samples": 30000, "rate": 22050}
        return self.add("TestsSound", **{"seed": random.getrandbits(50), **widgets, **how})

    def video(self, *, frames: int = 5, sound: bool = False, **picture: Any) -> Node:
        """A video that is still pictures, eight of them a second."""
        heard = {"audio": self.sound()} if sound else {}
        return self.add("CreateVideo", images=self.picture(batch=frames, **picture), fps=8.0, **heard)

    def save(self, value: Node | list[Any], **widgets: Any) -> Node:
        """A SaveToArtifactDB."""
        defaults = {"filename_prefix": "ComfyUI", "chain": "", "step": "", "approval": "default", "tags": ""}
        return self.add(SAVE, value=value, **{**defaults, **widgets})

    def load(self, **widgets: Any) -> Node:
        """A LoadFromArtifactDB."""
        names = {"artifact_id": "", "chain": "", "step": "", "workflow": "", "output": ""}
        return self.add(LOAD, **{**names, "if_not_usable": "fail", "timeout": 0, **widgets})

    def show(self, source: Node | list[Any]) -> Node:
        """A node whose history entry tells what a link carries: `outputs[id]["text"]`."""
        return self.add("PreviewAny", source=source)

    def write(self, image: Node | list[Any], prefix: str = "core") -> Node:
        """ComfyUI's own SaveImage."""
        return self.add("SaveImage", images=image, filename_prefix=prefix)

    def write_mask(self, mask: list[Any]) -> Node:
        """A mask as SaveImage writes it."""
        return self.write(self.add("MaskToImage", mask=mask), "mask")


def saved_picture(**widgets: Any) -> Graph:
    """The smallest graph that records something: a new picture (node 1) and a SaveToArtifactDB (node 2)."""
    graph = Graph()
    graph.save(graph.picture(), **widgets)
    return graph


def loaded_picture(**widgets: Any) -> Graph:
    """The smallest graph that loads something: a LoadFromArtifactDB (node 1) and a SaveImage (node 2)."""
    graph = Graph()
    graph.write(graph.load(**widgets))
    return graph


def blank(graph: Graph, batch: int = 1) -> Node:
    """A picture of one colour, which no prompt had before."""
    return graph.add("EmptyImage", width=32, height=24, batch_size=batch, color=random.getrandbits(24))


def everything(graph: Graph) -> dict[str, Node]:
    """An output of every kind that core nodes have, by a name for it."""
    picture, frames = blank(graph, 2), blank(graph, 4)
    audio = graph.add("EmptyAudio", duration=0.5, sample_rate=44100, channels=2)
    video = graph.add("CreateVideo", images=frames, fps=8.0, audio=audio)
    latent = graph.add("EmptyLatentImage", width=64, height=64, batch_size=1)
    webp = {"fps": 6.0, "lossless": True, "quality": 80, "method": "default"}
    return {
        "pictures": graph.write(picture, "shots/day one/picture"),
        "shown": graph.add("PreviewImage", images=picture),
        "webp": graph.add("SaveAnimatedWEBP", images=frames, filename_prefix="moving", **webp),
        "png": graph.add("SaveAnimatedPNG", images=frames, filename_prefix="moving", fps=6.0, compress_level=4),
        "video": graph.add("SaveVideo", video=video, filename_prefix="video/film", format="mp4", codec="h264"),
        "webm": graph.add("SaveWEBM", images=frames, filename_prefix="film", codec="vp9", fps=8.0, crf=32.0),
        "flac": graph.add("SaveAudio", audio=audio, filename_prefix="audio/sound"),
        "mp3": graph.add("SaveAudioMP3", audio=audio, filename_prefix="audio/sound", quality="V0"),
        "latent": graph.add("SaveLatent", samples=latent, filename_prefix="latents/l"),
        "text": graph.add("PreviewAny", source=graph.add("PrimitiveString", value="déjà vu 🎬")),
    }


def kinds_of_everything(nodes: dict[str, Node]) -> dict[str, tuple[str, str]]:
    """The type and format of each output of `everything`, by its key."""
    return {
        f"{nodes['pictures'].id}:images:0": ("image", "png"),
        f"{nodes['pictures'].id}:images:1": ("image", "png"),
        f"{nodes['webp'].id}:images:0": ("image", "webp"),
        f"{nodes['png'].id}:images:0": ("image", "png"),
        f"{nodes['video'].id}:images:0": ("video", "mp4"),
        f"{nodes['webm'].id}:images:0": ("video", "webm"),
        f"{nodes['flac'].id}:audio:0": ("audio", "flac"),
        f"{nodes['mp3'].id}:audio:0": ("audio", "mp3"),
        f"{nodes['latent'].id}:latents:0": ("latent", "latent"),
        f"{nodes['text'].id}:text:0": ("text", "txt"),
    }
