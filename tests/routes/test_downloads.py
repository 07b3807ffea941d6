"""Pins how bytes are given: ranges, conditions, HEAD, and that bytes which changed are not given at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from comfyui_artifact_db.library.views import Artifact
from hubs import Hub
from making import png

DATA = png(1) + bytes(range(256)) * 400
SIZE = len(DATA)


@pytest.fixture
def picture(hub: Hub) -> Artifact:
    return hub.pictures.one(data=DATA)


@pytest.fixture
def path(picture: Artifact) -> str:
    return f"/artifacts/{picture.id}/download"


async def test_a_download_is_the_whole_file_under_the_hash_of_it(hub: Hub, picture: Artifact, path: str) -> None:
    answer = await hub.get(path)
    assert answer.body == DATA
    assert answer.etag == f'"{picture.sha256}"'
    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "no-cache" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=100-", 100, SIZE - 1),
        ("bytes=-5", SIZE - 5, SIZE - 1),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
        (f"bytes=7-{SIZE + 1000}", 7, SIZE - 1),
        (f"bytes=-{SIZE + 1000}", 0, SIZE - 1),
        ("Bytes=3-4", 3, 4),
        (" bytes=3-4 ", 3, 4),
    ],
)
async def test_a_range_is_given_as_such(hub: Hub, path: str, asked: str, first: int, last: int) -> None:
    answer = await hub.get(path, 206, headers={"Range": asked})
    assert answer.body == DATA[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    head = await hub.ask("HEAD", path, 206, headers={"Range": asked})
    assert head.headers["Content-Range"] == answer.headers["Content-Range"]
    assert head.headers["Content-Length"] == str(last + 1 - first)


@pytest.mark.parametrize(
    "asked",
    [
        *("bytes=0-1,3-4", "bytes=0-1, -2", "bytes=5-2", "bytes=-", "bytes=", "bytes", "bytes=a-b", "bytes=1--2"),
        *("items=0-1", "", "0-1", "bytes=0x1-2", "bytes=1.5-2", "bytes=\u0661-2", "bytes=" + "9" * 5000 + "-"),
    ],
)
async def test_what_is_not_one_range_of_bytes_is_given_the_whole_file(hub: Hub, path: str, asked: str) -> None:
    answer = await hub.get(path, 200, headers={"Range": asked})
    assert answer.body == DATA


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=99999999999999-", "bytes=-0"])
async def test_a_range_that_the_file_has_not_is_refused_with_its_size(hub: Hub, path: str, asked: str) -> None:
    refused = await hub.get(path, 416, headers={"Range": asked})
    assert refused.code == "bad_range"
    assert refused.headers["Content-Range"] == f"bytes */{SIZE}"
    assert (await hub.ask("HEAD", path, 416, headers={"Range": asked})).headers["Content-Range"] == f"bytes */{SIZE}"


async def test_a_head_tells_what_a_get_would_give(hub: Hub, path: str) -> None:
    head, get = await hub.ask("HEAD", path, 200), await hub.get(path)
    for name in ("ETag", "Content-Length", "Content-Type", "Content-Disposition", "Accept-Ranges"):
        assert head.headers[name] == get.headers[name]


async def test_a_copy_that_is_right_is_not_sent_again(hub: Hub, picture: Artifact, path: str) -> None:
    tag = f'"{picture.sha256}"'
    for condition in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        for method in ("GET", "HEAD"):
            answer = await hub.ask(method, path, 304, headers={"If-None-Match": condition, "Range": "bytes=0-1"})
            assert answer.etag == tag
    for condition in ('"other"', "", picture.sha256.upper()):
        await hub.get(path, 200, headers={"If-None-Match": condition})


async def test_a_time_is_no_proof_of_bytes_and_is_not_listened_to(hub: Hub, path: str) -> None:
    for header in ("If-Modified-Since", "If-Unmodified-Since"):
        for time in ("Fri, 01 Jan 2100 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"):
            assert (await hub.get(path, 200, headers={header: time})).body == DATA


async def test_a_range_of_other_bytes_than_the_client_counts_on_is_the_whole_file(
    hub: Hub, picture: Artifact, path: str
) -> None:
    tag = f'"{picture.sha256}"'
    assert (await hub.get(path, 206, headers={"Range": "bytes=0-1", "If-Range": tag})).body == DATA[:2]
    for other in ('"other"', "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"):
        for asked in ("bytes=0-1", f"bytes={SIZE}-"):
            assert (await hub.get(path, 200, headers={"Range": asked, "If-Range": other})).body == DATA


async def test_other_bytes_than_the_client_wants_are_refused(hub: Hub, picture: Artifact, path: str) -> None:
    for condition in (f'"{picture.sha256}"', f'"x", "{picture.sha256}"', "*"):
        await hub.get(path, 200, headers={"If-Match": condition})
    for method in ("GET", "HEAD"):
        refused = await hub.ask(method, path, 412, headers={"If-Match": '"other"', "Range": "bytes=0-1"})
        assert refused.etag == f'"{picture.sha256}"'


async def test_whatever_its_approval_a_reviewer_can_see_it(hub: Hub) -> None:
    for status in ("pending", "approved", "auto_approved"):
        picture = hub.pictures.one(status=status)
        await hub.get(f"/artifacts/{picture.id}/download")
    await hub.post(f"/artifacts/{picture.id}/reject", json={"reason": "no"})
    await hub.get(f"/artifacts/{picture.id}/download")


def overwrite(file: Path) -> None:
    """Other bytes of the same size, as by a program that writes in place."""
    file.chmod(0o600)
    with file.open("r+b") as opened:
        opened.write(png(2))


def truncate(file: Path) -> None:
    file.chmod(0o600)
    os.truncate(file, SIZE // 2)


def replace_by_another(file: Path) -> None:
    file.unlink()
    file.write_bytes(bytes(SIZE))


def replace_by_a_link(file: Path) -> None:
    secret = file.parents[3] / "secret"
    secret.write_bytes(DATA)
    file.unlink()
    file.symlink_to(secret)


def replace_by_a_link_inside(file: Path) -> None:
    kept = file.rename(file.with_suffix(".kept"))
    file.symlink_to(kept)


def replace_by_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def replace_by_a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def link_the_folder_away(file: Path) -> None:
    moved = file.parents[3] / "elsewhere"
    file.parent.rename(moved)
    file.parent.symlink_to(moved)


CHANGES = [
    *(overwrite, truncate, replace_by_another, replace_by_a_folder, replace_by_a_pipe, Path.unlink),
    *(replace_by_a_link, replace_by_a_link_inside, link_the_folder_away),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_bytes_that_are_not_those_that_were_recorded_are_not_given(
    hub: Hub, picture: Artifact, path: str, change: object
) -> None:
    assert callable(change)
    change(Path(picture.local_path))
    for method in ("GET", "HEAD"):
        refused = await hub.ask(method, path, 409, headers={"Range": "bytes=0-1"})
    refused = await hub.get(path, 409, headers={"If-None-Match": "*"})
    assert refused.code == "not_usable"
    assert refused.json["artifact"]["usable"] is False
    assert (await hub.get(f"/artifacts/{picture.id}")).json["usable"] is False


async def test_a_store_that_was_copied_to_another_disk_gives_its_bytes(hub: Hub, picture: Artifact, path: str) -> None:
    file = Path(picture.local_path)
    copy = file.with_suffix(".copy")
    copy.write_bytes(DATA)
    copy.replace(file)
    assert (await hub.get(path)).body == DATA


async def test_bytes_that_retention_removed_are_gone(hub: Hub, picture: Artifact, path: str) -> None:
    hub.change("UPDATE artifacts SET bytes_removed_at = '2026-11-22T10:00:00.000Z' WHERE id = ?", picture.id)
    assert (await hub.get(path, 410)).code == "gone"
    await hub.ask("HEAD", path, 410)
