"""A chain as files with readable names: only what was recorded leaves, under names that never leave the folder."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from bundling import Studio
from comfyui_artifact_db.errors import Invalid, StoreFailed
from comfyui_artifact_db.library import artifacts, chains, decisions, exporting, runs, templates
from comfyui_artifact_db.library.opening import Library
from comfyui_artifact_db.storage import exports
from hypothesis import given
from hypothesis import strategies as st
from making import png
from tampering import kept, tamper


@pytest.fixture
def studio(library: Library, pictures: Any) -> Studio:
    return Studio(library, pictures)


def export(library: Library, folder: Path, word: str = "film", **how: Any) -> exporting.ExportedFolder:
    return exporting.export_folder(library, exporting.find_root(library, word), folder, **how)


def found(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def manifest(folder: Path, name: str = "manifest.json") -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return told


def test_what_is_usable_and_stands_for_its_step_is_exported_under_readable_names(
    studio: Studio, library: Library, tmp_path: Path
) -> None:
    done = export(library, tmp_path / "out")
    assert sorted(done.written) == ["film/01-frame/edited v2.png", "film/02-video/ComfyUI_00004_ v1.png"]
    assert found(tmp_path / "out") == {*done.written, "manifest.json"}
    assert (tmp_path / "out" / done.written[0]).read_bytes() == kept(artifacts.get_artifact(library, studio.edited))


def test_all_versions_leave_out_the_trash_alone(studio: Studio, library: Library, tmp_path: Path) -> None:
    export(library, tmp_path / "out", all_versions=True)
    told = {item["artifact_id"]: item for item in manifest(tmp_path / "out")["files"]}
    assert len(told) == 5
    assert studio.deleted not in told
    assert told[studio.rejected]["approval_status"] == "rejected"
    assert told[studio.rejected]["rejection_reason"] == "zu dunkel\n— 暗い"


def test_the_manifest_says_what_each_file_is_and_who_decided(studio: Studio, library: Library, tmp_path: Path) -> None:
    export(library, tmp_path / "out")
    told = manifest(tmp_path / "out")
    assert told["root"] == {"kind": "chain", "id": studio.chain_id, "name": "film"}
    (item,) = [item for item in told["files"] if item["artifact_id"] == studio.approved]
    artifact = artifacts.get_artifact(library, studio.approved)
    assert item["sha256"] == item["decided_sha256"] == artifact.sha256
    assert (item["decided_by"], item["decided_at"]) == ("ann", artifact.decided_at)
    assert (item["version"], item["step"], item["size"]) == (1, "video", artifact.file_size)
    assert (tmp_path / "out" / item["file"]).stat().st_size == artifact.file_size


def test_a_changed_file_is_refused_and_the_others_go_on(studio: Studio, library: Library, tmp_path: Path) -> None:
    artifact = artifacts.get_artifact(library, studio.approved)
    # The list shows nothing of it: the same size under the same time.
    data = kept(artifact)
    tamper(artifact, data[:-1] + bytes([data[-1] ^ 1]), unseen=True)
    done = export(library, tmp_path / "out")
    assert [(one.artifact_id, "not those that were recorded" in one.reason) for one in done.refused] == [
        (studio.approved, True)
    ]
    assert found(tmp_path / "out") == {"film/01-frame/edited v2.png", "manifest.json"}
    assert [one["artifact_id"] for one in manifest(tmp_path / "out")["refused"]] == [studio.approved]


def test_a_file_that_is_gone_is_refused(studio: Studio, library: Library, tmp_path: Path) -> None:
    Path(artifacts.get_artifact(library, studio.edited).local_path).unlink()
    done = export(library, tmp_path / "out")
    assert [one.reason for one in done.refused] == ["its file is gone or cannot be read"]
    assert len(done.written) == 1


def test_a_second_export_writes_nothing(studio: Studio, library: Library, tmp_path: Path) -> None:
    first = export(library, tmp_path / "out")
    before = {path: (tmp_path / "out" / path).stat().st_mtime_ns for path in found(tmp_path / "out")}
    again = export(library, tmp_path / "out")
    assert (again.written, again.present, again.manifest) == ([], first.written, "manifest.json")
    assert {path: (tmp_path / "out" / path).stat().st_mtime_ns for path in found(tmp_path / "out")} == before


def test_a_file_of_somebody_else_is_not_overwritten(studio: Studio, library: Library, tmp_path: Path) -> None:
    mine = tmp_path / "out" / "film" / "01-frame" / "edited v2.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    (tmp_path / "out" / "manifest.json").write_text("mine")
    done = export(library, tmp_path / "out")
    assert mine.read_bytes() == b"mine"
    assert "film/01-frame/edited v2 (2).png" in done.written
    assert done.manifest == "manifest (2).json"
    assert (tmp_path / "out" / "manifest.json").read_text() == "mine"
    assert export(library, tmp_path / "out").present == done.written


def test_names_that_are_one_on_other_systems_get_numbers(library: Library, pictures: Any, tmp_path: Path) -> None:
    run = runs.Run("gpu-a", "p1", "w", chain="film", step="a")
    pictures.record(run=run, keys=("1:images:0", "2:images:0"))
    pictures.record(run=run, keys=("3:images:0",))
    done = export(library, tmp_path / "out", template="Same.{ext}")
    assert sorted(done.written) == ["Same (2).png", "Same (3).png", "Same.png"]
    assert export(library, tmp_path / "out", template="sAME.{ext}").written == [
        *("sAME (4).png", "sAME (5).png", "sAME (6).png")
    ] or not os.path.exists(tmp_path / "out" / "SAME.PNG")


def test_an_artifact_never_takes_the_place_of_the_manifest(studio: Studio, library: Library, tmp_path: Path) -> None:
    done = export(library, tmp_path / "out", template="Manifest.json")
    assert sorted(done.written) == ["Manifest (2).json", "Manifest (3).json"]
    assert done.manifest == "manifest.json"


@pytest.mark.parametrize(
    ("template", "match"),
    [
        ("{nothing}/{step}/{other}", r"\{nothing\}, \{other\}"),
        ("{step.__class__}", "__class__"),
        ("{0}", r"\{0\}"),
        ("{}", r"\{\}"),
        ("{step!r}", "alone"),
        ("{step:99999999}", "alone"),
        ("{version:999999999}", "alone"),
        ("{version:{order}}", "alone"),
        ("{step", "brace"),
        ("a}b", "brace"),
        ("", "empty"),
        ("/etc/{filename}", "empty"),
        ("../{filename}", "'..'"),
        ("a/./b", "'..'"),
        ("a//b", "empty"),
        ("a/", "empty"),
        ("a/.. /b", "'..'"),
        ("a\\b", "separates"),
    ],
)
def test_a_template_is_checked_before_anything_is_written(
    studio: Studio, library: Library, tmp_path: Path, template: str, match: str
) -> None:
    with pytest.raises(Invalid, match=match):
        export(library, tmp_path / "out", template=template)
    assert not (tmp_path / "out").exists()


def test_every_placeholder_is_filled(studio: Studio, library: Library, tmp_path: Path) -> None:
    template = "/".join(f"{name}={{{name}}}" for name in templates.PLACEHOLDERS)
    done = export(library, tmp_path / "out", template=template)
    assert len(done.written) == 2
    assert "{" not in done.written[0]
    assert f"artifact_id={studio.edited}" in done.written[0]
    assert "version=2" in done.written[0]


def test_a_standalone_workflow_is_exported_under_its_own_name(library: Library, pictures: Any, tmp_path: Path) -> None:
    picture = pictures.one()
    done = export(library, tmp_path / "out", picture.workflow_id)
    assert done.written == ["text-to-image/01-text-to-image/ComfyUI_00001_ v1.png"]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc", "_./../etc"), ("..", "_"), (".", "_"), ("", "_"), ("  ", "_"), ("...", "_"), ("/", "_"),
        ("a/b\\c", "a_b_c"), ("C:evil", "C_evil"), (".hidden", "_hidden"), ("end. . ", "end"), ("a\0b\nc", "a_b_c"),
        ("con", "_con"), ("CON.png", "_CON.png"), ("nul .txt", "_nul .txt"), ("COM1", "_COM1"), ("lpt¹.x", "_lpt¹.x"),
        ("console", "console"), ('a<b>:"|?*', "a_b______"), ("Cafe\u0301", "Café"), ("a\u202egnp.exe", "agnp.exe"),
        ("\ud800", "_"), ("a\u00a0b", "a b"),
    ],
)  # fmt: skip
def test_a_part_of_a_name_is_one_that_every_system_takes(name: str, safe: str) -> None:
    if name == "../../etc":
        safe = "_._.._etc"
    assert templates.safe_part(name) == safe


@given(st.text(alphabet=st.characters(), max_size=400))
def test_no_text_whatever_makes_a_part_that_leads_out(text: str) -> None:
    part = templates.safe_part(text)
    assert part not in ("", ".", "..")
    assert not set(part) & set('/\\:*?"<>|\0\n')
    assert not part.startswith((".", " "))
    assert not part.endswith((".", " "))
    assert len(part.encode()) <= templates.MAX_BYTES + 1
    assert unicodedata.is_normalized("NFC", part)
    assert templates.safe_part(part) == part
    for suffix in ("", ".png"):
        name = templates.Template("{chain}/{step}/x{filename}.{ext}").fill(
            {"chain": text, "step": text, "filename": text + suffix, "ext": "png"}
        )
        assert len(name.parts) == 3
        assert not name.is_absolute()


def test_a_long_name_keeps_its_extension_and_its_characters_whole() -> None:
    for name in ("a" * 500 + ".png", "暗" * 300 + ".webp", "👩‍🚀" * 100 + ".jpg"):
        part = templates.safe_part(name)
        assert part.endswith(PurePosixPath(name).suffix)
        assert len(part.encode()) <= templates.MAX_BYTES
        assert templates.numbered(PurePosixPath(part), 12).name.endswith(f" (12){PurePosixPath(name).suffix}")


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="links need rights there")
def test_a_link_in_the_folder_does_not_lead_out_of_it(studio: Studio, library: Library, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "film").symlink_to(outside)
    with pytest.raises(StoreFailed, match="leads out"):
        export(library, tmp_path / "out")
    assert not [path for path in outside.rglob("*") if path.is_file()]


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="links need rights there")
def test_a_dead_link_with_the_name_of_a_file_is_not_followed(studio: Studio, library: Library, tmp_path: Path) -> None:
    (tmp_path / "out" / "film" / "01-frame").mkdir(parents=True)
    (tmp_path / "out" / "film" / "01-frame" / "edited v2.png").symlink_to(tmp_path / "victim")
    assert "film/01-frame/edited v2 (2).png" in export(library, tmp_path / "out").written
    assert not (tmp_path / "victim").exists()


def test_a_chain_whose_names_are_paths_stays_in_the_folder(library: Library, pictures: Any, tmp_path: Path) -> None:
    """Rows that another program wrote, or an older release, may hold anything."""
    run = runs.Run("gpu-a", "p1", "..", chain="../../../up", step="/abs")
    pictures.one(run=run)
    done = export(library, tmp_path / "a" / "b" / "out", "../../../up")
    assert done.written == ["_._.._.._up/01-_abs/ComfyUI_00001_ v1.png"]
    assert found(tmp_path / "a") == {f"b/out/{name}" for name in (*done.written, "manifest.json")}


def test_the_newest_run_of_a_name_is_meant(library: Library, pictures: Any, tmp_path: Path) -> None:
    pictures.one(run=runs.Run("gpu-a", "p1", "w", chain="film", step="a"))
    old = exporting.find_root(library, "film").id
    chains.update_chain(library, old, status="completed", actor="x")
    new = pictures.one(run=runs.Run("gpu-a", "p2", "w", chain="film", step="a"))
    assert exporting.find_root(library, "film").id != old
    export(library, tmp_path / "out")
    assert [item["artifact_id"] for item in manifest(tmp_path / "out")["files"]] == [new.id]


def test_nothing_is_exported_of_a_step_that_is_not_usable(library: Library, pictures: Any, tmp_path: Path) -> None:
    picture = pictures.one(run=runs.Run("gpu-a", "p1", "w", chain="film", step="a"), data=png(9))
    decisions.reject(library, picture.id, by="ann", reason="no")
    done = export(library, tmp_path / "out")
    assert (done.written, done.refused) == ([], [])
    assert found(tmp_path / "out") == {"manifest.json"}


def test_a_folder_that_cannot_be_made_is_said(studio: Studio, library: Library, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreFailed, match="the export cannot be written"):
        export(library, tmp_path / "file" / "out")


def test_a_full_disk_is_said_of_the_export_and_not_of_the_store(studio: Studio, library: Library) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    from comfyui_artifact_db.storage.exports import TargetFailed, copy

    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        Path(__file__).open("rb") as source,
        pytest.raises(TargetFailed, match="its disk is full"),
    ):
        copy(source, full, lambda _: None)


def test_what_was_begun_and_failed_leaves_no_part(
    studio: Studio, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "give_name", refuse)
    with pytest.raises(StoreFailed, match="its disk is full"):
        export(library, tmp_path / "out")
    assert found(tmp_path / "out") == set()


def test_a_disk_without_hard_links_is_written_too(
    studio: Studio, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    done = export(library, tmp_path / "out")
    assert found(tmp_path / "out") == {*done.written, "manifest.json"}
    assert (tmp_path / "out" / done.written[0]).stat().st_size > 0


@pytest.mark.parametrize("links", [True, False])
def test_a_name_that_somebody_takes_in_between_is_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError(1, "no links here")))
    (tmp_path / "ours.part").write_bytes(b"ours")
    (tmp_path / "theirs.png").write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        exports.give_name(tmp_path / "ours.part", tmp_path / "theirs.png")
    assert (tmp_path / "theirs.png").read_bytes() == b"theirs"
