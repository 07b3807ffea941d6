"""The store: its own names, its own links only, and nothing left over."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from comfyui_artifact_db.errors import StoreFailed
from comfyui_artifact_db.storage.files import FileState
from comfyui_artifact_db.storage.local import Placement, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store")
    store.open()
    yield store
    store.close()


def put(store: Store, data: bytes = b"some bytes", artifact_id: str = "01", extension: str = "png") -> Placement:
    """A file in its place, as a record leaves it."""
    with store.receiving() as part:
        part.write(data)
        placement = store.finish(part, artifact_id=artifact_id, extension=extension, day="2026-11-22")
    intent = store.promise("record", [placement], {})
    store.place(intent)
    store.fulfilled(intent)
    return placement


def state(placement: Placement) -> FileState:
    return FileState(placement.size, placement.mtime_ns, placement.inode)


def everything(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"}


def test_a_file_lies_read_only_under_a_generated_name_in_a_folder_of_its_day(store: Store) -> None:
    placement = put(store)
    assert re.fullmatch(r"files/2026-11-22/01-[0-9a-f]{8}\.png", placement.local_path)
    path = store.path(placement.local_path)
    assert path.read_bytes() == b"some bytes"
    assert stat.S_IMODE(path.stat().st_mode) & 0o222 == 0
    assert everything(store.root) == {placement.local_path}
    assert store.state(placement.local_path) == state(placement)
    with store.reading(placement.local_path) as file:
        assert file.read() == b"some bytes"


@pytest.mark.parametrize("extension", ["../x", "PNG", "p/ng", "", "x" * 9, "png\0", "p.ng", "png\n", "a b"])
def test_an_extension_that_is_none_is_left_out(store: Store, extension: str) -> None:
    assert re.fullmatch(r"files/2026-11-22/01-[0-9a-f]{8}", put(store, extension=extension).local_path)


def test_the_same_id_twice_is_two_files(store: Store) -> None:
    first, second = put(store, b"first"), put(store, b"second")
    assert first.local_path != second.local_path
    assert store.path(first.local_path).read_bytes() == b"first"


@pytest.mark.parametrize(
    "path", ["../outside", "files/../../outside", "/etc/passwd", "files/../..", "..", "", ".", "files/out/secret"]
)
def test_a_path_that_leads_out_is_refused(store: Store, tmp_path: Path, path: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"secret")
    (store.root / "files" / "out").symlink_to(tmp_path / "outside")
    for ask in (store.path, store.delete, lambda p: store.reading(p).__enter__()):
        with pytest.raises(StoreFailed) as refused:
            ask(path)
        assert str(tmp_path) not in str(refused.value)
    assert store.state(path) is None
    assert store.digest(path) is None
    assert (tmp_path / "outside" / "secret").exists()


def test_a_path_with_nul_is_no_file(store: Store) -> None:
    assert store.state("files/a\0b") is None


def test_a_link_in_place_of_a_file_is_not_followed(store: Store, tmp_path: Path) -> None:
    placement = put(store)
    path = store.path(placement.local_path)
    for target in (path.with_name("copy.png"), tmp_path / "outside.png"):
        path.rename(target)
        path.symlink_to(target)
        assert store.state(placement.local_path) is None
        assert store.digest(placement.local_path) is None
        assert not store.unchanged(placement.local_path, state(placement), placement.sha256)
        path.unlink()
        target.rename(path)
    assert store.unchanged(placement.local_path, state(placement), placement.sha256)


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "large disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "large disk")
    store = Store(tmp_path / "store")
    store.open()
    placement = put(store)
    assert (tmp_path / "large disk" / placement.local_path).read_bytes() == b"some bytes"
    assert store.unchanged(placement.local_path, state(placement), placement.sha256)
    assert store.digest(placement.local_path) == placement.sha256
    assert store.relative(str(store.path(placement.local_path))) == placement.local_path
    store.close()


def test_other_bytes_of_the_same_size_are_found_once_stat_differs(store: Store) -> None:
    placement = put(store)
    path = store.path(placement.local_path)
    path.chmod(0o600)
    path.write_bytes(b"SOME BYTES")
    assert not store.unchanged(placement.local_path, state(placement), placement.sha256)
    path.write_bytes(b"some bytes")
    os.utime(path, (1, 1))
    assert store.unchanged(placement.local_path, state(placement), placement.sha256)


def test_a_proof_is_made_once_for_each_state_of_a_file(store: Store) -> None:
    placement = put(store)
    path = store.path(placement.local_path)
    os.utime(path, (1, 1))
    assert store.unchanged(placement.local_path, state(placement), placement.sha256)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.write(b"!")
    os.utime(path, (1, 1))
    assert store.unchanged(placement.local_path, state(placement), placement.sha256), "stat is as it was proven"
    os.utime(path, (2, 2))
    assert not store.unchanged(placement.local_path, state(placement), placement.sha256)


def test_a_block_that_raises_leaves_no_part(store: Store) -> None:
    for error in (RuntimeError("the sender went away"), KeyboardInterrupt()):
        with pytest.raises(type(error)), store.receiving() as part:  # noqa: PT012
            part.write(b"half of it")
            raise error
    assert everything(store.root) == set()


def test_sharing_bytes_is_a_link_inside_the_store(store: Store) -> None:
    first = put(store)
    second = store.same_bytes(first.local_path, first.sha256, first.size, artifact_id="02", day="2026-11-23")
    intent = store.promise("record", [second], {})
    store.place(intent)
    store.fulfilled(intent)
    assert second.local_path.startswith("files/2026-11-23/02-")
    assert second.local_path.endswith(".png")
    assert second.inode == first.inode
    store.delete(first.local_path)
    assert store.path(second.local_path).read_bytes() == b"some bytes"
    assert store.unchanged(second.local_path, state(second), second.sha256)


def test_sharing_bytes_is_a_copy_where_the_file_system_links_no_more(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(*paths: object) -> None:
        raise OSError(31, "Too many links")

    first = put(store)
    monkeypatch.setattr(os, "link", too_many)
    second = store.same_bytes(first.local_path, first.sha256, first.size, artifact_id="02", day="2026-11-23")
    assert second.inode != first.inode
    assert (second.sha256, second.size) == (first.sha256, first.size)
    with pytest.raises(StoreFailed):
        store.same_bytes("files/2026-11-22/lost.png", "0" * 64, 1, artifact_id="03", day="2026-11-23")
    assert everything(store.root) == {first.local_path, f"staging/{store.staging.name}/{second.part}"}


def test_a_promise_that_is_withdrawn_leaves_nothing(store: Store) -> None:
    for placed in (False, True):
        with store.receiving() as part:
            part.write(b"some bytes")
            placement = store.finish(part, artifact_id="01", extension="png", day="2026-11-22")
        intent = store.promise("record", [placement], {})
        if placed:
            store.place(intent)
        store.withdraw(intent)
        assert everything(store.root) == set()


def test_placing_twice_is_placing_once(store: Store) -> None:
    with store.receiving() as part:
        part.write(b"some bytes")
        placement = store.finish(part, artifact_id="01", extension="png", day="2026-11-22")
    intent = store.promise("record", [placement], {})
    store.place(intent)
    store.place(intent)
    assert not store.missing(intent)
    store.fulfilled(intent)
    store.fulfilled(intent)
    assert everything(store.root) == {placement.local_path}


def test_closing_leaves_nothing_in_staging_and_a_closed_store_takes_nothing(store: Store) -> None:
    put(store)
    store.close()
    store.close()
    assert list((store.root / "staging").iterdir()) == []
    with pytest.raises(StoreFailed, match="closed"), store.receiving():
        pass


def test_two_stores_on_one_folder_have_staging_folders_of_their_own(store: Store) -> None:
    other = Store(store.root)
    other.open()
    assert other.staging != store.staging
    assert put(other, b"theirs").local_path != put(store, b"ours").local_path
    other.close()
    assert store.staging.is_dir()


def test_reading_what_is_not_there_says_so_without_its_path(store: Store) -> None:
    with pytest.raises(StoreFailed, match="gone") as refused, store.reading("files/2026-11-22/lost.png"):
        pass
    assert str(store.root) not in str(refused.value)
    assert store.digest("files/2026-11-22/lost.png") is None
    store.delete("files/2026-11-22/lost.png")


def test_a_store_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(StoreFailed, match="opening") as refused:
        Store(tmp_path / "store").open()
    assert str(tmp_path) not in str(refused.value)


def test_what_an_encoder_writes_is_placed_like_any_part(store: Store) -> None:
    with store.encoding("mp4") as written:
        assert (written.path.parent, written.path.suffix) == (store.staging, ".mp4")
        written.path.write_bytes(b"some bytes")
        placement = store.finish(written, artifact_id="01", extension="mp4", day="2026-11-22")
    intent = store.promise("record", [placement], {})
    store.place(intent)
    store.fulfilled(intent)
    assert everything(store.root) == {placement.local_path}
    assert store.digest(placement.local_path) == placement.sha256
    assert store.state(placement.local_path) == state(placement)


def _half(path: Path) -> None:
    path.write_bytes(b"half")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_of_an_encoder_that_fails_nothing_is_left(store: Store) -> None:
    with pytest.raises(StoreFailed, match="disk is full"), store.encoding("mp4") as written:
        _half(written.path)
    assert everything(store.root) == set()
