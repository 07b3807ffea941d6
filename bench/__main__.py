"""Runs the benches and prints their figures as a table; with --json also as a list that a program can read.

Each figure is a ratio against a named rival or limit, measured in the same run, in turns. Run it by `dev.py bench`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path

import measuring  # noqa: F401  makes the checkout importable before a bench imports it

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run the benches that are named; returns 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    known = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"no bench {', '.join(unknown)}; there are {', '.join(known)}")
    figures = []
    for name in options.names or known:
        print(f"… {name}", file=sys.stderr, flush=True)
        spec = importlib.util.spec_from_file_location(f"bench_{name}", known[name])
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        figures += module.run()
    for figure in figures:
        verdict = "reached" if figure["ratio"] <= figure["goal"] else "MISSED"
        ours, rival = (f"{figure[side]:>10.4g} {figure['unit']:<6}" for side in ("ours", "rival"))
        print(
            f"{figure['name']:<44} {ours} {rival} ratio {figure['ratio']:.3f}  goal {figure['goal']:.2f}  {verdict}"
            f"   ({figure['rival_name']})"
        )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return int(any(figure["ratio"] > figure["goal"] for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
