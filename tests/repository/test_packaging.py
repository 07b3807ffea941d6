"""What is installed is what is in the tree: every package listed, one version, one list of dependencies."""

from __future__ import annotations

import re
import sys
from typing import Any

import comfyui_artifact_db
import pytest
from comfyui_artifact_db.library import examining
from sources import OUTSIDE, ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NAME = "comfyui_artifact_db"


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def packages() -> set[str]:
    """Every folder with Python files in it that is part of the program."""
    found = {NAME}
    for file in ROOT.rglob("*.py"):
        parts = file.relative_to(ROOT).parts[:-1]
        if parts and parts[0] not in OUTSIDE and not parts[0].startswith("."):
            found.add(".".join((NAME, *parts)))
    return found


def requirement(line: str) -> str:
    """A requirement without quotes and blanks, so that two ways of writing it are the same."""
    return re.sub(r"[\s\"']", "", line)


def test_every_folder_with_code_is_listed_as_a_package(project: dict[str, Any]) -> None:
    assert set(project["tool"]["setuptools"]["packages"]) == packages()


def test_every_listed_package_says_what_it_is(project: dict[str, Any]) -> None:
    for name in project["tool"]["setuptools"]["packages"]:
        folder = ROOT.joinpath(*name.split(".")[1:])
        assert (folder / "__init__.py").is_file(), name
        assert (folder / "__init__.py").read_text(encoding="utf-8").startswith('"""'), name


def test_the_requirements_are_those_of_the_project(project: dict[str, Any]) -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = [requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    assert sorted(listed) == sorted(map(requirement, project["project"]["dependencies"]))


def test_every_dependency_is_imported_and_every_import_is_a_dependency(project: dict[str, Any]) -> None:
    from sources import imports, modules

    called = {"pillow": "PIL", "pyyaml": "yaml"}
    distributions = {re.split(r"[<>=!;\[ ]", line)[0].lower() for line in project["project"]["dependencies"]}
    extras = project["project"].get("optional-dependencies", {})
    distributions |= {re.split(r"[<>=!;\[ ]", line)[0].lower() for lines in extras.values() for line in lines}
    wanted = {called.get(name, name) for name in distributions}
    of_others = {
        "comfy_api",
        "comfy",
        "comfy_execution",
        "folder_paths",
        "server",
        "torch",
        "numpy",
        "execution",
        "safetensors",
        "blake3",  # of ComfyUI, where it hashes what it takes
        "typing_extensions",  # of type checkers, which is where it is asked for
    }
    comes_with = {"playhouse": "peewee", "urllib3": "requests"}
    imported = {
        comes_with.get(first, first)
        for path, tree in modules().items()
        for name, level, _ in imports(path, tree)
        if level == 0 and (first := name.split(".")[0]) not in sys.stdlib_module_names
    }
    assert imported - of_others - {"tomllib"} <= wanted
    assert {called.get(re.split(r"[<>=!;\[ ]", d)[0].lower(), re.split(r"[<>=!;\[ ]", d)[0].lower())
            for d in project["project"]["dependencies"]} <= imported | {"tomli"}  # fmt: skip


def test_doctor_tells_the_versions_of_what_is_needed_and_how_to_install_what_only_workers_need(
    project: dict[str, Any],
) -> None:
    needed = [line for line in project["project"]["dependencies"] if "python_version" not in line]
    assert sorted(examining.DEPENDENCIES) == sorted(re.split(r"[<>=!;\[ ]", line)[0] for line in needed)
    (temporalio,) = project["project"]["optional-dependencies"]["temporal"]
    assert f'pip install "{temporalio}"' == examining.INSTALL_TEMPORALIO


def test_there_is_one_version(project: dict[str, Any]) -> None:
    assert project["project"]["version"] == comfyui_artifact_db.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", comfyui_artifact_db.__version__)


def test_the_files_that_are_no_code_are_shipped(project: dict[str, Any]) -> None:
    data = project["tool"]["setuptools"]["package-data"]
    assert project["tool"]["setuptools"]["include-package-data"] is False
    assert (ROOT / "py.typed").is_file()
    shipped = {
        path
        for package, patterns in data.items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")[1:]).glob(pattern)
    }
    assert ROOT / "py.typed" in shipped
    assert ROOT / "server_routes" / "openapi.json" in shipped
    web = {path for path in (ROOT / "web").rglob("*") if path.is_file()} if (ROOT / "web").is_dir() else set()
    assert web <= shipped


def test_comfyui_is_not_told_twice_where_the_scripts_are(project: dict[str, Any]) -> None:
    assert "web" not in project["tool"]["comfy"]


def test_nothing_of_ours_can_be_taken_for_a_module_of_comfyui() -> None:
    assert not (ROOT / "conftest.py").exists()
    assert not (ROOT / "tests" / "__init__.py").exists()
