"""`dev.py demo` as a person runs it: its own process, its own servers, and nothing left when it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import chromium
from making import png
from panel_screens import Screen
from playwright.sync_api import expect

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
    demo.read_until(r"chain day-to-night: completed")
    assert demo.process.stdout is not None
    rest = demo.process.stdout.read()
    assert demo.process.wait(30) == 0
    assert "negative: waits for a person" in demo.said
    assert re.search(r"small +completed +gpu-b", rest)
    assert re.search(r"input +negative_\d+_\.png \(version 1, approved\)", rest)


def test_a_person_decides_in_the_panel_and_the_chain_goes_on_by_itself(demos: type[Demo]) -> None:
    demo = demos()
    page = demo.read_until(r"panel +(http://\S+)").group(1)
    demo.read_until(r"without a browser: curl")
    with chromium() as browser:
        screen = Screen(browser.new_page()).visit(page)
        assert len(screen.names()) == 1
        screen.cells.first.click()
        screen.press("r")
        screen.page.keyboard.type("the horizon is crooked")
        screen.press("Enter")
        expect(screen.state).to_have_text("Rejected")
        screen.hand_in("drop", png(9, (640, 480)), "straight.png")
        demo.read_until(r"negative: done → straight\.png")
        demo.read_until(r"version 2 +edited +straight\.png +640x480")
        assert screen.troubles == []
    demo.read_until(r"small_\d+_\.png +256x192")
    demo.read_until(r"Ctrl-C ends them")
    addresses = re.findall(r"gpu-[ab](?: is)? at (http://\S+?),? ", demo.said)
    assert len(addresses) == 2
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
