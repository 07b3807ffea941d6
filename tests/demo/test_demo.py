"""`dev.py demo` as a person runs it: its own process, its own servers, and nothing left when it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from making import png

ROOT = Path(__file__).resolve().parents[2]


class Demo:
    """A running demo whose lines are read as they come."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "dev.py"), "demo", "--folder", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""

    def read_until(self, pattern: str) -> re.Match[str]:
        """The first match in what it says from here on; fails when it ends before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"the demo ended without {pattern!r}:\n{self.said}")

    def end(self, sent: int) -> int:
        self.process.send_signal(sent)
        assert self.process.stdout is not None
        self.said += self.process.stdout.read()
        return self.process.wait(30)


@pytest.fixture
def demos(tmp_path: Path) -> Iterator[type[Demo]]:
    started: list[Demo] = []

    class Started(Demo):
        def __init__(self, *arguments: str) -> None:
            super().__init__(tmp_path / "demo", *arguments)
            started.append(self)

    yield Started
    for demo in started:
        demo.process.kill()
        demo.process.communicate()


def test_the_demo_goes_the_whole_way_by_itself(demos: type[Demo]) -> None:
    demo = demos("--auto-approve")
    demo.read_until(r"chain dusk-to-negative: completed")
    assert demo.process.stdout is not None
    rest = demo.process.stdout.read()
    assert demo.process.wait(30) == 0
    assert "read back and proven" in demo.said
    assert re.search(r"develop +completed +on gpu-b", rest)
    assert re.search(r"input +dusk_\d+_\.png \(version 1, approved\)", rest)


def test_the_demo_waits_for_a_decision_over_rest_and_goes_on_with_the_edited_version(demos: type[Demo]) -> None:
    demo = demos()
    route = demo.read_until(r"(http://\S+/artifacts/[0-9a-f-]+)/download").group(1)
    demo.read_until(r"edit:")
    _upload(f"{route}/edit", png(9, (64, 48)))
    demo.read_until(r"edited by local")
    demo.read_until(r"delivering version 2 \(edited\) to gpu-b")
    demo.read_until(r"negative_\d+_\.png +64x48")
    addresses = [demo.read_until(rf"{name} +(http://\S+)").group(1) for name in ("gpu-a", "gpu-b")]
    assert demo.end(signal.SIGINT) == 0
    for address in addresses:
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(f"{address}/queue", timeout=5)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children whose parent was killed")
def test_servers_end_with_a_demo_that_is_killed(demos: type[Demo]) -> None:
    demo = demos()
    address = demo.read_until(r"gpu-a is at (http://127\.0\.0\.1:\d+)").group(1)
    demo.process.kill()
    demo.process.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{address}/queue", timeout=1)
        except OSError:
            return
        time.sleep(0.1)
    raise AssertionError("the server outlived the demo")


def _upload(url: str, data: bytes) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="edited.png"\r\n\r\n' + data + b"\r\n--b--\r\n"
    )
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "multipart/form-data; boundary=b"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer)["version"] == 2
