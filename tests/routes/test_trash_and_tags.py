"""Pins the trash and the tags over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hubs import Hub

TAGS = ("hero", "Zürich / Süd", "...", "a?b#c%d", "{cut}", "🐉")


async def events(hub: Hub) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await hub.get("/events?limit=500")).json["items"]
    return found


async def test_what_is_deleted_goes_into_the_trash_and_comes_out_as_it_was(hub: Hub) -> None:
    first = hub.pictures.one()
    second = hub.pictures.one(workflow_id=first.workflow_id)
    path = f"/artifacts/{second.id}"
    before = (await hub.get(path)).json
    thrown = (await hub.delete(path, headers={"X-Artifact-Actor": "ada"})).json
    assert thrown["deleted_at"] is not None
    assert (thrown["usable"], thrown["is_latest"], thrown["is_head"]) == (False, False, False)
    assert (await hub.get(f"/workflows/{first.workflow_id}/latest")).json["id"] == first.id
    (deleted,) = [event for event in await events(hub) if event["action"] == "artifact.deleted"]
    assert deleted["actor"] == "ada"
    assert deleted["before"]["deleted_at"] is None
    assert deleted["after"]["deleted_at"] == thrown["deleted_at"]
    back = (await hub.post(f"{path}/undelete")).json
    for changing in ("revision", "updated_at"):
        del back[changing], before[changing]
    assert back == before


async def test_deleting_and_undeleting_twice_changes_nothing_twice(hub: Hub) -> None:
    picture = hub.pictures.one()
    path = f"/artifacts/{picture.id}"
    await hub.post(f"{path}/undelete")
    await hub.delete(path)
    before = hub.state()
    again = await hub.delete(path)
    assert again.etag == (await hub.get(path)).etag
    assert hub.state() == before
    await hub.post(f"{path}/undelete")
    before = hub.state()
    await hub.post(f"{path}/undelete")
    assert hub.state() == before


async def test_the_file_of_what_is_in_the_trash_stays_and_is_not_given(hub: Hub) -> None:
    picture = hub.pictures.one()
    files = hub.files()
    await hub.delete(f"/artifacts/{picture.id}")
    assert hub.files() == files
    assert (await hub.get(f"/artifacts/{picture.id}/download", 410)).code == "gone"
    await hub.post(f"/artifacts/{picture.id}/undelete")
    await hub.get(f"/artifacts/{picture.id}/download")


async def test_a_workflow_of_which_everything_is_deleted_has_no_current_artifact(hub: Hub) -> None:
    picture = hub.pictures.one()
    await hub.delete(f"/artifacts/{picture.id}")
    assert (await hub.get(f"/workflows/{picture.workflow_id}/latest", 404)).code == "not_found"
    assert (await hub.get(f"/workflows/{picture.workflow_id}")).json["latest_artifact_id"] is None


async def test_tags_are_put_on_and_taken_off(hub: Hub) -> None:
    picture = hub.pictures.one()
    path = f"/artifacts/{picture.id}/tags"
    for tag in TAGS:
        await hub.put(f"{path}/{quote(tag, safe='')}")
    tagged = (await hub.get(f"/artifacts/{picture.id}")).json
    assert tagged["tags"] == sorted(TAGS)
    rest = await hub.delete(f"{path}/{quote('Zürich / Süd', safe='')}")
    assert "Zürich / Süd" not in rest.json["tags"]
    *_, one_before, last = await events(hub)
    assert (one_before["action"], one_before["before"], one_before["after"]) == ("artifact.tagged", None, {"tag": "🐉"})
    assert (last["action"], last["before"], last["after"]) == ("artifact.untagged", {"tag": "Zürich / Süd"}, None)


async def test_a_tag_that_is_there_or_not_there_already_is_no_change(hub: Hub) -> None:
    picture = hub.pictures.one(tags=("hero",))
    before = hub.state()
    assert (await hub.put(f"/artifacts/{picture.id}/tags/hero")).etag == '"1"'
    assert (await hub.delete(f"/artifacts/{picture.id}/tags/villain")).etag == '"1"'
    assert hub.state() == before


async def test_a_tag_is_the_same_however_its_letters_are_composed(hub: Hub) -> None:
    picture = hub.pictures.one()
    for written in ("u\u0308ber", "\u00fcber"):
        tagged = await hub.put(f"/artifacts/{picture.id}/tags/{quote(written)}")
        assert tagged.json["tags"] == ["\u00fcber"]


@pytest.mark.parametrize("tag", ["%20", "a%2Cb", "%00", "a%0Ab", "x" * 101, "%C2%85", "..", "%20.%20"])
async def test_what_is_no_tag_is_refused(hub: Hub, tag: str) -> None:
    picture = hub.pictures.one()
    before = hub.state()
    for method in ("PUT", "DELETE"):
        assert (await hub.ask(method, f"/artifacts/{picture.id}/tags/{tag}", 422)).fields == ["tag"]
    assert hub.state() == before
    await hub.ask("PUT", f"/artifacts/{picture.id}/tags/", 404)


async def test_tags_in_use_are_counted_by_name_without_the_trash(hub: Hub) -> None:
    hub.pictures.record(keys=("9:images:0", "9:images:1"), tags=("b", "Ä"))
    thrown = hub.pictures.one(tags=("b", "only"))
    await hub.delete(f"/artifacts/{thrown.id}")
    assert (await hub.get("/tags")).json == {
        "items": [{"tag": "b", "count": 2}, {"tag": "Ä", "count": 2}],
        "next_cursor": None,
    }


async def test_tags_of_many_are_changed_by_one_request(hub: Hub) -> None:
    first, second = hub.pictures.one(tags=("draft",)), hub.pictures.one()
    nobody = "00000000-0000-7000-8000-000000000000"
    body = {"ids": [first.id, nobody, second.id], "add": ["hero"], "remove": ["draft"]}
    expected = [
        {"id": first.id, "status": 200, "tags": ["hero"]},
        {"id": nobody, "status": 404, "tags": None},
        {"id": second.id, "status": 200, "tags": ["hero"]},
    ]
    assert (await hub.post("/tags", json=body)).json["items"] == expected
    before = hub.state()
    assert (await hub.post("/tags", json=body)).json["items"] == expected
    assert hub.state() == before
    assert (await hub.get("/tags?q=HE")).json["items"] == [{"tag": "hero", "count": 2}]
    for wrong in ({"ids": []}, {"ids": [first.id]}, {"ids": ["x"], "add": ["a"]}, {"ids": [first.id], "add": "hero"}):
        await hub.post("/tags", 422, json=wrong)
    assert hub.state() == before
