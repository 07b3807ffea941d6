"""Files that somebody else may write are taken in as they are at one moment, and stay so whatever happens to them."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from comfyui_artifact_db.errors import StoreFailed
from comfyui_artifact_db.storage import cloning, sources
from comfyui_artifact_db.storage.files import CHUNK, Part
from comfyui_artifact_db.storage.local import Placement, Store
from comfyui_artifact_db.storage.sources import SourceChanged, SourceFailed

MAKERS = {"btrfs": ["mkfs.btrfs", "-q"], "xfs": ["mkfs.xfs", "-q", "-m", "reflink=1"]}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store")
    store.open()
    yield store
    store.close()


@pytest.fixture(params=MAKERS)
def cloning_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A small disk whose file system shares blocks between files."""
    maker = MAKERS[request.param]
    if shutil.which(maker[0]) is None:
        pytest.skip(f"{maker[0]} is not installed")
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(320 * CHUNK)
    subprocess.run([*maker, str(image)], check=True, capture_output=True)
    mounted = subprocess.run(["mount", "-o", "loop", str(image), str(folder)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a disk takes root and a loop device")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def taken(store: Store, source: Path) -> Placement:
    """A file of somebody else's in its place in the store, as a record leaves it."""
    with store.copying(source) as part:
        placement = store.finish(part, artifact_id="01", extension="png", day="2026-11-25")
    intent = store.promise("record", [placement], {})
    store.place(intent)
    store.fulfilled(intent)
    return placement


def left_in_staging(store: Store) -> list[str]:
    return sorted(os.listdir(store.staging))


@pytest.mark.parametrize("size", [0, 1, CHUNK, 3 * CHUNK + 7])
def test_a_file_that_is_taken_in_keeps_its_bytes_when_the_source_is_overwritten_in_place(
    store: Store, tmp_path: Path, size: int
) -> None:
    source, data = tmp_path / "a.png", os.urandom(size)
    source.write_bytes(data)
    placement = taken(store, source)
    assert (placement.size, placement.sha256) == (size, hashlib.sha256(data).hexdigest())
    path = store.path(placement.local_path)
    assert not path.samefile(source)
    assert source.stat().st_nlink == 1
    with source.open("r+b") as file:
        file.write(b"overwritten in place" * 1000)
    source.unlink()
    assert path.read_bytes() == data
    assert store.digest(placement.local_path) == placement.sha256
    assert stat.S_IMODE(path.stat().st_mode) & 0o222 == 0


def test_where_the_file_system_shares_blocks_a_clone_takes_no_room_and_keeps_its_bytes(
    cloning_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[int] = []
    monkeypatch.setattr(Part, "write", lambda part, data: copied.append(len(data)))
    store = Store(cloning_disk / "store")
    store.open()
    source, data = cloning_disk / "a.mp4", os.urandom(100 * CHUNK)
    source.write_bytes(data)
    os.sync()
    before = shutil.disk_usage(cloning_disk).free
    placement = taken(store, source)
    os.sync()
    assert before - shutil.disk_usage(cloning_disk).free < 20 * CHUNK
    assert copied == []
    assert (placement.size, placement.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    path = store.path(placement.local_path)
    assert stat.S_IMODE(path.stat().st_mode) & 0o222 == 0
    assert (path.stat().st_nlink, path.samefile(source)) == (1, False)
    with source.open("r+b") as file:
        file.write(os.urandom(5 * CHUNK))
    assert path.read_bytes() == data
    store.close()


def test_a_clone_is_continued_where_it_ends(cloning_disk: Path) -> None:
    (cloning_disk / "a").write_bytes(b"first, ")
    with (cloning_disk / "a").open("rb") as file:
        assert cloning.clone(file.fileno(), cloning_disk / "b.part")
    part = Part(cloning_disk / "b.part", cloned=True)
    part.read_back()
    part.write(b"then more")
    part.finish()
    assert part.path.read_bytes() == b"first, then more"
    assert part.sha256 == hashlib.sha256(b"first, then more").hexdigest()


def test_a_clone_is_made_over_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"theirs")
    (tmp_path / "b").write_bytes(b"ours")
    with (tmp_path / "a").open("rb") as file, pytest.raises(FileExistsError):
        cloning.clone(file.fileno(), tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"ours"


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.EPERM])
def test_a_file_is_copied_where_it_cannot_be_cloned(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(descriptor: int, target: Path) -> None:
        target.write_bytes(b"half a clone")
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(cloning, "_clone", refused)
    (tmp_path / "a").write_bytes(b"some bytes")
    placement = taken(store, tmp_path / "a")
    assert store.path(placement.local_path).read_bytes() == b"some bytes"


def change_size(source: Path) -> None:
    with source.open("ab") as file:
        file.write(b"one more line")


def change_in_place(source: Path) -> None:
    with source.open("r+b") as file:
        file.write(b"OTHER")


def cut_off(source: Path) -> None:
    os.truncate(source, 10)


@pytest.mark.parametrize("change", [change_size, change_in_place, cut_off])
def test_a_file_that_is_written_meanwhile_is_refused_and_taken_in_when_it_is_finished(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: object
) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(os.urandom(2 * CHUNK))
    written = Part.write

    def writing(part: Part, data: memoryview) -> int:
        if part.size == 0:
            assert callable(change)
            change(source)
        return written(part, data)

    monkeypatch.setattr(Part, "write", writing)
    with pytest.raises(SourceChanged, match="try again when it is finished"):
        taken(store, source)
    assert left_in_staging(store) == []
    monkeypatch.undo()
    placement = taken(store, source)
    assert store.path(placement.local_path).read_bytes() == source.read_bytes()


def test_a_write_right_after_another_one_is_seen(store: Store, tmp_path: Path) -> None:
    """The kernel's clock ticks every few milliseconds: two writes within one leave the same time."""
    source = tmp_path / "a"
    torn = []
    for _ in range(30):
        source.write_bytes(b"a" * 100)
        before = sources._settled(descriptor := os.open(source, os.O_RDONLY))
        with source.open("r+b") as file:
            file.write(b"b" * 100)
        torn.append(os.fstat(descriptor).st_mtime_ns == before.st_mtime_ns)
        os.close(descriptor)
    assert not any(torn)


def test_a_file_that_grows_and_grows_is_not_followed(store: Store, tmp_path: Path) -> None:
    source, stop = tmp_path / "a.log", threading.Event()
    source.write_bytes(b"x" * CHUNK)

    def grow() -> None:
        with source.open("ab") as file:
            while not stop.is_set():
                file.write(b"x" * CHUNK)
                file.truncate(64 * CHUNK)
                file.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with pytest.raises(SourceChanged):
            taken(store, source)
    finally:
        stop.set()
        writer.join()
    assert left_in_staging(store) == []


@pytest.mark.parametrize("what", ["nothing", "folder", "pipe", "loop"])
def test_what_is_no_plain_file_is_refused_at_once_and_without_its_path(store: Store, tmp_path: Path, what: str) -> None:
    source = tmp_path / "a.png"
    if what == "folder":
        source.mkdir()
    elif what == "pipe":
        os.mkfifo(source)
    elif what == "loop":
        source.symlink_to(source)
    with pytest.raises(SourceFailed, match="cannot be taken in") as refused:
        taken(store, source)
    assert str(tmp_path) not in str(refused.value)
    assert left_in_staging(store) == []


def test_a_full_disk_of_the_store_is_not_blamed_on_the_source(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(part: Part, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "a").write_bytes(b"some bytes")
    monkeypatch.setattr(Part, "write", full)
    with pytest.raises(StoreFailed, match="its disk is full") as refused:
        taken(store, tmp_path / "a")
    assert not isinstance(refused.value, SourceFailed)
    assert left_in_staging(store) == []


def test_a_block_that_raises_leaves_no_part(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"some bytes")
    with pytest.raises(KeyboardInterrupt), store.copying(tmp_path / "a") as part:  # noqa: PT012
        assert part.size == 10
        raise KeyboardInterrupt
    assert left_in_staging(store) == []
