"""`python <folder of the extension>` is `artifact-db`, for those who cloned it and installed nothing."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path


def _load() -> None:
    """Give this folder, whatever it is called, the name of the installed package, so that relative imports work."""
    folder = Path(__file__).resolve().parent
    # Python put this folder first on the path; there our `nodes` and `db` would hide others of that name.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != folder]
    name = "comfyui_artifact_db"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    _load()
    sys.exit(importlib.import_module("comfyui_artifact_db.cli.main").main())
