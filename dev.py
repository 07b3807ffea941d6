"""The commands for developers. Standard library only: `python3 dev.py demo` works on a fresh machine.

python3 dev.py demo [--auto-approve]     a chain over two real ComfyUI servers, with a person in its middle
python3 dev.py test [pytest arguments]   install what is needed and run the tests; with --long the long suites
python3 dev.py lint                      format, lint and types
python3 dev.py bench [NAME ...]          measure against named rivals
python3 dev.py torture [--kills N]       kill processes at work, and look whether anything is lost
python3 dev.py screenshots               take the README's pictures anew
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from devtools import environment

ROOT = Path(__file__).resolve().parent

SIDE_BY_SIDE = ("-n", "auto", "--maxprocesses", "4", "--dist", "loadscope", "--no-loadscope-reorder")
"""How many tests run: on several cores, in the groups and the order that tests/conftest.py makes."""


def main() -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="dev.py", description="The commands for developers.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="a chain over two real ComfyUI servers, with a person in its middle")
    demo.add_argument("--auto-approve", action="store_true", help="decide by itself, and end when all is done")
    demo.add_argument("--folder", type=Path, help="where the servers and the database live (default: in the cache)")
    demo.set_defaults(run=_demo)

    test = commands.add_parser("test", help="install what is needed and run the tests")
    long = "run the long suites: engines, whole studios, films, what is killed at work (without it: all the others)"
    test.add_argument("--long", action="store_true", help=long)
    test.set_defaults(run=_test)

    lint = commands.add_parser("lint", help="format, lint and types")
    lint.add_argument("--fix", action="store_true", help="mend what can be mended")
    lint.set_defaults(run=_lint)

    bench = commands.add_parser("bench", help="measure against named rivals")
    bench.add_argument("names", nargs="*", metavar="NAME", help="which ones (default: all)")
    bench.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    bench.set_defaults(run=_bench)

    torture = commands.add_parser("torture", help="kill processes at work, and look whether anything is lost")
    torture.add_argument("--kills", type=int, default=500, metavar="N", help="how many (default: %(default)s)")
    torture.add_argument("--seed", type=int, metavar="S", help="what is chosen is chosen by it (default: any)")
    torture.set_defaults(run=_torture)

    screenshots = commands.add_parser("screenshots", help="take the README's pictures anew")
    screenshots.add_argument("--folder", type=Path, default=ROOT / "docs", help="where to (default: docs)")
    screenshots.set_defaults(run=_screenshots)

    options, further = parser.parse_known_args()
    if further and options.run is not _test:
        parser.error(f"unknown arguments: {' '.join(further)}")
    environment.require_python()
    try:
        return int(options.run(options, further))
    except KeyboardInterrupt:
        return 130


def _demo(options: argparse.Namespace, _: list[str]) -> int:
    from devtools.demo import demo

    return demo(options.folder or environment.cache_folder() / "demo", auto_approve=options.auto_approve)


def _test(options: argparse.Namespace, further: list[str]) -> int:
    python = environment.dev_python()
    environment.comfyui()  # before the tests, so that none of them waits for it
    environment.browser()
    of_a_part = any((ROOT / argument.partition("::")[0]).exists() for argument in further)
    which = () if of_a_part else (*SIDE_BY_SIDE, "-m", "long" if options.long else "not long")
    return _call([str(python), "-m", "pytest", *which, *further])


def _lint(options: argparse.Namespace, _: list[str]) -> int:
    python = str(environment.dev_python())
    check, format_ = (["--fix"], []) if options.fix else ([], ["--check"])
    environment.typed_sources()
    steps = [
        [python, "-m", "ruff", "check", *check, "."],
        [python, "-m", "ruff", "format", *format_, "."],
        [python, "-m", "mypy"],
    ]
    return max(_call(step) for step in steps)


def _bench(options: argparse.Namespace, _: list[str]) -> int:
    python = environment.dev_python()
    environment.comfyui()
    written = ["--json", str(options.json.resolve())] if options.json else []
    return _call([str(python), str(ROOT / "bench"), *options.names, *written])


def _torture(options: argparse.Namespace, _: list[str]) -> int:
    python = environment.dev_python()
    seed = [] if options.seed is None else ["--seed", str(options.seed)]
    return _call([str(python), str(ROOT / "tests" / "torture"), "--kills", str(options.kills), *seed])


def _screenshots(options: argparse.Namespace, _: list[str]) -> int:
    python = environment.dev_python()
    environment.comfyui()
    return _call([str(python), "-m", "devtools.screenshots", str(options.folder.resolve())])


def _call(command: list[str]) -> int:
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
