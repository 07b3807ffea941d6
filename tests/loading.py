"""Makes the checkout importable, whatever its folder is called, as installing it would; for tests and benches."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def load(name: str, folder: Path) -> None:
    """Import a folder as the package `name`, unless it is there already."""
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


load("comfyui_artifact_db", ROOT)
load("devtools", ROOT / "devtools")
