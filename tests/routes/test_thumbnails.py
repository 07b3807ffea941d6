"""Pins the pictures that a browser shows of artifacts: what may be kept, what may not, and that many hold nobody up."""

from __future__ import annotations

import asyncio
import io
import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientTimeout
from comfyui_artifact_db.library import identities
from comfyui_artifact_db.library.views import Artifact
from comfyui_artifact_db.media import thumbnails as media
from hubs import Answer, Hub, Serve
from making import png
from mounting_like_comfyui import like_comfyui
from PIL import Image
from screening import film

KEPT_FOR_EVER = "private, max-age=31536000, immutable"
ASKED_AGAIN = "private, no-cache"


def path_of(artifact: Artifact, version: str | None = None) -> str:
    return f"/artifacts/{artifact.id}/thumbnail" + (f"?v={version}" if version is not None else "")


def right(artifact: Artifact) -> str:
    return path_of(artifact, artifact.sha256[:16])


def picture(answer: Answer) -> Image.Image:
    """The picture that came, which is a WebP that says nothing else and does nothing."""
    assert answer.headers["Content-Type"] == "image/webp"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    image = Image.open(io.BytesIO(answer.body), formats=["WEBP"])
    image.load()
    return image


def overwrite(artifact: Artifact, data: bytes) -> None:
    path = Path(artifact.local_path)
    path.chmod(stat.S_IREAD | stat.S_IWRITE)
    path.write_bytes(data)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """No thumbnail is finished before this is set."""
    may_finish = threading.Event()
    make = media.make

    def wait(*given: Any) -> bytes:
        may_finish.wait(30)
        return make(*given)

    monkeypatch.setattr(media, "make", wait)
    yield may_finish
    may_finish.set()


async def test_a_thumbnail_may_be_kept_for_ever_where_its_url_names_the_bytes(hub: Hub) -> None:
    artifact = hub.pictures.one(data=png(3, (1024, 600)))
    answer = await hub.get(right(artifact))
    assert picture(answer).size == (512, 300)
    assert answer.headers["Cache-Control"] == KEPT_FOR_EVER
    assert "X-Artifact-Note" not in answer.headers
    for version in (None, "", artifact.sha256[:15], artifact.sha256, "0" * 16, "%22"):
        other = await hub.get(path_of(artifact, version))
        assert (other.body, other.headers["Cache-Control"]) == (answer.body, ASKED_AGAIN)


async def test_there_are_three_sizes_and_others_are_refused(hub: Hub) -> None:
    artifact = hub.pictures.one(data=png(3, (2048, 1024)))
    for size, expected in {"small": (256, 128), "medium": (512, 256), "large": (1024, 512)}.items():
        answer = await hub.get(f"{right(artifact)}&size={size}")
        assert picture(answer).size == expected
        assert answer.headers["Cache-Control"] == KEPT_FOR_EVER
        assert "X-Artifact-Frames" not in answer.headers
    assert (await hub.get(f"{right(artifact)}&size=medium")).body == (await hub.get(right(artifact))).body
    for wrong in ("size=huge", "size=512", "strip=yes", "size=small&size=large", "width=9"):
        assert (await hub.get(f"{right(artifact)}&{wrong}", 400)).code == "malformed"


async def test_a_strip_has_twelve_frames_and_what_stands_still_has_none(hub: Hub) -> None:
    moving = hub.pictures.one(data=film(frames=24, size=(64, 48)))
    hub.change("UPDATE artifacts SET file_type = 'video', file_format = 'mp4' WHERE id = ?", moving.id)
    answer = await hub.get(f"{right(moving)}&strip=1")
    assert picture(answer).size == (12 * 64, 48)
    assert answer.headers["X-Artifact-Frames"] == "12"
    assert answer.headers["Cache-Control"] == KEPT_FOR_EVER
    still = hub.pictures.one(data=png(4, (60, 60)))
    latent = hub.pictures.one(data=b"latent")
    hub.change("UPDATE artifacts SET file_type = 'latent', file_format = 'latent' WHERE id = ?", latent.id)
    for artifact in (still, latent):
        answer = await hub.get(f"{right(artifact)}&strip=1")
        assert answer.headers["X-Artifact-Note"] == "it does not move"
        assert "X-Artifact-Frames" not in answer.headers
        assert picture(answer).size == (320, 320)
    assert "X-Artifact-Note" not in (await hub.get(right(still))).headers


async def test_a_copy_that_is_right_is_not_sent_again(hub: Hub) -> None:
    one, other = hub.pictures.one(data=png(1, (40, 40))), hub.pictures.one(data=png(200, (40, 40)))
    etag = (await hub.get(right(one))).etag
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await hub.get(right(one), 304, headers={"If-None-Match": known})
        assert (answer.body, answer.etag, answer.headers["Cache-Control"]) == (b"", etag, KEPT_FOR_EVER)
        assert "Content-Type" not in answer.headers
    for known in ('"other"', "", etag.strip('"')):
        await hub.get(right(one), 200, headers={"If-None-Match": known})
    assert (await hub.get(right(other))).etag != etag


async def test_head_answers_as_get_without_a_body(hub: Hub) -> None:
    artifact = hub.pictures.one()
    got, asked = await hub.get(right(artifact)), await hub.ask("HEAD", right(artifact), 200)
    same = ("ETag", "Content-Type", "Content-Length", "Cache-Control")
    assert [got.headers[name] for name in same] == [asked.headers[name] for name in same]


async def test_one_in_the_trash_is_shown_too(hub: Hub) -> None:
    artifact = hub.pictures.one()
    await hub.delete(f"/artifacts/{artifact.id}")
    assert picture(await hub.get(right(artifact))).size == (8, 8)


async def test_of_nothing_there_is_none(hub: Hub) -> None:
    assert (await hub.get(f"/artifacts/{identities.new_id()}/thumbnail", 404)).code == "not_found"


async def assert_placeholder(hub: Hub, artifact: Artifact, note: str) -> Answer:
    for path in (right(artifact), path_of(artifact)):
        answer = await hub.get(path)
        assert picture(answer).size == (320, 320)
        assert answer.headers["Cache-Control"] == ASKED_AGAIN
        assert answer.headers["X-Artifact-Note"] == note
        assert (await hub.get(path, 304, headers={"If-None-Match": answer.etag})).body == b""
    return answer


async def test_where_there_is_none_a_placeholder_says_why_and_is_asked_for_again(hub: Hub) -> None:
    shown = {
        "no preview": hub.pictures.one(data=b"a text"),
        "cannot be read": hub.pictures.one(data=png(9, (90, 90))[:60]),
        "its file is gone": hub.pictures.one(),
        "its bytes have changed": hub.pictures.one(),
        "its bytes were removed": hub.pictures.one(),
    }
    hub.change("UPDATE artifacts SET file_type = 'latent', file_format = 'latent' WHERE id = ?", shown["no preview"].id)
    hub.change("UPDATE artifacts SET bytes_removed_at = created_at WHERE id = ?", shown["its bytes were removed"].id)
    for note in ("its file is gone", "its bytes have changed"):
        assert "X-Artifact-Note" not in (await hub.get(right(shown[note]))).headers
    os.remove(shown["its file is gone"].local_path)
    overwrite(shown["its bytes have changed"], png(77, (9, 9)))
    etags = {(await assert_placeholder(hub, artifact, note)).etag for note, artifact in shown.items()}
    assert len(etags) == 5


@pytest.mark.parametrize("file_format", ["svg", "html", None, "<script>", "x" * 5000, 'a"\r\nX: y'])
async def test_a_strange_format_is_only_ever_drawn(hub: Hub, file_format: str | None) -> None:
    artifact = hub.pictures.one(data=b"<svg onload=alert(1)>")
    hub.change("UPDATE artifacts SET file_format = ? WHERE id = ?", file_format, artifact.id)
    answer = await assert_placeholder(hub, artifact, "no preview")
    assert b"alert" not in answer.body


async def test_comfyui_lays_no_policy_of_its_own_over_ours(serve: Serve) -> None:
    hub = await serve(make=like_comfyui)
    artifact = hub.pictures.one()
    for mount in ("/artifact-db", "/api/artifact-db"):
        assert picture(await hub.ask("GET", right(artifact), 200, mount=mount)).size == (8, 8)


async def test_many_who_ask_for_the_same_get_the_same(hub: Hub) -> None:
    artifact = hub.pictures.one(data=png(4, (1500, 1500)))
    answers = await asyncio.gather(*(hub.get(right(artifact)) for _ in range(50)))
    assert len({answer.etag for answer in answers}) == 1


async def test_sixty_that_are_being_made_keep_no_other_request_waiting(hub: Hub, slow: threading.Event) -> None:
    many = [hub.pictures.one(data=png(n, (60, 60))) for n in range(60)]
    asked = [asyncio.ensure_future(hub.get(right(artifact))) for artifact in many]
    await asyncio.sleep(0.5)
    assert not any(task.done() for task in asked)
    for _ in range(5):
        began = time.perf_counter()
        assert len((await hub.get("/artifacts?limit=5")).json["items"]) == 5
        assert time.perf_counter() - began < 10
    slow.set()
    assert all("X-Artifact-Note" not in answer.headers for answer in await asyncio.gather(*asked))


async def test_one_who_goes_away_takes_it_from_nobody(hub: Hub, slow: threading.Event) -> None:
    artifact = hub.pictures.one(data=png(4, (300, 300)))
    stays = asyncio.ensure_future(hub.get(right(artifact)))
    with pytest.raises(asyncio.TimeoutError):
        await hub.session.get(f"{hub.url}/artifact-db{right(artifact)}", timeout=ClientTimeout(total=0.3))
    slow.set()
    assert picture(await stays).size == (300, 300)
