"""Starts ComfyUI's main.py with empty stand-ins for the heavy packages that model-free graphs never call.

Used only for the ComfyUI that `dev.py` makes from packages; a user's own ComfyUI is started as it is.
Usage: python comfyui_launcher.py COMFYUI_FOLDER [ComfyUI's arguments]
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import runpy
import sys
import types

STUBBED = {
    *("torchvision", "torchaudio", "torchsde", "transformers", "sentencepiece"),
    *("tokenizers", "scipy", "kornia", "spandrel"),
}


class StubbedPackageWasCalled(RuntimeError):
    """A graph needs a package that the test ComfyUI does not have."""


class _Anything:
    def __init__(self, *_: object, **__: object) -> None:
        raise StubbedPackageWasCalled("this ComfyUI was made for tests: a package it left out was called")


class _StubModule(types.ModuleType):
    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Anything,), {})


class _StubFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name.partition(".")[0] in STUBBED:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):  # type: ignore[no-untyped-def]
        return _StubModule(spec.name)

    def exec_module(self, module):  # type: ignore[no-untyped-def]
        pass


if __name__ == "__main__":
    folder = os.path.abspath(sys.argv[1])
    sys.meta_path.insert(0, _StubFinder())
    sys.argv = [os.path.join(folder, "main.py"), *sys.argv[2:]]
    sys.path[0] = folder
    runpy.run_path(sys.argv[0], run_name="__main__")
