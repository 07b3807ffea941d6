"""What is shown of an artifact: made once, kept by its hash, and never of bytes that have changed."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import deleting
import pytest
from comfyui_artifact_db.errors import NotFound, StoreFailed
from comfyui_artifact_db.library import events, identities, runs, thumbnails, trash, workflows
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Artifact
from comfyui_artifact_db.media import kinds
from comfyui_artifact_db.media import thumbnails as media
from making import png
from PIL import Image
from reviewing import edit

LARGE = png(5, (600, 400))


class Maker:
    """Counts what is made, and can be kept from finishing."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make
        self.calls = 0
        self.at_once = 0
        self.most_at_once = 0
        self.may_finish = threading.Event()
        self.may_finish.set()
        self.lock = threading.Lock()

    def __call__(self, *given: Any) -> Any:
        with self.lock:
            self.calls += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.may_finish.wait(30)
            return self.make(*given)
        finally:
            with self.lock:
                self.at_once -= 1


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Maker]:
    maker = Maker(media.make)
    monkeypatch.setattr(media, "make", maker)
    yield maker
    maker.may_finish.set()


def shown(library: Library, artifact: Artifact, size: str = "medium") -> thumbnails.Thumbnail:
    return thumbnails.thumbnail(library, artifact.id, size)


def kept(library: Library) -> list[str]:
    """Of what thumbnails lie in the store."""
    return sorted(
        {path.name.split(".")[0] for path in (library.store.root / "thumbnails").rglob("*") if path.is_file()}
    )


def spoil(artifact: Artifact, data: bytes, *, unseen: bool = False) -> None:
    """Change a stored file; `unseen` leaves its size and time as they were."""
    path = Path(artifact.local_path)
    before = path.stat()
    path.chmod(stat.S_IREAD | stat.S_IWRITE)
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(data)
    if unseen:
        assert len(data) == before.st_size
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_it_is_made_once_and_kept_under_the_hash_of_its_bytes(library: Library, pictures: Any, maker: Maker) -> None:
    artifact = pictures.one(data=LARGE)
    assert kept(library) == []
    found = shown(library, artifact)
    assert found.note is None
    assert found.path == library.store.root / "thumbnails" / artifact.sha256[:2] / f"{artifact.sha256}.webp"
    with Image.open(found.path) as image:
        assert (image.format, image.size) == ("WEBP", (512, 341))
    assert shown(library, artifact) == found
    assert maker.calls == 1
    assert not any(library.store.staging.iterdir())


def test_equal_bytes_share_one(library: Library, pictures: Any, maker: Maker) -> None:
    one, other = pictures.one(data=LARGE), pictures.one(data=LARGE)
    assert shown(library, one) == shown(library, other)
    assert (maker.calls, kept(library)) == (1, [one.sha256])


def test_a_list_finds_both_of_its_sizes_and_the_largest_is_made_when_it_is_asked_for(
    library: Library, pictures: Any, maker: Maker
) -> None:
    artifact = pictures.one(data=png(5, (2048, 1024)))
    sizes = {}
    for asked in ("small", "medium", "large"):
        path = shown(library, artifact, asked).path
        assert path is not None
        with Image.open(path) as image:
            sizes[asked] = (image.size, maker.calls)
    assert sizes == {"small": ((256, 128), 1), "medium": ((512, 256), 1), "large": ((1024, 512), 2)}


def test_the_largest_brings_the_smaller_ones_along(library: Library, pictures: Any, maker: Maker) -> None:
    artifact = pictures.one(data=png(5, (2048, 1024)))
    for size in ("large", "small", "medium"):
        assert shown(library, artifact, size).path is not None
    assert maker.calls == 1


def test_another_process_finds_it(library: Library, pictures: Any, maker: Maker, reopened: Any) -> None:
    artifact = pictures.one(data=LARGE)
    assert shown(library, artifact) == shown(reopened(), artifact)
    assert maker.calls == 1


def test_fifty_who_ask_at_once_get_one_that_is_made_once(library: Library, pictures: Any, maker: Maker) -> None:
    artifact = pictures.one(data=LARGE)
    maker.may_finish.clear()
    with ThreadPoolExecutor(50) as pool:
        asked = [pool.submit(thumbnails.thumbnail, library, artifact.id) for _ in range(50)]
        assert not wait(asked, timeout=0.5).done
        maker.may_finish.set()
        assert len({future.result(30) for future in asked}) == 1
    assert maker.calls == 1


def test_two_are_made_at_a_time_at_most(library: Library, pictures: Any, maker: Maker) -> None:
    many = [pictures.one(data=png(n, (40, 40))) for n in range(12)]
    maker.may_finish.clear()
    asked = [thumbnails.begin(library, artifact.id)[1] for artifact in many]
    end = time.monotonic() + 20
    while maker.at_once < 2 and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.2)
    assert (maker.at_once, maker.calls) == (2, 2)
    maker.may_finish.set()
    assert all(future.result(30).path for future in asked)
    assert (maker.calls, maker.most_at_once) == (12, 2)


def test_who_asks_does_not_wait_where_it_says_so(library: Library, pictures: Any, maker: Maker) -> None:
    maker.may_finish.clear()
    artifact = pictures.one(data=LARGE)
    began = time.perf_counter()
    found, making = thumbnails.begin(library, artifact.id)
    assert time.perf_counter() - began < 5
    assert (found.id, making.done()) == (artifact.id, False)
    maker.may_finish.set()
    assert making.result(30).path is not None


def test_one_in_the_trash_is_shown(library: Library, pictures: Any) -> None:
    artifact = pictures.one()
    trash.delete(library, artifact.id, by="ann")
    assert shown(library, artifact).path is not None


def test_of_nothing_there_is_nothing(library: Library) -> None:
    with pytest.raises(NotFound):
        thumbnails.thumbnail(library, identities.new_id())


@pytest.mark.parametrize("before", [False, True], ids=["never shown", "shown before"])
@pytest.mark.parametrize("data", [LARGE, b""], ids=["another picture", "nothing"])
def test_bytes_that_have_changed_are_not_shown(library: Library, pictures: Any, before: bool, data: bytes) -> None:
    artifact = pictures.one()
    if before:
        assert shown(library, artifact).note is None
    spoil(artifact, data)
    assert shown(library, artifact) == thumbnails.Thumbnail(None, "its bytes have changed")
    assert kept(library) == ([artifact.sha256] if before else [])


def test_a_change_that_nobody_can_see_is_not_kept_as_what_was_recorded(library: Library, pictures: Any) -> None:
    artifact = pictures.one(data=png(1))
    other = png(2)
    assert len(other) == artifact.file_size
    spoil(artifact, other, unseen=True)
    assert shown(library, artifact).note == "its bytes have changed"
    assert kept(library) == []


@pytest.mark.parametrize("before", [False, True], ids=["never shown", "shown before"])
def test_a_file_that_is_gone_is_said_to_be_gone(library: Library, pictures: Any, before: bool) -> None:
    artifact = pictures.one()
    if before:
        shown(library, artifact)
    path = Path(artifact.local_path)
    path.chmod(stat.S_IREAD | stat.S_IWRITE)
    path.unlink()
    assert shown(library, artifact) == thumbnails.Thumbnail(None, "its file is gone")


def test_bytes_that_were_removed_are_said_to_be_removed(library: Library, pictures: Any) -> None:
    artifact = pictures.one()
    with library.writing("retention") as tx:
        sql = "UPDATE artifacts SET bytes_removed_at = ? WHERE id = ?"
        library.database.engine.execute_sql(sql, (tx.at, artifact.id))
    assert shown(library, artifact).note == "its bytes were removed"


@pytest.mark.parametrize("file_format", ["svg", "html", "xml", "latent", "glb", "pdf", "bin", "heic"])
def test_what_is_no_picture_has_no_preview(library: Library, pictures: Any, file_format: str) -> None:
    artifact = pictures.one()
    with library.writing("tester"):
        sql = "UPDATE artifacts SET file_format = ? WHERE id = ?"
        library.database.engine.execute_sql(sql, (file_format, artifact.id))
    assert shown(library, artifact) == thumbnails.Thumbnail(None, "no preview")


def test_a_picture_that_cannot_be_shown_is_tried_once(library: Library, pictures: Any, maker: Maker) -> None:
    broken, huge = pictures.one(data=png(1)[:40]), pictures.one(data=png(1)[:16] + b"\0\1\0\0" * 2 + png(1)[24:])
    for _ in range(3):
        assert shown(library, broken).note == "cannot be read"
        assert shown(library, huge).note in ("cannot be read", "too large to be shown")
    assert (maker.calls, kept(library)) == (2, [])


@pytest.mark.parametrize("left", [b"", b"RIFF", b"\0" * 200])
def test_one_that_a_crash_tore_is_made_again(library: Library, pictures: Any, maker: Maker, left: bytes) -> None:
    artifact = pictures.one(data=LARGE)
    path = shown(library, artifact).path
    assert path is not None
    whole = path.read_bytes()
    for torn in (left, whole[:-1], whole + b"\0"):
        path.write_bytes(torn)
        assert shown(library, artifact).path == path
        assert path.read_bytes() == whole
    assert maker.calls == 4


def test_a_disk_that_refuses_it_says_so_and_leaves_nothing(
    library: Library, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = pictures.one()

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(StoreFailed, match="its disk is full"):
            shown(library, artifact)
    assert not any(library.store.staging.iterdir())
    assert shown(library, artifact).path is not None, "it is tried again"


def test_what_is_deleted_for_good_leaves_no_thumbnail(library: Library, pictures: Any) -> None:
    run = runs.Run("gpu-a", "p1", "w", chain="film", step="a")
    first, shared = pictures.record(run=run, keys=("9:images:0", "9:images:1"))
    shared = edit(library, shared.id, LARGE)
    outside = pictures.one(data=LARGE)
    for artifact in (first, shared, outside):
        for size in thumbnails.SIZES:
            shown(library, artifact, size)
    chain_id = workflows.get_workflow(library, first.workflow_id).chain_id
    assert chain_id is not None
    deleting.for_good(library, chain_id, by="ann")
    assert kept(library) == [outside.sha256]
    assert shown(library, outside).path is not None


def test_asking_changes_no_row_and_no_event(library: Library, pictures: Any) -> None:
    artifact = pictures.one()
    before = events.last_seq(library)
    shown(library, artifact)
    assert events.last_seq(library) == before


def test_a_library_closes_at_once_however_many_are_wanted(config: Any, maker: Maker) -> None:
    from comfyui_artifact_db.library.opening import open_library
    from making import Pictures

    library = open_library(config)
    pictures = Pictures(library)
    maker.may_finish.clear()
    asked = [thumbnails.begin(library, pictures.one(data=png(n, (30, 30))).id)[1] for n in range(40)]
    threading.Timer(0.2, maker.may_finish.set).start()
    library.close()
    assert maker.calls <= 4
    assert all(future.done() for future in asked)


def test_all_that_a_browser_may_show_in_place_has_a_reader() -> None:
    inline = {kind.file_format for kind in kinds._BY_FORMAT.values() if kind.inline}
    assert all(map(media.has_reader, inline))
