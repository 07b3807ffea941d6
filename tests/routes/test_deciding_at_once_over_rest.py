"""Hundreds of decisions at once, through two hubs that are processes of their own, on one database and one store."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import invariants
import pytest
import requests
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.db import models
from comfyui_artifact_db.library import events, identities, runs
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.library.views import Artifact
from commanding import Shell
from making import Pictures, png

THREADS = 16
Change = Callable[["Client", str], requests.Response]


@dataclass(frozen=True)
class Client:
    """Somebody with a name, who asks one of the hubs."""

    url: str
    name: str
    match: str | None = None

    def ask(self, method: str, path: str, **request: Any) -> requests.Response:
        headers = {"X-Artifact-Actor": self.name, **({"If-Match": self.match} if self.match else {})}
        return requests.request(method, self.url + path, headers=headers, timeout=60, **request)

    def approve(self, artifact_id: str) -> requests.Response:
        return self.ask("POST", f"/artifacts/{artifact_id}/approve")

    def reject(self, artifact_id: str) -> requests.Response:
        return self.ask("POST", f"/artifacts/{artifact_id}/reject", json={"reason": f"not for {self.name}"})

    def select(self, artifact_id: str) -> requests.Response:
        return self.ask("POST", f"/artifacts/{artifact_id}/select")

    def edit(self, artifact_id: str) -> requests.Response:
        picture = {"file": ("edited.png", png(hash(self.name) % 65536), "image/png")}
        return self.ask("POST", f"/artifacts/{artifact_id}/edit", files=picture)

    def delete(self, artifact_id: str) -> requests.Response:
        return self.ask("DELETE", f"/artifacts/{artifact_id}")

    def undelete(self, artifact_id: str) -> requests.Response:
        return self.ask("POST", f"/artifacts/{artifact_id}/undelete")


@pytest.fixture(scope="module")
def two_hubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, tuple[str, str]]]:
    """The folder of one database, and the URLs of two hubs that serve it."""
    shell = Shell(tmp_path_factory.mktemp("home"))
    with shell.serving() as first, shell.serving() as second:
        yield shell.data, (first.url, second.url)


@pytest.fixture
def urls(two_hubs: tuple[Path, tuple[str, str]]) -> tuple[str, str]:
    return two_hubs[1]


@pytest.fixture
def library(two_hubs: tuple[Path, tuple[str, str]]) -> Iterator[Library]:
    """A third process on the same database, which looks on."""
    library = open_library(load_config(two_hubs[0], {}))
    yield library
    invariants.check(library)
    invariants.check_log_tells_the_rows(library)
    library.close()


def at_once(calls: list[Callable[[], requests.Response]]) -> list[requests.Response]:
    """The answers to many requests, of which as many run at once as there are threads."""
    start = threading.Barrier(min(THREADS, len(calls)))
    first = threading.local()

    def run(call: Callable[[], requests.Response]) -> requests.Response:
        if not hasattr(first, "came"):
            first.came = True
            start.wait(60)
        return call()

    with ThreadPoolExecutor(min(THREADS, len(calls))) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


def everybody(urls: tuple[str, str], count: int, match: str | None = None) -> list[Client]:
    """So many people, in turns at one hub and at the other."""
    return [Client(urls[number % 2], f"person-{number}", match) for number in range(count)]


def four(library: Library) -> list[Artifact]:
    """A workflow of its own that waits for somebody to pick one of four."""
    run = runs.Run("gpu-a", identities.new_id(), "text-to-image")
    return Pictures(library).record(run=run, keys=tuple(f"9:images:{index}" for index in range(4)), status="pending")


def decided(library: Library, artifact_id: str) -> Counter[str]:
    return Counter(event.action for event in events.history(library, artifact_id))


def refused(answer: requests.Response) -> bool:
    """Whether an answer says no as a loser is told, with how things are now."""
    if answer.status_code not in (409, 412):
        return False
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json()["artifact"]["approval_status"]
    return True


def test_of_many_who_saw_the_same_revision_one_wins(library: Library, urls: tuple[str, str]) -> None:
    for turn in range(6):
        (picture, *_) = four(library)
        tag = f'"{picture.revision}"'
        people = everybody(urls, 30, tag)
        how = (Client.approve, Client.reject, Client.approve, Client.reject, Client.edit)
        answers = at_once([partial(how[number % 5], person, picture.id) for number, person in enumerate(people)])
        won = [answer for answer in answers if answer.ok]
        lost = [answer for answer in answers if not answer.ok]
        assert len(won) == 1, f"turn {turn}: {Counter(answer.status_code for answer in answers)}"
        assert all(refused(answer) and answer.status_code == 412 for answer in lost)
        with library.reading():
            now = models.Artifact.select().where(models.Artifact.id == picture.id).dicts().get()
        assert {answer.json()["artifact"]["revision"] for answer in lost} == {now["revision"]}
        assert {answer.json()["artifact"]["approval_status"] for answer in lost} == {now["approval_status"]}
        found = decided(library, picture.id)
        assert found["artifact.approved"] + found["artifact.rejected"] <= 1


def test_of_many_who_approve_without_a_revision_one_wins_and_the_others_are_told_who_did(
    library: Library, urls: tuple[str, str]
) -> None:
    for _ in range(6):
        (picture, *_) = four(library)
        answers = at_once([partial(person.approve, picture.id) for person in everybody(urls, 30)])
        (won,) = [answer for answer in answers if answer.ok]
        lost = [answer for answer in answers if not answer.ok]
        assert len(lost) == 29
        winner = won.json()["approved_by"]
        for answer in lost:
            assert answer.status_code == 409
            assert refused(answer)
            assert answer.json()["artifact"]["approved_by"] == winner
            assert winner in answer.json()["detail"]
        assert decided(library, picture.id)["artifact.approved"] == 1


def test_hundreds_of_changes_at_once_leave_one_current_artifact_and_one_head(
    library: Library, urls: tuple[str, str]
) -> None:
    chance = random.Random(4)
    pictures = four(library)
    ways: tuple[Change, ...] = (
        Client.approve,
        Client.reject,
        Client.select,
        Client.edit,
        Client.delete,
        Client.undelete,
    )
    people = everybody(urls, 400)
    chosen = [(chance.choice(ways), chance.choice(pictures).id) for _ in people]
    answers = at_once([partial(do, person, which) for person, (do, which) in zip(people, chosen, strict=True)])
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    for answer in answers:
        assert answer.ok or answer.json()["code"]
    done = Counter(do.__name__ for (do, _), answer in zip(chosen, answers, strict=True) if answer.ok)
    assert min(done.values()) > 5, f"each kind of change went through: {done}"

    workflow_id = pictures[0].workflow_id
    with library.reading():
        rows = list(models.Artifact.select().where(models.Artifact.workflow_id == workflow_id).dicts())
        log = list(models.Event.select().where(models.Event.workflow_id == workflow_id).dicts())
    assert len([row for row in rows if row["is_latest"]]) == 1
    assert len(rows) == 4 + done["edit"], "each edit that was acknowledged is a version, and no other is"
    numbers = Counter((row["output_key"], row["version"]) for row in rows)
    assert set(numbers.values()) == {1}, "no version number twice"
    by_actor = {(event["actor"], event["action"]) for event in log}
    for person, (do, _), answer in zip(people, chosen, answers, strict=True):
        action = {"approve": "artifact.approved", "reject": "artifact.rejected", "edit": "artifact.edited"}
        if do.__name__ in action:
            assert ((person.name, action[do.__name__]) in by_actor) == answer.ok, "an event for whoever won, no other"


def test_many_edits_of_one_version_at_once_are_all_versions_of_their_own(
    library: Library, urls: tuple[str, str]
) -> None:
    (picture, *_) = four(library)
    answers = at_once([partial(person.edit, picture.id) for person in everybody(urls, 60)])
    assert [answer.status_code for answer in answers] == [201] * 60
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 62))


def test_the_same_decision_sent_many_times_by_one_person_is_made_once(library: Library, urls: tuple[str, str]) -> None:
    (picture, *_) = four(library)
    clicks = [Client(urls[number % 2], "ann", f'"{picture.revision}"') for number in range(40)]
    answers = at_once([partial(click.approve, picture.id) for click in clicks])
    assert [answer.status_code for answer in answers] == [200] * 40
    assert len({answer.headers["ETag"] for answer in answers}) == 1
    assert decided(library, picture.id)["artifact.approved"] == 1
