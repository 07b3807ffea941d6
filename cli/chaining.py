"""`artifact-db chain`: chain files are checked and run; chains that run are watched, stopped and tried again."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..chains import checking, control, driven, files, progress, rerunning, starting
from ..chains.driver import Driver
from ..chains.problems import ChainInvalid
from ..chains.records import LocalRecords
from ..chains.servers import Servers
from ..config import load_config
from ..errors import Invalid, NotFound
from ..library import chains, driving, executing, prefixes, workflows
from ..library.findings import one_line
from ..library.opening import Library
from ..library.views import Chain
from . import shells
from .watching import Teller

SCHEMA = Path(checking.__file__).with_name("chain.schema.json")


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("chain", help="chains over several servers: check, run, status, resume, cancel …")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    looking = actions.add_parser(
        "check",
        help="everything that is wrong with a chain file, with lines",
        description="Checks the whole file, the workflows that it names and the servers that the configuration has. "
        "Nothing runs. Exit code 1 when something is wrong.",
    )
    looking.add_argument("file", metavar="FILE.yaml", type=Path)
    looking.add_argument("--json", action="store_true", help="one JSON object in place of text")
    looking.set_defaults(run=check)
    actions.add_parser("schema", help="the JSON Schema of chain files, for editors").set_defaults(run=print_schema)

    running = actions.add_parser(
        "run",
        help="run a chain file, and tell how it comes along",
        description="Runs until the chain has ended; where it waits for a person, so does this command. Ended with "
        "Ctrl-C it leaves the chain as it is: a hub goes on with it, or `resume` does. Exit code 1 when it fails.",
    )
    running.add_argument("file", metavar="FILE.yaml", type=Path)
    running.add_argument("--param", action="append", default=[], metavar="NAME=VALUE", help="in place of a default")
    running.add_argument(
        "--engine",
        choices=driving.ENGINES,
        default="local",
        help="who drives it: this program and any hub, or the workers of a Temporal server (default: %(default)s)",
    )
    _watched(running, run_file)

    status = actions.add_parser("status", help="how a chain stands")
    status.add_argument("chain", metavar="CHAIN", help="its name (the newest run), or its id, or the beginning of it")
    status.add_argument("--json", action="store_true", help="one JSON object in place of text")
    status.set_defaults(run=show_status)
    resuming = actions.add_parser("resume", help="go on with a chain, or watch it where another process drives it")
    resuming.add_argument("chain", metavar="CHAIN")
    _watched(resuming, resume)
    cancelling = actions.add_parser("cancel", help="no further step begins, and prompts under way are ended")
    cancelling.add_argument("chain", metavar="CHAIN")
    shells.add_actor(cancelling)
    cancelling.set_defaults(run=cancel)
    retrying = actions.add_parser("retry", help="run a step again: its outputs become the next versions")
    retrying.add_argument("chain", metavar="CHAIN")
    retrying.add_argument("--step", required=True, metavar="STEP")
    retrying.add_argument("--param", action="append", default=[], metavar="node.input=VALUE")
    _watched(retrying, retry)
    rerunning_ = actions.add_parser("rerun", help="run a chain again from a step, as a new chain")
    rerunning_.add_argument("chain", metavar="CHAIN")
    rerunning_.add_argument("--from", dest="from_step", metavar="STEP", help="the steps before it are taken over")
    rerunning_.add_argument("--param", action="append", default=[], metavar="NAME|STEP.node.input=VALUE")
    _watched(rerunning_, rerun)


def _watched(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace, Path | None], int]) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON line an event")
    shells.add_actor(parser)
    parser.set_defaults(run=run)


def check(options: argparse.Namespace, folder: Path | None) -> int:
    """Check a chain file; 1 when something is wrong with it.

    Raises:
        BadConfiguration: the configuration has no servers to compare with. Invalid: the file cannot be read.
    """
    servers = load_config(folder).servers
    try:
        definition = checking.check_file(options.file.expanduser(), servers=servers)
    except ChainInvalid as error:
        if options.json:
            told = [
                {"path": one.path, "message": one.message, "line": one.place.line if one.place else None}
                for one in error.problems
            ]
            print(json.dumps({"valid": False, "problems": told}, ensure_ascii=False))
            return 1
        for problem in error.problems:
            print(one_line(f"{options.file}: {problem}"), file=sys.stderr)
        return 1
    levels = [[step.id for step in level] for level in definition.levels]
    if options.json:
        print(json.dumps({"valid": True, "name": definition.name, "levels": levels}, ensure_ascii=False))
        return 0
    count = "1 step" if len(definition.steps) == 1 else f"{len(definition.steps)} steps"
    print(one_line(f"{definition.name}: {count}, {' → '.join(', '.join(level) for level in levels)}"))
    return 0


def print_schema(options: argparse.Namespace, folder: Path | None) -> int:
    """Print the JSON Schema of chain files."""
    sys.stdout.write(SCHEMA.read_text(encoding="utf-8"))
    return 0


def run_file(options: argparse.Namespace, folder: Path | None) -> int:
    """Run a chain file; 1 when it fails, or is wrong.

    Raises:
        ArtifactDBError: it cannot begin; the message says why.
    """
    file = options.file.expanduser()
    with shells.opened(folder) as library:
        definition = checking.check_file(file, servers=library.config.servers)
        values = _values(options.param)
        how = {"actor": shells.actor(options), "engine": options.engine, "folder": file.parent}
        chain = starting.start(library, definition, parameters=values, **how)
        return _watch(library, chain, options)


def show_status(options: argparse.Namespace, folder: Path | None) -> int:
    """Tell how a chain stands; 1 when it has failed.

    Raises:
        NotFound: there is no such chain.
    """
    with shells.opened(folder) as library:
        chain = _find(library, options.chain)
        steps = workflows.get_workflows_by_chain(library, chain.id)
        if options.json:
            told = [
                {"step": one.step_id, "workflow_id": one.id, "status": one.status, "error": one.error_message}
                for one in steps
            ]
            shells.say_json({"id": chain.id, "name": chain.name, "status": chain.status, "steps": told})
        else:
            why = f", {chain.error_message}" if chain.error_message else ""
            shells.say(f"{chain.name} ({chain.id}): {chain.status}{why}")
            rows = [(one.step_id or "–", one.status, one.server_address, one.error_message) for one in steps]
            shells.say_table(("STEP", "STATUS", "SERVER", "ERROR"), rows)
        return 1 if chain.status == "failed" else 0


def resume(options: argparse.Namespace, folder: Path | None) -> int:
    """Go on with a chain; 1 when it fails.

    Raises:
        NotFound: there is no such chain. Conflict: it was cancelled, or is completed.
    """
    with shells.opened(folder) as library:
        chain = _find(library, options.chain)
        executing.resume(library, chain.id, by=shells.actor(options))
        return _watch(library, chain, options)


def cancel(options: argparse.Namespace, folder: Path | None) -> int:
    """Cancel a chain.

    Raises:
        NotFound: there is no such chain. Conflict: it has ended.
    """
    with shells.opened(folder) as library:
        chain = control.cancel(library, _find(library, options.chain).id, actor=shells.actor(options))
        shells.say(f"{chain.name} ({chain.id}): {chain.status}")
        return 0


def retry(options: argparse.Namespace, folder: Path | None) -> int:
    """Run a step again; 1 when the chain fails.

    Raises:
        NotFound: there is no such chain or step. Conflict: it runs at this moment.
    """
    with shells.opened(folder) as library:
        chain = _find(library, options.chain)
        workflow = workflows.get_workflow_by_step(library, chain.id, options.step)
        values = _values(options.param) or None
        executing.retry(library, workflow.id, parameters=values, by=shells.actor(options))
        return _watch(library, chain, options)


def rerun(options: argparse.Namespace, folder: Path | None) -> int:
    """Run a chain again as a new one; 1 when it fails.

    Raises:
        NotFound: there is no such chain. Invalid: a step or a parameter is none of it.
    """
    with shells.opened(folder) as library:
        old = _find(library, options.chain)
        chain = rerunning.rerun(
            library,
            old.id,
            from_step=options.from_step,
            parameters=_values(options.param),
            actor=shells.actor(options),
        )
        return _watch(library, chain, options)


def _watch(library: Library, chain: Chain, options: argparse.Namespace) -> int:
    """Drive a chain, or watch others drive it, until it has ended."""
    teller = Teller(chain, as_json=options.json)
    records = LocalRecords(library)
    watched = driven.Chain.load(records, chain.id, Servers(records))
    driver = Driver(library, only=chain.id, watch=teller, hear=teller.hear)
    if is_of_workers := _engine(library, chain) == "temporal":
        _say_who_drives(library, chain)
    else:
        driver.start()
    try:
        while not teller.ended.wait(0.2):
            if is_of_workers or driving.driver_of(library, chain.id) not in (None, driver.holder):
                teller(chain.id, progress.look(watched))
            else:
                chains.get_chain(library, chain.id)
    except NotFound as error:
        advice = f"out of the trash it goes on with: artifact-db chain resume {chain.id}"
        raise NotFound(f"chain {chain.id} was deleted meanwhile; {advice}") from error
    except KeyboardInterrupt:
        shells.say(f"left as it is; go on with: artifact-db chain resume {chain.id}")
        return 1
    finally:
        driver.stop()
    return 0 if teller.status == "completed" else 1


def _engine(library: Library, chain: Chain) -> str:
    drive = driving.get_drive(library, chain.id)
    return drive.engine if drive is not None else "local"


def _say_who_drives(library: Library, chain: Chain) -> None:
    """Where no worker takes a chain at once, say what it waits for."""
    for _ in range(15):
        if chains.get_chain(library, chain.id).temporal_workflow_id is not None:
            return
        time.sleep(0.2)
    message = "no worker has taken it yet: start one with `artifact-db worker`, where the configuration is the same"
    print(f"artifact-db: {message}", file=sys.stderr, flush=True)


def _find(library: Library, named: str) -> Chain:
    return chains.get_chain(library, prefixes.find_chain(library, named))


def _values(given: list[str]) -> dict[str, Any]:
    """`NAME=VALUE` as values; what looks like a number, true, false or null is one."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise Invalid(f"--param {text}: write NAME=VALUE", field="param")
        found[name.strip()] = files.scalar(value)
    return found
