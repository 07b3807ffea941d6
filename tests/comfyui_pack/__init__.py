"""A custom node pack that the tests put beside the extension: nodes that graphs of the tests need, and a look inside.

It is an ordinary V1 pack, loaded by ComfyUI alone; nothing of the extension is imported or called here.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from aiohttp import web
from comfy.model_management import throw_exception_if_processing_interrupted
from comfy.nested_tensor import NestedTensor
from comfy.utils import ProgressBar
from comfy_api.latest import Input
from comfy_execution.utils import get_executing_context
from server import PromptServer


class Picture:
    """Noise over gradients, as a photo has; part of it lies outside of 0 to 1. The same seed gives the same pixels."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "make", ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "seed": ("INT", {"default": 0, "max": 2**53}),
                "width": ("INT", {"default": 24}),
                "height": ("INT", {"default": 16}),
                "batch": ("INT", {"default": 1}),
                "channels": ("INT", {"default": 3}),
            }
        }

    def make(self, seed: int, width: int, height: int, batch: int, channels: int) -> tuple[torch.Tensor]:
        noise = torch.rand((batch, height, width, 4), generator=torch.Generator().manual_seed(seed))
        slope = torch.linspace(-0.3, 1.3, width)[None, None, :, None]
        return ((noise * 0.4 + slope - 0.2)[..., :channels].contiguous(),)


class Listed(Picture):
    """The pictures of a batch as a list: what comes after it runs once for each."""

    FUNCTION, OUTPUT_IS_LIST = "make_list", (True,)

    def make_list(self, **how: Any) -> tuple[list[torch.Tensor]]:
        (pictures,) = self.make(**how)
        return (list(pictures.split(1)),)


class Sampler(Picture):
    """Has the shape of a sampler, and no model."""

    FUNCTION = "sample"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {
            "required": {
                "seed": ("INT", {"default": 0, "max": 2**64 - 1}),
                "steps": ("INT", {"default": 20}),
                "cfg": ("FLOAT", {"default": 7.5}),
                "sampler_name": (["euler", "heun"],),
                "scheduler": (["normal", "simple"],),
                "positive": ("STRING", {"default": ""}),
            }
        }

    def sample(self, seed: int, **_: Any) -> tuple[torch.Tensor]:
        return self.make(seed % 2**53, 24, 16, 1, 3)


class Texts:
    """A list of texts from JSON; a null in it is a text that is none, as careless nodes give."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_IS_LIST = "tests", "give", ("STRING",), (True,)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"texts": ("*",)}}

    @classmethod
    def VALIDATE_INPUTS(cls, texts: Any) -> bool:  # noqa: N802
        return True

    def give(self, texts: list[Any]) -> tuple[list[Any]]:
        return (texts,)


class _Through:
    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "give", ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"image": ("IMAGE",)}}


class Failing(_Through):
    """Fails, as a model that is out of memory does."""

    OUTPUT_NODE = True

    def give(self, image: torch.Tensor) -> tuple[torch.Tensor]:
        raise RuntimeError("the sampler ran out of luck")


class Slow(_Through):
    """Takes its time, and can be interrupted, as a sampler can."""

    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"image": ("IMAGE",), "seconds": ("FLOAT", {"default": 30.0})}}

    def give(self, image: torch.Tensor, seconds: float) -> tuple[torch.Tensor]:
        bar, began = ProgressBar(100), time.monotonic()
        while (done := time.monotonic() - began) < seconds:
            throw_exception_if_processing_interrupted()
            time.sleep(0.02)
            bar.update_absolute(int(100 * done / seconds))
        return (image,)


class After:
    """A text that is given only once a picture is there."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "give", ("STRING",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"image": ("IMAGE",), "text": ("STRING", {"default": ""})}}

    def give(self, image: torch.Tensor, text: str) -> tuple[str]:
        return (text,)


class Restless(_Through):
    """Never served from the cache, which ComfyUI writes down in the graph as NaN."""

    @classmethod
    def IS_CHANGED(cls, image: Any) -> float:  # noqa: N802
        return float("nan")

    def give(self, image: torch.Tensor) -> tuple[torch.Tensor]:
        return (image,)


class Mask:
    """Noise that 8 bits hold exactly. The same seed gives the same one."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "make", ("MASK",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"seed": ("INT", {"max": 2**53}), "batch": ("INT", {"default": 1})}}

    def make(self, seed: int, batch: int) -> tuple[torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return (torch.randint(0, 256, (batch, 16, 24), generator=generator).float() / 255.0,)


class BatchMasks:
    """Two batches of masks as one."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "join", ("MASK",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"one": ("MASK",), "other": ("MASK",)}}

    def join(self, one: torch.Tensor, other: torch.Tensor) -> tuple[torch.Tensor]:
        return (torch.cat([one, other]),)


class Sound:
    """Noise of -1 to 1 that so many bits hold exactly; 0 is any floats, some of them beyond 1."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "make", ("AUDIO",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        numbers = {"seed": 0, "bits": 16, "batch": 1, "channels": 2, "samples": 30000, "rate": 22050}
        return {"required": {name: ("INT", {"default": value, "max": 2**53}) for name, value in numbers.items()}}

    def make(self, seed: int, bits: int, batch: int, channels: int, samples: int, rate: int) -> tuple[dict[str, Any]]:
        noise = torch.rand((batch, channels, samples), generator=torch.Generator().manual_seed(seed)) * 2.0 - 1.0
        scale = 2.0 ** (bits - 1)
        held = (noise * scale).round().clamp(max=scale - 1) / scale + 0.0 if bits else noise * 1.5
        return ({"waveform": held, "sample_rate": rate},)


class LazySound(Sound):
    """A sound as packs give it that read its file where somebody asks for it: a mapping, and no dict."""

    FUNCTION = "make_lazy"

    def make_lazy(self, **how: Any) -> tuple[Mapping[str, Any]]:
        (sound,) = self.make(**how)
        return (MappingProxyType(sound),)


class Latent:
    """A latent as samplers and other nodes leave it, with all that may be in it."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "make", ("LATENT",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"seed": ("INT", {"max": 2**53}), "kind": ("STRING", {"default": "float32"})}}

    def make(self, seed: int, kind: str) -> tuple[dict[str, Any]]:
        noise = torch.randn((3, 4, 8, 8), generator=torch.Generator().manual_seed(seed))
        if kind == "nested":
            return ({"samples": NestedTensor([noise, noise[:, :, :1]])},)
        if kind == "strange":
            return ({"samples": noise, "sampler": object()},)
        held = {"noise_mask": noise[:, :1] > 0, "batch_index": [0, 2, 5], "type": "audio"}
        return ({"samples": noise.to(getattr(torch, kind)).transpose(2, 3), **held},)


class Digest:
    """A text that is another for every other value: of each tensor its type, shape and bytes."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "tell", ("STRING",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"value": ("*",)}}

    @classmethod
    def VALIDATE_INPUTS(cls, input_types: Any) -> bool:  # noqa: N802
        return True

    def tell(self, value: Any) -> tuple[str]:
        return (json.dumps(self._told(value), sort_keys=True),)

    def _told(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            data = value.contiguous().view(torch.uint8).numpy().tobytes()
            return [str(value.dtype), list(value.shape), hashlib.sha256(data).hexdigest()]
        if isinstance(value, NestedTensor):
            return ["nested", [self._told(tensor) for tensor in value.tensors]]
        if isinstance(value, Mapping):
            return {key: self._told(held) for key, held in value.items()}
        if isinstance(value, Input.Video):
            source = value.get_stream_source()
            data = source.read() if isinstance(source, io.BytesIO) else Path(source).read_bytes()
            return ["video", hashlib.sha256(data).hexdigest()]
        return value


class Anything:
    """A value through a link that does not say what it is."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "give", ("IMAGE,MASK,VIDEO,AUDIO,LATENT,STRING",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"value": ("*",)}}

    @classmethod
    def VALIDATE_INPUTS(cls, input_types: Any) -> bool:  # noqa: N802
        return True

    def give(self, value: Any) -> tuple[Any]:
        return (value,)


class Both(Anything):
    """One value, once another is there."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"one": ("*",), "other": ("*",)}}

    def give(self, one: Any, other: Any) -> tuple[Any]:
        return (one,)


class Memory:
    """The most memory that this process ever had, in bytes, once a value is there."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "tell", ("STRING",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"after": ("*",), "reset": ("BOOLEAN", {"default": False})}}

    @classmethod
    def VALIDATE_INPUTS(cls, input_types: Any) -> bool:  # noqa: N802
        return True

    @classmethod
    def IS_CHANGED(cls, **_: Any) -> float:  # noqa: N802
        return float("nan")

    def tell(self, after: Any, reset: bool) -> tuple[Any]:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
        return (str(1024 * int(status.partition("VmHWM:")[2].split()[0])),)


class Vandal:
    """Does to a video what it can, short of opening files that it was not given."""

    CATEGORY, FUNCTION, RETURN_TYPES = "tests", "spoil", ("STRING",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"video": ("VIDEO",)}}

    def spoil(self, video: Any) -> tuple[str]:
        source = video.get_stream_source()
        if not isinstance(source, io.BytesIO):
            return (f"it is a path: {source}",)
        done = []
        for spoil in (lambda: source.write(b"spoilt"), lambda: source.truncate(0), lambda: source.writelines([b"x"])):
            try:
                spoil()
                done.append("written")
            except io.UnsupportedOperation:
                done.append("refused")
        if not source.getbuffer().readonly:
            source.getbuffer()[:4] = b"what"
        return (" ".join(done),)


class Forgotten(_Through):
    """Sees to it that the history forgets the prompt the moment that it has ended, before anybody has looked."""

    OUTPUT_NODE = True

    def give(self, image: torch.Tensor) -> tuple[torch.Tensor]:
        context = get_executing_context()
        threading.Thread(target=self._forget, args=(context.prompt_id if context else "",), daemon=True).start()
        return (image,)

    @staticmethod
    def _forget(prompt_id: str) -> None:
        queue, end = PromptServer.instance.prompt_queue, time.monotonic() + 3
        while time.monotonic() < end:
            queue.delete_history_item(prompt_id)
            time.sleep(0.0005)


_PICTURES = (Picture, Sampler, Listed, Texts, Failing, Slow, After, Restless, Forgotten)
_MEDIA = (Mask, BatchMasks, Sound, LazySound, Latent, Digest, Anything, Both, Memory, Vandal)
NODE_CLASS_MAPPINGS = {f"Tests{cls.__name__}": cls for cls in (*_PICTURES, *_MEDIA)}


@PromptServer.instance.routes.get("/tests/inside")
async def look_inside(request: web.Request) -> web.Response:
    """What a pack can see of the process that it shares with the others."""
    modules = {name: getattr(module, "__file__", None) or "" for name, module in tuple(sys.modules.items())}
    return web.json_response(
        {
            "path": sys.path,
            "modules": modules,
            "middlewares": [getattr(m, "__module__", "") for m in PromptServer.instance.app.middlewares],
            "threads": [thread.name for thread in threading.enumerate()],
        }
    )
