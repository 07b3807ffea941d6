"""Files that a program hands in: each a new output, unless it names the one that it is a version of."""

from __future__ import annotations

import threading
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.errors import Conflict, Invalid, NotFound
from comfyui_artifact_db.library import events, identities, uploads, workflows
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.library.views import Artifact
from comfyui_artifact_db.media.kinds import PNG, of_format
from making import png


@pytest.fixture
def workflow_id(library: Library) -> str:
    return workflows.create_workflow(library, workflow_name="w", actor="runner")[0].id


def upload(library: Library, workflow_id: str, data: bytes, **how: Any) -> tuple[Artifact, bool]:
    """As a route does it: the part is discarded where nothing was recorded."""
    with library.store.receiving() as part:
        part.write(data)
        how = {"kind": PNG, "by": "runner", "filename": "a.png", **how}
        return uploads.upload(library, workflow_id, part, how.pop("kind"), **how)


def test_each_file_is_a_new_output_of_its_kind(library: Library, workflow_id: str) -> None:
    made = [upload(library, workflow_id, png(shade))[0] for shade in range(2)]
    film, _ = upload(library, workflow_id, b"film", kind=of_format("mp4"))
    sound, _ = upload(library, workflow_id, b"sound", kind=of_format("flac"))
    keys = [artifact.output_key for artifact in (*made, film, sound)]
    assert keys == ["upload:images:0", "upload:images:1", "upload:images:2", "upload:audio:0"]
    assert [artifact.version for artifact in made] == [1, 1]
    assert {artifact.node_id for artifact in made} == {"upload"}
    assert made[0].metadata["width"] == 8
    assert made[0].is_latest
    invariants.check(library)


def test_a_file_that_names_its_output_is_its_next_version(library: Library, workflow_id: str) -> None:
    first, _ = upload(library, workflow_id, png(1))
    again, _ = upload(library, workflow_id, png(2), output_key=first.output_key)
    other, _ = upload(library, workflow_id, png(3), output_key="12:4:images:0")
    assert (again.version, again.is_latest) == (2, True)
    assert (other.version, other.node_id) == (1, "12:4")
    invariants.check(library)


def test_files_that_come_at_once_are_outputs_of_their_own(library: Library, workflow_id: str) -> None:
    together = threading.Barrier(6)
    made: list[Artifact] = []

    def work(shade: int) -> None:
        together.wait()
        made.append(upload(library, workflow_id, png(shade))[0])

    threads = [threading.Thread(target=work, args=(shade,)) for shade in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {artifact.output_key for artifact in made} == {f"upload:images:{index}" for index in range(6)}
    assert {artifact.version for artifact in made} == {1}
    invariants.check(library)


def test_the_same_call_again_is_answered_as_the_first_time(library: Library, workflow_id: str) -> None:
    new_id = identities.new_id()
    first, made = upload(library, workflow_id, png(1), new_id=new_id)
    seq = events.last_seq(library)
    assert made
    assert upload(library, workflow_id, png(1), new_id=new_id.upper()) == (first, False)
    assert events.last_seq(library) == seq
    assert not list(library.store.staging.iterdir())


def test_the_same_id_at_once_is_one_artifact(library: Library, workflow_id: str) -> None:
    new_id, together = identities.new_id(), threading.Barrier(4)
    made: list[Artifact] = []

    def work() -> None:
        together.wait()
        made.append(upload(library, workflow_id, png(1), new_id=new_id)[0])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {artifact.id for artifact in made} == {new_id}
    assert len({artifact.local_path for artifact in made}) == 1
    assert len([path for path in (library.store.root / "files").rglob("*") if path.is_file()]) == 1
    assert not list(library.store.staging.iterdir())
    invariants.check(library)


def test_the_same_id_with_other_bytes_is_a_conflict_that_costs_nothing(library: Library, workflow_id: str) -> None:
    first, _ = upload(library, workflow_id, png(1))
    with pytest.raises(Conflict):
        upload(library, workflow_id, png(2), new_id=first.id)
    assert not list(library.store.staging.iterdir())
    invariants.check(library)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"status": "rejected"}, "approval_status"),
        ({"status": "edited"}, "approval_status"),
        ({"output_key": "nine"}, "output_key"),
        ({"output_key": "upload:images:"}, "output_key"),
        ({"subfolder": "../up"}, "subfolder"),
        ({"new_id": "mine"}, "id"),
        ({"by": ""}, "actor"),
    ],
)
def test_a_wrong_value_is_refused_and_nothing_is_left(
    library: Library, workflow_id: str, wrong: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        upload(library, workflow_id, png(1), **wrong)
    assert refused.value.field == field
    assert not list(library.store.staging.iterdir())
    assert not [path for path in (library.store.root / "files").rglob("*") if path.is_file()]


def test_a_workflow_that_is_not_there_is_not_found(library: Library) -> None:
    nobody = identities.new_id()
    with pytest.raises(NotFound):
        uploads.require_workflow(library, nobody)
    with pytest.raises(NotFound):
        upload(library, nobody, png(1))
    assert not list(library.store.staging.iterdir())
