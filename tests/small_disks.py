"""Disks of a few megabytes that a test can fill, make read-only, change the size of, and take away."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BLOCK = 4096


def mount(*arguments: str) -> bool:
    """Whether this system lets us mount; only root in its own namespace may."""
    try:
        return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def unmount(folder: Path) -> None:
    """Take a disk away, also while files on it are open; its folder stays, and is empty."""
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=2m,nr_inodes=200", "tmpfs", str(folder)):
        pytest.skip("mounting a small disk takes root")
    yield folder
    unmount(folder)


def resize(disk: Path, size: str) -> None:
    """Give a disk another size, such as `4g`; it takes memory only for what is written."""
    assert mount("-o", f"remount,size={size}", str(disk))


@contextmanager
def filled(disk: Path, leave: int = 0) -> Iterator[None]:
    """Somebody else's file takes all the room but a few bytes."""
    other = disk / "other"
    with other.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * BLOCK)
        except OSError:
            file.truncate(max(0, file.tell() - leave))
    yield
    other.unlink()


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """The same folder through a second, read-only mount; the first cannot change while a lock file is open in it."""
    if not mount("--bind", str(disk), str(disk)) or not mount("-o", "remount,ro,bind", str(disk)):
        pytest.skip("this system does not mount read-only")
    try:
        yield
    finally:
        subprocess.run(["umount", str(disk)], check=True)


class Removable:
    """A disk that can be unmounted and mounted again with all that is on it; `folder` is where."""

    def __init__(self, folder: Path, contents: Path) -> None:
        self.folder = folder
        self._contents = contents

    def mount(self) -> None:
        if not mount("--bind", str(self._contents), str(self.folder)):
            pytest.skip("mounting a disk takes root")

    def unmount(self) -> None:
        unmount(self.folder)

    @contextmanager
    def away(self) -> Iterator[None]:
        """It is not mounted within the block."""
        self.unmount()
        try:
            yield
        finally:
            self.mount()


@pytest.fixture
def removable(tmp_path: Path) -> Iterator[Removable]:
    """A disk that is mounted."""
    folders = tmp_path / "mnt", tmp_path / "contents"
    for folder in folders:
        folder.mkdir()
    disk = Removable(*folders)
    disk.mount()
    yield disk
    disk.unmount()
