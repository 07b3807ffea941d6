"""Edits and restored versions: new rows, never new bytes in old ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import invariants
import pytest
from comfyui_artifact_db.config import Config, load_config
from comfyui_artifact_db.errors import Conflict, Gone, Invalid, NotFound, NotUsable, WrongFileType
from comfyui_artifact_db.library import artifacts, decisions, edits, events, identities, pages, trash
from comfyui_artifact_db.library.opening import Library, open_library
from comfyui_artifact_db.media.kinds import of_format
from making import Pictures, png
from reviewing import edit


def test_an_edit_names_its_parent_and_its_editor_and_leaves_the_old_bytes_alone(
    library: Library, pictures: Any
) -> None:
    picture = pictures.one(node_id="9", subfolder="day1")
    before = Path(picture.local_path).read_bytes()
    edited = edit(library, picture.id, png(4711), by="ann", metadata={"note": "brighter"})
    assert edited.parent_artifact_id == picture.id
    assert (edited.version, edited.output_key, edited.workflow_id) == (2, picture.output_key, picture.workflow_id)
    assert (edited.approved_by, edited.approval_status, edited.filename) == ("ann", "edited", "edited.png")
    assert (edited.node_id, edited.subfolder, edited.comfy_folder_type) == ("9", "day1", "output")
    assert edited.metadata["note"] == "brighter"
    assert edited.metadata["width"] == 8
    assert edited.usable
    assert Path(edited.local_path).read_bytes() == png(4711)
    assert Path(picture.local_path).read_bytes() == before
    assert edited.local_path != picture.local_path
    invariants.check(library)


def test_an_edit_of_an_edit_names_the_edit(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    first = edit(library, picture.id)
    second = edit(library, first.id)
    third = edit(library, picture.id)
    assert [a.parent_artifact_id for a in (first, second, third)] == [picture.id, first.id, picture.id]
    assert [a.version for a in (first, second, third)] == [2, 3, 4]
    invariants.check(library)


def test_an_empty_edit_is_refused(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    with pytest.raises(Invalid) as refused:
        edit(library, picture.id, b"")
    assert refused.value.field == "file"
    assert len(artifacts.list_versions(library, picture.id, pages.Ask()).items) == 1


@pytest.mark.parametrize("file_format", ["mp4", "flac", "txt", "latent", "html", "bin"])
def test_an_edit_of_another_type_is_refused(library: Library, pictures: Any, file_format: str) -> None:
    picture = pictures.one()
    with pytest.raises(WrongFileType) as refused:
        edit(library, picture.id, b"something", kind=of_format(file_format))
    assert refused.value.field == "file"


def test_an_edit_may_have_another_format_of_the_same_type(library: Library, pictures: Any) -> None:
    edited = edit(library, pictures.one().id, b"\xff\xd8\xffnot much of a picture", kind=of_format("jpg"))
    assert (edited.file_type, edited.file_format) == ("image", "jpg")
    assert edited.local_filename.endswith(".jpg")
    assert "note" in edited.metadata


@pytest.mark.parametrize("status", ["edited", "pending", "approved"])
def test_the_caller_may_set_the_status_of_an_edit(library: Library, pictures: Any, status: str) -> None:
    picture = pictures.one()
    edited = edit(library, picture.id, by="ann", status=status)
    assert edited.approval_status == status
    assert edited.approved_by == (None if status == "pending" else "ann")
    assert edited.decided_sha256 == (edited.sha256 if status == "approved" else None)
    invariants.check(library)


@pytest.mark.parametrize("status", ["rejected", "auto_approved", "usable", ""])
def test_an_edit_with_another_status_is_refused(library: Library, pictures: Any, status: str) -> None:
    with pytest.raises(Invalid) as refused:
        edit(library, pictures.one().id, status=status)
    assert refused.value.field == "approval_status"


@pytest.fixture
def strict(config: Config) -> Iterator[Library]:
    """A library whose configuration wants every output and every edit reviewed."""
    file = config.folder / "artifact-db.toml"
    file.write_text('[approval]\ndefault = "required"\nedited = "pending"\n')
    library = open_library(load_config(config.folder, {}))
    yield library
    library.close()


def test_the_configuration_decides_what_new_outputs_and_edits_start_as(strict: Library) -> None:
    picture = Pictures(strict).one()
    assert picture.approval_status == "pending"
    assert edit(strict, picture.id).approval_status == "pending"
    assert edit(strict, picture.id, status="edited").approval_status == "edited"
    decisions.approve(strict, picture.id, by="ann")
    assert edits.restore(strict, picture.id, picture.id, by="ann").approval_status == "pending"
    invariants.check(strict)


def test_what_is_in_the_trash_is_not_edited(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    trash.delete(library, picture.id, by="ann")
    with pytest.raises(Conflict, match="trash"):
        edit(library, picture.id)


def test_a_repeated_edit_under_the_same_id_is_one_edit(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    new_id = identities.new_id()
    first = edit(library, picture.id, png(1), new_id=new_id, revision=picture.revision)
    seq = events.last_seq(library)
    assert edit(library, picture.id, png(1), new_id=new_id.upper(), revision=picture.revision) == first
    assert events.last_seq(library) == seq
    invariants.check(library)


def test_restoring_shares_the_bytes_on_the_disk_and_is_a_version_of_its_own(library: Library, pictures: Any) -> None:
    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id)
    restored = edits.restore(library, second.id, first.id, by="ann")
    assert (restored.version, restored.sha256, restored.approval_status) == (3, first.sha256, "edited")
    assert restored.approved_by == "ann"
    assert restored.local_path != first.local_path
    assert os.path.samefile(restored.local_path, first.local_path)
    assert restored.usable
    invariants.check(library)


def test_restoring_from_an_output_that_is_not_the_same_is_refused(library: Library, pictures: Any) -> None:
    one, other = pictures.record(keys=("9:images:0", "9:images:1"))
    for elsewhere in (other, pictures.one()):
        with pytest.raises(Invalid) as refused:
            edits.restore(library, one.id, elsewhere.id, by="ann")
        assert refused.value.field == "from_version"


def test_restoring_changed_lost_or_linked_bytes_is_refused(library: Library, pictures: Any, tmp_path: Path) -> None:
    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id)
    path, data = Path(first.local_path), Path(first.local_path).read_bytes()
    path.chmod(0o600)
    path.write_bytes(data[:-1] + b"x")
    for _ in range(3):
        with pytest.raises(NotUsable):
            edits.restore(library, second.id, first.id, by="ann")
        path.unlink(missing_ok=True)
        (tmp_path / "outside.png").write_bytes(data)
        path.symlink_to(tmp_path / "outside.png")
    assert len(artifacts.list_versions(library, first.id, pages.Ask()).items) == 2


@pytest.mark.parametrize("status", ["pending", "rejected"])
def test_restoring_what_nobody_has_approved_is_refused(library: Library, pictures: Any, status: str) -> None:
    first = pictures.one(status="pending")
    second = pictures.one(workflow_id=first.workflow_id)
    if status == "rejected":
        decisions.reject(library, first.id, by="ann", reason="too dark")
    with pytest.raises(NotUsable, match=status):
        edits.restore(library, second.id, first.id, by="bob")


def test_restoring_what_retention_removed_is_gone(library: Library, pictures: Any) -> None:
    from comfyui_artifact_db.db import models

    first = pictures.one()
    second = pictures.one(workflow_id=first.workflow_id)
    with library.writing("tester") as tx:
        models.Artifact.update(bytes_removed_at=tx.at).where(models.Artifact.id == first.id).execute()
    with pytest.raises(Gone):
        edits.restore(library, second.id, first.id, by="ann")


def test_restoring_what_is_not_there_is_not_found_and_a_wrong_id_is_invalid(library: Library, pictures: Any) -> None:
    picture = pictures.one()
    with pytest.raises(NotFound):
        edits.restore(library, picture.id, identities.new_id(), by="ann")
    with pytest.raises(Invalid):
        edits.restore(library, picture.id, "../../etc/passwd", by="ann")
