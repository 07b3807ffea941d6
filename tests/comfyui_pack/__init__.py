"""A custom node pack that the tests put beside the extension: nodes that graphs of the tests need, and a look inside.

It is an ordinary V1 pack, loaded by ComfyUI alone; nothing of the extension is imported or called here.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import torch
from aiohttp import web
from comfy.model_management import throw_exception_if_processing_interrupted
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
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            throw_exception_if_processing_interrupted()
            time.sleep(0.02)
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


NODE_CLASS_MAPPINGS = {f"Tests{cls.__name__}": cls for cls in (Picture, Listed, Texts, Failing, Slow, After, Restless)}


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
