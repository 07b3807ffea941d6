"""Dependencies point one way: down. Nobody imports from a floor above, nor from a neighbour."""

from __future__ import annotations

import ast

import pytest
from sources import ROOT, imported_packages, imports, modules, package_of

FLOORS = [
    {"errors"},
    {"servers"},
    {"config"},
    {"db", "storage", "media", "graphs", "comfyui_client"},
    {"library"},
    {"chains"},
    {"answers"},
    {"client"},
    {"records"},
    {"nodes", "server_routes", "cli"},
    {"__init__", "__main__"},
]
NEIGHBOURS = {("cli/serving.py", "server_routes")}
"""`artifact-db serve` is the routes in a program of their own."""

COMFYUI = {
    "comfy",
    "comfy_api",
    "comfy_execution",
    "comfy_extras",
    "server",
    "folder_paths",
    "torch",
    "nodes",
    "execution",
}
KNOWS_COMFYUI = ("nodes/", "server_routes/mounting.py", "__init__.py")
OF_THE_SERVER = {"aiohttp"}


def floor(package: str) -> int:
    return next(number for number, packages in enumerate(FLOORS) if package in packages)


def is_version(package: str) -> bool:
    """`from .. import __version__` names no module of a floor above."""
    return package == "__version__"


@pytest.mark.parametrize("path", modules())
def test_a_module_imports_from_below_only(path: str) -> None:
    here = package_of(path)
    for package in imported_packages(path, modules()[path]):
        if package == here or is_version(package) or (path, package) in NEIGHBOURS:
            continue
        assert floor(package) < floor(here), f"{path} imports {package}"


@pytest.mark.parametrize("path", modules())
def test_imports_of_our_own_are_relative(path: str) -> None:
    own = {package_of(other) for other in modules()} - {"nodes", "__init__", "__main__"} | {"comfyui_artifact_db"}
    absolute = {name.split(".")[0] for name, level, _ in imports(path, modules()[path]) if level == 0}
    assert not absolute & own
    if not path.startswith("nodes/"):
        assert "nodes" not in absolute


@pytest.mark.parametrize("path", modules())
def test_comfyui_and_torch_are_imported_where_comfyui_knocks_and_nowhere_else(path: str) -> None:
    absolute = {name.split(".")[0] for name, level, _ in imports(path, modules()[path]) if level == 0}
    if not path.startswith(KNOWS_COMFYUI):
        assert not absolute & COMFYUI
        assert not [name for name in absolute if name.startswith("comfy")]


@pytest.mark.parametrize(
    ("library", "packages"),
    [("peewee", ("db", "library")), ("playhouse", ("db",)), ("aiohttp", ("server_routes", "cli", "comfyui_client")),
     ("jinja2", ("chains",)), ("yaml", ("chains",)), ("temporalio", ("chains",)),
     ("PIL", ("media", "nodes", "library")), ("av", ("media", "nodes")), ("requests", ("comfyui_client", "client"))],
)  # fmt: skip
def test_each_dependency_is_known_on_its_own_floor_only(library: str, packages: tuple[str, ...]) -> None:
    knowing = {
        package_of(path)
        for path, tree in modules().items()
        for name, level, _ in imports(path, tree)
        if level == 0 and name.split(".")[0] == library
    }
    assert knowing <= set(packages)
    assert knowing


def test_no_query_is_made_outside_of_the_library_and_the_tables() -> None:
    for path, tree in modules().items():
        if package_of(path) in ("db", "library"):
            continue
        for name, level, node in imports(path, tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            assert not (level and (name.endswith("db.models") or (name.endswith("db") and "models" in names))), path


def test_the_floors_name_every_package_and_module_there_is() -> None:
    known = set().union(*FLOORS)
    assert {package_of(path) for path in modules()} <= known
    assert (ROOT / "library").is_dir()


def test_importing_the_package_brings_in_nothing_else() -> None:
    import subprocess
    import sys

    script = (
        "import importlib.util, sys; from pathlib import Path; root = Path(sys.argv[1]); before = set(sys.modules);"
        "spec = importlib.util.spec_from_file_location('comfyui_artifact_db', root / '__init__.py',"
        " submodule_search_locations=[str(root)]); module = importlib.util.module_from_spec(spec);"
        "sys.modules[spec.name] = module; spec.loader.exec_module(module);"
        "print([name for name in set(sys.modules) - before if name.split('.')[0] not in sys.stdlib_module_names])"
    )
    done = subprocess.run([sys.executable, "-c", script, str(ROOT)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['comfyui_artifact_db']"
