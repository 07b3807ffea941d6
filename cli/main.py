"""The program `artifact-db`. Exit codes: 0 done, 1 the thing asked for failed or is wrong, 2 unusable arguments."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..chains.problems import ChainInvalid
from ..config import FILE_NAME
from ..errors import ArtifactDBError, BadConfiguration, Invalid
from ..library.bundle_reading import BadBundle
from . import chaining, doctor, exporting, importing, reviewing, serving, tokens, trash, upkeep, verifying, working

COMMANDS = (serving, working, chaining, reviewing, trash, verifying, doctor, upkeep, exporting, importing, tokens)
"""The modules that add a command each, or a few that belong together, in the order of the help text."""

UNUSABLE = (BadConfiguration, Invalid)
"""What is wrong with arguments, and with what stands in for them."""

OF_A_FILE = (ChainInvalid, BadBundle)
"""The argument is right, and the file that it names is wrong."""

SYSTEM_USER = "__artifact_db"
"""What ComfyUI calls the folder of `folder_paths.get_system_user_directory("artifact_db")`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    level = logging.DEBUG if options.verbose else options.log_level
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    if not options.verbose:
        for noisy in ("aiohttp.access", "peewee"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        code = int(options.run(options, _folder(options)))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever was reading has had enough, as `head` has; what is left is for nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("artifact-db: interrupted", file=sys.stderr)
        return 1
    except ArtifactDBError as error:
        print(f"artifact-db: {error}", file=sys.stderr)
        return 2 if isinstance(error, UNUSABLE) and not isinstance(error, OF_A_FILE) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="artifact-db", description="ComfyUI Artifact DB on the command line.")
    parser.add_argument("--version", action="version", version=f"artifact-db {__version__}")
    parser.add_argument("--comfyui", metavar="PATH", type=Path, help="use the configuration of this ComfyUI")
    parser.add_argument("--verbose", action="store_true", help="log more")
    parser.set_defaults(log_level=logging.WARNING)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add(commands)
    return parser


def _folder(options: argparse.Namespace) -> Path | None:
    """Where the configuration lies: ComfyUI's system user folder when one is named, else the platform's."""
    if options.comfyui is None:
        return None
    comfyui: Path = options.comfyui.expanduser()
    if not (comfyui / "user").is_dir():
        raise BadConfiguration(
            f"--comfyui {comfyui} has no folder `user`; name the folder that has {FILE_NAME} below it"
        )
    return comfyui / "user" / SYSTEM_USER
