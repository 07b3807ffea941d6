"""What the operating system is asked for, and in which order: what a promise speaks of is on the disk before it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import processes
import pytest

STRACE = shutil.which("strace")
CALLS = "openat,write,pwrite64,fsync,fdatasync,fchmod,rename,unlink,link,mkdir"
_CALL = re.compile(r"^\d+\s+(?P<call>[a-z0-9]+)\((?P<arguments>.*)\)\s+= (?P<result>-?\d+)")
_NAMED, _DESCRIPTOR = re.compile(r'"(/[^"]*)"'), re.compile(r"<(/[^>]*)>")


def traced(folder: Path, begin: str, end: str) -> list[str]:
    """The calls of one record, between two marks, each as its name and what it is about."""
    output = folder / "strace"
    command = [str(STRACE), "-f", "-y", "-s", "16", "-e", f"trace={CALLS}", "-o", str(output)]
    done = subprocess.run(
        command + processes.command("recording_one", folder), capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0 and "ptrace" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    lines = output.read_text().splitlines()
    first, last = (next(i for i, line in enumerate(lines) if f'"{mark}' in line) for mark in (begin, end))
    return [told for line in lines[first + 1 : last] if (told := _told(line)) and "db-shm" not in told]


def _told(line: str) -> str | None:
    match = _CALL.match(line)
    if match is None or int(match["result"]) < 0:
        return None
    paths = map(Path, _NAMED.findall(match["arguments"]) or _DESCRIPTOR.findall(match["arguments"]))
    if match["call"] == "openat" and "O_CREAT" not in match["arguments"]:
        return None
    call = {"openat": "create", "pwrite64": "write", "fdatasync": "fsync"}.get(match["call"], match["call"])
    return f"{call} {' to '.join(_what(path) for path in paths if path.name)}"


def _what(path: Path) -> str:
    if path.name.startswith("artifacts.db"):
        return path.name.removeprefix("artifacts.")
    if path.name.endswith(".part"):
        return "part"
    if path.name.endswith(".intent.json"):
        return "intent"
    if path.suffix == ".png":
        return "file"
    if path.parent.name == "files":
        return "folder"
    return "staging" if path.parent.name == "staging" else path.name


def collapsed(calls: list[str]) -> list[str]:
    """The same without repetitions: a file is written in as many pieces as it takes."""
    return [call for before, call in zip(["", *calls], calls, strict=False) if call != before]


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_one_record_reaches_the_disk_in_the_order_of_rule_2(tmp_path: Path) -> None:
    calls = collapsed(traced(tmp_path, "begin", "end"))
    expected = [
        *("create part", "write part", "fchmod part", "fsync part"),
        *("create intent", "write intent", "fsync intent", "fsync staging"),
        *("rename part to file", "fsync folder"),
        *("write db-wal", "fsync db-wal"),
        "unlink intent",
    ]
    assert calls == expected


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_the_folders_of_a_new_store_are_on_the_disk_before_anything_is_in_them(tmp_path: Path) -> None:
    calls = traced(tmp_path, "open", "first")
    made = max(calls.index(f"mkdir {name}") for name in ("files", "staging", "quarantine"))
    assert made < calls.index("fsync store") < calls.index("mkdir staging", made + 1) < calls.index("fsync staging")


@pytest.mark.skipif(STRACE is None, reason="strace is not installed")
def test_the_folder_of_a_new_day_is_on_the_disk_before_the_first_file_in_it(tmp_path: Path) -> None:
    calls = collapsed(traced(tmp_path, "first", "begin"))
    made, synced, renamed = (calls.index(c) for c in ("mkdir folder", "fsync files", "rename part to file"))
    assert made < synced < renamed < calls.index("unlink intent")
