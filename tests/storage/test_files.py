"""What makes a file durable: hashed while it is written, read-only afterwards, gone when nobody wants it."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
from pathlib import Path

import pytest
from comfyui_artifact_db.errors import StoreFailed
from comfyui_artifact_db.storage.files import (
    CHUNK,
    FileState,
    Part,
    Written,
    digest,
    remove,
    store_errors,
    write_durably,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7]


@pytest.mark.parametrize("size", SIZES)
def test_the_hash_of_a_part_and_of_its_file_are_those_of_hashlib(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    part = Part(tmp_path / "a.part")
    part.write(data)
    state = part.finish()
    expected = hashlib.sha256(data).hexdigest()
    assert part.sha256 == digest(part.path) == expected
    assert part.size == state.size == size
    assert part.path.read_bytes() == data
    assert state == FileState.of(part.path.stat())


@settings(max_examples=50, derandomize=True, database=None, deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=20))
def test_the_pieces_in_which_a_file_comes_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    part = Part(tmp_path_factory.mktemp("pieces") / "a.part")
    for piece in pieces:
        assert part.write(memoryview(piece)) == len(piece)
        part.flush()
    part.finish()
    assert part.path.read_bytes() == b"".join(pieces)
    assert part.sha256 == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_a_finished_part_is_read_only_and_takes_nothing_more(tmp_path: Path) -> None:
    part = Part(tmp_path / "a.part")
    part.write(b"a")
    part.finish()
    assert stat.S_IMODE(part.path.stat().st_mode) & 0o222 == 0
    with pytest.raises(ValueError, match="closed file"):
        part.write(b"b")
    assert part.path.read_bytes() == b"a"


@pytest.mark.parametrize("size", SIZES)
def test_what_an_encoder_wrote_by_its_path_is_hashed_as_it_is_read_once(tmp_path: Path, size: int) -> None:
    data, passed = os.urandom(size), bytearray()
    written = Written(tmp_path / "a.mp4")
    written.path.write_bytes(data)
    written.read(passed.extend)
    state = written.finish()
    assert bytes(passed) == data
    assert written.sha256 == digest(written.path) == hashlib.sha256(data).hexdigest()
    assert written.size == state.size == size
    assert state == FileState.of(written.path.stat())
    assert stat.S_IMODE(written.path.stat().st_mode) & 0o222 == 0


def test_it_is_hashed_also_when_nobody_asked_to_see_it(tmp_path: Path) -> None:
    written = Written(tmp_path / "a.mp4")
    written.path.write_bytes(b"first, and longer")
    written.path.unlink()
    written.path.write_bytes(b"second")  # Some encoders write elsewhere, and put the result into its place.
    written.finish()
    assert (written.sha256, written.size) == (hashlib.sha256(b"second").hexdigest(), 6)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such bits")
def test_nobody_else_may_read_what_is_being_written(tmp_path: Path) -> None:
    part = Part(tmp_path / "a.part")
    write_durably(tmp_path / "b.intent.json", b"{}")
    for name in ("a.part", "b.intent.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) & 0o077 == 0
    part.discard()


def test_nothing_is_written_over_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"first")
    with pytest.raises(FileExistsError):
        Part(tmp_path / "a")
    with pytest.raises(FileExistsError):
        write_durably(tmp_path / "a", b"second")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        Part(tmp_path / "link")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert not (tmp_path / "elsewhere").exists()


def test_a_discarded_part_is_gone_finished_or_not(tmp_path: Path) -> None:
    for finished in (False, True):
        part = Part(tmp_path / "a.part")
        part.write(b"a")
        if finished:
            part.finish()
        part.discard()
        part.discard()
        assert list(tmp_path.iterdir()) == []


def test_removing_takes_a_read_only_file_and_one_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"a")
    path.chmod(0o444)
    remove(path)
    remove(path)
    assert not path.exists()


@pytest.mark.parametrize("mtime_ns", [-(2**70), 0, 10**19])
def test_an_inode_of_64_bits_and_a_time_of_more_fit_into_sqlite(mtime_ns: int) -> None:
    states = [
        FileState.of(os.stat_result((0o100444, inode, 0, 1, 0, 0, 5, 0, 0, 0), {"st_mtime_ns": mtime_ns}))
        for inode in (2**64 - 1, 2**63)
    ]
    assert states[0].inode == -1
    assert all(-(2**63) <= value < 2**63 for state in states for value in (state.inode, state.mtime_ns))
    assert mtime_ns != 0 or states[0].mtime_ns == 0


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "may not write"),
        (errno.EPERM, "may not write"),
        (errno.ENOENT, "gone"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_a_refusal_of_the_system_says_what_to_do_and_names_no_path(number: int, words: str) -> None:
    with pytest.raises(StoreFailed, match=words) as refused, store_errors("taking a file"):
        raise OSError(number, os.strerror(number), "/secret/path")
    assert "taking a file" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert isinstance(refused.value.__cause__, OSError)
