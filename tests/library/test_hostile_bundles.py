"""A bundle is from somewhere else: whatever is wrong with it is said clearly, and nothing is changed."""

from __future__ import annotations

import json
import os
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bundling
import invariants
import pytest
from bundling import Studio, rewritten, state, written
from comfyui_artifact_db.config import load_config
from comfyui_artifact_db.errors import ArtifactDBError, StoreFailed, Unavailable
from comfyui_artifact_db.library import bundle_reading, bundles, importing
from comfyui_artifact_db.library.bundle_reading import BadBundle
from comfyui_artifact_db.library.opening import Library, open_library
from making import Pictures

Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Nothing here changes what is exported, so it is made once."""
    library = open_library(load_config(tmp_path_factory.mktemp("studio"), {}))
    yield Studio(library, Pictures(library))
    library.close()


@pytest.fixture(scope="module")
def exported(studio: Studio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return studio.export(tmp_path_factory.mktemp("exported") / "film.zip")


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(exported, tmp_path))


@pytest.fixture(scope="module")
def other_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    library = open_library(load_config(tmp_path_factory.mktemp("hub"), {}))
    library.prepare()
    yield library
    library.close()


@pytest.fixture
def hub(other_hub: Library) -> Iterator[Library]:
    """Another hub; whatever happens in a test, nothing is in it afterwards."""
    before = state(other_hub)
    yield other_hub
    assert state(other_hub) == before
    assert 'INSERT INTO "chains"' not in "".join(before[0])


def refused(hub: Library, file: Path, match: str) -> None:
    with pytest.raises(BadBundle, match=match):
        importing.import_bundle(hub, file, by="importer")


def first(lines: Lines, table: str, **where: Any) -> dict[str, Any]:
    """The first row of a table, or the first that is as asked."""
    row: dict[str, Any]
    for line in lines:
        row = line["row"]
        if line["table"] == table and all(row[name] == value for name, value in where.items()):
            return row
    raise AssertionError(f"no {table} with {where}")


def put(table: str, column: str, value: Any, **where: Any) -> Callable[[Lines], object]:
    return lambda lines: first(lines, table, **where).update({column: value})


def test_rewriting_a_bundle_without_a_change_leaves_one_that_is_taken(bundle: Path, tmp_path: Path) -> None:
    """Or the tests below would prove nothing."""
    (tmp_path / "other").mkdir()
    other = open_library(load_config(tmp_path / "other", {}))
    assert importing.import_bundle(other, rewritten(bundle, tmp_path / "same.zip", lambda _: None), by="x").added
    invariants.check(other)
    other.close()


OTHER = "0190b000-0000-7000-8000-000000000002"
WRONG_ROWS: dict[str, tuple[Callable[[Lines], object], str]] = {
    "a path to a file": (lambda rows: first(rows, "artifacts").update(local_path="../../etc/passwd"), "columns"),
    "a column too few": (lambda rows: first(rows, "artifacts").pop("sha256"), "columns"),
    "an unknown table": (lambda rows: rows[0].update(table="tokens"), "no row of a table"),
    "a table that is no text": (lambda rows: rows[0].update(table=["chains"]), "no row of a table"),
    "a row that is a list": (lambda rows: rows[0].update(row=[]), "no row of a table"),
    "a path as a file name": (put("artifacts", "filename", "../a.png"), "path"),
    "an absolute file name": (put("artifacts", "filename", "/etc/passwd"), "path"),
    "a drive as a file name": (put("artifacts", "filename", "C:evil.png"), "path"),
    "NUL in a file name": (put("artifacts", "filename", "a\0.png"), "control"),
    "a path as a chain's name": (put("chains", "name", "../film"), "path or a URL"),
    "a URL as a step": (put("workflows", "step_id", "http://elsewhere"), "path or a URL"),
    "a path as a workflow's name": (put("workflows", "workflow_name", "a\\b"), "path or a URL"),
    "a subfolder that climbs": (put("artifacts", "subfolder", "../.."), "'..' part"),
    "a transfer's subfolder that climbs": (put("artifact_transfers", "target_subfolder", "/x"), "no leading"),
    "a format with a path in it": (put("artifacts", "file_format", "png/../x"), "file_format"),
    "an id that is none": (put("artifacts", "id", "1"), "id"),
    "an id in capitals": (put("chains", "id", "0190B000-0000-7000-8000-00000000000F"), "id"),
    "a status that is none": (put("artifacts", "approval_status", "blessed"), "approval_status"),
    "a chain's status that is none": (put("chains", "status", "executing_level_x"), "status"),
    "an attempt's status that is none": (put("attempts", "status", "approved"), "status"),
    "a transfer's status that is none": (put("artifact_transfers", "status", "sent"), "status"),
    "a status that is a list": (put("artifacts", "approval_status", []), "approval_status"),
    "a chain's status that is a number": (put("chains", "status", 1), "status"),
    "a time that is none": (put("artifacts", "created_at", "yesterday"), "created_at"),
    "a time with another zone": (put("artifacts", "created_at", "2026-11-22T10:00:00+01:00"), "created_at"),
    "a number as a time": (put("artifacts", "created_at", 1), "created_at"),
    "a hash that is none": (put("artifacts", "decided_sha256", "x" * 64, approval_status="approved"), "decided_sha256"),
    "a hash with a line break": (put("artifacts", "sha256", "a" * 64 + "\n"), "sha256"),
    "true as a number": (put("artifacts", "version", True), "version"),
    "a version below one": (put("artifacts", "version", 0), "version"),
    "a huge number": (put("artifacts", "revision", 1 << 70), "revision"),
    "one as a flag": (put("artifacts", "is_head", 1, is_head=True), "is_head"),
    "a list as metadata": (put("artifacts", "metadata", []), "metadata"),
    "half of a character": (put("artifacts", "metadata", {"a": "\ud800"}), "not JSON"),
    "no name": (put("chains", "name", None), "name"),
    "a workflow of another chain": (put("workflows", "chain_id", OTHER), "another chain"),
    "a standalone workflow beside it": (put("workflows", "chain_id", None), "another chain"),
    "another chain beside it": (
        lambda rows: rows.insert(1, {**rows[0], "row": {**rows[0]["row"], "id": OTHER}}), "another chain",
    ),
    "an attempt of another workflow": (put("attempts", "workflow_id", OTHER), "not in the bundle"),
    "an artifact of another workflow": (put("artifacts", "workflow_id", OTHER), "not in the bundle"),
    "an artifact of another attempt": (put("artifacts", "attempt_id", OTHER), "attempt"),
    "a tag of something else": (put("tags", "artifact_id", OTHER), "not in the bundle"),
    "a tag that is two": (put("tags", "tag", "a,b"), "commas"),
    "an input of something else": (put("lineage", "attempt_id", OTHER), "not in the bundle"),
    "a transfer of something else": (put("artifact_transfers", "artifact_id", OTHER), "not in the bundle"),
    "a transfer from elsewhere": (put("artifact_transfers", "source_workflow_id", OTHER), "another workflow"),
    "a parent that nobody knows": (put("artifacts", "parent_artifact_id", OTHER), "does not describe"),
    "a row twice": (lambda rows: rows.insert(1, rows[1]), "twice"),
    "tables in another order": (lambda rows: rows.insert(0, rows.pop()), "order"),
    "a version number twice": (put("artifacts", "version", 2, version=1), "number"),
    "an approval of other bytes": (
        put("artifacts", "decided_sha256", "b" * 64, approval_status="approved"), "other bytes",
    ),
    "an approval by nobody": (put("artifacts", "decided_by", None, approval_status="approved"), "nobody"),
    "a pending one made approved": (
        put("artifacts", "approval_status", "approved", approval_status="pending"), "bytes",
    ),
    "a rejection without a reason": (put("artifacts", "rejection_reason", None, approval_status="rejected"), "reason"),
    "two current artifacts": (put("artifacts", "is_latest", True, is_latest=False, deleted_at=None), "current"),
    "a current artifact in the trash": (
        put("artifacts", "deleted_at", "2026-11-22T10:00:00.000Z", is_latest=True), "trash",
    ),
    "no current artifact": (put("workflows", "latest_artifact_id", None), "pointers"),
    "a current artifact of elsewhere": (put("workflows", "latest_artifact_id", OTHER), "pointers"),
    "an output without a head": (put("artifacts", "is_head", False, is_head=True), "heads"),
    "another size than its file": (put("artifacts", "file_size", 1), "another size"),
    "bytes that were removed, and are there": (
        put("artifacts", "bytes_removed_at", "2026-11-22T10:00:00.000Z"), "removed",
    ),
    "no chain": (lambda rows: rows.pop(0), "missing"),
    "no rows": (list.clear, "missing"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG_ROWS)
def test_rows_that_this_program_would_not_have_written_are_refused(
    bundle: Path, hub: Library, tmp_path: Path, what: str
) -> None:
    change, match = WRONG_ROWS[what]
    refused(hub, rewritten(bundle, tmp_path / "hostile.zip", change), match)


def test_other_bytes_under_an_artifacts_name_are_refused(
    studio: Studio, bundle: Path, hub: Library, tmp_path: Path
) -> None:
    """With a good CRC and the right length: only the hash tells."""
    members = bundling.members(bundle)
    data = members[f"files/{studio.approved}"]
    members[f"files/{studio.approved}"] = data[:-1] + bytes([data[-1] ^ 1])
    refused(hub, written(members, tmp_path / "hostile.zip"), f"artifact {studio.approved} is not the one")


def test_a_hash_that_is_made_to_fit_does_not_fit_the_decision(
    studio: Studio, bundle: Path, hub: Library, tmp_path: Path
) -> None:
    refused(
        hub,
        rewritten(bundle, tmp_path / "hostile.zip", put("artifacts", "sha256", "b" * 64, id=studio.approved)),
        "other bytes",
    )


def test_a_flipped_bit_is_found_in_every_member(bundle: Path, hub: Library, tmp_path: Path) -> None:
    whole = bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        members = archive.infolist()
    for info in members:
        place = info.header_offset + 30 + len(info.filename) + info.file_size // 2
        file = tmp_path / "flipped.zip"
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x20]) + whole[place + 1 :])
        with pytest.raises(BadBundle):
            importing.import_bundle(hub, file, by="importer")


def test_whatever_bit_is_flipped_the_answer_is_the_chain_itself_or_a_refusal(bundle: Path, tmp_path: Path) -> None:
    """Some bits of a ZIP file mean nothing; no other one is taken, and none ends in a traceback."""
    (tmp_path / "hub").mkdir()
    hub = open_library(load_config(tmp_path / "hub", {}))
    importing.import_bundle(hub, bundle, by="importer")
    before = state(hub)
    whole = bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        directory = archive.start_dir
    places = [*range(4, 30, 2), *range(directory, directory + 100, 3), *range(len(whole) - 22, len(whole), 2)]
    outcomes = set()
    for place in places:
        for bit in (0x01, 0x80):
            file = tmp_path / "flipped.zip"
            file.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            try:
                outcomes.add(importing.import_bundle(hub, file, by="importer").added)
            except BadBundle:
                outcomes.add(None)
    assert outcomes == {False, None}
    assert state(hub) == before
    hub.close()


def test_a_bundle_that_is_cut_off_is_refused_at_every_length(bundle: Path, hub: Library, tmp_path: Path) -> None:
    whole = bundle.read_bytes()
    for length in (0, 1, 4, 21, 22, 100, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        file = tmp_path / "cut.zip"
        file.write_bytes(whole[:length])
        refused(hub, file, "bundle")


@pytest.mark.parametrize(
    "name",
    [
        *("../evil.png", "/etc/passwd", "files/../../evil", "files/x", "C:\\evil", "files\\a", "rows.jsonl/", "a.txt"),
        *("files/", "FILES/0190b000-0000-7000-8000-000000000002", "files/0190b000-0000-7000-8000-000000000002\n"),
    ],
)
def test_a_member_of_another_name_is_refused(bundle: Path, hub: Library, tmp_path: Path, name: str) -> None:
    refused(hub, written({**bundling.members(bundle), name: b"x"}, tmp_path / "hostile.zip"), "a bundle has not")


def test_a_file_of_no_artifact_is_refused(bundle: Path, hub: Library, tmp_path: Path) -> None:
    refused(hub, written({**bundling.members(bundle), f"files/{OTHER}": b"x"}, tmp_path / "h.zip"), "no artifact")


@pytest.mark.parametrize("name", ["bundle.json", "rows.jsonl", "events.jsonl"])
def test_a_bundle_without_one_of_its_members_is_refused(bundle: Path, hub: Library, tmp_path: Path, name: str) -> None:
    file = tmp_path / "hostile.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for member, data in bundling.members(bundle).items():
            if member != name:
                archive.writestr(member, data)
    refused(hub, file, f"it has no {name}")


def test_a_missing_file_is_refused(studio: Studio, bundle: Path, hub: Library, tmp_path: Path) -> None:
    members = bundling.members(bundle)
    del members[f"files/{studio.edited}"]
    refused(hub, written(members, tmp_path / "hostile.zip"), "its file is missing")


def test_a_member_twice_is_refused(studio: Studio, bundle: Path, hub: Library, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(f"files/{studio.edited}", b"x")
    refused(hub, bundle, "twice")


def test_a_symlink_is_refused(studio: Studio, bundle: Path, hub: Library, tmp_path: Path) -> None:
    members = bundling.members(bundle)
    file = tmp_path / "hostile.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = ((stat.S_IFLNK | 0o777) if name.endswith(studio.edited) else 0o100644) << 16
            archive.writestr(info, data)
    refused(hub, file, "not a plain file")


def test_a_compressed_member_is_refused_before_it_is_unpacked(bundle: Path, hub: Library, tmp_path: Path) -> None:
    file = tmp_path / "bomb.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in bundling.members(bundle).items():
            archive.writestr(name, data if name != "rows.jsonl" else b" " * 50_000_000)
    refused(hub, file, "compressed")


def test_members_that_lie_over_each_other_are_refused(
    studio: Studio, bundle: Path, hub: Library, tmp_path: Path
) -> None:
    """Many entries for the same bytes would be a bomb without any compression."""
    members = bundling.members(bundle)
    big = f"files/{studio.edited}"
    members[big] = b"x" * 200_000
    file = written(members, tmp_path / "hostile.zip")
    with zipfile.ZipFile(file, "a") as archive:
        for name in members:
            if name.startswith("files/"):
                info = archive.getinfo(name)
                info.header_offset = archive.getinfo(big).header_offset
                info.file_size = info.compress_size = 200_000
        archive._didModify = True  # type: ignore[attr-defined]
    refused(hub, file, "larger than the file")


def test_a_list_of_members_that_is_too_long_is_not_read(bundle: Path, hub: Library, monkeypatch: Any) -> None:
    monkeypatch.setattr(bundle_reading, "MAX_DIRECTORY", 200)
    refused(hub, bundle, "list of members is too long")


def test_a_directory_that_claims_more_than_the_file_is_refused(bundle: Path, hub: Library) -> None:
    whole = bytearray(bundle.read_bytes())
    whole[-10:-6] = struct.pack("<L", len(whole) * 2)
    bundle.write_bytes(whole)
    refused(hub, bundle, "list of members is too long")


def test_a_second_directory_is_measured_too(bundle: Path, hub: Library) -> None:
    """Where there is an end record of ZIP64, Python believes that one."""
    whole = bundle.read_bytes()
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 1 << 40, 0)
    bundle.write_bytes(whole[:-22] + end64 + struct.pack("<4sLQL", b"PK\6\7", 0, len(whole) - 22, 1) + whole[-22:])
    refused(hub, bundle, "list of members is too long")


def test_a_line_that_is_too_long_is_not_read_whole(bundle: Path, hub: Library, monkeypatch: Any) -> None:
    monkeypatch.setattr(bundle_reading, "MAX_LINE", 300)
    refused(hub, bundle, "is too long")


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 200_000,
        b"[]",
        b"1",
        b"{",
        b'{"table":NaN,"row":{}}',
        b'{"a":1e999}',
        b"\xff",
        b'{"a":' + b"9" * 9999 + b"}",
    ],
)
def test_a_line_that_is_no_json_object_is_refused(bundle: Path, hub: Library, tmp_path: Path, line: bytes) -> None:
    for name in ("rows.jsonl", "events.jsonl"):
        members = bundling.members(bundle)
        members[name] += line + b"\n"
        refused(hub, written(members, tmp_path / f"{name}.zip"), "JSON|no row of a table|columns")


def header(bundle: Path, target: Path, **changes: Any) -> Path:
    members = bundling.members(bundle)
    told = json.loads(members["bundle.json"])
    told.update(changes)
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in {**members, "bundle.json": json.dumps(told).encode()}.items():
            archive.writestr(name, data)
    return target


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"version": 2}, "format version 2; this release reads 1"),
        ({"version": "1"}, "format version '1'"),
        ({"format": "another"}, "not a bundle of this program"),
        ({"root": None}, "what it holds"),
        ({"root": {"kind": "library", "id": OTHER}}, "what it holds"),
        ({"root": {"kind": "chain", "id": 1}}, "not an id"),
        ({"root": {"kind": "chain", "id": OTHER}}, "another chain"),
        ({"counts": None}, "no counts"),
        ({"counts": {}}, "as many"),
        ({"counts": {"files": 6}}, "as many"),
        ({"rows_sha256": "a" * 64}, "its hash is another"),
        ({"events_sha256": "a" * 64}, "its hash is another"),
        ({"rows_sha256": None}, "no rows_sha256"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    bundle: Path, hub: Library, tmp_path: Path, changes: dict[str, Any], match: str
) -> None:
    refused(hub, header(bundle, tmp_path / "hostile.zip", **changes), match)


@pytest.mark.parametrize("told", [{"exported_by": 1}, {"hub": ["x"]}, {"exported_at": "a\x1b[31m"}])
def test_an_origin_that_is_no_text_is_refused(bundle: Path, hub: Library, tmp_path: Path, told: dict[str, Any]) -> None:
    with pytest.raises(ArtifactDBError):
        importing.import_bundle(hub, header(bundle, tmp_path / "hostile.zip", **told), by="importer")


def test_an_absurd_header_is_not_read(bundle: Path, hub: Library, tmp_path: Path) -> None:
    refused(hub, header(bundle, tmp_path / "hostile.zip", more="x" * 1_100_000), "too large")


WRONG_EVENTS: dict[str, tuple[dict[str, Any], str]] = {
    "another actor": ({"actor": "somebody else"}, "changed since"),
    "another decision": ({"after": '{"approval_status":"approved"}'}, "changed since"),
    "a number as its time": ({"at": 5}, "at is wrong"),
    "no hash": ({"hash": None}, "hash is wrong"),
    "a number that went back": ({"seq": 0}, "seq is wrong"),
}


@pytest.mark.parametrize("what", WRONG_EVENTS)
def test_events_that_were_changed_are_refused(bundle: Path, hub: Library, tmp_path: Path, what: str) -> None:
    change, match = WRONG_EVENTS[what]
    members = bundling.members(bundle)
    lines = [json.loads(line) for line in members["events.jsonl"].splitlines()]
    lines[4].update(change)
    members["events.jsonl"] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    refused(hub, written(members, tmp_path / "hostile.zip"), match)


def test_events_of_something_else_are_refused(studio: Studio, bundle: Path, hub: Library, tmp_path: Path) -> None:
    members = bundling.members(bundle)
    with studio.library.reading():
        (stranger,) = (
            row
            for row in bundles.models.Event.select().dicts()
            if row["entity_id"] == studio.outside and row["action"] == "artifact.recorded"
        )
    members["events.jsonl"] = json.dumps(stranger).encode() + b"\n" + members["events.jsonl"]
    refused(hub, written(members, tmp_path / "hostile.zip"), "not in the bundle|seq")


def test_a_full_store_takes_nothing(bundle: Path, hub: Library, monkeypatch: Any) -> None:
    usage = shutil.disk_usage(hub.store.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(StoreFailed, match="has 10 bytes left"):
        importing.import_bundle(hub, bundle, by="importer")


def test_a_file_that_is_not_there_is_said(hub: Library, tmp_path: Path) -> None:
    refused(hub, tmp_path / "nothing.zip", "cannot be read")


def test_an_import_that_the_database_refuses_leaves_nothing(bundle: Path, hub: Library, monkeypatch: Any) -> None:
    from comfyui_artifact_db.library import preparing

    def refuse(*_: Any) -> bool:
        raise Unavailable("the database is busy")

    monkeypatch.setattr(preparing.Prepared, "write", refuse)
    with pytest.raises(Unavailable):
        importing.import_bundle(hub, bundle, by="importer")
    assert not list((hub.store.root / "files").rglob("*.png"))
    for folder in sorted((hub.store.root / "files").iterdir()):
        os.rmdir(folder)  # An empty folder of a day is in nobody's way.
