"""What a user gets who installs the package with pip, from a clone of any name."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEVELOPERS = ("tests/", "devtools/", "bench/", "examples/")
DATA = ("web/", "locales/", "example_workflows/")


def _tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("needs a git checkout, to know which files are the project's")
    return [path for path in listed.stdout.split() if (ROOT / path).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a clone whose folder has another name than the package."""
    clone = tmp_path_factory.mktemp("clones") / "my-pack"
    for path in _tracked():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, clone / path)
    made = clone.with_name("wheels")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(made)]
    done = subprocess.run([*pip, str(clone)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = made.glob("*.whl")
    return found


def test_every_module_and_every_file_of_the_panel_is_in_the_wheel(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    modules = [path for path in _tracked() if path.endswith(".py") and not path.startswith(DEVELOPERS)]
    data = [path for path in _tracked() if path.startswith(DATA)]
    wanted = {f"comfyui_artifact_db/{path}" for path in [*modules, *data, "py.typed", "server_routes/openapi.json"]}
    assert wanted - inside == set()


def test_nothing_of_the_developers_is_in_the_wheel(wheel: Path) -> None:
    inside = [name.removeprefix("comfyui_artifact_db/") for name in zipfile.ZipFile(wheel).namelist()]
    assert [name for name in inside if name.startswith(DEVELOPERS)] == []


def test_the_installed_package_has_the_program_and_does_no_work_when_it_is_imported(
    wheel: Path, tmp_path: Path
) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    script = (
        "import sys; import comfyui_artifact_db as package; from comfyui_artifact_db.cli.main import main\n"
        "assert 'torch' not in sys.modules and 'requests' not in sys.modules\n"
        "main(['--version'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site"), "HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("artifact-db 0."), done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site"]
